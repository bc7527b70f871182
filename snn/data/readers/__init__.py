"""Readers of raw data, found by file name and imported on use.

A reader is one module of this folder with

- `Params`: its settings, a pydantic model that forbids unknown keys;
- `describe(params) -> Description`: sensor (or picture), classes, provenance, what a partial copy lacks;
- `listing(params) -> list[Entry]`: label, name and official split of every sample, without reading events or pixels;
- `recordings(params, positions=None) -> Iterator[Recording]`: all samples (of images: `Iterator[Image]`), or those at
  some positions of the listing, in that order and one at a time;
- `inputs(params) -> list[Path]`: the raw files or folders it reads (for Snakemake);
- `KIND = "images"` where it gives static images; without it, events.
"""

from __future__ import annotations

from types import ModuleType

from snn.runtime import registry


def names() -> list[str]:
    """The readers there are."""
    return registry.names(__name__)


def module_name(name: str) -> str:
    return registry.module_name(__name__, name, "reader")


def reader(name: str) -> ModuleType:
    """The reader's module; an unknown name is a `ConfigError` that names the nearest one."""
    return registry.find(__name__, name, "reader")


find = reader


def kind(name: str) -> str:
    """`"events"` or `"images"`, known without any data."""
    return getattr(reader(name), "KIND", "events")
