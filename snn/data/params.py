"""The configuration of a split: how many samples train, validate and test."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Part = Annotated[int, Field(ge=0)] | Annotated[float, Field(gt=0, lt=1)]
"""A number of samples, or a fraction of them."""


class LimitParams(BaseModel):
    """Maximum number of samples in each split, stratified by class; null: no limit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    train: int | None = Field(None, ge=1)
    validation: int | None = Field(None, ge=1)
    test: int | None = Field(None, ge=1)


class SplitParams(BaseModel):
    """Sizes of the splits. Every split is stratified: it has the class proportions of the whole."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    validation: Part = 0.1
    """Taken from the training samples: a number, or a fraction of them."""
    test: Part | None = None
    """A number, or a fraction of all samples. Ignored where the data set has an official test split; required where it
    has none."""
    seed: int = Field(0, ge=0)
    """Seed of the pseudo-random order in which samples are assigned to splits."""
    limit: LimitParams = LimitParams()
    """A small subset of each split, for quick runs."""
