"""Holds, releases and the guard's numbers; cycles; what people search for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bridge.core.model import Action, Evidence
from bridge.ports import Removal, Trouble
from bridge.state import SchoolStore, guardbook
from bridge.state.transaction import Transaction
from tests.state.conftest import Clock
from tests.state.words import CLOUD, NOW, SCHOOL, both, done, due, enrol, group, operation, page, part, user


def held(link: str, *, rule: str = "guard:delete", **rest: object) -> Trouble:
    fields = {"action": Action.DELETE, "retry_at": None, "attempts": 0, **rest}
    return Trouble(link, "user", CLOUD, role="pupil", rule=rule, message="too many", since=NOW, **fields)  # type: ignore[arg-type]


def test_what_is_held_is_not_due_until_it_changes(store: SchoolStore) -> None:
    both(store, user("a"), user("b"))
    store.touch(["La", "Lb"])
    store.trouble([held("La"), held("Lb")])
    assert due(store) == []
    assert [one.link for one in store.troubles()] == ["La", "Lb"]
    store.fold(SCHOOL, page(user("a", display_name="Ada")), now=NOW)
    assert due(store) == ["La"]
    assert [one.link for one in store.troubles()] == ["Lb"]


def test_a_quarantine_ends_by_itself_and_counts_its_attempts(store: SchoolStore) -> None:
    both(store, user("a"))
    later = NOW + timedelta(minutes=4)
    store.trouble([held("La", rule="quarantine:invalid", retry_at=later, attempts=3)])
    assert (due(store), due(store, later)) == ([], ["La"])
    assert store.due(later, None, 5)[0].attempts == 3
    store.quiet(["La"])
    assert store.links(["La"])[0].attempts == 0
    assert list(store.troubles()) == []


def test_holds_are_journaled_when_their_rule_is_new(store: SchoolStore) -> None:
    both(store, user("a"), user("b"))
    store.trouble([held("La"), held("Lb")])
    store.trouble([held("La", attempts=1), held("Lb", rule="stage")])
    entries = [(one.entry.reason, one.entry.after["links"]) for one in store.journal() if one.entry.action == "hold"]
    assert entries == [("guard:delete", ["La", "Lb"]), ("stage", ["Lb"])]


def test_a_release_is_journaled_and_good_for_one_write(store: SchoolStore, clock: Clock) -> None:
    both(store, user("a"), user("b"))
    store.trouble([held("La"), held("Lb")])
    store.release("La", actor="principal", reason="really left")
    store.release("Lb", actor="principal", reason="later", expires=NOW + timedelta(hours=1))
    assert (due(store), store.released()) == (["La", "Lb"], {"La", "Lb"})
    entry = next(one.entry for one in store.journal() if one.entry.action == "release")
    assert (entry.actor, entry.link, entry.reason, entry.before) == (
        "principal",
        "La",
        "really left",
        {"rule": "guard:delete"},
    )
    clock.pass_(hours=2)
    assert store.released() == {"La"}
    store.record([done(operation("La", Action.DELETE, anchor="A"), "A")], cycle="c", now=clock.now)
    assert store.released() == frozenset()


def test_unhold_frees_what_rules_of_a_prefix_held(store: SchoolStore) -> None:
    both(store, user("a"), user("b"), user("c"))
    store.trouble([held("La"), held("Lb", rule="stage"), held("Lc", rule="guardian_angel")])
    assert store.unhold("guard:") == 1
    assert due(store) == ["La"]
    assert store.unhold("100%_") == 0


def test_tallies_sum_what_was_written_and_what_is_held(store: SchoolStore) -> None:
    both(store, user("a"), user("b"), user("c"), group("g", "abc"))
    rename = operation(
        "La", Action.UPDATE, role="pupil", anchor="A", before={"display_name": "a"}, after={"display_name": "x"}
    )
    fewer = operation(
        "Lg",
        Action.UPDATE,
        kind="group",
        anchor="G",
        before={"members": frozenset({"La", "Lb", "Lc"})},
        after={"members": frozenset({"La"})},
    )
    store.record([done(rename, "A"), done(fewer, "G")], cycle="c", now=NOW - timedelta(hours=3))
    store.record([done(rename, "A")], cycle="c", now=NOW)
    store.trouble([held("Lb"), held("Lc", action=Action.RETIRE), held("La", rule="stage", action=Action.CREATE)])
    assert store.tallies(NOW - timedelta(hours=1)) == {
        ("cloud", "user", "pupil", "update"): 1,
        ("cloud", "user", "pupil", "rename"): 1,
        ("cloud", "user", "pupil", "delete"): 2,
    }
    older = store.tallies(NOW - timedelta(days=1))
    assert older["cloud", "user", "pupil", "rename"] == 2
    assert older["cloud", "group", "", "member_removal"] == 2


def test_a_side_is_empty_only_where_there_are_agreements(store: SchoolStore) -> None:
    both(store, user("a"))
    store.fold(SCHOOL, page(Removal("a", Evidence.MISSING)), now=NOW)
    assert store.empty() == frozenset()
    store.record([done(operation("La", Action.AGREE, agree={"display_name": "a"}))], cycle="c", now=NOW)
    assert store.empty() == {SCHOOL}


def test_cycles_are_kept_by_the_last_thousand(store: SchoolStore, clock: Clock) -> None:
    for number in range(1003):
        store.begin_cycle(f"c{number}", now=clock.pass_(minutes=1))
    store.end_cycle("c1002", outcome="done", counts={"written": 3}, now=clock.pass_(seconds=2))
    cycles = store.cycles(2000)
    assert len(cycles) == 1000
    assert (cycles[0].id, cycles[0].outcome, cycles[0].counts, cycles[0].ended) == (
        "c1002",
        "done",
        {"written": 3},
        clock.now,
    )
    assert cycles[1].ended is None


def test_find_knows_names_logins_and_anchors(store: SchoolStore) -> None:
    both(store, user("a", display_name="Łukasz Öztürk", login="loeztuerk"), user("b", display_name="Ada"))
    for text in ("öztürk", "LOEZ", "La", "ŁUKASZ"):
        assert ("La", SCHOOL) in {(one.link, one.side) for one in store.find(text)}
    assert store.find("La")[0].link == "La"
    assert list(store.find("nobody here")) == []
    assert len(store.find("a", limit=1)) == 1


def test_counts_passwords_handed_out_and_stage(store: SchoolStore, clock: Clock) -> None:
    both(store, user("a"), group("g"))
    assert store.counts() == {(side, kind): 1 for side in ("school", "cloud") for kind in ("user", "group")}
    store.mark_handed_out(["La"])
    assert store.handed_out(["La", "Lg"]) == {"La": clock.now}
    assert store.stage() == "classic"
    since = clock.pass_(hours=1)
    store.move_stage("observing", event="observe", actor="admin", reason="start")
    assert (store.stage(), store.stage_since()) == ("observing", since)
    entry = [one.entry for one in store.journal()][-1]
    assert (entry.action, entry.actor, entry.before, entry.after) == (
        "stage",
        "admin",
        {"stage": "classic"},
        {"stage": "observing"},
    )


def test_a_copy_has_all_but_the_journal_and_leaves_the_original_alone(store: SchoolStore, tmp_path: object) -> None:
    from bridge.state import open_database

    both(store, user("a"), user("b"), group("g", "ab"))
    enrol(store, SCHOOL, user("z"))
    store.touch(["La"])
    other = open_database(f"sqlite:///{tmp_path}/copy.db", clock=store.database.clock)
    copy = store.copy_to(other)
    assert copy.links(["La", "Lb", "Lg", "Lz"]) == store.links(["La", "Lb", "Lg", "Lz"])
    assert due(copy) == ["La"]
    copy.fold(SCHOOL, page(part("group", "g", removed="a")), now=NOW)
    copy.record([done(operation("La", Action.DELETE, anchor="A"), "A")], cycle="c", now=NOW)
    assert copy.verify().ok
    assert due(store) == ["La"]
    other.close()


def test_releasing_several_frees_all_or_none(store: SchoolStore, monkeypatch: pytest.MonkeyPatch) -> None:
    let_go = guardbook.let_go

    def break_at_the_second(tx: Transaction, of: str, **how: Any) -> None:
        if of == "Lb":
            raise OSError("disk full")
        let_go(tx, of, **how)

    monkeypatch.setattr(guardbook, "let_go", break_at_the_second)
    with pytest.raises(OSError, match="disk full"):
        store.release("La", "Lb", actor="principal", reason="right")
    assert store.released() == frozenset()
    monkeypatch.undo()
    store.release("La", "Lb", actor="principal", reason="right")
    assert store.released() == {"La", "Lb"}
