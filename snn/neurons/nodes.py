"""SpikingJelly's `IFNode` and `LIFNode` by their own constructors, on this project's kernels where they apply.

    from snn.neurons.nodes import IFNode, LIFNode     # in place of spikingjelly.activation_based.neuron's

Same meaning of every argument, of `step_mode`, `reset()` and the state `v`; spikes and gradients agree to float32
rounding (`tests/neurons/test_nodes.py`). Of the surrogates those that are one of ours under another name: `ATan`,
`Sigmoid`, `PiecewiseExp`, `PiecewiseQuadratic`, `Rect`. Refused: `store_v_seq` (the kernels keep no membrane of each
step), surrogates with `spiking=False` (which make no spikes), and changes of a threshold or reset after construction.
"""

from __future__ import annotations

from spikingjelly.activation_based import surrogate as their
from torch import Tensor, nn

from snn.errors import ConfigError
from snn.neurons.native import SURROGATES
from snn.neurons.neuron import Neuron
from snn.neurons.spec import NeuronSpec, SurrogateSpec


class IFNode(Neuron):
    """u[t] = v[t-1] + x[t]; fires at u ≥ v_threshold; hard reset to `v_reset`, or soft if it is None."""

    def __init__(
        self,
        v_threshold: float = 1.0,
        v_reset: float | None = 0.0,
        surrogate_function: nn.Module | None = None,
        detach_reset: bool = False,
        step_mode: str = "s",
        store_v_seq: bool = False,
    ) -> None:
        _refuse(store_v_seq)
        super().__init__(_spec(1.0, v_threshold, v_reset, surrogate_function, detach_reset))
        self.step_mode = step_mode


class LIFNode(Neuron):
    """With r = `v_reset` or 0:  u[t] = v[t-1] + (x[t] - (v[t-1] - r))/τ, or without `decay_input`
    u[t] = v[t-1] - (v[t-1] - r)/τ + x[t];  fire and reset as `IFNode`."""

    takes_factor = False

    def __init__(
        self,
        tau: float = 2.0,
        decay_input: bool = True,
        v_threshold: float = 1.0,
        v_reset: float | None = 0.0,
        surrogate_function: nn.Module | None = None,
        detach_reset: bool = False,
        step_mode: str = "s",
        store_v_seq: bool = False,
    ) -> None:
        _refuse(store_v_seq)
        if tau <= 1.0:
            raise ConfigError(f"LIFNode: tau must be larger than 1, not {tau}")
        super().__init__(_spec(1.0 - 1.0 / tau, v_threshold, v_reset, surrogate_function, detach_reset))
        self.tau, self.decay_input, self.step_mode = tau, decay_input, step_mode

    def _current(self, x: Tensor) -> Tensor:
        """The input of a neuron whose membrane leaks towards 0."""
        x = x / self.tau if self.decay_input else x
        return x + self.spec.v_reset / self.tau if self.spec.v_reset else x

    def single_step_forward(self, x: Tensor) -> Tensor:
        return super().single_step_forward(self._current(x))

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        if self._way(x_seq.device, x_seq.dtype) == "steps":
            return super().multi_step_forward(x_seq)  # which goes through single_step_forward
        return super().multi_step_forward(self._current(x_seq))


def _refuse(store_v_seq: bool) -> None:
    if store_v_seq:
        raise ConfigError("store_v_seq: no membrane of each step is kept here; take SpikingJelly's own node for it")


def _spec(
    decay: float, threshold: float, v_reset: float | None, surrogate: nn.Module | None, detach: bool
) -> NeuronSpec:
    surrogate = their.Sigmoid() if surrogate is None else surrogate
    if type(surrogate) not in SURROGATES:
        known = ", ".join(kind.__name__ for kind in SURROGATES)
        raise ConfigError(f"{type(surrogate).__name__}: no surrogate of this project is the same; there are {known}")
    if not surrogate.spiking:
        raise ConfigError("surrogate_function: with spiking=False it makes no spikes; take SpikingJelly's own node")
    if not threshold > 0:
        raise ConfigError(f"v_threshold must be positive, not {threshold}")
    reset = {"reset": "soft"} if v_reset is None else {"reset": "hard", "v_reset": v_reset}
    shape = SurrogateSpec(**SURROGATES[type(surrogate)](float(surrogate.alpha)))
    return NeuronSpec(decay=decay, threshold=threshold, surrogate=shape, detach_reset=detach, **reset)
