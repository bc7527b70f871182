"""The neuron: by hand, against SpikingJelly's own, and the fused kernels against the steps that they replace."""

from __future__ import annotations

import re

import numba
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from spikingjelly.activation_based import functional
from spikingjelly.activation_based import neuron as spikingjelly_neuron
from spikingjelly.activation_based import surrogate as spikingjelly_surrogate
from torch import nn

from snn.errors import ConfigError
from snn.kernels import neuron as neuron_kernels
from snn.kernels.channels import PowerNorm
from snn.neurons import NeuronSpec, fused, implementation, make_neuron, native
from snn.neurons.surrogates import EXPONENTIAL

IMPLEMENTATIONS = ("fused", "spikingjelly")  # of `NeuronSpec.implementation`


@st.composite
def specs(draw) -> dict:
    """Options of a neuron, all combinations that mean something."""
    kind = draw(st.sampled_from(["soft", "hard", "multi", "periodic"]))
    name = draw(st.sampled_from(["rectangle", "triangle", "boxcar", "exponential", "arctan", "sigmoid", "dspike"]))
    return {
        "decay": draw(st.sampled_from([1.0, 0.5, 0.904837, 0.0])),
        "threshold": draw(st.sampled_from([1.0, 0.5, 0.6])),
        "reset": "hard" if kind == "hard" else "soft",
        "v_reset": draw(st.sampled_from([0.0, -0.2])) if kind == "hard" else 0.0,
        "strict_threshold": draw(st.booleans()) if kind in ("soft", "hard") else False,
        "detach_reset": draw(st.booleans()),
        "v_min": draw(st.sampled_from([None, -1.0, -0.1, 0.0])),
        "multi_spike": kind in ("multi", "periodic"),
        "surrogate": {"name": name, "periodic": kind == "periodic"},
    }


LAYOUTS = {
    "contiguous": lambda x: x,
    "channels-last": lambda x: x.flatten(0, 1).contiguous(memory_format=torch.channels_last).unflatten(0, x.shape[:2]),
    "batch first": lambda x: x.transpose(0, 1).contiguous().transpose(0, 1),
    "same input each step": lambda x: x[:1].expand_as(x),
    "every other": lambda x: torch.stack([x, x], -1).flatten(-2)[..., ::2],
}


def numbers(seed: int, shape: tuple[int, ...], grid: bool) -> torch.Tensor:
    """Currents; on a grid, so that membranes meet thresholds and bounds exactly, or anywhere."""
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * 0.9 + 0.2
    return (x * 4).round() / 4 if grid else x


def run(
    spec: dict, choice: str, x: torch.Tensor, v: torch.Tensor | None, seed: int, **drive
) -> dict[str, torch.Tensor]:
    """Spikes, state and gradients of a loss that uses both."""
    neuron = make_neuron(NeuronSpec(**spec, implementation=choice))
    x = x.detach().requires_grad_()
    if v is not None:
        v = v.detach().requires_grad_()
        neuron.v = v
    drive = {name: value.detach().requires_grad_() for name, value in drive.items()}
    spikes = neuron(x, **drive)
    generator = torch.Generator().manual_seed(seed + 1)
    weight = torch.randn(spikes.shape, generator=generator)
    ((spikes * weight).sum() + (neuron.v * torch.randn(neuron.v.shape, generator=generator)).sum()).backward()
    results = {"spikes": spikes.detach(), "v": neuron.v.detach(), "dx": x.grad}
    results |= {f"d_{name}": value.grad for name, value in drive.items()}
    return results if v is None else {**results, "dv": v.grad}


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    spec=specs(),
    seed=st.integers(0, 1000),
    steps=st.integers(1, 12),
    layout=st.sampled_from(list(LAYOUTS)),
    grid=st.booleans(),
    carried=st.booleans(),
    drive=st.sampled_from([(), ("factor",), ("factor", "residual_current"), ("residual_current",)]),
)
def test_fused_equals_steps(spec, seed, steps, layout, grid, carried, drive):
    x = LAYOUTS[layout](numbers(seed, (steps, 2, 3, 4, 5), grid))
    v = numbers(seed + 7, (2, 3, 4, 5), grid) if carried else None
    drives = {"factor": torch.tensor([1.5, -0.5, 0.7]), "residual_current": numbers(seed + 3, x.shape, grid)}
    drives = {name: drives[name] for name in drive}
    if drive:  # the surrogate has no part in it, and each shape is one more kernel to compile
        spec["surrogate"]["name"] = "exponential"
    ours, reference = (run(spec, choice, x, v, seed, **drives) for choice in ("fused", "spikingjelly"))
    assert torch.equal(ours["spikes"], reference["spikes"])
    assert torch.equal(ours["v"], reference["v"])
    for name in ours.keys() - {"spikes", "v"}:
        scale = float(reference[name].abs().max()) + 1
        torch.testing.assert_close(ours[name], reference[name], rtol=2e-5, atol=2e-6 * scale, msg=f"{name} {spec}")


@pytest.mark.parametrize("choice", IMPLEMENTATIONS)
class TestByHand:
    def spikes_and_v(self, choice, x, **options):
        neuron = make_neuron(NeuronSpec(implementation=choice, **options))
        spikes = neuron(torch.tensor(x)[:, None])
        return spikes[:, 0].tolist(), float(neuron.v)

    def test_if_soft(self, choice):
        # u: 0.5, 1.0 (fires), 0.75, 1.5 (fires)
        assert self.spikes_and_v(choice, [0.5, 0.5, 0.75, 0.75]) == ([0, 1, 0, 1], 0.5)

    def test_strict_does_not_fire_at_the_threshold(self, choice):
        # u: 0.5, 1.0, 1.75 (fires), 1.5 (fires)
        assert self.spikes_and_v(choice, [0.5, 0.5, 0.75, 0.75], strict_threshold=True) == ([0, 0, 1, 1], 0.5)

    def test_lif_hard(self, choice):
        # u: 0.75, 0.375 + 0.75 = 1.125 (fires, to -0.5), -0.25 + 0.25 = 0
        result = self.spikes_and_v(choice, [0.75, 0.75, 0.25], decay=0.5, reset="hard", v_reset=-0.5)
        # before the first step the membrane is at v_reset: u[1] = -0.25 + 0.75 = 0.5, u[2] = 0.25 + 0.75 = 1 (fires)
        assert result == ([0, 1, 0], 0.0)

    def test_multi_spike_and_clip(self, choice):
        # u: 2.5 (2 spikes), 0.5 - 3 = -2.5 (clipped to -1), -1 + 2 = 1 (1 spike)
        result = self.spikes_and_v(choice, [2.5, -3.0, 2.0], multi_spike=True, v_min=-1.0)
        assert result == ([2, 0, 1], 0.0)

    def test_gradient_through_the_reset(self, choice):
        """Two steps, soft reset, rectangle (g = 1 near θ): u = 0.75, s = 0; u = 1.25, s = 1; L = s[1]·3 + s[0]."""
        for detach, expected in [(False, [1 + (1 - 1) * 3, 3.0]), (True, [1 + 3.0, 3.0])]:
            neuron = make_neuron(NeuronSpec(implementation=choice, detach_reset=detach))
            x = torch.tensor([[0.75], [0.5]], requires_grad=True)
            (neuron(x) * torch.tensor([[1.0], [3.0]])).sum().backward()
            assert x.grad[:, 0].tolist() == expected

    def test_no_gradient_below_the_clip(self, choice):
        neuron = make_neuron(NeuronSpec(implementation=choice, v_min=-1.0))
        x = torch.tensor([[-2.0], [1.9]], requires_grad=True)
        neuron(x).sum().backward()
        assert x.grad[:, 0].tolist() == [0.0, 1.0]


@pytest.mark.parametrize("choice", IMPLEMENTATIONS)
@pytest.mark.parametrize("detach", [False, True])
@pytest.mark.parametrize(
    # LIFNode leaks towards v_reset, ours towards 0
    ("decay", "v_reset"),
    [(1.0, None), (1.0, 0.0), (1.0, 0.25), (0.5, None), (0.5, 0.0)],
)
def test_equals_spikingjellys_own(choice, v_reset, detach, decay):
    options = {"v_reset": v_reset, "detach_reset": detach, "step_mode": "m"}
    surrogate = spikingjelly_surrogate.ATan()
    if decay == 1:
        rival = spikingjelly_neuron.IFNode(surrogate_function=surrogate, **options)
    else:
        rival = spikingjelly_neuron.LIFNode(
            tau=1 / (1 - decay), decay_input=False, surrogate_function=surrogate, **options
        )
    ours = make_neuron(
        NeuronSpec(
            decay=decay,
            reset="soft" if v_reset is None else "hard",
            v_reset=v_reset or 0.0,
            detach_reset=detach,
            surrogate={"name": "arctan"},
            implementation=choice,
        )
    )
    x, results = numbers(3, (8, 4, 30), grid=False), []
    for neuron in (ours, rival):
        y = x.clone().requires_grad_()
        for part in (y[:5], y[5:]):  # the state, and the gradient through it, is carried over
            spikes = neuron(part)
        (spikes * torch.arange(30.0)).sum().backward()
        results.append((spikes.detach(), neuron.v.detach(), y.grad))
    assert torch.equal(results[0][0], results[1][0])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "surrogate",
    [
        {"name": "arctan"},
        {"name": "sigmoid"},
        {"name": "triangle", "width": 0.5, "height": 2.0},
        {"name": "exponential", "scale": 1.0},
    ],
)
@pytest.mark.parametrize("options", [{}, {"decay": 0.5, "reset": "hard"}, {"reset": "hard", "v_reset": 0.1}])
def test_spikingjellys_functions_are_the_same_neuron(surrogate, options):
    """What stands in on a GPU, tried on the CPU, where the same functions run too."""
    spec = NeuronSpec(surrogate=surrogate, **options)
    x, weight, results = numbers(5, (6, 50), grid=False), torch.randn(6, 50), []
    for multi_step in (
        lambda y: native.multi_step(y, None, spec),
        lambda y: fused.multi_step(y, None, spec, make_neuron(spec).surrogate),
    ):
        y = x.clone().requires_grad_()
        spikes, v = multi_step(y)
        ((spikes * weight).sum() + v.sum()).backward()
        results.append((spikes.detach(), v.detach(), y.grad))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"strict_threshold": True},
        {"multi_spike": True},
        {"v_min": -1.0},
        {"surrogate": {"name": "dspike"}},
        {"decay": 0.0},
    ],
)
def test_spikingjelly_has_no_functions_for_the_rest(options):
    assert native.kind(NeuronSpec(**{"surrogate": {"name": "arctan"}, **options})) is None


@pytest.mark.parametrize("choice", IMPLEMENTATIONS)
class TestState:
    def test_two_halves_are_a_whole(self, choice):
        whole, halves = (make_neuron(NeuronSpec(implementation=choice, decay=0.5)) for _ in range(2))
        x = numbers(1, (8, 3, 5), grid=False)
        assert torch.equal(whole(x), torch.cat([halves(x[:3]), halves(x[3:])]))
        assert torch.equal(whole.v, halves.v)

    def test_reset_forgets(self, choice):
        network = nn.Sequential(make_neuron(NeuronSpec(implementation=choice)))
        x = numbers(1, (4, 3, 5), grid=False)
        first = network(x)
        assert not torch.equal(network(x), first)
        functional.reset_net(network)
        assert torch.equal(network(x), first)
        network[0].reset()
        assert network[0].v == 0.0

    def test_another_batch_size_starts_anew(self, choice):
        neuron = make_neuron(NeuronSpec(implementation=choice))
        x = numbers(1, (4, 3, 5), grid=False)
        first = neuron(x)
        neuron(numbers(2, (4, 2, 5), grid=False))
        assert torch.equal(neuron(x), first)

    def test_step_modes_agree(self, choice):
        multi, single = (make_neuron(NeuronSpec(implementation=choice, decay=0.5, reset="hard")) for _ in range(2))
        functional.set_step_mode(single, "s")
        x = numbers(1, (6, 3, 5), grid=False)
        assert torch.equal(multi(x), torch.stack([single(step) for step in x]))
        assert torch.equal(multi.v, single.v)

    def test_the_resting_state_of_a_hard_reset(self, choice):
        neuron = make_neuron(NeuronSpec(implementation=choice, reset="hard", v_reset=0.75))
        assert neuron(torch.full((1, 1), 0.25)).item() == 1
        neuron.reset()
        assert neuron.v == 0.75

    def test_the_input_is_left_alone(self, choice):
        x = numbers(1, (4, 3), grid=False)
        before = x.clone()
        make_neuron(NeuronSpec(implementation=choice))(x)
        assert torch.equal(x, before)

    @pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
    def test_inference(self, choice, mode):
        neuron = make_neuron(NeuronSpec(implementation=choice))
        x = numbers(1, (4, 3), grid=False).requires_grad_()
        expected = neuron(x).detach()
        neuron.reset()
        with mode():
            assert torch.equal(neuron(x), expected)
            assert not neuron.v.requires_grad

    def test_a_new_temperature_is_used(self, choice):
        neuron = make_neuron(NeuronSpec(implementation=choice, threshold=0.5, surrogate={"name": "dspike"}))
        peaks = []
        for b in (3.0, 5.0):
            neuron.surrogate.temperature = b
            neuron.reset()
            x = torch.full((1, 1), 0.5, requires_grad=True)
            neuron(x).sum().backward()
            peaks.append(x.grad.item())
        assert peaks == pytest.approx([1.657, 2.534], abs=1e-3)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(spec=specs(), seed=st.integers(0, 1000), steps=st.integers(1, 6), summed=st.booleans(), carried=st.booleans())
def test_a_norm_is_the_factor_that_normalises_its_input(spec, seed, steps, summed, carried):
    """As the operators of torch have it, gradient through E[x²] and all."""
    spec["surrogate"]["name"] = "exponential"
    x = LAYOUTS["channels-last"](numbers(seed, (steps, 4, 8, 4, 2), False))
    residual = LAYOUTS["channels-last"](numbers(seed + 3, x.shape, False))
    v = numbers(seed + 7, x.shape[1:], False) if carried else None
    results = []
    for choice in ("fused", "spikingjelly"):
        neuron = make_neuron(NeuronSpec(**spec, implementation=choice))
        own = [t.detach().clone().requires_grad_() for t in (x, torch.linspace(0.5, 1.5, 8), residual)]
        if v is not None:
            neuron.v = v.clone()
        input, weight, more = own
        power = input.square().mean((0, 1, 3, 4))
        if choice == "fused":
            spikes = neuron(
                input, norm=PowerNorm(weight, power.detach(), 1e-5), residual_current=more if summed else None
            )
        else:
            current = input * (weight * torch.rsqrt(power + 1e-5)).view(-1, 1, 1)
            spikes = neuron(current + more if summed else current)
        loss = spikes * torch.randn(spikes.shape, generator=torch.Generator().manual_seed(seed + 1))
        loss.sum().backward()
        results.append((spikes.detach(), [t.grad for t in own if t.grad is not None]))
    (spikes, grads), (expected, references) = results
    if not torch.equal(spikes, expected):  # a sum in another order moved the factor by a rounding, and with it a spike
        assert float((spikes != expected).float().mean()) < 0.02
        return
    for ours, reference in zip(grads, references, strict=True):
        torch.testing.assert_close(ours, reference, rtol=1e-4, atol=2e-5 * (float(reference.abs().max()) + 1))


def test_channels_last_stays():
    x = numbers(1, (6, 4, 3, 3), grid=False).contiguous(memory_format=torch.channels_last).unflatten(0, (3, 2))
    assert make_neuron(NeuronSpec())(x).flatten(0, 1).is_contiguous(memory_format=torch.channels_last)


def test_the_number_of_threads_does_not_change_bits():
    x, before = LAYOUTS["channels-last"](numbers(1, (5, 3, 7, 119, 121), grid=False)), torch.get_num_threads()
    drive = {"factor": torch.linspace(0.5, 1.5, 7), "residual_current": numbers(2, x.shape, grid=False)}
    results = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            spec = {"surrogate": {"name": "exponential"}, "decay": 0.9}
            results.append(run(spec, "fused", x, None, 0, **drive))
    finally:
        torch.set_num_threads(before)
    for result in results[1:]:
        assert all(torch.equal(result[name], results[0][name]) for name in result)


def test_nothing_but_the_input_is_kept_for_backward():
    saved = []
    x = torch.randn(5, 4, 6, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t.data_ptr()) or t, lambda t: t):
        make_neuron(NeuronSpec())(x)
    assert saved == [x.data_ptr()]


def test_a_driven_input_is_kept_as_it_came():
    saved = []
    x = LAYOUTS["channels-last"](torch.randn(5, 2, 4, 3, 3)).requires_grad_()
    factor, residual = torch.rand(4), LAYOUTS["channels-last"](torch.randn(5, 2, 4, 3, 3))
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t.data_ptr()) or t, lambda t: t):
        make_neuron(NeuronSpec())(x, factor=factor, residual_current=residual)
    assert saved == [x.data_ptr(), factor.data_ptr(), residual.data_ptr()]


def test_other_dtypes_take_the_steps():
    x = numbers(1, (4, 3), grid=False)
    reference = make_neuron(NeuronSpec())(x)
    assert torch.equal(make_neuron(NeuronSpec())(x.double()).float(), reference)
    half = make_neuron(NeuronSpec())
    assert half(x.bfloat16()).dtype == torch.bfloat16
    assert half.v.dtype == torch.float32
    with pytest.raises(ConfigError, match="needs float32 on a CPU"):
        make_neuron(NeuronSpec(implementation="fused"))(x.double())


def test_the_record_names_the_implementation():
    network = nn.Sequential(
        nn.Linear(2, 2),
        make_neuron(NeuronSpec()),
        make_neuron(NeuronSpec(implementation="spikingjelly")),
    )
    assert implementation(network) == {"1": "fused-numba", "2": "spikingjelly-step-by-step"}
    assert network.state_dict().keys() == {"0.weight", "0.bias"}


@pytest.mark.parametrize("drive", ["PLAIN", "SCALED", "SUMMED"])
def test_the_backward_pass_is_computed_in_vectors(drive, monkeypatch):
    """A change that looks harmless can make LLVM give up (once a scratch of two dimensions did): nothing else tells,
    but the kernel is ten times slower. The exponential's shift of exponent bits is in that loop alone."""
    monkeypatch.setattr(neuron_kernels, "compiled", numba.njit(nogil=True, error_model="numpy"))
    drive = getattr(neuron_kernels, drive)
    kernel = neuron_kernels.backward.__wrapped__(neuron_kernels.PERIODIC, EXPONENTIAL, drive)
    maps, one = [np.zeros(8, np.float32) for _ in range(5)], np.zeros(1, np.float32)
    factor = np.ones(8 + neuron_kernels.BLOCK, np.float32)
    x, residual, d_residual, g, dx = maps
    drives = (x, 8, factor, residual, 8, np.zeros((1, 8)), d_residual, 8)
    numbers = map(np.float32, (1, 1, 1, 0, -1, 1, 2, 2, 0))
    kernel(*drives, one, 0, g, 8, dx, 8, one, 0, True, neuron_kernels.block_of(1), 1, 0, 8, *numbers)
    (code,) = kernel.inspect_llvm().values()
    assert re.search(r"shl.* <\d+ x i32>", code)


def test_a_drive_that_does_not_fit_is_refused():
    """The kernels would read past its end, and the steps would leave the normalisation out."""
    x = LAYOUTS["channels-last"](torch.randn(3, 2, 4, 5, 5))
    for drive in ({"factor": torch.ones(3)}, {"factor": torch.ones(4), "residual_current": torch.ones(3, 1, 4, 1, 1)}):
        with pytest.raises(ValueError, match=r"must be \[4\] and residual_current \[3, 2, 4, 5, 5\]"):
            make_neuron(NeuronSpec())(x, **drive)
    with pytest.raises(ValueError, match="ask accepts_norm first"):
        make_neuron(NeuronSpec(implementation="spikingjelly"))(x, norm=PowerNorm(torch.ones(4), torch.ones(4), 0.0))


def test_the_record_names_what_takes_half_precision():
    network = nn.Sequential(make_neuron(NeuronSpec()))
    assert implementation(network) == {"0": "fused-numba"}
    assert implementation(network, torch.bfloat16) == {"0": "spikingjelly-step-by-step"}
