"""Chance: predicts the most frequent class of the training split, the lower bound of every table."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from snn.models.stages import Network
from snn.training.method import Method


class Majority(nn.Module):
    """`[T, N, ...]` -> `[T, N, K]`: one for the most frequent class, zero elsewhere."""

    votes: Tensor

    def __init__(self, votes: Tensor):
        super().__init__()
        self.register_buffer("votes", votes)

    def forward(self, x: Tensor) -> Tensor:
        return self.votes.expand(x.shape[0], x.shape[1], -1)


class Chance(Method[Majority]):
    timeless = True
    trains = False

    def prepare(self, network: Network) -> Majority:
        counts = torch.bincount(self.run.labels, minlength=self.run.classes)
        return Majority(nn.functional.one_hot(counts.argmax(), self.run.classes).float())


METHOD = Chance
