"""MTT: mixed time-step training (Du, Wu, Deng, Gu; ICLR 2025; arXiv 2503.17394).

Every mini-batch draws s temporal configurations. One configuration gives each of the G stages its own number of
time steps t_g, independent uniform integers in [T_min, T_max], and the temporal transformation module
(`snn/models/ttm.py`) converts between them. T_max is not forced to occur [authors' code]. The gradients of the s losses
are summed: one backward each, one optimiser step [authors' code]. The loss is the cross-entropy of the time-mean
logits.

    theta <- step( sum_{j=1..s} grad L_j ),   L_j = CE(decode(o_j), y),   t_g ~ U{T_min, ..., T_max}

T_max is the cell's t_train. Frames come in at T_max bins, the TTM sums them to t_1 (the authors' clock-driven code
drops the frames after the first t_1 instead, a fault; ours sums [ours]). A static image is repeated t_1 times.

Summing makes the effective learning rate of plain SGD s times SDT's. Adam-like optimisers are invariant to this factor
unless gradients are clipped: the norm of a sum of s gradients exceeds `train.clip_norm` more often. For comparisons at
matched effective rate there is `reduction: mean` [ours]; the published behaviour, `sum`, is the default.

Ablations: `group_size` stages in a row share one drawn number of time steps, the last group having fewer if need be
[authors' code]; all of them together are NMT. `transformation` is the TTM's mode between stages (`snn/models/ttm.py`);
frames are always summed to t_1, as they are in every evaluation [ours].

Before any evaluation the normalisation statistics are recomputed with all stages at T_max over 10 training batches,
as a cumulative mean [authors' code]. Networks without normalisation have none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from snn.config.blocks import Model, Train
from snn.errors import ConfigError
from snn.models import ttm
from snn.models.stages import Network
from snn.neurons.spec import NeuronSpec
from snn.training.evaluate import recalibrate
from snn.training.method import Method, Run, StepResult, time_mean_cross_entropy


class MTT(Method[Network]):
    paper = "Du, Wu, Deng, Gu, Temporal Flexibility in SNNs: Towards Generalization Across Time Steps, ICLR 2025"

    class Params(Model):
        draws: int = Field(3, ge=1, description="s: temporal configurations a mini-batch")
        t_min: int = Field(1, ge=1, description="T_min; T_max is t_train")
        reduction: Literal["sum", "mean"] = Field("sum", description="of the s losses' gradients")
        group_size: int = Field(1, ge=1, description="stages in a row that share a drawn number of time steps")
        transformation: ttm.Mode = Field("sum", description="how the TTM joins time steps between stages")

    def __init__(self, params: Any, run: Run):
        super().__init__(params, run)
        self.t_max = run.t_train

    @classmethod
    def check(cls, params: Any, t_train: int, train: Train, neuron: NeuronSpec) -> None:
        if t_train <= params.t_min:
            raise ConfigError(
                f"{cls.__name__} at t_train {t_train}: mixing needs T_max = t_train > t_min = {params.t_min}; "
                "leave the cell out with matrix.exclude or choose a larger t_train"
            )

    def draw(self, stages: int) -> list[int]:
        """One temporal configuration: the number of time steps of each stage, from `Run.steps`."""
        size = self.params.group_size
        drawn: list[int] = torch.randint(
            self.params.t_min, self.t_max + 1, (-(-stages // size),), generator=self.run.steps
        ).tolist()
        return [drawn[i // size] for i in range(stages)]

    def transform(self, x: Tensor, t_out: int) -> Tensor:
        """The TTM between two stages."""
        return ttm.transform(x, t_out, self.params.transformation, self.run.steps)

    def step(self, model: Network, x: Tensor, y: Tensor) -> StepResult:
        total, time_steps = 0.0, 0.0
        logits = x.new_zeros(len(y), self.run.classes)
        weight = 1.0 / self.params.draws if self.params.reduction == "mean" else 1.0
        for _ in range(self.params.draws):
            steps = self.draw(len(model.stages))
            frames = x[: steps[0]] if self.run.static else x
            loss, out = time_mean_cross_entropy(self.run, model(frames, steps=steps, transform=self.transform), y)
            (weight * loss).backward()
            total += weight * loss.item()
            logits = logits + out.detach()
            time_steps += sum(steps) / len(steps)
        return StepResult(total, logits, time_steps)

    def before_evaluation(self, model: Network, batches: Iterator[Tensor]) -> None:
        recalibrate(model, batches)


METHOD = MTT
