"""The JSON schema of the whole configuration, with the blocks of every method, network and reader filled in."""

from __future__ import annotations

import json
from typing import Any

from snn import methods, models
from snn.config.blocks import Config
from snn.data import readers
from snn.data.params import SplitParams


def full_schema() -> dict[str, Any]:
    """`snn schema` prints it; `workflow/schemas/config.schema.json` holds it, and a test keeps the two in step."""
    schema = Config.model_json_schema()
    definitions, properties = schema["$defs"], schema["properties"]

    def define(kind: str, model: Any) -> dict[str, str]:
        own = model.model_json_schema(ref_template="#/$defs/{model}")
        definitions.update(own.pop("$defs", {}))
        definitions[kind] = own | {"title": kind}
        return {"$ref": f"#/$defs/{kind}"}

    for key, names, params in (
        ("methods", methods.names(), lambda n: methods.find(n).Params),
        ("networks", sorted(models.FAMILIES), lambda n: models.family(n).Params),
    ):
        block = properties[key]
        block["properties"] = {n: define(f"{key}.{n}", params(n)) for n in names}
        block["additionalProperties"] = False
    definitions["Variant"]["properties"]["methods"] |= {
        key: properties["methods"][key] for key in ("properties", "additionalProperties")
    }
    dataset = definitions["Dataset"]
    dataset["properties"]["reader"]["enum"] = readers.names()
    dataset["properties"]["split"] = define("split", SplitParams)
    dataset["allOf"] = [
        {
            "if": {"properties": {"reader": {"const": name}}},
            "then": {"properties": {"params": define(f"readers.{name}", readers.find(name).Params)}},
        }
        for name in readers.names()
    ]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "snn-bench configuration"} | {
        k: v for k, v in schema.items() if k != "title"
    }


def schema_text() -> str:
    """The schema as the exported file holds it."""
    return json.dumps(full_schema(), indent=1) + "\n"
