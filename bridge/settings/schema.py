"""JSON Schema (2020-12) of the configuration files, for editors: the models' own, connectors' options put in."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from bridge.core.model import Side
from bridge.ports import ConfigurationError
from bridge.settings.load import Catalog
from bridge.settings.models import BridgeFile, SchoolFile

DIALECT = GenerateJsonSchema.schema_dialect


def bridge_schema() -> dict[str, Any]:
    """The schema of ``bridge.yaml``."""
    return {"$schema": DIALECT, **BridgeFile.model_json_schema(by_alias=True)}


def school_schema(catalog: Catalog) -> dict[str, Any]:
    """The schema of a school's file; each side is one of the installed connectors, told apart by ``connector``."""
    schema = SchoolFile.model_json_schema(by_alias=True)
    definitions = schema.setdefault("$defs", {})
    definitions.pop("SideFile", None)
    sides = []
    for name in catalog.names():
        try:
            model = catalog.options(name)
        except ConfigurationError:
            continue  # not installed here
        sides.append({"$ref": f"#/$defs/{name}"})
        for key, one in _definitions(name, model).items():
            definitions[key] = one
    one_of = {"oneOf": sides, "type": "object", "required": ["connector"]}
    for side in Side:
        place = schema["properties"][f"{side.value}_side"]
        place.pop("$ref", None)
        place.update(one_of)
        inside = definitions["Share"]["properties"][side.value]
        inside.pop("$ref", None)
        inside.update(one_of)
    return {"$schema": DIALECT, **schema}


def _definitions(name: str, model: type[BaseModel]) -> dict[str, Any]:
    """A connector's model under its name, what it refers to as ``name.Model``."""
    tree = model.model_json_schema(by_alias=True, ref_template=f"#/$defs/{name}.{{model}}")
    inner = {f"{name}.{key}": one for key, one in tree.pop("$defs", {}).items()}
    tree["properties"] = {
        "connector": {"const": name, "description": f"The connector `{name}`."},
        **tree.get("properties", {}),
    }
    tree["required"] = ["connector", *tree.get("required", [])]
    tree.pop("title", None)
    return {name: tree, **inner}
