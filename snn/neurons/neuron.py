"""The suite's neuron: SpikingJelly's charge, fire and reset, composed from a `NeuronSpec`."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from spikingjelly.activation_based.neuron import SimpleBaseNode
from torch import Tensor, nn

from snn.errors import ConfigError
from snn.kernels import channels
from snn.kernels.channels import PowerNorm
from snn.neurons import fused, native
from snn.neurons.spec import NeuronSpec
from snn.neurons.surrogates import Surrogate

Backend = Literal["fused", "native", "steps"]


class Neuron(SimpleBaseNode):
    """A layer of neurons; equations and units in `NeuronSpec`, derivative of the spike in `Surrogate`.

    Input and output `[T, N, *]` (`step_mode` "m", the default) or `[N, *]` ("s"): input current, number of spikes.
    State `v` `[N, *]`, the membrane after the reset. It is carried from call to call, gradient included, until
    `reset()` (or `functional.reset_net` on the network), and starts anew, as SpikingJelly's does, when the shape of
    a step changes. One owner resets it: the training loop, before each batch.
    """

    accepts_factor = True
    """Whether `factor` and `residual_current` save memory here: not where a subclass changes the input current."""
    _SET_BY_SPEC = frozenset({"v_threshold", "v_reset", "detach_reset"})

    v: Tensor | float

    def __init__(self, spec: NeuronSpec) -> None:
        super().__init__(
            v_threshold=spec.threshold,
            v_reset=spec.v_reset if spec.reset == "hard" else None,
            surrogate_function=Surrogate(spec),
            detach_reset=spec.detach_reset,
            step_mode="m",
        )
        self.spec = spec
        if spec.learned_decay:
            self.w = nn.Parameter(torch.tensor(math.log((1 - spec.decay) / spec.decay)))
            self.accepts_factor = False  # the kernels take a learned decay with a plain input only
        self.set_reset_value("v", spec.v_start)
        self.v = spec.v_start

    def __setattr__(self, name: str, value: Any) -> None:
        # The kernels read the specification: an assignment would change the reset and not the spike, or neither.
        if name in self._SET_BY_SPEC and "spec" in self.__dict__:
            raise ConfigError(f"{type(self).__name__}.{name} cannot be changed: make a new neuron with another one")
        super().__setattr__(name, value)

    @property
    def surrogate(self) -> Surrogate:
        """The surrogate derivative in use; Dspike's temperature is changed here."""
        return self.surrogate_function

    @property
    def decay(self) -> Tensor | float:
        """Factor of the membrane from step to step; a tensor with a gradient if it is learned."""
        return torch.sigmoid(-self.w) if self.spec.learned_decay else self.spec.decay

    def implementation(self, device: torch.device, dtype: torch.dtype = torch.float32) -> str:
        """The name, for the record, of what computes a sequence of this dtype on this device (`docs/neurons.md`)."""
        backend = self._backend(device, dtype)
        if backend == "native":
            return native.implementation(self.spec, device)
        return "fused-numba" if backend == "fused" else "spikingjelly-step-by-step"

    def _backend(self, device: torch.device, dtype: torch.dtype) -> Backend:
        """What computes a sequence: the fused kernels, SpikingJelly's own neuron, or its steps one by one."""
        choice = self.spec.implementation
        if choice != "spikingjelly" and fused.applies(device, dtype):
            return "fused"
        if choice == "fused":
            raise ConfigError(
                f"neuron.implementation: fused needs float32 on a CPU, not {dtype} on {device.type}; set it to auto"
            )
        return "native" if choice == "auto" and device.type == "cuda" and native.kind(self.spec) else "steps"

    def neuronal_charge(self, x: Tensor) -> None:
        v = self.v if isinstance(self.v, Tensor) else torch.full_like(x, self.v, dtype=_state_dtype(x))
        self.v = (v if self.spec.decay == 1.0 else self.decay * v) + x

    def neuronal_fire(self) -> Tensor:
        spec = self.spec
        return self.surrogate(self.v, strict_threshold=spec.strict_threshold, multi_spike=spec.multi_spike)

    def neuronal_reset(self, spike: Tensor) -> None:
        super().neuronal_reset(spike)
        if self.spec.v_min is not None:
            self.v = torch.as_tensor(self.v).clamp_min(self.spec.v_min)

    def forward(
        self,
        x: Tensor,
        factor: Tensor | None = None,
        residual_current: Tensor | None = None,
        norm: PowerNorm | None = None,
    ) -> Tensor:
        """Spikes for the input current x, or factor · x + residual_current; shapes as in the class.

        factor `[C]` and residual_current, of x's shape, with x `[T, N, C, H, W]`: where the fused kernels apply, the
        product and the sum are formed in passing and not written to memory.
        norm: in place of a factor, which is then `norm.factor()`; the gradient goes through its power too. ValueError
        unless `accepts_norm(x)`.
        """
        if norm is not None:
            if not self.accepts_norm(x):
                raise ValueError("norm: only the fused kernels on channels-last maps take one; ask accepts_norm first")
            return self._fused(x, residual_current=residual_current, norm=norm)
        if factor is not None:
            if self._fuses_channels(x):
                return self._fused(x, factor, residual_current)
            x = x * factor.view(-1, 1, 1)
        return super().forward(x if residual_current is None else x + residual_current)

    def accepts_norm(self, x: Tensor) -> bool:
        """Whether `norm` may be given with this input."""
        return self._fuses_channels(x) and channels.supports(x.flatten(0, 1))

    def _fuses_channels(self, x: Tensor) -> bool:
        """Whether the fused kernels take this input with a factor for each channel."""
        usable = self.accepts_factor and self.step_mode == "m" and x.ndim == 5 and x.numel() > 0
        return usable and self._backend(x.device, x.dtype) == "fused" and fused.by_channel(x)

    def single_step_forward(self, x: Tensor) -> Tensor:
        self._forget_other_shape(x.shape)
        return super().single_step_forward(x).to(x.dtype)

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        self._forget_other_shape(x_seq.shape[1:])
        backend = self._backend(x_seq.device, x_seq.dtype)
        if backend == "steps" or x_seq.numel() == 0:
            return super().multi_step_forward(x_seq)
        if backend == "fused":
            return self._fused(x_seq)
        spikes, self.v = native.multi_step(x_seq, self._state(), self.spec, getattr(self, "w", None))
        return spikes

    def _fused(
        self,
        x: Tensor,
        factor: Tensor | None = None,
        residual_current: Tensor | None = None,
        norm: PowerNorm | None = None,
    ) -> Tensor:
        self._forget_other_shape(x.shape[1:])
        decay = self.decay if isinstance(self.decay, Tensor) else None
        spikes, self.v = fused.multi_step(
            x, self._state(), self.spec, self.surrogate, factor, residual_current, norm, decay
        )
        return spikes

    def _state(self) -> Tensor | None:
        return self.v if isinstance(self.v, Tensor) else None

    def _forget_other_shape(self, shape: torch.Size) -> None:
        if isinstance(self.v, Tensor) and self.v.shape != shape:
            self.reset()

    def extra_repr(self) -> str:
        changed = self.spec.model_dump(exclude={"surrogate"}, exclude_defaults=True)
        return ", ".join([f"{key}={value}" for key, value in changed.items()] + [f"step_mode={self.step_mode}"])


def _state_dtype(x: Tensor) -> torch.dtype:
    """Half precision is too coarse for sums over many steps: there the membrane is float32, as in SpikingJelly."""
    return torch.float32 if x.dtype in (torch.float16, torch.bfloat16) else x.dtype


def make_neuron(spec: NeuronSpec) -> Neuron:
    """A layer of neurons as specified, multi-step: `[T, N, *]` in and out."""
    return Neuron(spec)


def implementation(module: nn.Module, dtype: torch.dtype = torch.float32) -> dict[str, str]:
    """For the record: the implementation that each layer of neurons uses, by its name in the module, for sequences of
    this dtype on the module's present device."""
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    return {name: m.implementation(device, dtype) for name, m in module.named_modules() if isinstance(m, Neuron)}
