"""Readers of raw data, found by name and imported on use. Each is one module of this folder: a `Reader`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

from pydantic import BaseModel

from snn.data.format import Description, Entry, Sample
from snn.runtime import registry


class Reader(Protocol):
    """The functions of a reader. All raise `DataError`, naming file and remedy, for raw data that cannot be used."""

    KIND: str
    """`"events"` or `"images"`."""
    Params: type[BaseModel]
    """The reader's settings; unknown keys are forbidden. The functions below are called with one of these."""

    def describe(self, params: Any) -> Description:
        """Size of the samples, classes, provenance, and what a partial copy lacks."""

    def listing(self, params: Any) -> list[Entry]:
        """Label, name and official split of every sample, without reading events or pixels."""

    def samples(self, params: Any, positions: Sequence[int] | None = None) -> Iterator[Sample]:
        """All samples, or those at some positions of the listing: in that order, and read one at a time."""

    def inputs(self, params: Any) -> list[Path]:
        """The raw files or folders that it reads (for Snakemake); none where they are downloaded or installed."""


def names() -> list[str]:
    """The names of all readers."""
    return registry.names(__name__)


def module_name(name: str) -> str:
    """The module of the reader `name`, e.g. `snn.data.readers.nmnist`."""
    return registry.module_name(__name__, name, "reader")


def find(name: str) -> Reader:
    """The reader called `name`; an unknown name is a `ConfigError` that names the nearest one."""
    return cast(Reader, registry.find(__name__, name, "reader"))


def kind(name: str) -> str:
    """`"events"` or `"images"`, without looking at any data."""
    return find(name).KIND
