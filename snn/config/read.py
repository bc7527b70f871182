"""Reading configuration files: overlays laid over each other, then validated."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from snn.config.blocks import Config
from snn.config.validation import merge, validate
from snn.errors import ConfigError

LARGEST_FILE = 1_000_000
"""Bytes of a configuration file."""
LARGEST_TREE, DEEPEST = 100_000, 40
"""Values in a file with all aliases (`*name`) written out, and blocks inside one another."""


def read_configuration(*paths: str | Path) -> Config:
    """Read YAML (or JSON) files, later ones laid over earlier ones. ConfigError names the file or key at fault."""
    values: dict[str, Any] = {}
    for path in paths:
        values = merge(values, read_yaml(Path(path)))
    return validate(Config, values)


def read_values(pairs: Iterable[str]) -> dict[str, Any]:
    """`["height=34", "order=txyp"]` as a mapping, values in YAML. ConfigError for what is no such pair."""
    values = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        try:
            values[key] = yaml.safe_load(text)
        except yaml.YAMLError:
            equals = ""
        if not (key and equals):
            raise ConfigError(f"{pair[:80]!r} is not KEY=VALUE")
    return values


def read_yaml(path: Path) -> dict[str, Any]:
    """The keys and values of one file. ConfigError where it cannot be read, is no mapping, or is out of all bounds."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ConfigError(f"{path}: larger than {LARGEST_FILE} bytes; this is no configuration file")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such configuration file") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text (byte {error.start}); save it in that encoding") from None
    except OSError as error:
        raise ConfigError(f"{path}: not readable: {error.strerror}") from None
    try:
        # YAML takes JSON's 1e-05 for a text.
        value = json.loads(text) if path.suffix == ".json" else _from_yaml(path, text)
    except ConfigError:
        raise
    except RecursionError:
        raise ConfigError(f"{path}: blocks lie too deep inside one another; write it flatter") from None
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}: not readable as JSON: {error}") from None
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise ConfigError(f"{path}: not readable as YAML: {' '.join(str(error).split())[:300]}") from None
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: must hold keys and values, not {type(value).__name__}")
    _check_plain(path, value, "")
    return value


def _from_yaml(path: Path, text: str) -> Any:
    """The value of a YAML text; an empty mapping where it is empty."""
    loader = yaml.SafeLoader(text)
    root = loader.get_single_node()
    if root is None:
        return {}
    _size(path, root, {}, set())
    return loader.construct_document(root)


def _size(path: Path, node: yaml.Node, sizes: dict[int, int], above: set[int]) -> int:
    """How many values `node` stands for with its aliases written out: a few lines of them can stand for billions."""
    if id(node) in above:
        raise ConfigError(f"{path}: an alias (*name) refers to a block that holds it; write the values out")
    if id(node) not in sizes:
        if len(above) > DEEPEST:
            raise ConfigError(f"{path}: more than {DEEPEST} blocks inside one another; write it flatter")
        children: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            children = [child for pair in node.value for child in pair]
        elif isinstance(node, yaml.SequenceNode):
            children = node.value
        sizes[id(node)] = 1 + sum(_size(path, child, sizes, above | {id(node)}) for child in children)
        if sizes[id(node)] > LARGEST_TREE:
            raise ConfigError(f"{path}: stands for more than {LARGEST_TREE} values; this is no configuration file")
    return sizes[id(node)]


def _check_plain(path: Path, value: Any, key: str) -> None:
    """Only what JSON knows too: the jobs read the configuration from JSON."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if not isinstance(name, str):
                raise ConfigError(f"{path}: the key {str(name)[:80]!r} below {key or 'the top'!r} is no text; quote it")
            _check_plain(path, inner, f"{key}.{name}".lstrip("."))
    elif isinstance(value, list):
        for inner in value:
            _check_plain(path, inner, key)
    elif not isinstance(value, str | int | float | None):
        raise ConfigError(f"{path}: {key}: a {type(value).__name__} is no value of a configuration; quote it as text")
