"""Erasing one person on both engines: no row is left, hashes still fit, the chain holds, the name stays reserved."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from bridge.core.model import Action, Evidence
from bridge.core.year_steps import Step
from bridge.ports import ConfigurationError, Removal, Trouble
from bridge.state import SchoolStore, open_database
from bridge.state.erase import Erased, compact, erase
from bridge.state.persons import found_by, whom
from bridge.state.reserved import Key
from bridge.state.tables import metadata
from bridge.state.transaction import Transaction
from tests.state.conftest import Clock
from tests.state.words import CLOUD, NOW, SCHOOL, both, done, group, mirror, operation, page, user

NAME, LOGIN = "Zoë Überall", "zoe.u"


@pytest.fixture
def people(store: SchoolStore, tmp_path: Path) -> SchoolStore:
    """Somebody and a neighbour in one group; reserved, renamed, held by the guard, gone on both sides."""
    store.database.key = Key(tmp_path / "names.key")
    both(store, user("zoe", display_name=NAME, login=LOGIN), user("ben"), group("g", ["zoe", "ben"]))
    store.reserve("upn", [("Lzoe", ["zoe.ueberall@x.example"]), ("Lben", ["ben@x.example"])])
    rename = operation(
        "Lzoe", Action.UPDATE, anchor="ZOE", before={"display_name": "Zoë Früher"}, after={"display_name": NAME},
        agree={"display_name": NAME, "source_anchor": "zoe"}, role="pupil",
    )  # fmt: skip
    store.record([done(rename, "ZOE")], cycle="c", now=NOW)
    step = Step("Lzoe", "user", "zoe", Action.UPDATE, {"display_name": "Zoë Früher"}, {"display_name": NAME})
    store.begin_roster("o", [step], told=["zoe", "ben"], approved={}, actor="t", reason="August")
    assert store.brought() == {"zoe", "ben"}
    text = f"west: user Lben: looks like {NAME}"
    store.trouble([Trouble("Lben", "user", CLOUD, Action.UPDATE, "", "guard:rename", text, NOW)])
    store.fold(SCHOOL, page(Removal("zoe", Evidence.DELETED)), now=NOW)
    store.fold(CLOUD, page(Removal("ZOE", Evidence.DELETED)), now=NOW)
    return store


def erased(store: SchoolStore, link: str = "Lzoe") -> Erased:
    with store.database.write() as connection:
        tx = Transaction(connection, store.code, store.kinds, NOW, store.database.key)
        person = whom(connection, store.code, store.kinds, link)
        assert person is not None
        assert person.living == ()
        return erase(tx, person, actor="t", reason="request")


def everything(store: SchoolStore) -> str:
    with store.database.read() as connection:
        rows = [str(row) for table in metadata.sorted_tables for row in connection.execute(select(table))]
    return "\n".join(rows).lower()


def test_no_row_is_left_and_everything_else_still_fits(people: SchoolStore) -> None:
    words = [NAME.lower(), LOGIN, "früher", "fr\\u00fcher", "'zoe'", '"zoe"', "'zoe", "zoe.ueberall"]
    assert [word for word in words if word in everything(people)]
    result = erased(people)
    assert result.rows["observation"] == 2
    assert people.brought() == {"ben"}
    assert result.journal_rows >= 2
    assert [word for word in words if word in everything(people)] == []
    assert "west: user lben: looks like lzoe" in everything(people)
    assert people.verify().ok
    assert compact(people.database)
    # The group's hash fits its rows: seen again as it is without the person, nothing changed.
    seen = group("g", ["ben"])
    assert people.fold(SCHOOL, page(seen), now=NOW) == 0
    assert people.fold(CLOUD, page(mirror(seen)), now=NOW) == 0
    assert people.reserve("upn", [("Lnew", ["zoe.ueberall@x.example", "zoe.ueberall2@x.example"])]) == {
        "Lnew": "zoe.ueberall2@x.example"
    }
    # Once more: nothing is left to erase, and the receipt of the first time stands.
    again = erased(people)
    assert (dict(again.rows), again.journal_rows) == ({}, 0)
    assert people.verify().ok


def test_without_the_key_no_name_is_given(people: SchoolStore, tmp_path: Path) -> None:
    erased(people)
    (tmp_path / "names.key").unlink()
    people.database.key = Key(tmp_path / "names.key")
    with pytest.raises(ConfigurationError, match=r"names\.key can't be read"):
        people.reserve("upn", [("Lnew", ["somebody@x.example"])])
    assert people.reserve("nickname", [("Lnew", ["somebody"])]) == {"Lnew": "somebody"}  # nobody was erased in here


def test_whoever_was_forgotten_is_found_by_what_is_left(people: SchoolStore) -> None:
    people.record([done(operation("Lzoe", Action.FORGET))], cycle="c", now=NOW)
    assert people.links(["Lzoe"]) == []
    with people.database.read() as connection:
        for text in ("Lzoe", "zoe.ueberall@x.example", "zoe.ueberall", "ZOE", NAME):
            assert found_by(connection, people.code, text) == ["Lzoe"], text
        assert found_by(connection, people.code, "nobody at all") == []
    erased(people)
    assert NAME.lower() not in everything(people)


def test_a_plan_on_a_copy_still_knows_the_names_of_the_erased(people: SchoolStore) -> None:
    erased(people)
    copy = open_database("sqlite://", clock=Clock())
    tried = people.copy_to(copy)
    given = tried.reserve("upn", [("Lnew", ["zoe.ueberall@x.example", "other@x.example"])])
    assert given == {"Lnew": "other@x.example"}
    copy.close()


def test_holds_follow_a_link_and_end_with_it(store: SchoolStore, clock: Clock) -> None:
    both(store, user("a"))
    until = clock.pass_(days=0).replace(year=2027)
    store.hold_person("La", until=until, reason="exam", note="n", actor="t")
    first = clock.now
    clock.pass_(days=3)
    store.hold_person("La", until=until, reason="legal", note="n", actor="t")
    assert [(one.reason, one.end) for one in store.person_holds(["La"])["La"]] == [
        ("exam", clock.now),
        ("legal", until),
    ]
    assert store.links(["La"])[0].stopped == ((first, clock.now), (clock.now, until))
    assert [one.reason for one in store.standing_holds()] == ["legal"]
    assert store.leaving() == ["La"]
    clock.pass_(days=1)
    assert store.lift_hold("La", actor="t", note="") == 1
    assert store.lift_hold("La", actor="t", note="") == 0
    assert store.standing_holds() == []
    store.record([done(operation("La", Action.FORGET))], cycle="c", now=NOW)
    assert store.person_holds(["La"]) == {}
