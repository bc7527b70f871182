"""One training by several processes (`resources.processes`): each computes its share of every batch.

    ∂L/∂w = Σ_r (n_r / n) ∂L_r/∂w          L_r: mean over the n_r samples of process r, L: over all n of the batch

Every process draws the same batches from the same seeds and takes its rows of each. Losses are means over samples, so
that the gradients of the shares, weighted by their sizes, add up to that of the batch; normalisation takes the
statistics of the whole batch (`snn/models/joint.py`). All processes then do the same step of the optimiser, and have
the same weights, at every moment. A batch of fewer samples than processes is computed whole by each of them.

torch's DistributedDataParallel is not used, though it does the same sum: its hooks expect one forward of the wrapped
module and one backward a step. Methods here call stages and blocks of the network themselves, and some go backward
several times before the optimiser steps (MTT once a draw, the online ones once a time step). The sum is taken once,
when a step has left all its gradients on the weights, and no method has to know of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from snn.data.frames import Frames
from snn.models.joint import join_statistics
from snn.models.stages import Network
from snn.training.evaluate import BATCH, assess
from snn.training.method import Method, StepResult


@dataclass(frozen=True)
class Group:
    """The processes of one training: `torch.distributed` has been initialised in each. rank: of this one, from 0."""

    rank: int
    size: int

    def rows(self, n: int) -> slice:
        """This process's rows of a batch of n samples: all of them where there are fewer samples than processes."""
        if n < self.size:
            return slice(0, n)
        return slice(self.rank * n // self.size, (self.rank + 1) * n // self.size)

    def weight(self, n: int) -> float:
        """The weight of this process's share of a batch of n samples; those of all processes sum to 1."""
        rows = self.rows(n)
        return 1 / self.size if n < self.size else (rows.stop - rows.start) / n

    def sum(self, x: Tensor) -> Tensor:
        """The sum over all processes, the same bits in each; x is overwritten."""
        dist.all_reduce(x)
        return x


class Divided(Method[Any]):
    """A method whose batches are divided among the processes of a group. The loop sees the whole batch's results."""

    def __init__(self, method: Method[Any], group: Group):
        super().__init__(method.params, method.run)
        self.method, self.group = method, group
        self.trains = method.trains  # type: ignore[misc]  # of the class there, of what is wrapped here
        self.batch = 0  # samples in the batch that is being computed

    def prepare(self, network: Network) -> nn.Module:
        model: nn.Module = self.method.prepare(network)
        join_statistics(model, self.joint_mean, self.joint_size)
        return model

    def joint_mean(self, x: Tensor) -> Tensor:
        """The mean over the batch from that over this process's share, differentiable."""
        return x if self.batch < self.group.size else _WeightedSum.apply(x, self.group.weight(self.batch))

    def joint_size(self) -> float:
        """Samples in the batch over those of this process's share."""
        return 1.0 if self.batch < self.group.size else 1 / self.group.weight(self.batch)

    def start_epoch(self, model: nn.Module, epoch: int, batch: tuple[Tensor, Tensor]) -> None:
        self.method.start_epoch(model, epoch, batch)

    def step(self, model: nn.Module, x: Tensor, y: Tensor) -> StepResult:
        group, n = self.group, len(y)
        self.batch, rows, weight = n, group.rows(n), group.weight(n)
        own = self.method.step(model, x[:, rows], y[rows])
        _sum_gradients(model, group, weight)
        loss = group.sum(torch.tensor(own.loss * weight, dtype=torch.float64, device=x.device)).item()
        logits = own.logits.new_zeros(n, own.logits.shape[1], dtype=torch.float32)
        logits[rows] = own.logits.float() / (group.size if n < group.size else 1)
        return StepResult(loss, group.sum(logits), own.time_steps)

    def end_epoch(self, model: nn.Module) -> dict[str, float]:
        """The means over the processes of what the method says."""
        row = self.method.end_epoch(model)
        means = torch.tensor([*row.values()], dtype=torch.float64, device=self.run.device) / self.group.size
        return dict(zip(row, self.group.sum(means).tolist(), strict=True)) if row else {}

    def before_evaluation(self, model: nn.Module, batches: Iterator[Tensor]) -> None:
        self._require_equal_weights(model)

        def shares() -> Iterator[Tensor]:
            for x in batches:
                self.batch = x.shape[1]
                yield x[:, self.group.rows(self.batch)]

        self.method.before_evaluation(model, shares())

    def _require_equal_weights(self, model: nn.Module) -> None:
        """RuntimeError where the processes no longer have the same weights: other results than one process's."""
        with torch.no_grad():
            own = torch.stack([p.double().abs().sum() for p in model.parameters()])
        largest, least = own.clone(), own.clone()
        dist.all_reduce(largest, dist.ReduceOp.MAX)
        dist.all_reduce(least, dist.ReduceOp.MIN)
        same = (largest == least) | (largest.isnan() & least.isnan())
        if not same.all():
            raise RuntimeError("the processes of this training have different weights; are their devices of one model?")

    def strip(self, model: nn.Module) -> nn.Module:
        return self.method.strip(model)

    def state(self) -> dict[str, Any]:
        return self.method.state()

    def load_state(self, state: dict[str, Any]) -> None:
        self.method.load_state(state)

    def assess(
        self, network: nn.Module, frames: Frames, spiking: bool, decode: Callable[[Tensor], Tensor]
    ) -> tuple[float, np.ndarray]:
        """`snn.training.evaluate.assess` on a whole split, of which each process takes every so many batches."""
        group, device, n = self.group, self.run.device, len(frames)
        mine = torch.arange(n).split(BATCH)[group.rank :: group.size]
        loss, classes = 0.0, torch.zeros(n, dtype=torch.int64, device=device)
        if mine:
            loss, predicted = assess(network, map(frames.batch, mine), spiking, decode)
            loss *= len(predicted) / n
            classes[torch.cat(mine).to(device)] = torch.from_numpy(predicted).to(device)
        joint = group.sum(torch.tensor(loss, dtype=torch.float64, device=device)).item()
        return joint, group.sum(classes).cpu().numpy()


class _WeightedSum(torch.autograd.Function):
    """Σ_r w_r x_r over the processes. With the local losses' own weights w_r it is its own adjoint: what reaches x_r
    is Σ_s w_s g_s, the gradient of the joint loss over w_r, by which this process's gradients are multiplied later."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: float) -> Tensor:
        ctx.weight = weight
        y = x * weight
        dist.all_reduce(y)
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        g = gradient * ctx.weight
        dist.all_reduce(g)
        return g, None


@torch.no_grad()
def _sum_gradients(model: nn.Module, group: Group, weight: float) -> None:
    """Replace each gradient by that of the whole batch, all in one exchange."""
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    joint = group.sum(torch.cat([g.flatten() for g in gradients]) * weight)
    for gradient, part in zip(gradients, joint.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))
