"""The reference of the configuration: tables of all keys, made from the JSON schema that `snn schema` prints.

The page `configuration_reference.md` is the introduction; the tables are put below it when Sphinx reads it. They cannot
be older than the typed blocks in `snn/config/blocks.py` and the parameters of methods, networks and readers.
"""

from __future__ import annotations

import json
import re
from typing import Any

from sphinx.application import Sphinx

from snn.benchmark.schema import full_schema

PAGE = "configuration_reference"
GROUPS = {
    "methods": ("Methods", "Parameters of a training method, under `methods.NAME`."),
    "networks": ("Networks", "Parameters of a network, under `networks.NAME`."),
    "readers": ("Readers", "Parameters of a reader, under `datasets.NAME.params`."),
}


def markdown(schema: dict[str, Any]) -> str:
    """One section a block, under its place in the configuration; one for all methods, networks and readers each."""
    definitions = schema["$defs"]
    places = blocks(schema, definitions)
    lines = ["", "## Top level", "", *table(schema, places)]
    for name, place in places.items():
        about = definitions[name].get("description", "").split("\n\n")[0].replace("\n", " ")
        lines += ["", f"## {place}", "", about, "", *table(definitions[name], places)]
    for key, (title, about) in GROUPS.items():
        lines += ["", f"## {title}", "", about]
        for names, block in alike({k: v for k, v in definitions.items() if k.startswith(f"{key}.")}):
            lines += ["", "### " + ", ".join(name.partition(".")[2] for name in names), "", *table(block, places)]
    return "\n".join(lines) + "\n"


def blocks(value: Any, definitions: dict[str, Any], path: str = "") -> dict[str, str]:
    """Where each block stands, e.g. Augment at `train.augment`, in the order of the configuration; the first place of a
    block that stands at several."""
    places: dict[str, str] = {}
    for key, inner in value.items() if isinstance(value, dict) else ():
        if key == "$ref" and not (name := inner.rpartition("/")[2]).startswith(tuple(f"{group}." for group in GROUPS)):
            places |= {name: path} | blocks(definitions[name], definitions, path)
        elif key == "properties":
            for own, child in inner.items():
                below = blocks(child, definitions, f"{path}.{own}".lstrip("."))
                places |= {name: place for name, place in below.items() if name not in places}
        elif key == "additionalProperties":
            places |= blocks(inner, definitions, f"{path}.NAME")
        elif key in ("items", "anyOf", "allOf"):
            for child in inner if isinstance(inner, list) else [inner]:
                places |= blocks(child, definitions, path)
    return places


def alike(group: dict[str, Any]) -> list[tuple[list[str], dict[str, Any]]]:
    """The entries of a registry, those with the same parameters together."""
    shared: dict[str, list[str]] = {}
    for name, block in group.items():
        shared.setdefault(json.dumps(block.get("properties", {}), sort_keys=True), []).append(name)
    return [(names, group[names[0]]) for names in shared.values()]


def table(block: dict[str, Any], places: dict[str, str]) -> list[str]:
    """A row a key: what it takes, its default, what it means."""
    properties = block.get("properties", {})
    if not properties:
        return ["No parameters."]
    required = block.get("required", [])
    rows = ["| key | takes | default | meaning |", "| --- | --- | --- | --- |"]
    for key, value in properties.items():
        cells = (
            f"`{key}`",
            takes(value, places),
            "" if key in required else default(value),
            value.get("description", ""),
        )
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return rows


def takes(value: dict[str, Any], places: dict[str, str]) -> str:
    """A type of the schema in words: `number (above 0)`, `list of integer`, a link to a block."""
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        return f"the block [{places[name]}](#{anchor(places[name])})"
    if "const" in value:
        return f"`{plain(value['const'])}`"
    if "enum" in value:
        return ", ".join(f"`{plain(choice)}`" for choice in value["enum"])
    if choices := value.get("anyOf"):
        return " or ".join(takes(choice, places) for choice in choices)
    kind = value.get("type", "any value")
    if kind == "array":
        if "prefixItems" in value:
            return "list of " + ", ".join(takes(item, places) for item in value["prefixItems"])
        return f"list of {takes(value.get('items', {}), places)}"
    if kind == "object":
        if value.get("properties") and not isinstance(value.get("additionalProperties"), dict):
            return "by name"
        inner = value.get("additionalProperties")
        return f"mapping to {takes(inner, places)}" if isinstance(inner, dict) and inner else "mapping"
    words = {"null": "`null`", "boolean": "`true` or `false`"}.get(kind, kind)
    limits = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
    bounds = [f"{word} {value[limit]:,}" for limit, word in limits.items() if limit in value]
    return " ".join([words, *([f"({', '.join(bounds)})"] if bounds else [])])


def default(value: dict[str, Any]) -> str:
    """The default as YAML writes it on one line; nothing of a block, whose keys have defaults of their own."""
    if "default" not in value or (isinstance(value["default"], dict) and value["default"]):
        return ""
    return f"`{plain(value['default'])}`" if value["default"] != "" else "empty"


def anchor(heading: str) -> str:
    """Of a heading, as MyST and the forges make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def on_source_read(app: Sphinx, docname: str, source: list[str]) -> None:
    if docname == PAGE:
        source[0] += markdown(full_schema())


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("source-read", on_source_read)
    return {"parallel_read_safe": True}
