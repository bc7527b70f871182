"""Classification heads at the ends of groups of stages, for Shortcut back-propagation and its variants."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils import skip_init

from snn.config.blocks import Model
from snn.errors import ConfigError
from snn.models.stages import Network
from snn.training.method import Run


class BranchParams(Model):
    branches: int | None = Field(
        None, ge=1, description="number of branches, those at the earliest ends of groups; null: all"
    )


class Branched(nn.Module):
    """A network with a branch (global average pooling, linear layer without bias) on the output of some stages.

    forward: `[T, N, C, H, W]` -> (readout of the network `[T, N, K]`, readouts of the branches, a list of `[T, N, K]`).
    heads: the linear layers by the index of the stage that each takes its input from.
    """

    def __init__(self, network: Network, heads: dict[int, nn.Module]):
        super().__init__()
        self.network = network
        self.heads = nn.ModuleDict({str(i): head for i, head in heads.items()})

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        collected: list[Tensor] = []
        outputs = self.network(x, collect=collected)
        return outputs, [head(collected[int(i)].mean((3, 4))) for i, head in self.heads.items()]


def branched(network: Network, run: Run, count: int | None = None) -> Branched:
    """`network` with a branch at the end of each group of stages but the last; weights drawn from `run.steps`.

    Where the network does not name the ends (`Network.branches`), stages in a row that have the same output shape are a
    group. count: number of branches, the earliest ones, which reach what is farthest from the loss [ours]; None: all.
    ConfigError if there is one group only, or fewer branches than `count`.
    """
    shapes = stage_shapes(network, run.input_shape)
    ends = network.branches
    if ends is None:
        ends = [i for i in range(len(shapes) - 1) if shapes[i] != shapes[i + 1]]
    if not ends:
        raise ConfigError("all stages have the same output shape: there is no group end at which a branch can be added")
    if count is not None and count > len(ends):
        raise ConfigError(f"branches = {count}, but this network has {len(ends)} ends of groups at which one can be")
    return Branched(network, {i: _head(shapes[i][0], run) for i in ends[:count]})


def stage_shapes(network: Network, input_shape: tuple[int, int, int]) -> list[tuple[int, ...]]:
    """(C, H, W) of each stage's output, from the forward pass of one blank frame; leaves the network as it was."""
    training = network.training
    collected: list[Tensor] = []
    device = next(network.parameters()).device
    with torch.no_grad():
        network.eval()(torch.zeros(1, 1, *input_shape, device=device), collect=collected)
    network.train(training)
    return [tuple(x.shape[2:]) for x in collected]


def _head(channels: int, run: Run) -> nn.Module:
    """A linear layer with torch's initial distribution, drawn from the method's own generator."""
    head = skip_init(nn.Linear, channels, run.classes, bias=False)
    with torch.no_grad():
        head.weight.uniform_(-(channels**-0.5), channels**-0.5, generator=run.steps)
    return head
