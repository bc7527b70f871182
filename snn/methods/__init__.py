"""Training methods, one file each: `sdt.py` is the example to start from, `snn/training/method.py` the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from snn.config.validation import validate
from snn.runtime import registry

if TYPE_CHECKING:
    from snn.training.method import Method


def names() -> list[str]:
    """The names of all methods."""
    return registry.names(__name__)


def find(name: str) -> type[Method[Any]]:
    """The class of the method `name`; ConfigError, which names the nearest one, if there is none."""
    method: type[Method[Any]] = registry.find(__name__, name, "method").METHOD
    return method


def module_name(name: str) -> str:
    """The module of the method `name`, e.g. `snn.methods.sdt_matched`; ConfigError as for `find`."""
    return registry.module_name(__name__, name, "method")


def parameters(name: str, values: dict[str, Any], where: str = "") -> Any:
    """The typed hyper-parameters of the method `name` (its `Params`); ConfigError names a key that it does not have.

    where: the path of the block inside the configuration; `methods.<name>` by default.
    """
    return validate(find(name).Params, values, where or f"methods.{name}")
