"""The suite's neuron: SpikingJelly's charge, fire and reset, composed from a `NeuronSpec`."""

from __future__ import annotations

from typing import Any, Literal

import torch
from spikingjelly.activation_based.neuron import SimpleBaseNode
from torch import Tensor, nn

from snn.errors import ConfigError
from snn.kernels import channels
from snn.neurons import fused, native
from snn.neurons.spec import NeuronSpec
from snn.neurons.surrogates import Surrogate


class Neuron(SimpleBaseNode):
    """A layer of neurons; equations and units in `NeuronSpec`, derivative of the spike in `Surrogate`.

    Input and output `[T, N, *]` (`step_mode` "m", the default) or `[N, *]` ("s"): input current, number of spikes.
    State `v` `[N, *]`, the membrane after the reset. It is carried from call to call, gradient included, until
    `reset()` (or `functional.reset_net` on the network), and starts anew, as SpikingJelly's does, when the shape of
    a step changes. One owner resets it: the training loop, before each batch.
    """

    takes_factor = True
    _OF_THE_SPEC = frozenset({"v_threshold", "v_reset", "detach_reset"})

    def __init__(self, spec: NeuronSpec) -> None:
        super().__init__(
            v_threshold=spec.threshold,
            v_reset=spec.v_reset if spec.reset == "hard" else None,
            surrogate_function=Surrogate(spec),
            detach_reset=spec.detach_reset,
            step_mode="m",
        )
        self.spec = spec
        self.set_reset_value("v", spec.v_start)
        self.v = spec.v_start

    def __setattr__(self, name: str, value: Any) -> None:
        # The kernels read the specification: an assignment would change the reset and not the spike, or neither.
        if name in self._OF_THE_SPEC and "spec" in self.__dict__:
            raise ConfigError(f"{type(self).__name__}.{name} cannot be changed: make a new neuron with another one")
        super().__setattr__(name, value)

    @property
    def surrogate(self) -> Surrogate:
        """The live surrogate; Dspike's temperature is changed here."""
        return self.surrogate_function

    def implementation(self, device: torch.device, dtype: torch.dtype = torch.float32) -> str:
        """A name, for the record, of what takes a sequence of this dtype there; see `docs/neurons.md`."""
        way = self._way(device, dtype)
        if way == "native":
            return native.implementation(self.spec, device)
        return "fused-numba" if way == "fused" else "spikingjelly-step-by-step"

    def _way(self, device: torch.device, dtype: torch.dtype) -> Literal["fused", "native", "steps"]:
        wish = self.spec.implementation
        if wish != "spikingjelly" and fused.applies(device, dtype):
            return "fused"
        if wish == "fused":
            raise ConfigError(
                f"neuron.implementation: fused needs float32 on a CPU, not {dtype} on {device.type}; set it to auto"
            )
        return "native" if wish == "auto" and device.type == "cuda" and native.kind(self.spec) else "steps"

    def neuronal_charge(self, x: Tensor) -> None:
        if not isinstance(self.v, Tensor):
            self.v = torch.full_like(x, self.v, dtype=_state_dtype(x), requires_grad=False)
        self.v = (self.v if self.spec.decay == 1.0 else self.spec.decay * self.v) + x

    def neuronal_fire(self) -> Tensor:
        return self.surrogate(self.v, strict=self.spec.strict, multi_spike=self.spec.multi_spike)

    def neuronal_reset(self, spike: Tensor) -> None:
        super().neuronal_reset(spike)
        if self.spec.v_min is not None:
            self.v = self.v.clamp_min(self.spec.v_min)

    def single_step_forward(self, x: Tensor) -> Tensor:
        self._forget_other_shape(x.shape)
        return super().single_step_forward(x).to(x.dtype)

    def takes_norm(self, x_seq: Tensor) -> bool:
        """Whether `norm` may be given with this input."""
        fits = x_seq.ndim == 5 and fused.by_channel(x_seq) and channels.supports(x_seq.flatten(0, 1))
        return fits and self.step_mode == "m" and self._way(x_seq.device, x_seq.dtype) == "fused"

    def multi_step_forward(
        self,
        x_seq: Tensor,
        factor: Tensor | None = None,
        plus: Tensor | None = None,
        norm: tuple[Tensor, Tensor, float] | None = None,
    ) -> Tensor:
        """factor `[C]`, plus `[T, N, C, H, W]`: the input is factor · x_seq + plus, without a map of its own in memory
        where the fused kernels apply. norm (g `[C]`, P `[C]`, eps): the factor is g (P + eps)^-1/2, and P = E[x²] of
        this x_seq, so that the gradient goes through it too."""
        self._forget_other_shape(x_seq.shape[1:])
        way = self._way(x_seq.device, x_seq.dtype)
        if norm is not None and not self.takes_norm(x_seq):
            raise ValueError("norm is for the fused kernels and channels-last maps alone: ask takes_norm first")
        if factor is not None and not (way == "fused" and fused.by_channel(x_seq) and x_seq.numel()):
            x_seq, factor = x_seq * factor.view(-1, 1, 1), None
        if plus is not None and factor is None and norm is None:
            x_seq, plus = x_seq + plus, None
        if way == "steps" or x_seq.numel() == 0:
            return super().multi_step_forward(x_seq)
        state = self.v if isinstance(self.v, Tensor) else None
        if way == "fused":
            spikes, self.v = fused.multi_step(x_seq, state, self.spec, self.surrogate, factor, plus, norm)
        else:
            spikes, self.v = native.multi_step(x_seq, state, self.spec)
        return spikes

    def _forget_other_shape(self, shape: torch.Size) -> None:
        if isinstance(self.v, Tensor) and self.v.shape != shape:
            self.reset()

    def extra_repr(self) -> str:
        changed = self.spec.model_dump(exclude={"surrogate"}, exclude_defaults=True)
        return ", ".join([f"{key}={value}" for key, value in changed.items()] + [f"step_mode={self.step_mode}"])


def _state_dtype(x: Tensor) -> torch.dtype:
    """Sums over many steps are not for half precision: there the membrane is float32, as in SpikingJelly."""
    return torch.float32 if x.dtype in (torch.float16, torch.bfloat16) else x.dtype


def make_neuron(spec: NeuronSpec) -> Neuron:
    """A layer of neurons as specified, multi-step: `[T, N, *]` in and out."""
    return Neuron(spec)


def implementation(module: nn.Module, dtype: torch.dtype = torch.float32) -> dict[str, str]:
    """For the record: by its name, which implementation each neuron of the module uses for sequences of this dtype
    where the module now lives."""
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    return {name: m.implementation(device, dtype) for name, m in module.named_modules() if isinstance(m, Neuron)}
