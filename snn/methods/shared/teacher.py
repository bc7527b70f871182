"""The activations of a teacher, and the layers of a spiking network that they belong to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from snn.errors import ConfigError
from snn.methods.shared.neurons import hidden_neurons


def matching_layers(network: nn.Module, teacher: nn.Module) -> list[str]:
    """Names, in order, of the layers of neurons of `network` that have a ReLU of the same name in `teacher`.

    The readout has none. The layers of weights must agree in name and shape; normalisation and biases may differ.
    ConfigError, which names the differing layers, if they do not.
    """
    relus = [name for name, m in teacher.named_modules() if isinstance(m, nn.ReLU)]
    spiking = list(hidden_neurons(network))
    own, others = weight_shapes(network), weight_shapes(teacher)
    if relus != spiking or own != others:
        differing = sorted({k for k in own | others if own.get(k) != others.get(k)} | {*relus} ^ {*spiking})
        raise ConfigError(f"the teacher's layout is not the network's: they differ in {', '.join(differing)}")
    return spiking


def weight_shapes(network: nn.Module) -> dict[str, torch.Size]:
    """Shapes of the weights of convolutions and linear layers, by layer."""
    return {name: m.weight.shape for name, m in network.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}


@contextmanager
def after_each(network: nn.Module, names: list[str], act: Callable[[str, Tensor], Tensor | None]) -> Iterator[None]:
    """While entered, act(name, output) is called after each of the layers `names`; a tensor that it returns replaces
    the output."""

    def hook(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor | None]:
        return lambda _module, _inputs, output: act(name, output)

    handles = [network.get_submodule(name).register_forward_hook(hook(name)) for name in names]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def activations(teacher: nn.Module, x: Tensor, names: list[str], clip: float | None = None) -> dict[str, Tensor]:
    """The outputs `[N, C, H, W]` of the teacher's layers `names`, each ReLU clipped from above at `clip`.

    A teacher has no time: x is `Run.at_once` of the frames, `[1, N, C, H, W]`.
    """
    outputs: dict[str, Tensor] = {}

    def record(name: str, output: Tensor) -> Tensor:
        output = output if clip is None else output.clamp(max=clip)
        outputs[name] = output[0]
        return output

    with after_each(teacher, names, record):
        teacher(x)
    return outputs


def percentile(a: Tensor, p: float) -> Tensor:
    """The p-th percentile of all values, interpolated linearly as by `torch.quantile`, which refuses large tensors."""
    position = (a.numel() - 1) * p / 100
    below = int(position)
    top = a.flatten().topk(a.numel() - below).values
    return torch.lerp(top[-1], top[max(len(top) - 2, 0)], position - below)
