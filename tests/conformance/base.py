"""What every connector must do, as one suite: subclass ``Conformance`` and give it a ``bench``.

    class TestMemory(Conformance):
        @pytest.fixture
        async def bench(self): yield MemoryBench()

A bench is the connector together with *other means* of reading and changing its side (a second LDAP connection, the
sandbox's own state): the connector is never its own witness. Tests of what a connector can't do by its own
capabilities are skipped, and only those.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import pytest

from bridge.core.kinds import KINDS, Shape
from bridge.core.model import Action, Evidence, Fields, Value
from bridge.ports import Connector, Context, Failed, Fenced, Outcome, Page, TokenLost, Write, Written


class Lease:
    """Whether this process still looks after the school."""

    over = False

    def __call__(self) -> None:
        if self.over:
            raise Fenced("this process does not look after the school any more")


#: Of every context that tests make.
LEASE = Lease()


def context(school: str = "hfg") -> Context:
    """A context for tests: a standing clock, no waiting, no secrets."""

    async def sleep(seconds: float) -> None:
        return None

    return Context(
        school=school,
        secret=lambda reference: Path(reference).name.encode(),
        clock=lambda: datetime(2026, 9, 1, 6, 0, tzinfo=UTC),
        sleep=sleep,
        monotonic=lambda: 0.0,
        random=lambda: 0.5,
        permit=LEASE,
    )


class Bench(Protocol):
    """One side with a connector to it. ``kinds``: the kinds to test. References are anchors, as in the port.

    ``label``: kind -> a plain text field that people change. ``sample`` gives the fields of the n-th object of a kind,
    all different. ``make``, ``change``, ``delete``, ``read`` work on the side by other means. ``read`` gives the
    fields of what is there, None when nothing is (a recycle bin is nothing). ``settle`` waits until a change by other
    means can be seen.
    """

    connector: Connector
    kinds: tuple[str, ...]
    label: dict[str, str]
    lossless: bool
    """Whether a delta shows deletions as positive evidence (a side without tombstones can't)."""

    def sample(self, kind: str, number: int) -> Fields: ...
    async def make(self, kind: str, fields: Fields) -> str: ...
    async def change(self, anchor: str, fields: Fields) -> None: ...
    async def delete(self, anchor: str) -> None: ...
    async def read(self, anchor: str) -> Fields | None: ...
    async def settle(self) -> None: ...


class Seen:
    """What an observation showed, folded the way the state folds it."""

    def __init__(self) -> None:
        self.records: dict[str, dict[str, Value]] = {}
        self.kinds: dict[str, str] = {}
        self.versions: dict[str, str] = {}
        self.gone: dict[str, Evidence] = {}
        self.pages: list[Page] = []
        self.token: str | None = None

    def fold(self, page: Page) -> None:
        self.pages.append(page)
        self.token = page.token or self.token
        for one in page.observations:
            fields = {} if one.whole else dict(self.records.get(one.anchor, {}))
            fields.update(one.fields)
            for name, added in one.added.items():
                fields[name] = elements(fields.get(name)) | added
            for name, removed in one.removed.items():
                fields[name] = elements(fields.get(name)) - removed
            self.records[one.anchor], self.kinds[one.anchor] = fields, one.kind
            self.versions[one.anchor] = one.version
            self.gone.pop(one.anchor, None)
        for removal in page.removals:
            self.records.pop(removal.anchor, None)
            self.gone[removal.anchor] = removal.evidence


def elements(value: Value) -> frozenset[str]:
    return value if isinstance(value, frozenset) else frozenset()


async def watch(
    connector: Connector, token: str | None = None, *, recall: str | None = None, seen: Seen | None = None
) -> Seen:
    """Observe to the end."""
    seen = seen or Seen()
    async for page in connector.observe(token, recall=recall):
        seen.fold(page)
    return seen


async def write(connector: Connector, *writes: Write) -> dict[str, Outcome]:
    """Apply and return the outcomes by id; exactly one comes for each write."""
    outcomes = [outcome async for outcome in connector.apply(writes)]
    assert sorted(one.id for one in outcomes) == sorted(one.id for one in writes), "one outcome for each write"
    return {one.id: one for one in outcomes}


async def written(connector: Connector, one: Write) -> Written:
    """Apply one write that has to succeed."""
    outcome = (await write(connector, one))[one.id]
    assert isinstance(outcome, Written), outcome
    return outcome


def creation(kind: str, fields: Fields, *, id: str = "w1") -> Write:  # noqa: A002
    """A CREATE as the engine sends it: sets of references in ``added``, the source anchor as key."""
    sets = {column.name for column in KINDS[kind].shaped(Shape.REFS)}
    key = str(fields.get("source_anchor") or "") if "source_anchor" in KINDS[kind].keys else ""
    return Write(
        id=id,
        kind=kind,
        action=Action.CREATE,
        anchor=None,
        fields={name: value for name, value in fields.items() if name not in sets},
        added={name: elements(value) for name, value in fields.items() if name in sets},
        key=key,
    )


class Conformance:
    """The suite. ``bench`` comes from the subclass."""

    @pytest.fixture
    async def bench(self) -> AsyncIterator[Bench]:
        raise NotImplementedError("the subclass gives a bench")
        yield  # noqa: PT022 - this makes it the generator that subclasses give

    def able(self, bench: Bench, kind: str, *actions: Action) -> None:
        missing = set(actions) - bench.connector.capabilities.writes.get(kind, frozenset())
        if missing:
            pytest.skip(f"by its capabilities it can't {', '.join(sorted(missing))} a {kind}")

    # --- what it is -------------------------------------------------------------------------------------------------

    async def test_identity_stays_the_same(self, bench: Bench) -> None:
        one, two = await bench.connector.identify(), await bench.connector.identify()
        assert one == two
        assert one.id

    async def test_capabilities_name_known_kinds_and_writing_actions(self, bench: Bench) -> None:
        able = bench.connector.capabilities
        assert set(bench.kinds) <= able.kinds <= set(KINDS)
        assert set(able.writes) <= able.kinds
        assert all(action.writes for actions in able.writes.values() for action in actions)
        assert able.chunk >= 1

    async def test_check_finds_something_and_does_not_write(self, bench: Bench) -> None:
        before = await watch(bench.connector)
        assert all(finding.subject for finding in await bench.connector.check())
        assert (await watch(bench.connector)).versions == before.versions

    async def test_close_twice(self, bench: Bench) -> None:
        await bench.connector.close()
        await bench.connector.close()

    # --- observing --------------------------------------------------------------------------------------------------

    async def test_listing_shows_all_and_is_complete_once_on_its_last_page(self, bench: Bench) -> None:
        made = [await bench.make(kind, bench.sample(kind, n)) for kind in bench.kinds for n in range(3)]
        await bench.settle()
        seen = await watch(bench.connector)
        assert set(made) <= set(seen.records)
        assert all(page.listing for page in seen.pages)
        assert [page.complete for page in seen.pages] == [False] * (len(seen.pages) - 1) + [True]
        assert seen.pages[-1].token

    async def test_listing_shows_fields_as_they_are(self, bench: Bench) -> None:
        for kind in bench.kinds:
            fields = bench.sample(kind, 1)
            anchor = await bench.make(kind, fields)
            await bench.settle()
            seen = await watch(bench.connector)
            label = bench.label[kind]
            assert seen.records[anchor][label] == fields[label]
            assert seen.kinds[anchor] == kind

    async def test_a_listing_that_is_not_read_to_its_end_is_never_complete(self, bench: Bench) -> None:
        for kind in bench.kinds:
            for n in range(3):
                await bench.make(kind, bench.sample(kind, n))
        await bench.settle()
        pages = bench.connector.observe(None)
        first = await anext(pages)
        more = [page async for page in pages]
        assert not first.complete or not more

    async def test_delta_without_change_is_empty_and_has_a_token(self, bench: Bench) -> None:
        await bench.make(bench.kinds[0], bench.sample(bench.kinds[0], 1))
        await bench.settle()
        seen = await watch(bench.connector)
        again = await watch(bench.connector, seen.token)
        # A side may show the last changes once more; it may not show anything else than what is known already.
        assert {anchor: seen.records[anchor] for anchor in again.records} == again.records
        assert not again.gone
        assert not any(page.complete or page.listing for page in again.pages)
        assert again.pages[-1].token

    async def test_delta_shows_new_changed_and_deleted(self, bench: Bench) -> None:
        for kind in bench.kinds:
            kept = await bench.make(kind, bench.sample(kind, 1))
            going = await bench.make(kind, bench.sample(kind, 2))
            await bench.settle()
            seen = await watch(bench.connector)
            version = seen.versions[kept]
            new = await bench.make(kind, bench.sample(kind, 3))
            label = bench.label[kind]
            await bench.change(kept, {label: f"Geändert {kind}"})
            await bench.delete(going)
            await bench.settle()
            await watch(bench.connector, seen.token, seen=seen)
            assert seen.records[kept][label] == f"Geändert {kind}"
            assert seen.versions[kept] != version
            assert new in seen.records
            assert going not in seen.records
            if bench.lossless:
                assert seen.gone[going] in {Evidence.DELETED, Evidence.PURGED}

    async def test_the_same_token_may_be_used_again(self, bench: Bench) -> None:
        kind = bench.kinds[0]
        await bench.settle()
        seen = await watch(bench.connector)
        anchor = await bench.make(kind, bench.sample(kind, 1))
        await bench.settle()
        assert anchor in (await watch(bench.connector, seen.token)).records
        # A crash before the commit: the old token is all that is left.
        assert anchor in (await watch(bench.connector, seen.token)).records

    async def test_an_unknown_token_is_lost_before_the_first_page(self, bench: Bench) -> None:
        with pytest.raises(TokenLost):
            await anext(bench.connector.observe("no such token"))

    async def test_delta_and_listing_agree(self, bench: Bench) -> None:
        seen = await watch(bench.connector)
        anchors = [await bench.make(kind, bench.sample(kind, n)) for kind in bench.kinds for n in range(4)]
        await bench.delete(anchors[1])
        await bench.change(anchors[2], {bench.label[bench.kinds[0]]: "Anders"})
        await bench.settle()
        await watch(bench.connector, seen.token, seen=seen)
        whole = await watch(bench.connector)
        assert seen.records == whole.records

    async def test_what_is_recalled_hides_nothing_from_a_listing(self, bench: Bench) -> None:
        for kind in bench.kinds:
            await bench.make(kind, bench.sample(kind, 1))
        await bench.settle()
        before = await watch(bench.connector)
        for kind in bench.kinds:
            await bench.make(kind, bench.sample(kind, 2))
        await bench.settle()
        whole = await watch(bench.connector)
        assert len(whole.records) > len(before.records)
        for recall in (before.token, "no such token"):
            listed = await watch(bench.connector, recall=recall)
            assert listed.records == whole.records
            assert listed.pages[-1].complete

    async def test_members_come_as_anchors_and_change_by_delta(self, bench: Bench) -> None:
        if not {"user", "group"} <= set(bench.kinds):
            pytest.skip("no groups on this side")
        users = [await bench.make("user", bench.sample("user", n)) for n in range(3)]
        group = await bench.make("group", {**bench.sample("group", 1), "members": frozenset(users[:2])})
        await bench.settle()
        seen = await watch(bench.connector)
        assert elements(seen.records[group]["members"]) == frozenset(users[:2])
        await bench.change(group, {"members": frozenset(users[1:])})
        await bench.settle()
        await watch(bench.connector, seen.token, seen=seen)
        assert elements(seen.records[group]["members"]) == frozenset(users[1:])

    # --- writing ----------------------------------------------------------------------------------------------------

    @pytest.fixture
    def lease(self) -> Iterator[Lease]:
        """Of the bench's connector; given back at the end."""
        yield LEASE
        LEASE.over = False

    async def test_who_lost_the_school_makes_nothing(self, bench: Bench, lease: Lease) -> None:
        for kind in bench.kinds:
            self.able(bench, kind, Action.CREATE)
            before = await watch(bench.connector)
            lease.over = True
            with pytest.raises(Fenced):
                await write(bench.connector, creation(kind, bench.sample(kind, 1)))
            lease.over = False
            await bench.settle()
            assert (await watch(bench.connector)).records == before.records

    async def test_who_lost_the_school_changes_and_removes_nothing(self, bench: Bench, lease: Lease) -> None:
        for kind in bench.kinds:
            self.able(bench, kind, Action.UPDATE)
            label, anchor = bench.label[kind], await bench.make(kind, bench.sample(kind, 1))
            await bench.settle()
            version = (await watch(bench.connector)).versions[anchor]
            writes = [Write("w1", kind, Action.UPDATE, anchor, {label: f"Neu {kind}"}, expected=version)]
            if Action.DELETE in bench.connector.capabilities.writes[kind]:
                writes.append(Write("w2", kind, Action.DELETE, anchor, expected=version))
            lease.over = True
            for one in writes:
                with pytest.raises(Fenced):
                    await write(bench.connector, one)
            lease.over = False
            there = await bench.read(anchor)
            assert there is not None
            assert there[label] == bench.sample(kind, 1)[label]

    async def test_creation_is_seen_by_other_means_and_by_delta(self, bench: Bench) -> None:
        for kind in bench.kinds:
            self.able(bench, kind, Action.CREATE)
            seen = await watch(bench.connector)
            fields = bench.sample(kind, 1)
            done = await written(bench.connector, creation(kind, fields))
            assert not done.adopted
            there = await bench.read(done.anchor)
            assert there is not None
            assert there[bench.label[kind]] == fields[bench.label[kind]]
            await bench.settle()
            assert done.anchor in (await watch(bench.connector, seen.token)).records

    async def test_creation_adopts_what_has_the_same_key(self, bench: Bench) -> None:
        for kind in bench.kinds:
            if "source_anchor" not in KINDS[kind].keys:
                continue
            self.able(bench, kind, Action.CREATE)
            fields = bench.sample(kind, 1)
            one = await written(bench.connector, creation(kind, fields))
            two = await written(bench.connector, creation(kind, fields))
            assert two.anchor == one.anchor, "nobody twice"
            assert two.adopted

    async def test_many_writes_give_one_outcome_each(self, bench: Bench) -> None:
        kind = bench.kinds[0]
        self.able(bench, kind, Action.CREATE)
        number = min(45, bench.connector.capabilities.chunk * 2 + 5)
        writes = [creation(kind, bench.sample(kind, n), id=f"w{n}") for n in range(number)]
        outcomes = await write(bench.connector, *writes)
        assert all(isinstance(one, Written) for one in outcomes.values())
        assert len({one.anchor for one in outcomes.values() if isinstance(one, Written)}) == number

    async def test_update_changes_what_it_names_and_nothing_else(self, bench: Bench) -> None:
        for kind in bench.kinds:
            self.able(bench, kind, Action.UPDATE)
            anchor = await bench.make(kind, bench.sample(kind, 1))
            await bench.settle()
            seen = await watch(bench.connector)
            before, label = seen.records[anchor], bench.label[kind]
            change = Write("w1", kind, Action.UPDATE, anchor, {label: f"Neu {kind}"}, expected=seen.versions[anchor])
            done = await written(bench.connector, change)
            assert not done.refused
            await bench.settle()
            after = (await watch(bench.connector)).records[anchor]
            assert after == {**before, label: f"Neu {kind}"}

    async def test_members_are_added_and_removed_one_by_one(self, bench: Bench) -> None:
        if not {"user", "group"} <= set(bench.kinds):
            pytest.skip("no groups on this side")
        self.able(bench, "group", Action.UPDATE)
        users = [await bench.make("user", bench.sample("user", n)) for n in range(4)]
        group = await bench.make("group", {**bench.sample("group", 1), "members": frozenset(users[:2])})
        # Somebody else adds a member after we read: it has to survive our write.
        await bench.settle()
        await bench.change(group, {"members": frozenset(users[:3])})
        added, removed = {"members": frozenset(users[3:])}, {"members": frozenset(users[:1])}
        await written(bench.connector, Write("w1", "group", Action.UPDATE, group, added=added, removed=removed))
        there = await bench.read(group)
        assert there is not None
        assert elements(there["members"]) == frozenset(users[1:])

    async def test_members_may_be_added_and_removed_twice(self, bench: Bench) -> None:
        if not {"user", "group"} <= set(bench.kinds):
            pytest.skip("no groups on this side")
        self.able(bench, "group", Action.UPDATE)
        users = [await bench.make("user", bench.sample("user", n)) for n in range(2)]
        group = await bench.make("group", {**bench.sample("group", 1), "members": frozenset(users[:1])})
        added, removed = {"members": frozenset(users[1:])}, {"members": frozenset(users[:1])}
        for n in range(2):
            change = Write(f"w{n}", "group", Action.UPDATE, group, added=added, removed=removed)
            assert not (await written(bench.connector, change)).unknown
        there = await bench.read(group)
        assert there is not None
        assert elements(there["members"]) == frozenset(users[1:])
        assert await bench.read(users[0]) is not None, "removing a member never deletes the person"

    async def test_a_member_that_is_not_known_is_left_out_and_named(self, bench: Bench) -> None:
        if not {"user", "group"} <= set(bench.kinds):
            pytest.skip("no groups on this side")
        self.able(bench, "group", Action.UPDATE)
        known, gone = [await bench.make("user", bench.sample("user", n)) for n in range(2)]
        group = await bench.make("group", bench.sample("group", 1))
        await bench.delete(gone)
        await bench.settle()
        done = await written(
            bench.connector, Write("w1", "group", Action.UPDATE, group, added={"members": frozenset({known, gone})})
        )
        assert done.unknown == {"members": frozenset({gone})}
        there = await bench.read(group)
        assert there is not None
        assert elements(there["members"]) == frozenset({known})

    async def test_writing_to_what_is_gone_fails_and_spares_the_others(self, bench: Bench) -> None:
        for kind in bench.kinds:
            self.able(bench, kind, Action.UPDATE)
            gone = await bench.make(kind, bench.sample(kind, 1))
            there = await bench.make(kind, bench.sample(kind, 2))
            await bench.delete(gone)
            await bench.settle()
            label = bench.label[kind]
            outcomes = await write(
                bench.connector,
                Write("w1", kind, Action.UPDATE, gone, {label: f"Nie {kind}"}),
                Write("w2", kind, Action.UPDATE, there, {label: f"Doch {kind}"}),
            )
            failed = outcomes["w1"]
            assert isinstance(failed, Failed)
            assert failed.cause == "gone"
            assert failed.message
            assert isinstance(outcomes["w2"], Written)
            fields = await bench.read(there)
            assert fields is not None
            assert fields[label] == f"Doch {kind}"

    async def test_disable_turns_the_switch_off(self, bench: Bench) -> None:
        for kind in bench.kinds:
            switch = KINDS[kind].switch
            if switch is None:
                continue
            self.able(bench, kind, Action.DISABLE)
            anchor = await bench.make(kind, {**bench.sample(kind, 1), switch: True})
            await written(bench.connector, Write("w1", kind, Action.DISABLE, anchor, {switch: False}))
            there = await bench.read(anchor)
            assert there is not None
            assert there[switch] is False

    async def test_delete_is_soft_and_restore_brings_the_same_object_back(self, bench: Bench) -> None:
        for kind in bench.kinds:
            self.able(bench, kind, Action.CREATE, Action.DELETE, Action.RESTORE)
            fields = bench.sample(kind, 1)
            anchor = (await written(bench.connector, creation(kind, fields))).anchor
            await bench.settle()
            seen = await watch(bench.connector)
            await written(bench.connector, Write("w1", kind, Action.DELETE, anchor, expected=seen.versions[anchor]))
            assert await bench.read(anchor) is None
            await bench.settle()
            await watch(bench.connector, seen.token, seen=seen)
            assert seen.gone[anchor] is Evidence.DELETED
            label = bench.label[kind]
            back = await written(bench.connector, Write("w2", kind, Action.RESTORE, anchor, {label: f"Zurück {kind}"}))
            assert back.anchor == anchor
            there = await bench.read(anchor)
            assert there is not None
            assert there[label] == f"Zurück {kind}"
            await bench.settle()
            await watch(bench.connector, seen.token, seen=seen)
            assert seen.records[anchor][label] == f"Zurück {kind}"

    async def test_a_delete_may_be_repeated_or_says_gone(self, bench: Bench) -> None:
        for kind in bench.kinds:
            self.able(bench, kind, Action.DELETE)
            anchor = await bench.make(kind, bench.sample(kind, 1))
            await bench.settle()
            await written(bench.connector, Write("w1", kind, Action.DELETE, anchor))
            again = (await write(bench.connector, Write("w2", kind, Action.DELETE, anchor)))["w2"]
            assert isinstance(again, Written) or again.cause == "gone"

    async def test_a_purge_takes_only_what_was_deleted_and_may_be_repeated(self, bench: Bench) -> None:
        purge = bench.connector.capabilities.purge
        if purge is None:
            pytest.skip("by its capabilities it purges nothing")
        for kind in [one for one in bench.kinds if Action.PURGE in KINDS[one].retire]:
            self.able(bench, kind, Action.CREATE, Action.DELETE)
            gone, there = [
                (await written(bench.connector, creation(kind, bench.sample(kind, number)))).anchor for number in (1, 2)
            ]
            await bench.settle()
            await written(bench.connector, Write("w1", kind, Action.DELETE, gone))
            await bench.settle()
            outcomes = {one.id: one async for one in purge([gone, there])}
            assert isinstance(outcomes[gone], Written)
            left = outcomes[there]
            assert isinstance(left, Failed)
            assert left.cause == "stale"
            assert await bench.read(there) is not None
            (again,) = [one async for one in purge([gone])]
            assert (again.id, isinstance(again, Written)) == (gone, True)
            await bench.settle()
            seen = await watch(bench.connector)
            assert gone not in seen.records
            assert seen.gone.get(gone) in {None, Evidence.PURGED}
            if Action.RESTORE in bench.connector.capabilities.writes.get(kind, frozenset()):
                back = (await write(bench.connector, Write("w2", kind, Action.RESTORE, gone)))["w2"]
                assert isinstance(back, Failed)
                assert back.cause == "gone"

    async def test_a_stale_write_is_refused_where_versions_exist(self, bench: Bench) -> None:
        for kind in bench.kinds:
            self.able(bench, kind, Action.UPDATE)
            label = bench.label[kind]
            anchor = await bench.make(kind, bench.sample(kind, 1))
            await bench.settle()
            seen = await watch(bench.connector)
            await bench.change(anchor, {label: f"Mensch {kind}"})
            change = Write("w1", kind, Action.UPDATE, anchor, {label: f"Brücke {kind}"}, expected=seen.versions[anchor])
            outcome = (await write(bench.connector, change))["w1"]
            if isinstance(outcome, Written):
                assert not self.refuses_stale, "this side has versions and must refuse"
                continue
            assert outcome.cause == "stale"
            there = await bench.read(anchor)
            assert there is not None
            assert there[label] == f"Mensch {kind}"

    #: Whether the side can tell that an object changed since it was read.
    refuses_stale = False

    async def test_what_it_can_not_do_fails_for_that_object_only(self, bench: Bench) -> None:
        for kind in bench.kinds:
            for action in [one for one in Action if one.writes]:
                if action in bench.connector.capabilities.writes.get(kind, frozenset()):
                    continue
                outcome = (await write(bench.connector, Write("w1", kind, action, "nobody")))["w1"]
                assert isinstance(outcome, Failed)
