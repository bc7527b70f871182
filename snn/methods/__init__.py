"""Training methods, one file each. `snn/methods/sdt.py` is the model to learn from; `_contract.py` the contract."""

from __future__ import annotations

from typing import Any

from snn.config.validation import validate
from snn.runtime import registry


def names() -> list[str]:
    """All methods there are."""
    return registry.names(__name__)


def find(name: str) -> type:
    """The class of the method `name` (a subclass of `snn.training.method.Method`)."""
    return registry.find(__name__, name, "method").METHOD


def module_name(name: str) -> str:
    return registry.module_name(__name__, name, "method")


def parameters(name: str, values: dict[str, Any]) -> Any:
    """The typed hyper-parameters of the method `name`."""
    return validate(find(name).Params, values, f"methods.{name}")
