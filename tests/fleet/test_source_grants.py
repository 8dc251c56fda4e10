"""Tokens and grants of a hub by its commands, and what they open at its door."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge import cli
from bridge.api import keyring
from bridge.state import journal, tokens
from tests.fleet.hub_kit import FIRST, OTHER, FakeSite, Hub, serving
from tests.fleet.test_source_asking import looks

SCHOOL = f"/api/v1/schools/{FIRST}"


@pytest.fixture(autouse=True)
def _little_trust(monkeypatch: pytest.MonkeyPatch) -> None:
    for one in (tokens, keyring):
        monkeypatch.setattr(one, "TRUSTED", 0.2)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    (tmp_path / "hub.yaml").write_text("version: 1\nstate: {url: 'sqlite:///hub.db'}\nsites: {names: [hub.example]}\n")
    with serving(f"sqlite:///{tmp_path / 'hub.db'}") as it:
        it.sites.school("north", FIRST)
        it.look()
        yield it


def run(hub: Hub, capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> Any:
    """A command, in this process."""
    assert hub.database.path is not None
    config = str(hub.database.path.with_name("hub.yaml"))
    with pytest.raises(SystemExit) as ended:
        cli.main(["--json", "--config", config, "hub", *words])
    out = capsys.readouterr().out
    assert ended.value.code == code, out
    return json.loads(out)


def noted(hub: Hub, code: str) -> list[journal.Entry]:
    with hub.database.read() as connection:
        return [one.entry for one in journal.read(connection, code)]


def test_support_sees_names_for_as_long_as_it_was_granted(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    made = run(hub, capsys, "token", "make", "--label", "support", "--schools", OTHER)
    token = made["token"]
    assert hub.ask(SCHOOL, token).status == 404
    words = ("grant", made["id"], "--school", FIRST, "--for", "4h")
    refused = run(hub, capsys, *words, "--scope", "names", "--reason", "ticket 7", code=1)
    assert "add --scope read; nothing was granted" in refused["error"]
    refused = run(hub, capsys, *words, "--scope", " ", "--reason", "ticket 7", code=1)
    assert "--scope is empty" in refused["error"]
    given = run(hub, capsys, *words, "--scope", "names", "--scope", "read", "--reason", "ticket 7")
    assert given["state"] == "in force"
    with FakeSite(hub, "north", looks=looks):
        page = hub.ask(f"{SCHOOL}/operations", token)
        assert page.json["rows"][0]["names"]
        assert hub.ask(f"/api/v1/schools/{OTHER}", token).status == 200, "its own right stays"
        assert [one["code"] for one in hub.ask("/api/v1/schools", token).json] == [FIRST, OTHER]
        assert hub.act(token, action="pause").status == 403
        hub.clock.jump(hours=5)
        hub.sites.tell("north")
        hub.look()
        hub.do(_forget(hub))
        assert hub.ask(f"{SCHOOL}/operations", token).status == 404, "it ended by itself"
    actions = [(one.action, one.reason) for one in noted(hub, FIRST)]
    assert ("grant rights", "ticket 7") in actions
    assert ("look at names", "") in actions
    assert [one["state"] for one in run(hub, capsys, "grants", "--all")["grants"]] == ["in force"], "by the real clock"


async def _forget(hub: Hub) -> None:
    """As if ``TRUSTED`` seconds had passed."""

    await asyncio.sleep(0.3)


def test_what_was_granted_is_taken_back(hub: Hub, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    made = run(hub, capsys, "token", "make", "--label", "support", "--schools", OTHER)
    given = run(
        hub, capsys, "grant", made["id"], "--school", FIRST, "--for", "1 hour", "--scope", "read", "--reason", "ticket"
    )
    assert hub.ask(SCHOOL, made["token"]).status == 200
    assert run(hub, capsys, "ungrant", given["id"], "--reason", "solved")["state"] == "taken back"
    assert hub.ask(SCHOOL, made["token"]).status == 404
    assert run(hub, capsys, "grants")["grants"] == []
    assert "take back rights" in [one.action for one in noted(hub, FIRST)]
    before = len(noted(hub, FIRST))
    assert run(hub, capsys, "ungrant", given["id"])["state"] == "taken back"
    assert len(noted(hub, FIRST)) == before, "a second time changes nothing"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--school", "9999", "--for", "4h", "--scope", "read", "--reason", "why"), "no site has a school"),
        (("--school", FIRST, "--for", "400 days", "--scope", "read", "--reason", "why"), "at most 30 days"),
        (("--school", FIRST, "--for", "soon", "--scope", "read", "--reason", "why"), "write a time like"),
        (("--school", FIRST, "--for", "4h", "--scope", "all", "--reason", "why"), "no scope is called"),
        (("--school", FIRST, "--for", "4h", "--scope", "read", "--reason", " "), "say why"),
    ],
)
def test_what_makes_no_sense_changes_nothing(
    hub: Hub, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], says: str
) -> None:
    token = hub.token("read").split("_")[1]
    assert says in run(hub, capsys, "grant", token, *words, code=1)["error"]
    assert run(hub, capsys, "grants", "--all")["grants"] == []


def test_a_token_of_all_schools_is_in_the_hubs_own_journal(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    made = run(hub, capsys, "token", "make", "--label", "office")
    assert "make token" in [one.action for one in noted(hub, "hub")]
    assert "make token" not in [one.action for one in noted(hub, FIRST)]
    assert hub.ask("/api/v1/schools", made["token"]).status == 200
    assert [one["id"] for one in run(hub, capsys, "token", "list")["tokens"]] == [made["id"]]
    assert run(hub, capsys, "token", "revoke", made["id"])["state"] == "revoked"
    assert hub.ask("/api/v1/schools", made["token"]).status == 401
    assert (
        "no site has a school" in run(hub, capsys, "token", "make", "--label", "x", "--schools", "9", code=1)["error"]
    )
