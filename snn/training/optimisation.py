"""The optimiser of a recipe, and its learning rate over the iterations."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch

from snn.config.blocks import Train


def optimizer_for(parameters: Iterable[torch.nn.Parameter], train: Train) -> torch.optim.Optimizer:
    """The optimiser of the recipe for `parameters`."""
    if train.optimizer == "sgd":
        return torch.optim.SGD(parameters, train.lr, train.momentum, weight_decay=train.weight_decay)
    kind = torch.optim.AdamW if train.optimizer == "adamw" else torch.optim.Adam
    return kind(parameters, train.lr, weight_decay=train.weight_decay)


def lr_factor(i: int, iterations: int, train: Train) -> float:
    """Factor on the learning rate at iteration i (from 0) of all: linear warm-up, then the schedule of the recipe.

    Milestones are epochs of the recipe. Where a method trains longer than the recipe says, they are stretched alike.
    """
    warm = train.warmup * iterations
    if i < warm:
        return (i + 1) / (warm + 1)
    if train.schedule == "constant":
        return 1.0
    if train.schedule == "multistep":
        epoch = i / iterations * train.epochs
        return train.gamma ** sum(epoch >= milestone for milestone in train.milestones)
    return 0.5 * (1 + math.cos(math.pi * (i - warm) / max(1.0, iterations - warm)))
