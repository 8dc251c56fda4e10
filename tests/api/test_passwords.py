"""Passwords over the API: who may, what both sides have afterwards, and that the secret stays nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from bridge.api.document import document
from bridge.api.passwords import PER_MINUTE
from bridge.core.cutover import Stage
from bridge.core.password_rules import Names, Rules
from bridge.daemon.catalog import Catalog
from bridge.engine.wrap import Wrapped
from bridge.ports import Asked, Capabilities, Connector, Context, InDoubt, NotSet
from bridge.settings import School
from bridge.state.store import SchoolStore
from tests.api.kit import FIRST, OTHER, Reply, Served, served
from tests.daemon.test_canary import spellings

SECRET = "canary/Wort+5=Anna"


@dataclass
class Keys:
    """One side's passwords by anchor, and what goes wrong there next."""

    held: dict[str, str] = field(default_factory=dict)
    trouble: str = ""

    async def ask(self, anchor: str) -> Asked:
        if self.trouble == "privileged":
            raise NotSet("privileged", f"user {anchor} is an administrator of the domain")
        return Asked(Rules(shortest=8, longest=256, kinds=3), Names())

    async def set(self, anchor: str, secret: str, *, must_change: bool) -> None:
        if self.trouble == "lost":
            self.trouble = "refused"
            raise InDoubt("the answer was lost")
        if self.trouble == "refused":
            raise NotSet("policy", f"a filter refuses it for {anchor}")
        self.held[anchor] = secret


class Keyed(Wrapped):
    """A connector that can set passwords."""

    def __init__(self, inner: Connector, keys: Keys) -> None:
        super().__init__(inner)
        self._keys = keys

    @property
    def capabilities(self) -> Capabilities:
        return replace(self._inner.capabilities, passwords=self._keys)


class Keyring(Catalog):
    """All connectors get a place for passwords, by the side's name."""

    def __init__(self) -> None:
        super().__init__()
        self.sides = {"school": Keys(), "cloud": Keys()}

    async def connect(self, name: str, options: Any, context: Context) -> Connector:
        return Keyed(await super().connect(name, options, context), self.sides[options.name])

    def calm(self) -> None:
        for keys in self.sides.values():
            keys.trouble = ""
            keys.held.clear()

    @property
    def held(self) -> list[list[str]]:
        return [list(keys.held.values()) for keys in self.sides.values()]


@dataclass
class Place:
    """The application and both sides."""

    api: Served
    keys: Keyring
    root: Path
    token: str = ""
    replies: list[Reply] = field(default_factory=list)

    def set(self, *, token: str = "", code: str = FIRST, headers: dict[str, str] | None = None, **fields: Any) -> Reply:
        body = {"person": "anna1", "reason": "forgotten", **fields}
        path = f"/api/v1/schools/{code}/passwords"
        reply = self.api.ask(path, token or self.token, method="POST", body=body, headers=headers)
        self.replies.append(reply)
        return reply

    @property
    def store(self) -> SchoolStore:
        school = self.api.settings.school(FIRST)
        assert isinstance(school, School)
        return self.api.database.school(FIRST, school.kinds())

    def link(self, login: str = "anna1") -> str:
        return next(str(one.link) for one in self.store.find(login) if one.link)


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    keys, root = Keyring(), tmp_path_factory.mktemp("passwords")
    with served(root, more="api: {per_minute: 1000000}\n", catalog=keys) as it:
        yield Place(it, keys, root)


@pytest.fixture
def place(everything: Place) -> Place:
    everything.keys.calm()
    everything.token = everything.api.token("passwords", schools=(FIRST,))
    return everything


def test_one_password_on_both_sides_by_login_and_by_link(place: Place) -> None:
    reply = place.set(password=SECRET)
    assert reply.status == 200
    assert reply.json | {"text": ""} == {
        "done": True, "text": "", "link": place.link(), "sides": {"school": "new", "cloud": "new"}, "differs": False,
        "password": "",
    }  # fmt: skip
    assert place.keys.held == [[SECRET], [SECRET]]
    assert reply.headers["cache-control"] == "no-store"
    assert "etag" not in reply.headers
    assert place.set(person=place.link("anna2"), password=SECRET + "2").status == 200
    assert place.keys.held == [[SECRET, SECRET + "2"]] * 2
    last = [row.entry for row in place.store.journal()][-1]
    assert (last.action, last.actor, last.reason, last.outcome) == ("password", "api:test", "forgotten", "done")


def test_a_made_one_is_told_once(place: Place) -> None:
    first, second = (place.set().json["password"] for _ in range(2))
    assert place.keys.held == [[second], [second]]
    assert first != second
    assert len(second) >= 12


def test_nobody_without_the_scope_and_nobody_of_another_school(place: Place) -> None:
    others = place.api.token("read", "operate", "approve", "names")
    assert place.set(token=others, password=SECRET).status == 403
    assert place.api.ask(f"/api/v1/schools/{FIRST}", place.token).status == 403
    unknown = place.set(code="9999", password=SECRET)
    assert (place.set(code=OTHER, password=SECRET).status, unknown.status) == (404, 404)
    for person in ("anna", "anna9", "Anna Lang", "../0456", place.link() + "x"):
        assert place.set(person=person, password=SECRET).status == 404, person
    assert place.keys.held == [[], []]


def test_a_login_that_two_people_have_is_nobody_s(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    (anna,) = place.store.links([place.link()])
    for people, status in (((anna,), 200), ((anna, replace(anna, id="twin")), 404)):
        monkeypatch.setattr(SchoolStore, "links", lambda _, names, people=people: people if anna.id in names else ())
        assert place.set(password=SECRET).status == status


def test_what_breaks_a_rule_or_a_right_changes_nothing(place: Place) -> None:
    short = place.set(password="kurz")
    assert (short.status, "at least 8 characters" in short.json["detail"]) == (409, True)
    place.keys.sides["cloud"].trouble = "privileged"
    refused = place.set(password=SECRET)
    assert (refused.status, "administrator" in refused.json["detail"]) == (409, True)
    place.keys.calm()
    told = place.set(password=SECRET, reason=f"it is {SECRET} now")
    assert (told.status, "the reason goes into the journal" in told.json["detail"]) == (409, True)
    assert place.set(password="x" * 257).status == 422
    assert place.set(password="").status == 422
    assert place.set(password=7).status == 422
    assert place.keys.held == [[], []]


def test_when_the_second_side_fails_the_answer_says_what_holds_where(place: Place) -> None:
    place.keys.sides["school"].trouble = "refused"
    reply = place.set()
    assert reply.status == 200
    assert (reply.json["done"], reply.json["differs"]) == (False, True)
    assert reply.json["sides"] == {"school": "old", "cloud": "new"}
    assert place.keys.held == [[], [reply.json["password"]]]
    place.keys.calm()
    assert place.set(password=SECRET).json["differs"] is False


def test_nothing_makes_it_keep_an_answer(place: Place) -> None:
    for name in ("Idempotency-Key", "If-Match"):
        reply = place.set(password=SECRET, headers={name: "abc"})
        assert (reply.status, "nothing of a password is kept" in reply.json["detail"]) == (400, True)
    assert place.keys.held == [[], []]
    with place.api.database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM api_answer").scalar() == 0
    operation = document()["paths"]["/api/v1/schools/{code}/passwords"]["post"]
    assert [one["name"] for one in operation["parameters"]] == ["code"]
    assert operation["x-scopes"] == ["passwords"]


def test_in_a_stage_that_writes_nothing_none_is_set(place: Place) -> None:
    place.store.move_stage(Stage.REHEARSING, event="test", actor="test", reason="test")
    try:
        reply = place.set(password=SECRET)
    finally:
        place.store.move_stage(Stage.HYBRID, event="test", actor="test", reason="test")
    assert (reply.status, "nothing is written" in reply.json["detail"]) == (409, True)
    assert place.keys.held == [[], []]


def test_so_many_a_minute_and_no_more(place: Place) -> None:
    seen = [place.set(password="kurz") for _ in range(PER_MINUTE)]
    late = [one for one in seen if one.status == 429]
    assert late
    assert int(late[0].headers["retry-after"]) >= 1
    assert place.set(token=place.api.token("passwords"), password=SECRET).status == 200


def test_the_secret_is_nowhere_but_where_it_belongs(place: Place, capfd: pytest.CaptureFixture[str]) -> None:
    made = place.set().json["password"]
    place.set(password=SECRET)
    place.set(password=SECRET, reason=f"it is {SECRET} now")
    place.set(password=SECRET + "x" * 300)
    place.set(person=["anna1"], password=SECRET)
    for trouble, holds in (("refused", "old"), ("lost", "unknown")):
        place.keys.sides["school"].trouble = trouble
        assert place.set(password=SECRET).json["sides"] == {"school": holds, "cloud": "new"}
    place.keys.sides["school"].trouble = "privileged"
    place.set(password=SECRET)
    place.api.ask(
        f"/api/v1/schools/{FIRST}/passwords", place.token, method="POST", body=f'{{"password": "{SECRET}'.encode()
    )
    told = b"".join(one.body for one in place.replies)
    assert not [one for one in spellings(SECRET) if one in told]
    out, err = capfd.readouterr()
    printed = (out + err).encode() + repr(list(place.store.journal())).encode()
    files = {path: path.read_bytes() for path in place.root.rglob("*") if path.is_file()}
    assert any(path.name == "state.db" for path in files)
    for secret in (SECRET, made):
        assert not [path for path, content in files.items() for one in spellings(secret) if one in content]
        assert not [one for one in spellings(secret) if one in printed]
    assert place.store.verify().ok
