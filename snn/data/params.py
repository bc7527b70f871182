"""How a data set is divided, as the configuration says it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Part = Annotated[int, Field(ge=0)] | Annotated[float, Field(gt=0, lt=1)]
"""A number of recordings, or a fraction of them."""


class LimitParams(BaseModel):
    """At most so many recordings of each split, an equal share of every class; null: all of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    train: int | None = Field(None, ge=1)
    validation: int | None = Field(None, ge=1)
    test: int | None = Field(None, ge=1)


class SplitParams(BaseModel):
    """Stratified: every class gives its share to every split."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    validation: Part = 0.1
    """Taken from the training recordings: a number, or a fraction of them."""
    test: Part | None = None
    """A number, or a fraction of all recordings. Ignored where the data set has an official test split; required
    where it has none."""
    seed: int = Field(0, ge=0)
    """Of the lots that the recordings draw."""
    limit: LimitParams = LimitParams()
    """Small parts of the splits, for a quick try."""
