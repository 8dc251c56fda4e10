"""A school's file from the hub, at the site: checked without a trace, applied as it was checked, or put back."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from bridge.daemon import wiring
from bridge.daemon.catalog import Catalog
from bridge.daemon.service import Service
from bridge.fleet.configure import Checked
from bridge.settings import SettingsError, digest, load
from bridge.uplink.configuration import Configuration
from tests.fleet.site import HUB, Site, order, until

GUARDED = "guard: {thresholds: [{tally: create, kind: user, count: 2}]}\n"


def snapshot(root: Path) -> dict[str, bytes]:
    """All files of the configuration and what the hub gave."""
    files = [*root.glob("*.yaml"), *(one for one in (root / "schools-from-hub").rglob("*") if one.is_file())]
    return {str(one.relative_to(root)): one.read_bytes() for one in files if "checked.json" not in one.name}


async def check(hub: Configuration, text: str, **more: Any) -> Checked:
    state, answer = await hub.configure(order("check", text, **more))
    assert state == "done", answer
    return Checked.model_validate_json(answer)


async def both(hub: Configuration, text: str, **more: Any) -> tuple[str, str]:
    """Checked and applied."""
    found = await check(hub, text, **more)
    return await hub.configure(order("apply", text, base=found.base, **more))


def journaled(service: Service) -> list[tuple[str, str, str]]:
    store = service.database.school("0123", {})
    rows = [one.entry for one in store.journal() if one.entry.action == "configure"]
    return [(one.actor, one.outcome, str(one.after["version"])) for one in rows]


# -- never both


def test_files_of_the_site_and_of_the_hub_are_never_both_there(tmp_path: Path) -> None:
    site = Site(tmp_path)
    assert [one.code for one in load(site.config, Catalog()).schools] == ["0123"]
    (tmp_path / "schools" / "mine.yaml").write_text(site.text)
    with pytest.raises(SettingsError) as found:
        load(site.config, Catalog())
    (problem,) = found.value.problems
    assert problem.path == "hub.configuration"
    assert str(site.place) in str(problem)
    assert str(tmp_path / "schools" / "mine.yaml") in str(problem)
    assert "configuration: site" in problem.right


def test_a_site_that_waits_for_its_first_file_has_no_school_and_no_fault(tmp_path: Path) -> None:
    site = Site(tmp_path, given=False)
    assert load(site.config, Catalog()).schools == ()
    answer = site.run("check", "--json")
    assert (answer.code, answer.json["ok"]) == (0, True)


def test_the_hub_s_file_of_another_school_is_refused(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.file.rename(site.place / "0456.yaml")
    with pytest.raises(SettingsError, match=r"0456\.yaml:2:9: school: the hub gave this file for another school"):
        load(site.config, Catalog())


def test_a_site_with_files_of_its_own_refuses_to_be_configured(tmp_path: Path) -> None:
    site = Site(tmp_path, hub="hub: {url: https://hub.example:8443}\n")
    (tmp_path / "schools" / "a.yaml").write_text(site.text)

    async def play() -> tuple[str, str]:
        async with site.daemon() as (_, hub):
            return await hub.configure(order("check", site.text))

    state, text = asyncio.run(play())
    assert state == "refused"
    assert "files of this site are its own, in schools/" in text


# -- the check


def test_a_check_tells_what_would_be_and_writes_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.fill(5)

    async def play() -> tuple[Checked, str]:
        async with site.daemon() as (service, hub):
            await until(lambda: service.board.schools["0123"].stage)
            await until(lambda: len(site.accounts()) == 5)
            before, run = snapshot(tmp_path), service.settings
            found = await check(hub, site.text.replace("Gymnasium", "Realschule") + GUARDED)
            assert snapshot(tmp_path) == before
            assert service.settings is run
            assert journaled(service) == []
            return found, digest(run.schools[0])

    found, base = asyncio.run(play())
    assert found.base == base != found.after
    assert "-name: Gymnasium am Ölberg\n+name: Realschule am Ölberg" in found.diff
    assert '"limit": {' in found.effective
    assert found.plan.stage == "hybrid"
    assert "Anna" not in found.model_dump_json(), "no names"


def test_the_plan_counts_what_the_guard_would_hold_with_the_new_thresholds(tmp_path: Path) -> None:
    site = Site(tmp_path, stage="rehearsing")
    site.fill(5)

    async def play() -> tuple[Checked, Checked]:
        async with site.daemon() as (service, hub):
            await until(lambda: service.board.schools["0123"].stage)
            await until(lambda: service.board.schools["0123"].sides["cloud"].complete)
            return await check(hub, site.text), await check(hub, site.text + GUARDED)

    free, guarded = asyncio.run(play())
    assert not free.plan.writes
    creates = {(one.kind, one.action, one.rule): one.count for one in free.plan.operations if one.side == "cloud"}
    assert creates["user", "create", ""] == 5
    held = {(one.kind, one.action, one.rule): one.count for one in guarded.plan.operations if one.side == "cloud"}
    assert held["user", "create", "guard:create"] == 5
    assert guarded.plan.too_much[0].startswith("0123: 5 × create of user records")
    assert not free.plan.too_much


def test_what_is_wrong_is_told_with_its_place_and_nothing_is_kept(tmp_path: Path) -> None:
    site = Site(tmp_path)
    wrong = site.text.replace("initial_stage: hybrid", "initial_stage: hybird") + "password: hunter2\n"

    async def play() -> tuple[tuple[str, str], tuple[str, str]]:
        async with site.daemon() as (_, hub):
            fault = await hub.configure(order("check", wrong))
            return fault, await hub.configure(order("apply", wrong, base="a" * 64))

    (state, text), unchecked = asyncio.run(play())
    assert state == "refused"
    assert f"{site.file}:4:16: initial_stage" in text
    assert "a secret stands in the file" in text
    assert "hunter2" not in text
    assert unchecked == ("refused", "0123: version 1 was not checked here as it is now; check it again")


def test_a_secret_that_can_t_be_read_at_the_site_is_told_before(tmp_path: Path) -> None:
    site = Site(tmp_path)
    cloud = "cloud_side: {connector: graph, tenant_id: 6f2c8a52-9a0e-4c9c-8f43-0d7c1f3b5a10, client_id: "
    cloud += "8c1f3f2e-0b7d-4f0e-9a53-2d6a7f1e0001, client_secret: file:away.secret, domains: [school.example]}\n"
    lines = [one for one in site.text.splitlines(keepends=True) if not one.startswith("cloud_side")]

    async def play() -> tuple[str, str]:
        async with site.daemon() as (_, hub):
            return await hub.configure(order("check", "".join(lines) + cloud))

    state, text = asyncio.run(play())
    assert state == "refused"
    assert "away.secret" in text


@pytest.mark.parametrize(
    ("step", "scopes", "allow"), [("check", ["read"], "operate, approve"), ("apply", ["operate"], "operate, approve"),
                                  ("apply", ["operate", "approve"], "operate")]
)  # fmt: skip
def test_scopes_of_the_order_and_what_the_site_allows_both_count(
    tmp_path: Path, step: str, scopes: list[str], allow: str
) -> None:
    site = Site(tmp_path, hub=HUB.replace("configuration", f"allow: [{allow}], configuration"))

    async def play() -> tuple[str, str]:
        async with site.daemon() as (_, hub):
            return await hub.configure(order(step, site.text, scopes=scopes))

    state, text = asyncio.run(play())
    assert state == "refused"
    assert "takes the scope" in text


# -- the application


def test_the_first_file_of_a_school_is_applied_and_runs(tmp_path: Path) -> None:
    site = Site(tmp_path, given=False)
    site.fill(3)

    async def play() -> None:
        async with site.daemon() as (service, hub):
            assert service.supervisors == {}
            found = await check(hub, site.text)
            assert found.base == ""
            assert await hub.configure(order("apply", site.text, base=found.base)) == (
                "done", "0123: version 1 is in force",
            )  # fmt: skip
            assert hub.standing("0123") == {
                "digest": found.after, "source": "hub", "version": 1, "problem": "",
            }  # fmt: skip
            await until(lambda: len(site.accounts()) == 3)
            assert service.database.school("0123", {}).stage() == "hybrid", "it was met as its file says"
            assert journaled(service) == [("hub:chief", "asked", "1"), ("hub:chief", "in force", "1")]

    asyncio.run(play())
    assert site.file.stat().st_mode & 0o777 == 0o600
    assert site.place.stat().st_mode & 0o777 == 0o700


def test_the_last_versions_are_kept_and_an_old_text_can_be_applied_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(tmp_path)

    async def play() -> None:
        async with site.daemon() as (service, hub):
            monkeypatch.setattr("bridge.uplink.versions.MOST", 3)
            for number in range(1, 6):
                text = site.text.replace("Ölberg", f"Ölberg {number}")
                assert (await both(hub, text, version=number))[0] == "done"
                assert service.settings.schools[0].name.endswith(f" {number}")
            assert (await both(hub, site.text.replace("Ölberg", "Ölberg 1"), version=6))[0] == "done"
            assert hub.standing("0123")["version"] == 6

    asyncio.run(play())
    kept = sorted(int(one.stem) for one in (site.place / ".versions" / "0123").glob("*.yaml"))
    assert kept == [4, 5, 6]


def test_what_changed_since_the_check_stops_it(tmp_path: Path) -> None:
    site = Site(tmp_path)
    first, second = (site.text.replace("Ölberg", name) for name in ("Anger", "Markt"))

    async def play() -> tuple[tuple[str, str], str]:
        async with site.daemon() as (service, hub):
            found = await check(hub, first)
            site.config.write_text(site.config.read_text() + "language: de\n")
            assert await service.reload() == ""
            late = await hub.configure(order("apply", first, base=found.base))
            again = await both(hub, second, version=2)
            assert again[0] == "done"
            other = await hub.configure(order("apply", first, base=found.base))
            return late, other[1]

    late, other = asyncio.run(play())
    assert late == ("refused", "0123: what is in force changed since version 1 was checked; again")
    assert "not checked here" in other
    assert site.file.read_text() == second


def test_an_order_that_comes_again_finds_its_text_in_force(tmp_path: Path) -> None:
    site = Site(tmp_path)
    new = site.text.replace("Ölberg", "Anger")

    async def play() -> None:
        async with site.daemon() as (service, hub):
            found = await check(hub, new)
            once = await hub.configure(order("apply", new, base=found.base))
            again = await hub.configure(order("apply", new, base=found.base))
            assert once == again == ("done", "0123: version 1 is in force")
            assert len(journaled(service)) == 2

    asyncio.run(play())


@pytest.mark.parametrize("given", [True, False])
def test_what_the_daemon_does_not_take_is_put_back(
    tmp_path: Path, given: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody edits bridge.yaml at the very moment: judged it was good, loaded it is not."""
    site = Site(tmp_path, given=given)
    new = site.text.replace("Ölberg", "Anger")
    whole = site.config.read_text()

    async def play() -> tuple[str, str]:
        async with site.daemon() as (service, hub):
            found = await check(hub, new)
            before, real = service.settings, service.reload
            calls: list[str] = []

            async def reload() -> str:
                site.config.write_text(whole if calls else whole + "langauge: de\n")
                calls.append(site.file.read_text() if site.file.exists() else "")
                return await real()

            monkeypatch.setattr(service, "reload", reload)
            answer = await hub.configure(order("apply", new, base=found.base))
            assert calls == [new, site.text if given else ""]
            assert service.settings.schools == before.schools
            assert service.board.configuration_error == ""
            assert [outcome.split(":")[0] for _, outcome, _ in journaled(service)] == ["asked", "put back"]
            return answer

    state, text = asyncio.run(play())
    assert state == "refused"
    assert "was not taken, the old one is in force again" in text
    assert "langauge" in text
    assert site.file.exists() is given
    assert not list((site.place / ".versions" / "0123").glob("*.yaml"))


@pytest.mark.parametrize("point", ["keep", "put", "reload", "note"])
def test_a_crash_between_any_two_steps_leaves_the_old_or_the_new_file(
    tmp_path: Path, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(tmp_path)
    new = site.text.replace("Ölberg", "Anger")

    class Crash(BaseException):
        pass

    async def play() -> None:
        async with site.daemon() as (service, hub):
            found = await check(hub, new)
            crashing = order("apply", new, base=found.base)
            with monkeypatch.context() as broken:
                _break(broken, point, Crash, service)
                with pytest.raises(Crash):
                    await hub.configure(crashing)
        assert site.file.read_text() == (site.text if point in {"keep", "put"} else new)
        async with site.daemon() as (service, hub):  # after the restart the order comes again
            assert await hub.configure(crashing) == ("done", "0123: version 1 is in force")
            assert hub.standing("0123")["version"] == 1
            assert service.settings.schools[0].name == "Gymnasium am Anger"

    asyncio.run(play())
    assert not [one for one in site.place.rglob(".*") if one.name != ".versions"], "nothing half is left"


def _break(broken: pytest.MonkeyPatch, point: str, crash: type[BaseException], service: Service) -> None:
    def fail(*_: object, **__: object) -> None:
        raise crash

    if point in {"keep", "put"}:
        broken.setattr(f"bridge.uplink.versions.Versions.{point}", fail)
    elif point == "reload":
        broken.setattr(service, "reload", fail)
    else:
        real, calls = Configuration._note, []

        def note(self: Configuration, asked: Any, outcome: str) -> None:
            calls.append(outcome)
            return fail() if outcome == "in force" else real(self, asked, outcome)

        broken.setattr(Configuration, "_note", note)


def test_a_disk_that_is_full_is_told_and_nothing_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(tmp_path)
    new = site.text.replace("Ölberg", "Anger")

    async def play() -> tuple[str, str]:
        async with site.daemon() as (_, hub):
            found = await check(hub, new)

            def full(_: int) -> None:
                raise OSError(28, "No space left on device", str(site.file))

            with monkeypatch.context() as broken:
                broken.setattr(os, "fsync", full)
                return await hub.configure(order("apply", new, base=found.base))

    state, text = asyncio.run(play())
    assert (state, "No space left on device" in text) == ("refused", True)
    assert site.file.read_text() == site.text


# -- a school is taken away


def test_only_a_school_of_which_nothing_is_mirrored_is_taken_away(tmp_path: Path) -> None:
    site = Site(tmp_path)

    async def play() -> None:
        async with site.daemon() as (service, hub):
            await until(lambda: service.board.schools["0123"].stage)
            state, text = await hub.configure(order("check", "", typed="0123"))
            assert state == "refused"
            assert "0123: the school is hybrid. Expected: classic or retired" in text
            store = service.database.school("0123", service.settings.schools[0].kinds())
            store.move_stage("retired", event="retire", actor="test", reason="over")
            state, text = await hub.configure(order("check", ""))
            assert (state, "type its code again" in text) == ("refused", True)
            found = await check(hub, "", typed="0123")
            assert found.after == ""
            answer = await hub.configure(order("apply", "", base=found.base, typed="0123"))
            assert answer == ("done", "0123: version 1 is in force")
            assert service.supervisors == {}
            assert hub.standing("0123")["digest"] == ""

    asyncio.run(play())
    assert not site.file.exists()


def test_a_crash_while_a_school_is_taken_away_leaves_it_gone_and_the_order_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(tmp_path, stage="classic")

    class Crash(BaseException):
        pass

    async def play() -> None:
        async with site.daemon() as (service, hub):
            await until(lambda: service.board.schools["0123"].stage)
            found = await check(hub, "", typed="0123")
            crashing = order("apply", "", base=found.base, typed="0123")
            with monkeypatch.context() as broken:
                _break(broken, "reload", Crash, service)
                with pytest.raises(Crash):
                    await hub.configure(crashing)
        assert not site.file.exists()
        async with site.daemon() as (_, hub):
            assert await hub.configure(crashing) == ("done", "0123: version 1 is in force")

    asyncio.run(play())


def test_the_state_of_the_school_is_there_again_when_its_file_comes_again(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.fill(2)

    async def play() -> None:
        async with site.daemon() as (service, hub):
            await until(lambda: len(site.accounts()) == 2)
            kinds = service.settings.schools[0].kinds()
            service.database.school("0123", kinds).move_stage("retired", event="retire", actor="t", reason="over")
            assert (await both(hub, "", typed="0123"))[0] == "done"
            found = await check(hub, site.text, version=2)
            assert found.plan.stage == "retired"
            with wiring.database(service.settings, create=False) as database:
                assert database.schools() == ["0123"]

    asyncio.run(play())
