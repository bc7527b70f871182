"""What a teacher network of the same layout tells the layers of a spiking one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from snn.errors import ConfigError
from snn.methods.shared.neurons import neurons


def matching_layers(network: nn.Module, teacher: nn.Module | None) -> list[str]:
    """Names, in order, of the layers of neurons of `network` that have a ReLU in `teacher`; the readout has none.

    ConfigError if the two networks are not of one layout.
    """
    if teacher is None:
        raise ConfigError("this method learns from a teacher: give it the trained `ann` of the same network")
    relus = [name for name, m in teacher.named_modules() if isinstance(m, nn.ReLU)]
    own = [name for name in neurons(network) if not name.startswith("readout.")]
    shapes, others = ({k: v.shape for k, v in n.state_dict().items()} for n in (network, teacher))
    if relus != own or shapes != others:
        differing = sorted({k for k in shapes | others if shapes.get(k) != others.get(k)} | {*relus} ^ {*own})
        raise ConfigError(f"the teacher's layout is not the network's: they differ in {', '.join(differing)}")
    return own


@contextmanager
def after_each(network: nn.Module, names: list[str], act: Callable[[str, Tensor], Tensor | None]) -> Iterator[None]:
    """While entered, act(name, output) is called after each of the layers; what it returns takes the output's place."""
    handles = [
        network.get_submodule(name).register_forward_hook(lambda _module, _inputs, output, name=name: act(name, output))
        for name in names
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def activations(teacher: nn.Module, x: Tensor, names: list[str], clip: float | None = None) -> dict[str, Tensor]:
    """The teacher's activations [N, C, H, W] by layer, its ReLU cut off at `clip`.

    The teacher is the method `ann`, which has no time: x is `Run.at_once` of the frames, [1, N, C, H, W].
    """
    found: dict[str, Tensor] = {}

    def keep(name: str, output: Tensor) -> Tensor:
        output = output if clip is None else output.clamp(max=clip)
        found[name] = output[0]
        return output

    with after_each(teacher, names, keep):
        teacher(x)
    return found


def percentile(a: Tensor, p: float) -> Tensor:
    """The p-th percentile of all values, interpolated linearly, as `torch.quantile`, which refuses large tensors."""
    position = (a.numel() - 1) * p / 100
    below = int(position)
    top = a.flatten().topk(a.numel() - below).values
    return torch.lerp(top[-1], top[max(len(top) - 2, 0)], position - below)
