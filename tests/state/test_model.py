"""Whatever comes in whatever order, the store shows what a naive model shows."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.kinds import KINDS
from bridge.core.model import Evidence
from bridge.ports import Observation, Page, Pair, Removal
from bridge.state import Database, SchoolStore, open_database
from tests.state.words import NOW, SCHOOL, quiet

PEOPLE, GROUPS = "abc", "gh"
_numbers = itertools.count()

names = st.sampled_from(["", "Ada", "Eva", "Łukasz"])
members = st.frozensets(st.sampled_from(PEOPLE + GROUPS))
people = st.builds(
    lambda anchor, name, whole, scope: Observation(
        "user", anchor, "", {"display_name": name}, whole=whole, in_scope=scope
    ),
    st.sampled_from(PEOPLE),
    names,
    st.booleans(),
    st.sampled_from([True, True, True, False]),
)
whole_groups = st.builds(
    lambda anchor, name, of: Observation("group", anchor, "", {"description": name, "members": of}),
    st.sampled_from(GROUPS),
    names,
    members,
)
part_groups = st.builds(
    lambda anchor, more, less: Observation(
        "group", anchor, "", {}, whole=False, added={"members": more - less}, removed={"members": less}
    ),
    st.sampled_from(GROUPS),
    members,
    members,
)
observations = st.one_of(people, whole_groups, part_groups)
removals = st.builds(Removal, st.sampled_from(PEOPLE + GROUPS), st.sampled_from(Evidence))
deltas = st.builds(
    lambda seen, gone: Page(tuple(seen), tuple(gone), token="t"),
    st.lists(observations, max_size=4),
    st.lists(removals, max_size=2),
)
listings = st.builds(
    lambda parts, whole: [
        Page(tuple(seen), listing=True, complete=whole and number == len(parts) - 1)
        for number, seen in enumerate(parts)
    ],
    st.lists(st.lists(observations, max_size=4), min_size=1, max_size=3),
    st.booleans(),
)
histories = st.lists(st.one_of(deltas.map(lambda one: [one]), listings), max_size=6)


@dataclass
class Model:
    """Two dictionaries and nothing clever."""

    fields: dict[str, dict[str, object]] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    gone: dict[str, Evidence] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    def fold(self, page: Page) -> set[str]:
        """Returns what changed."""
        before = self.shown()
        for one in page.observations:
            self.observe(one)
            if one.in_scope:
                self.seen.add(one.anchor)
        for removal in {one.anchor: one for one in page.removals}.values():
            self.remove(removal.anchor, removal.evidence)
        if page.complete:
            for anchor in set(self.fields) - self.seen:
                self.remove(anchor, Evidence.MISSING)
        after = self.shown()
        return {anchor for anchor in after if after[anchor] != before.get(anchor)}

    def observe(self, one: Observation) -> None:
        if not one.in_scope:
            self.remove(one.anchor, Evidence.LEFT)
            return
        known = self.fields.setdefault(one.anchor, {})
        self.kinds[one.anchor] = one.kind
        if one.whole:
            known.clear()
        known.update(one.fields)
        for name, targets in one.added.items():
            known[name] = frozenset(known.get(name, ())) | targets  # type: ignore[call-overload]
        for name, targets in one.removed.items():
            known[name] = frozenset(known.get(name, ())) - targets  # type: ignore[call-overload]
        self.gone.pop(one.anchor, None)

    def remove(self, anchor: str, evidence: Evidence) -> None:
        if anchor in self.fields and not (evidence is Evidence.MISSING and anchor in self.gone):
            self.gone[anchor] = evidence

    def shown(self) -> dict[str, tuple[object, object]]:
        return {
            anchor: (
                {name: value for name, value in fields.items() if value not in ("", frozenset())},
                self.gone.get(anchor),
            )
            for anchor, fields in self.fields.items()
        }

    def flat(self, anchor: str, linked: set[str]) -> frozenset[str]:
        """Members through nested groups that weren't surely deleted, as links; unlinked people don't count."""
        people, visited, stack = set(), {anchor}, [anchor]
        while stack:
            for target in self.fields[stack.pop()].get("members", ()):  # type: ignore[attr-defined]
                if self.kinds.get(target) == "group":
                    if target not in visited and self.gone.get(target) not in {Evidence.DELETED, Evidence.PURGED}:
                        stack.append(target)
                    visited.add(target)
                elif target in linked:
                    people.add(f"L{target}")
        return frozenset(people)


def expected(model: Model, anchor: str, linked: set[str]) -> tuple[object, object]:
    fields, gone = model.shown()[anchor]
    if gone is not None:
        return None, gone
    assert isinstance(fields, dict)
    flat = model.flat(anchor, linked) if model.kinds[anchor] == "group" else frozenset()
    return {
        **{name: value for name, value in fields.items() if name != "members"},
        **({"members": flat} if flat else {}),
    }, None


def shown(store: SchoolStore) -> dict[str, tuple[object, object]]:
    links = store.links([f"L{anchor}" for anchor in PEOPLE + GROUPS])
    ends = {one.id[1:]: one.school for one in links}
    return {a: (dict(end.record.fields) if end.record is not None else None, end.gone) for a, end in ends.items()}


@pytest.fixture(scope="module")
def session_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """One database for all examples; each has a school of its own."""
    opened = open_database(f"sqlite:///{tmp_path_factory.mktemp('model')}/state.db", clock=lambda: NOW)
    yield opened
    opened.close()


@settings(max_examples=60, deadline=None)
@given(history=histories)
def test_any_history_ends_as_the_naive_model_says(history: list[list[Page]], session_database: Database) -> None:
    store = session_database.school(f"s{next(_numbers)}", KINDS)
    model = Model()
    for pages in history:
        model.seen.clear()
        if pages[0].listing:
            store.drop_token(SCHOOL)
        for page in pages:
            changed = model.fold(page)
            store.fold(SCHOOL, page, now=NOW)
            due = {one.id[1:] for one in store.due(NOW, None, 100)}
            assert {anchor for anchor in changed if anchor in shown(store)} <= due
            new = [one for one in store.loose(None, 100) if one.link is None]
            store.pair([Pair(f"L{one.anchor}", one.kind, one.anchor, None) for one in new])
            quiet(store)
            ends = shown(store)
            assert ends == {anchor: expected(model, anchor, set(ends)) for anchor in ends}
            assert {anchor for anchor in model.fields if anchor not in model.gone} <= set(ends)
