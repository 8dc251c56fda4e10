"""Connectors are found by folder; what is none is passed over; one that can't be loaded says why."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

from bridge.daemon.catalog import Catalog
from bridge.ports import ConfigurationError

GOOD = """
from pydantic import BaseModel

class Options(BaseModel):
    x: int = 0

async def connect(options, context):
    return (options, context)
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = tmp_path / "strange_connectors"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "good.py").write_text(GOOD)
    (folder / "other.py").write_text("value = 1\n")
    (folder / "broken.py").write_text("import a_library_that_is_not_there\n")
    import strange_connectors  # type: ignore[import-not-found]

    yield strange_connectors
    for name in [name for name in sys.modules if name.startswith("strange_connectors")]:
        del sys.modules[name]


async def test_found_by_folder(package: ModuleType) -> None:
    catalog = Catalog(package)
    assert list(catalog.names()) == ["broken", "good"]
    options = catalog.options("good")()
    assert await catalog.connect("good", options, None) == (options, None)  # type: ignore[arg-type, comparison-overlap]
    for name in ("other", "nothing", "../good", ""):
        with pytest.raises(KeyError):
            catalog.options(name)
    with pytest.raises(ConfigurationError, match="a_library_that_is_not_there"):
        catalog.options("broken")


def test_nothing_is_imported_before_it_is_asked_for(package: ModuleType) -> None:
    Catalog(package)
    assert not any(name.startswith("strange_connectors.") for name in sys.modules)


def test_the_shipped_connectors() -> None:
    assert {"active_directory", "graph", "memory"} <= set(Catalog().names())
    assert not {"sandbox", "expression"} & set(Catalog().names())
