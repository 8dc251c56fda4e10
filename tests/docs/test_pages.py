"""What the pages show exists: every command and option, every make target, every link; every YAML example loads."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import typer
from ruamel.yaml import YAML
from typer.exceptions import TyperException

from bridge import cli
from bridge.daemon.catalog import Catalog
from bridge.lab.__main__ import _arguments as demo_arguments
from bridge.settings import Settings, SettingsError, load
from tests.daemon.embedded import Embedded
from tests.docs.pages import PAGES, ROOT, blocks, commands, dead, headings, links, targets

CONFIG = ROOT / "config"
YAML_BLOCKS = [
    pytest.param(block.text, id=f"{page.name}:{block.line}")
    for page in PAGES
    for block in blocks(page.read_text("utf-8"))
    if block.language == "yaml"
]


@functools.cache
def everything() -> Any:
    """All commands, built once."""
    return typer.main.get_command(cli.app())


def wrong(words: Sequence[str]) -> str:
    """What is wrong with a command; nothing is carried out. Empty when it could be typed like this."""
    command: Any = everything()
    rest = cli.hoisted(words)
    context = None
    try:
        while True:
            if command.name == "demo":
                demo_arguments(rest)
                return ""
            with command.make_context(command.name, list(rest), parent=context) as context:
                rest = [*getattr(context, "_protected_args", []), *context.args]
            if not hasattr(command, "get_command"):
                return ""
            name, *rest = rest
            inner = command.get_command(context, name)
            if inner is None:
                return f"no command {name}"
            command = inner
    except TyperException as error:
        return error.format_message()
    except typer.Exit:
        return ""  # --help
    except SystemExit:
        return "refused"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_shown_exists(page: Path) -> None:
    found = {" ".join(words): wrong(words) for words in commands(page.read_text("utf-8"))}
    assert {words: error for words, error in found.items() if error} == {}


def test_every_command_is_shown_somewhere() -> None:
    written = [words for page in PAGES for words in commands(page.read_text("utf-8"))]
    shown = {words[0] for words in (cli.hoisted(words) for words in written) if words}
    shown |= {words[2] for words in written if len(words) > 2 and words[0] == "--config"}
    shown |= {"demo", "sandbox"}  # these two are shown by make and their own page
    assert set(everything().commands) - shown == set()


@pytest.mark.parametrize(
    "line",
    ["statsu", "status --shcool 0123", "release", "explain person Anna", "journal verfy", "plan --limit many",
     "demo --repotr x", "check --online extra"],
)  # fmt: skip
def test_a_command_that_does_not_exist_is_noticed(line: str) -> None:
    text = f"```sh\nsudo -u bridge schoolbridge {line} > out.txt # why\n```\n"
    assert [wrong(words) for words in commands(text)] not in ([], [""])


def test_commands_are_found_in_inline_code_and_behind_paths() -> None:
    text = "Type `schoolbridge status --json`.\n```sh\n.venv/bin/python -m bridge plan | less\n```\n"
    assert list(commands(text)) == [["plan"], ["status", "--json"]]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_shown_exists(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert [one for one in targets(page.read_text("utf-8")) if f"\n{one}:" not in makefile] == []
    assert targets("`make tea`") == ["tea"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert dead(page) == []


def test_a_dead_link_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# What is *here*?\n[a](#what-is-here) [b](#there) [c](none.md) [d](page.md#what-is-here)\n")
    assert headings(page.read_text()) == {"what-is-here"}
    assert len(links(page.read_text())) == 4
    assert dead(page) == ["#there", "none.md"]


def test_every_page_of_the_docs_can_be_reached() -> None:
    """From the README, by links."""
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        found = (one.partition("#")[0] for one in links(page.read_text("utf-8")))
        waiting += [(page.parent / one).resolve() for one in found if one]
    unreached = {page for page in PAGES if page.name != "performance.md"} - seen
    assert unreached == set()


def loaded(text: str, root: Path) -> Settings:
    """An example as its first line says: a whole file, or a part put into the annotated examples."""
    shutil.copytree(CONFIG, root / "config")
    config, schools = root / "config", root / "config" / "schools"
    kind, _, name = text.splitlines()[0].removeprefix("# ").rpartition(" ")
    file = config / "bridge.yaml" if name == "bridge.yaml" else schools / "gymnasium.yaml"
    assert name == "bridge.yaml" or name.startswith("schools/"), "an example says what it is: # schools/0123.yaml"
    if kind == "part of":
        yaml = YAML()
        yaml.preserve_quotes = True
        whole = yaml.load(file)
        whole.update(yaml.load(text))
        yaml.dump(whole, file)
    else:
        assert kind == "", "an example says what it is: # part of schools/0123.yaml"
        file.write_text(text, "utf-8")
    return load(config / "bridge.yaml", Catalog())


@pytest.mark.parametrize("text", YAML_BLOCKS)
def test_every_example_loads(text: str, tmp_path: Path) -> None:
    assert loaded(text, tmp_path).school("0123") is not None


@pytest.mark.parametrize("text", ["# part of schools/0123.yaml\nnamming: {}\n", "# bridge.yaml\nversion: 2\n"])
def test_an_example_that_does_not_load_is_noticed(text: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError):
        loaded(text, tmp_path)


def test_an_example_that_is_not_named_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        loaded("version: 1\n", tmp_path)


def test_a_rehearsal_shows_what_would_happen(tmp_path: Path) -> None:
    """As the quickstart promises, also in the stages that write nothing."""
    school = Embedded(tmp_path, stage="observing")
    school.fill(3)
    answer = school.run("plan")
    assert answer.code == 2
    assert "3 × create user in the cloud" in answer.out
    assert "display_name: – → Anna Lang" in answer.out
    assert school.accounts() == {}
