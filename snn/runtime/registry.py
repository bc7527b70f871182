"""Things found by name and imported on use: methods, networks, data readers.

A name is written as users write it (`sdt-matched`); its file carries underscores (`sdt_matched.py`). Nothing else
has to be registered anywhere, and using one entry loads no other.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import ModuleType

from snn.errors import ConfigError, did_you_mean


def names(package: str) -> list[str]:
    """All entries of a package of plug-ins. Modules that start with an underscore are not entries."""
    path = importlib.import_module(package).__path__
    return sorted(
        m.name.replace("_", "-") for m in pkgutil.iter_modules(path) if not (m.name.startswith("_") or m.ispkg)
    )


@cache  # a plan of thousands of cells asks for the same few, and asking reads the folder
def module_name(package: str, name: str, kind: str) -> str:
    """The module of the entry `name`; a ConfigError that names the nearest one if there is none."""
    if name not in names(package):
        raise ConfigError(f"unknown {kind} {name!r}{did_you_mean(name, names(package))}")
    return f"{package}.{name.replace('-', '_')}"


def find(package: str, name: str, kind: str) -> ModuleType:
    return importlib.import_module(module_name(package, name, kind))
