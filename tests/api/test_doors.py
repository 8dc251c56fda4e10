"""Who may what: every address of the document, asked by everybody there is. S5, S7, S8 and S14 of the requirements."""

import hashlib
import sqlite3
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from bridge.api import limits
from bridge.api.actions import SCOPES
from bridge.state import tokens
from tests.api.kit import FIRST, NAMES, OTHER, Served
from tests.api.test_document import operations

ALL = ("read", "operate", "approve", "names", "passwords")
ROUTES = [pytest.param(path, method, one, id=f"{method} {path}") for path, method, one in operations()]
GUARDED = [one for one in ROUTES if one.values[2]["security"]]
OF_A_SCHOOL = [one for one in GUARDED if "{code}" in str(one.values[0])]


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of wrong tokens come from here, and each is to be told so; the limit has tests of its own."""
    monkeypatch.setattr(limits, "WRONG", 10**6)


def place(path: str, code: str = FIRST) -> str:
    path = path.format(code=code, event="freeze", id="none", form="json")
    more = {"events": "?once=true", "journal": "?limit=1000"}
    return path + more.get(path.rpartition("/")[2], "")


def ask(api: Served, path: str, method: str, token: str | None) -> Any:
    sent = {"actions": {"action": "sync"}, "passwords": {"person": "nobody"}}.get(path.rpartition("/")[2], {})
    body = {**sent, "reason": "matrix"} if method == "POST" else None
    return api.ask(path, token, method=method, body=body)


@pytest.mark.parametrize(("path", "method", "operation"), GUARDED)
def test_s7_no_address_opens_without_a_valid_token(
    api: Served, path: str, method: str, operation: dict[str, Any]
) -> None:
    good = api.token(*ALL)
    name, secret = good.split("_")[1], good.split("_", 2)[2]
    expired = api.token(*ALL, lasts=timedelta(seconds=-1))
    revoked = api.token(*ALL)
    tokens.revoke(api.database, revoked.split("_")[1], actor="test", reason="")
    other = api.token(*ALL)
    wrong = {
        "none": None,
        "empty": "",
        "nonsense": "sb_",
        "expired": expired,
        "revoked": revoked,
        "another's secret": f"sb_{name}_{other.split('_', 2)[2]}",
        "the hash": f"sb_{name}_{hashlib.sha256(secret.encode()).hexdigest()[:43]}",
        "one letter more": f"{good}x",
    }
    for what, token in wrong.items():
        reply = ask(api, place(path), method, token)
        assert reply.status == 401, what
        assert reply.headers["content-type"] == "application/problem+json"
    assert ask(api, place(path), method, good).status in (200, 404), "a report that does not exist"


@pytest.mark.parametrize(("path", "method", "operation"), GUARDED)
def test_s7_each_scope_opens_what_the_document_says(
    api: Served, path: str, method: str, operation: dict[str, Any]
) -> None:
    for scope in ALL:
        status = ask(api, place(path), method, api.token(scope)).status
        # An action asks for its own scope besides.
        allowed = {"operate"} if path.endswith("/actions") else set(operation["x-scopes"])
        assert (status != 403) == (scope in allowed), scope


@pytest.mark.parametrize(("path", "method", "operation"), OF_A_SCHOOL)
def test_s14_another_school_looks_as_if_there_were_none(
    api: Served, path: str, method: str, operation: dict[str, Any]
) -> None:
    token = api.token(*ALL, schools=(OTHER,))
    foreign, unknown = ask(api, place(path), method, token), ask(api, place(path, "9999"), method, token)
    assert foreign.status == unknown.status == 404
    assert foreign.body == unknown.body.replace(b"9999", FIRST.encode())
    assert {k: v for k, v in foreign.headers.items() if k != "date"} == {
        k: v for k, v in unknown.headers.items() if k != "date"
    }


def test_s14_the_board_shows_the_tokens_schools_only(api: Served) -> None:
    assert [one["code"] for one in api.ask("/api/v1/schools", api.token("read")).json] == [FIRST, OTHER]
    mine = api.token("read", schools=(OTHER,))
    assert [one["code"] for one in api.ask("/api/v1/schools", mine).json] == [OTHER]
    assert api.ask("/metrics", mine).status == 403


@pytest.mark.parametrize(("path", "method", "operation"), OF_A_SCHOOL)
def test_no_name_without_the_scope(api: Served, path: str, method: str, operation: dict[str, Any]) -> None:
    if method != "GET":
        return
    text = api.ask(place(path), api.token("read", "operate", "approve")).body.decode()
    assert [name for name in NAMES if name in text] == []


@pytest.mark.parametrize("path", ["operations", "conflicts", "drift", "journal", "releases"])
def test_names_with_it_and_for_that_school_only(api: Served, path: str) -> None:
    address = f"/api/v1/schools/{FIRST}/{path}" + ("?limit=1000" if path == "journal" else "")
    assert "Anna" in api.ask(address, api.token("read", "names")).body.decode()
    assert "Anna" in api.ask(address, api.token("read", "names", schools=(FIRST,))).body.decode()


@pytest.mark.parametrize("action", sorted(SCOPES))
def test_each_action_wants_its_scope(api: Served, action: str) -> None:
    lacking = "approve" if SCOPES[action] == "operate" else "operate"
    reply = api.act(api.token("read", lacking), action=action)
    assert reply.status == 403
    assert SCOPES[action] in reply.json["detail"]


@pytest.mark.parametrize(("path", "method", "operation"), ROUTES)
def test_s5_no_secret_in_any_answer(api: Served, path: str, method: str, operation: dict[str, Any]) -> None:
    token = api.token(*ALL)
    with sqlite3.connect(api.school.root / "state.db") as state:
        kept = [row[0] for row in state.execute("SELECT hash FROM api_token")]
    for address in (place(path), place(path, "9999")):
        reply = ask(api, address, method, token)
        text = reply.body.decode("latin-1") + str(dict(reply.headers))
        assert token not in text
        assert token.split("_", 2)[2] not in text
        assert not [one for one in kept if one in text]


def test_s8_tokens_are_random_hashed_and_end(api: Served) -> None:
    made = {api.token("read") for _ in range(20)}
    assert len({one.split("_", 2)[2] for one in made}) == 20
    assert {len(one.split("_", 2)[2]) for one in made} == {43}, "256 bits in base64"
    raw = (api.school.root / "state.db").read_bytes() + (api.school.root / "state.db-wal").read_bytes()
    for token in made:
        assert token.split("_", 2)[2].encode() not in raw
        assert hashlib.sha256(token.split("_", 2)[2].encode()).hexdigest().encode() in raw
    token = made.pop()
    assert api.ask("/api/v1/schools", token).status == 200
    assert api.school.run("token", "revoke", token.split("_")[1], "--reason", "lost").code == 0
    assert api.ask("/api/v1/schools", token).status == 401, "with the very next request"
    trusted = api.token("read", "operate")
    assert api.ask("/api/v1/schools", trusted).status == 200
    tokens.revoke(api.database, trusted.split("_")[1], actor="test", reason="lost")
    assert api.act(trusted, action="sync").status == 401, "what does something is never done on trust"
    assert api.ask("/api/v1/schools", trusted).status == 401, "and whoever was told so is trusted no more"
    assert api.ask("/api/v1/schools", api.token("read", lasts=timedelta(seconds=-1))).status == 401


def test_s8_making_and_revoking_stands_in_the_journals_of_its_schools(api: Served) -> None:
    token = api.token("read", schools=(OTHER,))
    tokens.revoke(api.database, token.split("_")[1], actor="me", reason="lost")
    named = api.token("read", "names")
    rows = api.ask(f"/api/v1/schools/{OTHER}/journal?limit=3", named).json["rows"]
    assert [one["action"] for one in rows[1:]] == ["revoke token", "make token"], "the newest is `named`"
    first = api.ask(f"/api/v1/schools/{FIRST}/journal?limit=2", named).json["rows"]
    assert [one["action"] for one in first].count("revoke token") == 0
    for code in (FIRST, OTHER):
        store = api.database.school(code, {})
        assert store.verify().ok


def test_a_state_that_can_only_be_read_keeps_nobody_out(api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OperationalError("UPDATE", {}, Exception("database or disk is full"))

    token = api.token("read")
    monkeypatch.setattr(tokens, "use", full)
    assert api.ask("/api/v1/schools", token).status == 200
