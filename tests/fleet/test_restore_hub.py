"""A hub is backed up and put back; what its sites told after the backup is counted, and their states come anew."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge.fleet.messages import Message, Report
from bridge.hub import authority
from bridge.hub.settings import database, load_hub
from bridge.state import hub_inbox, hub_sites
from bridge.state.database import Database
from tests.daemon.embedded import Answer, Embedded


class Hub(Embedded):
    """A hub with one site."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.config = root / "hub.yaml"
        self.config.write_text(
            "version: 1\nstate: {url: sqlite:///hub.db}\nkept: keys\nsites: {listen: 127.0.0.1:0, names: [localhost]}\n"
        )


def done(answer: Answer) -> Answer:
    assert answer.code == 0, answer.err
    return answer


def tell(opened: Database, *numbers: int, last: int | None = None) -> tuple[str, int]:
    """The site reports these numbers; the verdict, and how many the hub never got."""
    now = datetime.now(UTC)
    messages = [
        Message(seq=number, at=now, school="0123", kind="stage", body={"stage": "hybrid", "before": "observing"})
        for number in numbers
    ]
    newest = last or numbers[-1]
    report = Report(epoch=1, last=newest, oldest=numbers[0] if numbers else newest + 1, now=now, messages=messages)
    (outcome,) = hub_inbox.apply(opened, [hub_inbox.Posted("north", "serial", report, now)])
    return outcome.taken.verdict.value, outcome.taken.missing


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    one = Hub(tmp_path)
    done(one.run("hub", "init"))
    done(one.run("hub", "enrol", "north", "--school", "0123", "--file", str(tmp_path / "ticket")))
    with database(load_hub(one.config)) as opened:
        assert tell(opened, 1, 2, 3)[0] == "applied"
    done(one.run("hub", "backup", str(tmp_path / "backup")))
    with database(load_hub(one.config)) as opened:
        assert tell(opened, 4, 5)[0] == "applied"
    return one


def test_a_hub_that_is_put_back_counts_what_it_lost_and_applies_nothing_twice(hub: Hub) -> None:
    done(hub.run("hub", "restore-state", str(hub.root / "backup")))
    with database(load_hub(hub.config)) as opened:
        (site,) = hub_sites.sites(opened)
        assert (site.seq, site.missing) == (3, 0)
        assert tell(opened, 6, 7) == ("applied", 2), "4 and 5 were confirmed: the site has them no more"
        assert tell(opened, 6, 7) == ("repeated", 0)
        (site,) = hub_sites.sites(opened)
        assert (site.seq, site.missing) == (7, 2)
    assert list(hub.root.glob("hub.db.before-restore-*"))


def test_a_site_with_nothing_to_tell_is_noticed_too(hub: Hub) -> None:
    done(hub.run("hub", "restore-state", str(hub.root / "backup")))
    with database(load_hub(hub.config)) as opened:
        assert tell(opened, last=5) == ("applied", 2)


def test_the_backup_holds_the_keys_and_they_come_back_where_they_are_lost(hub: Hub) -> None:
    keys = {one.name: one.read_bytes() for one in (hub.root / "keys").iterdir()}
    for one in (hub.root / "keys").iterdir():
        one.unlink()
    done(hub.run("hub", "restore-state", str(hub.root / "backup")))
    assert {one.name: one.read_bytes() for one in (hub.root / "keys").iterdir()} == keys
    assert {one.stat().st_mode & 0o777 for one in (hub.root / "keys").iterdir()} == {0o600}


@pytest.mark.parametrize("lost", [authority.KEY, authority.CERTIFICATE, authority.ORDERS])
def test_a_single_key_that_is_lost_comes_back_too(hub: Hub, lost: str) -> None:
    one = hub.root / "keys" / lost
    kept = one.read_bytes()
    one.unlink()
    done(hub.run("hub", "restore-state", str(hub.root / "backup")))
    assert one.read_bytes() == kept


def test_the_backup_of_another_hub_is_refused(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = Hub(tmp_path_factory.mktemp("other"))
    done(other.run("hub", "init"))
    answer = other.run("hub", "restore-state", str(hub.root / "backup"))
    assert answer.code == 1
    assert "is the backup of another hub" in answer.err


def test_it_is_refused_while_a_process_uses_the_database(hub: Hub) -> None:
    with database(load_hub(hub.config)) as opened, closing(opened.engine.connect()):
        for one in (hub.root / "keys").iterdir():
            one.unlink()
        answer = hub.run("hub", "restore-state", str(hub.root / "backup"))
    assert answer.code == 1
    assert "is in use" in answer.err
    assert not list((hub.root / "keys").iterdir()), "nothing is changed before it is known that it can be done"
    done(hub.run("hub", "restore-state", str(hub.root / "backup")))


def test_the_backup_of_a_site_is_none_of_a_hub(hub: Hub) -> None:
    site = Embedded(hub.root / "site") if (hub.root / "site").mkdir() is None else None
    assert site is not None
    site.fill(1)
    done(site.run("sync"))
    done(site.run("backup", str(hub.root / "of-a-site")))
    answer = hub.run("hub", "restore-state", str(hub.root / "of-a-site"))
    assert answer.code == 1
    assert "is the backup of a site, not of a hub" in answer.err
