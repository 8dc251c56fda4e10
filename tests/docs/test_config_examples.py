"""Every example of the configuration loads, and the shipped JSON Schema is the one that the models draw."""

import json
from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML

from bridge.commands.schema import FILES, schemas, texts
from bridge.daemon.catalog import Catalog
from bridge.settings import load

CONFIG = Path(__file__).parents[2] / "config"
SCHOOLS = sorted(CONFIG.glob("schools/*.yaml"))


def test_examples_load() -> None:
    settings = load(CONFIG / "bridge.yaml", Catalog())
    assert [school.code for school in settings.schools] == ["0123", "0456"]


@pytest.mark.parametrize("name", FILES)
def test_shipped_schema_is_up_to_date(name: str) -> None:
    shipped = (CONFIG / "schema" / FILES[name]).read_text(encoding="utf-8")
    assert shipped == texts(Catalog())[name], "run: make schema"


@pytest.mark.parametrize("name", ["bridge", "school", "hub"])
def test_schema_is_itself_valid(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schemas(Catalog())[name])


@pytest.mark.parametrize("file", [CONFIG / "bridge.yaml", CONFIG / "hub.yaml", *SCHOOLS], ids=lambda file: file.name)
def test_examples_follow_the_schema_that_they_name(file: Path) -> None:
    """The modeline leads an editor to the schema, and the schema takes the example."""
    first = file.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema=")
    schema = json.loads((file.parent / first.partition("=")[2]).read_text(encoding="utf-8"))
    tree = YAML(typ="safe", pure=True).load(file)
    jsonschema.Draft202012Validator(schema).validate(tree)


def test_schema_refuses_what_the_models_refuse() -> None:
    schema = schemas(Catalog())["school"]
    tree = YAML(typ="safe", pure=True).load(SCHOOLS[-1])
    validator = jsonschema.Draft202012Validator(schema)
    for change in ({"school": 123}, {"langauge": "de"}, {"cloud_side": {"connector": "graf"}}, {"naming": {}}):
        assert not validator.is_valid({**tree, **change}), change


def test_reference_tells_every_key() -> None:
    reference = texts(Catalog())["reference"]
    for key in ("cloud_poll", "purpose", "group_prefix", "servers", "tenant_id", "reference_attribute", "thresholds"):
        assert f"| `{key}` |" in reference
    assert "| anything" not in reference
