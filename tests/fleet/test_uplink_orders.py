"""Orders and questions of a hub over real TLS: checked, once, by the site's own gates, journaled; names if allowed."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bridge.fleet.orders import sign
from bridge.state import journal, outbox, tokens
from bridge.state.aside import BARE
from bridge.state.journal import Entry
from bridge.state.stages import stage_of
from bridge.uplink.orders import TOKEN, Outcome
from tests.api.kit import NAMES, _trouble
from tests.fleet.fake_hub import FakeHub, now
from tests.fleet.kit import Site, configured, enrolled, site_of


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FakeHub, Site]]:
    """One hub and one site for all tests of the file; the site allows to operate, and names."""
    place = tmp_path_factory.mktemp("orders")
    (place / "site").mkdir()
    with FakeHub(place / "hub") as hub:
        school = configured(place / "site", hub, more=", allow: [operate]")
        enrolled(school, hub)
        with site_of(school) as site:
            _trouble_here(site)
            with site.up():
                yield hub, site


def _trouble_here(site: Site) -> None:
    _trouble(site.database, site.settings)


def stage(site: Site) -> str:
    with site.database.read() as connection:
        return str(stage_of(connection, "0123"))


def rows(site: Site, action: str) -> list[Entry]:
    with site.database.read() as connection:
        return [one.entry for one in journal.read(connection, "0123") if one.entry.action == action]


def test_a_command_is_carried_out_once_by_the_hubs_label_and_journaled(both: tuple[FakeHub, Site]) -> None:
    hub, site = both
    name = hub.ask({"action": "pause", "reason": "inspection"})
    done = hub.answer(name)
    assert (done["state"], done["stage"], stage(site)) == ("done", "paused-hybrid", "paused-hybrid")
    moved, moves = rows(site, "stage")[-1], len(rows(site, "stage"))
    assert (moved.actor, moved.reason) == ("hub:council", "pause: inspection")
    (about,) = [one for one in rows(site, "order") if one.after["id"] == name]
    assert (about.actor, about.outcome, about.after["action"]) == ("hub:council", "done", "pause")
    hub.until(lambda: outbox.waiting(site.database) == 0)
    assert len([one for one in hub.events("answer") if one["command"] == name]) == 1
    hub.messages[:] = [one for one in hub.messages if one.kind != "answer"]  # a hub put back: it asks the same again
    assert hub.answer(name) == done
    assert len(rows(site, "stage")) == moves
    assert stage(site) == "paused-hybrid"
    assert len([one for one in rows(site, "order") if one.after["id"] == name]) == 1
    assert hub.answer(hub.ask({"action": "resume"}))["stage"] == "hybrid"
    woken = hub.answer(hub.ask({"action": "sync"}))
    assert woken["state"] == "done"
    assert site.supervisors["0123"].woken


@pytest.mark.parametrize(
    ("action", "more", "words"),
    [
        ({"action": "pause"}, {"scopes": ["read"]}, "who asked does not have"),
        ({"action": "freeze"}, {"scopes": ["read", "operate", "approve"]}, "does not allow its hub (hub.allow"),
        ({"action": "pause"}, {"school": "0999"}, "looks after no school 0999"),
        ({"action": "paws"}, {}, "can't be understood (action)"),
        ({"action": "resume"}, {}, "hybrid"),
        ({"action": "pause"}, {"site": "s2"}, "is for the site s2"),
        ({"action": "pause"}, {"expires": now() + timedelta(days=3)}, "longer than orders are"),
        (None, {}, "asks for nothing"),
    ],
)
def test_what_is_not_allowed_is_refused_with_why_and_changes_nothing(
    both: tuple[FakeHub, Site], action: dict[str, Any] | None, more: dict[str, Any], words: str
) -> None:
    hub, site = both
    before = stage(site)
    answer = hub.answer(hub.ask(action, **more))
    assert answer["state"] == "refused"
    assert words in answer["text"]
    assert stage(site) == before == "hybrid"
    if more.get("school") is None:
        (about,) = [one for one in rows(site, "order") if one.after["id"] == answer["command"]]
        assert (about.outcome, about.actor) == ("refused", "hub:council")


def test_a_forged_order_is_refused_and_journaled_once_however_often_it_comes(both: tuple[FakeHub, Site]) -> None:
    hub, site = both
    name = hub.ask({"action": "pause"}, key=Ed25519PrivateKey.generate())
    assert "not signed by the hub that this site enrolled with" in hub.answer(name)["text"]
    hub.until(lambda: outbox.waiting(site.database) == 0)
    hub.messages[:] = [one for one in hub.messages if one.kind != "answer"]
    assert hub.answer(name)["state"] == "refused"
    assert len([one for one in rows(site, "order") if one.after["id"] == name]) == 1
    assert stage(site) == "hybrid"


def test_an_order_that_is_too_late_expires_but_one_that_was_done_stays_done(both: tuple[FakeHub, Site]) -> None:
    hub, site = both
    late = hub.ask({"action": "pause"}, issued=now() - timedelta(hours=2), expires=now() - timedelta(hours=1))
    assert hub.answer(late)["state"] == "expired"
    done = hub.order({"action": "pause", "reason": "in time"}, expires=now() + timedelta(seconds=2))
    hub.orders.append(sign(done, hub.key))
    assert hub.answer(done.id)["state"] == "done"
    hub.until(lambda: now() > done.expires)
    hub.until(lambda: outbox.waiting(site.database) == 0)
    hub.messages[:] = [one for one in hub.messages if one.kind != "answer"]
    assert hub.answer(done.id)["state"] == "done", "what was done in time is never called expired"
    assert hub.answer(hub.ask({"action": "resume"}))["state"] == "done"


def test_an_order_that_a_crash_cut_off_is_not_done_again(both: tuple[FakeHub, Site]) -> None:
    hub, site = both
    signed = sign(hub.order({"action": "pause", "reason": "before the crash"}), hub.key)
    name, mark = json.loads(signed.text)["id"], hashlib.sha256(signed.text.encode()).hexdigest()
    tokens.begin(site.database, "0123", token=TOKEN, key=name, request=mark)
    hub.orders.append(signed)
    assert "not known whether it was carried out" in hub.answer(name)["text"]
    assert stage(site) == "hybrid"


def test_what_finds_by_itself_what_is_done_is_done_again_after_a_crash(both: tuple[FakeHub, Site]) -> None:
    """A school's file that was put in place, or taken away, before the crash: the order that comes again says so."""
    hub, site = both
    action = {"action": "configure", "step": "apply", "version": 1, "reason": "as agreed"}
    signed = sign(hub.order(action, scopes=["approve"]), hub.key)
    name, mark = json.loads(signed.text)["id"], hashlib.sha256(signed.text.encode()).hexdigest()
    tokens.begin(site.database, "0123", token=TOKEN, key=name, request=mark)
    hub.orders.append(signed)
    assert "the schools' files of this site are its own" in hub.answer(name)["text"], "it was asked again"


def test_an_answer_about_a_school_that_this_site_does_not_have_is_told_under_none(both: tuple[FakeHub, Site]) -> None:
    """The hub refuses whole reports about schools of others: such an answer would hold up all that follows."""
    hub, _ = both
    name = hub.ask({"action": "pause"}, school="0999")
    assert hub.answer(name)["state"] == "refused"
    assert [one.school for one in hub.messages if one.body.get("command") == name] == [""]


def test_an_answer_that_is_too_large_is_told_without_its_text(
    both: tuple[FakeHub, Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, _ = both

    async def long(*_: object) -> Outcome:
        return Outcome("done", "\U0001f3eb" * 100_000)

    monkeypatch.setattr("bridge.uplink.orders._act", long)
    answer = hub.answer(hub.ask({"action": "pause"}))
    assert (answer["state"], answer["text"]) == ("done", BARE)


def test_looks_are_answered_sealed_and_names_only_where_all_agree(both: tuple[FakeHub, Site]) -> None:
    hub, site = both
    assert hub.look("cycles")["page"]["rows"][0]["outcome"]
    held = hub.look("operations", limit=2)["page"]
    assert len(held["rows"]) == 2
    assert held["next"]
    assert not any(one["names"] for one in held["rows"])
    more = hub.look("operations", limit=100, before=held["next"])["page"]
    assert len(more["rows"]) == 4
    for what in ("plan", "drift", "releases", "reports"):
        assert isinstance(hub.look(what)["rows"], list)
    assert "no such report" in hub.look("report", report="nothing", form="html")
    assert rows(site, "look") == []
    assert "may not read" in hub.look("cycles", scopes=())
    bare = [hub.look(what, names=True) for what in ("drift", "conflicts", "journal", "operations", "releases")]
    assert not [name for name in NAMES if name in json.dumps(bare, ensure_ascii=False)], "who asked may not see them"
    assert rows(site, "look") == []
    full = hub.look("drift", names=True, scopes=("read", "names"))["rows"]
    assert full[0]["names"] == {"found": "Anna Lung", "wanted": "Anna Lang"}
    (seen,) = rows(site, "look")
    assert (seen.actor, seen.after["what"], seen.outcome) == ("hub:council", "drift", "names")
    everything = "".join(one.model_dump_json() for one in [*hub.reports, *hub.answers.values()])
    assert not [name for name in NAMES if name in everything], "sealed on its way, and in no message"


def test_a_report_comes_as_its_bytes(both: tuple[FakeHub, Site]) -> None:
    hub, site = both
    folder = site.settings.reports / "0123"
    folder.mkdir(parents=True)
    (folder / "readiness-20261123T190531Z-0badcafe.json").write_bytes(b'{"of": "the test"}')
    (one,) = hub.look("reports")["rows"]
    answer = hub.look("report", report=one["id"], form="json")
    assert (base64.b64decode(answer["bytes"]), answer["media"]) == (b'{"of": "the test"}', "application/json")


def test_names_stay_where_the_site_keeps_them(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    with FakeHub(tmp_path / "hub") as hub:
        school = configured(tmp_path / "site", hub, more=", names: false, allow: []")
        enrolled(school, hub)
        with site_of(school) as site:
            _trouble_here(site)
            with site.up():
                found = hub.look("drift", names=True, scopes=("read", "names"))["rows"]
                assert found
                assert not any(one["names"] for one in found)
                assert rows(site, "look") == []
                refused = hub.answer(hub.ask({"action": "pause"}))
                assert "does not allow its hub" in refused["text"]
