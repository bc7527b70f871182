"""From plain values to typed blocks: every error names the key, the fault and the nearest known key."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from snn.errors import ConfigError, did_you_mean

RENAMED = {
    "train.shift": "train.augment.crop",
    "train.flip": "train.augment.flip",
    "variants.*.train.shift": "variants.*.train.augment.crop",
    "variants.*.train.flip": "variants.*.train.augment.flip",
    "recipes.*.train.shift": "recipes.*.train.augment.crop",
    "recipes.*.train.flip": "recipes.*.train.augment.flip",
    "matrix.also": "matrix.extra",
    "variants.*.of": "variants.*.base",
    "disturb": "robustness",
    "robustness.chips": "robustness.simulated_chips",
    "robustness.silenced": "robustness.dead_fraction",
    "resources.in_memory_mb": "resources.frame_cache_mb",
    "neuron.strict": "neuron.strict_threshold",
    "variants.*.neuron.strict": "variants.*.neuron.strict_threshold",
    "recipes.*.neuron.strict": "recipes.*.neuron.strict_threshold",
}
"""Keys of earlier versions (CHANGELOG.md), and what they are called now; `*` is any name."""


def unknown(key: str, known: Iterable[str]) -> str:
    """What is said of an unknown key, given by its path: its new name, or the nearest of the known keys."""
    parts = key.split(".")
    for old, new in RENAMED.items():
        pattern = old.split(".")
        if len(pattern) == len(parts) and all(a in ("*", b) for a, b in zip(pattern, parts, strict=True)):
            return f"configuration key {key!r} was renamed: it is now {new.rsplit('.', 1)[-1]!r} ({new})"
    return f"unknown configuration key {key!r}{did_you_mean(parts[-1], known)}"


def validate(cls: type[BaseModel], value: Any, where: str = "") -> Any:
    """`cls(**value)`; a ConfigError that names the key, the fault and the nearest known key otherwise.

    where: the path of the block inside the configuration, e.g. `"methods.mtt"`.
    """
    try:
        return cls.model_validate(value)
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(cls, e, where) for e in error.errors())) from None


def _explain(cls: type[BaseModel], error: ErrorDetails, where: str) -> str:
    path = list(error["loc"])
    key = ".".join([where] * bool(where) + [str(p) for p in path])
    if error["type"] == "extra_forbidden":
        return unknown(key, _fields_at(cls, path[:-1]))
    if error["type"] == "missing":
        return f"configuration key {key!r} is missing: add it (config/README.md explains every key)"
    value = repr(error["input"])
    value = value if len(value) <= 80 else f"{value[:77]}..."
    return f"configuration key {key[:200]!r} = {value}: {error['msg']}"


def _fields_at(cls: Any, path: list) -> list[str]:
    """The known keys of the block at `path` below the model `cls`."""
    schema = cls.model_json_schema()
    definitions, node = schema.get("$defs", {}), schema
    for part in [*path, None]:
        options = [node, *node.get("anyOf", []), *node.get("allOf", [])]
        node = next((o for o in options if "$ref" in o or "properties" in o or "items" in o), node)
        if "$ref" in node:
            node = definitions[node["$ref"].rsplit("/", 1)[1]]
        if part is not None:
            node = (
                node.get("properties", {}).get(str(part)) or node.get("additionalProperties") or node.get("items", {})
            )
    return list(node.get("properties", {}))


def merge(base: dict, overlay: dict) -> dict:
    """Deep merge as Snakemake's `--configfile` does it: mappings are merged, everything else is replaced."""
    merged = dict(base)
    for key, value in overlay.items():
        merged[key] = merge(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
    return merged
