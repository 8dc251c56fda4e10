"""JSON Schema (2020-12) of the configuration files, for editors: the models' own, connectors' options put in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from bridge.core.model import Side
from bridge.ports import ConfigurationError
from bridge.settings.hub import HubFile
from bridge.settings.load import Catalog
from bridge.settings.models import BridgeFile, SchoolFile

DIALECT = GenerateJsonSchema.schema_dialect


def bridge_schema() -> dict[str, Any]:
    """The schema of ``bridge.yaml``."""
    return {"$schema": DIALECT, **BridgeFile.model_json_schema(by_alias=True)}


def hub_schema() -> dict[str, Any]:
    """The schema of ``hub.yaml``."""
    return {"$schema": DIALECT, **HubFile.model_json_schema(by_alias=True)}


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
        inside.update(one_of if side is Side.SCHOOL else {**one_of, "oneOf": _inheriting(definitions, sides)})
    return {"$schema": DIALECT, **schema}


def _inheriting(definitions: dict[str, Any], sides: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """The sides for the cloud of a share: what ``cloud_side`` may have said need not be said again."""
    names = [side["$ref"].rpartition("/")[2] for side in sides]
    found = []
    for name in names:
        others = {key for other in names if other != name for key in definitions[other]["properties"]}
        required = definitions[name]["required"]
        kept = [key for key in required if key == "connector" or key not in others]
        if kept == required:
            found.append({"$ref": f"#/$defs/{name}"})
        else:
            definitions[f"{name}.inheriting"] = {**definitions[name], "required": kept}
            found.append({"$ref": f"#/$defs/{name}.inheriting"})
    return found


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
