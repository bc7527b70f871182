"""SLTT-K: spatial learning through K of the T time steps (Meng et al.; ICCV 2023; arXiv 2302.14311).

SLTT (`snn/methods/sltt.py`) in which each batch draws K of the T steps without replacement, one draw for the whole
batch. The other steps are computed without gradient and have no loss; the factor 1/T of the loss stays [authors' code].
K = 3 [ours]; K at or above T is SLTT. (The published code draws from the global generator and works in mixed precision
only.)

Time steps: K, and T - K at `FORWARD` each.
"""

from __future__ import annotations

import torch
from pydantic import Field

from snn.methods.sltt import SLTT


class SLTTK(SLTT):
    class Params(SLTT.Params):
        steps: int = Field(3, ge=1, description="K, time steps of a batch that have a gradient")

    def learning_steps(self, steps: int) -> set[int]:
        return set(torch.randperm(steps, generator=self.run.steps)[: self.params.steps].tolist())


METHOD = SLTTK
