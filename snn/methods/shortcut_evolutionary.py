"""Shortcut back-propagation with evolutionary training (Guo et al.; NeurIPS 2024; arXiv 2401.04486).

Shortcut (`snn/methods/shortcut.py`) with branches whose weight decreases to 0, so that the last iterations train the
network that is used:

    o = b_n + λ(i) · Σ_{l<n} b_l,      λ(i) = λ_0 · (1 - i/I),      λ_0 = 0.25

i: iteration of I in the whole training, counted from 0; λ changes with every iteration, not every epoch [paper]. The
sum leaves out b_n itself [ours; the paper's upper limit is ambiguous].
"""

from __future__ import annotations

from typing import Any

from pydantic import Field
from torch import Tensor

from snn.methods.shared.heads import Branched, BranchParams
from snn.methods.shortcut import Shortcut
from snn.training.method import Run, StepResult


class EvolutionaryShortcut(Shortcut):
    class Params(BranchParams):
        start: float = Field(0.25, ge=0, description="λ_0, weight of the branches at the first iteration")

    def __init__(self, params: Any, run: Run):
        super().__init__(params, run)
        self.iteration = 0

    def factor(self) -> float:
        return self.params.start * (1 - self.iteration / self.run.iterations)

    def step(self, model: Branched, x: Tensor, y: Tensor) -> StepResult:
        result = super().step(model, x, y)
        self.iteration += 1
        return result

    def state(self) -> dict[str, Any]:
        return {"iteration": self.iteration}

    def load_state(self, state: dict[str, Any]) -> None:
        self.iteration = state["iteration"]


METHOD = EvolutionaryShortcut
