"""SpikingJelly's `IFNode` and `LIFNode` by their own constructors, on this project's kernels where they apply.

    from snn.neurons.nodes import IFNode, LIFNode     # in place of spikingjelly.activation_based.neuron's

Every argument, `step_mode`, `reset()` and the state `v` mean the same; spikes and gradients agree to float32 rounding
(`tests/neurons/test_nodes.py`). The surrogates `ATan`, `Sigmoid`, `PiecewiseExp`, `PiecewiseQuadratic` and `Rect` are
accepted. A ConfigError refuses the others, `store_v_seq` (the kernels do not store the membrane of each step),
surrogates with `spiking=False` (which make no spikes), and a threshold or reset changed after construction.
"""

from __future__ import annotations

from typing import Any

from spikingjelly.activation_based import surrogate as spikingjelly_surrogate
from torch import Tensor, nn

from snn.errors import ConfigError
from snn.neurons.native import SURROGATES
from snn.neurons.neuron import Neuron
from snn.neurons.spec import NeuronSpec, SurrogateSpec


class IFNode(Neuron):
    """u[t] = v[t-1] + x[t]; fires at u ≥ `v_threshold`; hard reset to `v_reset`, soft reset if that is None.

    x, u, v, `v_threshold` and `v_reset` have the membrane's unit. Shapes as in `Neuron`.
    """

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
    """A leak towards r = `v_reset`, or 0 if that is None; τ = `tau` in time steps; fire and reset as `IFNode`.

    u[t] = v[t-1] + (x[t] - (v[t-1] - r))/τ        decay_input=True
    u[t] = v[t-1] - (v[t-1] - r)/τ + x[t]          decay_input=False
    """

    accepts_factor = False

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
        """The input current with which a neuron that leaks towards 0 does the same."""
        x = x / self.tau if self.decay_input else x
        return x + self.spec.v_reset / self.tau if self.spec.v_reset else x

    def single_step_forward(self, x: Tensor) -> Tensor:
        return super().single_step_forward(self._current(x))

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        if self._backend(x_seq.device, x_seq.dtype) == "steps":
            return super().multi_step_forward(x_seq)  # which goes through single_step_forward
        return super().multi_step_forward(self._current(x_seq))


def _refuse(store_v_seq: bool) -> None:
    if store_v_seq:
        raise ConfigError("store_v_seq: the membrane of each step is not stored here; use SpikingJelly's own node")


def _spec(
    decay: float, threshold: float, v_reset: float | None, surrogate: nn.Module | None, detach: bool
) -> NeuronSpec:
    surrogate = spikingjelly_surrogate.Sigmoid() if surrogate is None else surrogate
    if type(surrogate) not in SURROGATES:
        accepted = ", ".join(kind.__name__ for kind in SURROGATES)
        raise ConfigError(f"{type(surrogate).__name__}: no surrogate of this project is the same; accepted: {accepted}")
    if not surrogate.spiking:
        raise ConfigError("surrogate_function: with spiking=False it makes no spikes; use SpikingJelly's own node")
    if not threshold > 0:
        raise ConfigError(f"v_threshold must be positive, not {threshold}")
    alpha: Any = surrogate.alpha
    return NeuronSpec(
        decay=decay,
        threshold=threshold,
        reset="soft" if v_reset is None else "hard",
        v_reset=v_reset or 0.0,
        detach_reset=detach,
        surrogate=SurrogateSpec(**SURROGATES[type(surrogate)](float(alpha))),
    )
