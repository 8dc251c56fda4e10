"""What a change of bridge.yaml means to the schools that run: each is restarted only by what concerns it."""

import asyncio
from pathlib import Path

import pytest

from bridge.daemon import wiring
from bridge.daemon.catalog import Catalog
from bridge.daemon.service import Service
from bridge.settings import load
from tests.daemon.embedded import Embedded

DEFAULTS = "version: 1\nstate: {url: sqlite:///state.db}\nruntime: run\n"


@pytest.mark.parametrize(
    ("more", "restarted"),
    [
        ("", []),
        ("time_zone: Europe/Lisbon\n", ["0123", "0456"]),
        ("logging: {level: warning}\n", []),
        ("defaults: {schedule: {school_poll: 2 min}}\n", ["0123", "0456"]),
        ("defaults: {guard: {thresholds: [{tally: delete, kind: user, count: 1}]}}\n", ["0123", "0456"]),
        ("defaults: {leavers: {teacher: 90 days}}\n", ["0123"]),
        ("language: de\n", ["0123", "0456"]),
    ],
)
def test_a_change_of_the_defaults_restarts_the_schools_it_holds_for(
    tmp_path: Path, more: str, restarted: list[str]
) -> None:
    school = Embedded(tmp_path)
    said = school.school_file.read_text().replace('"0123"', '"0456"')
    said = said.replace("school.json", "other.json").replace("cloud.json", "elsewhere.json")
    # The other school says for itself how long its teachers' accounts are kept: a default is nothing to it.
    (tmp_path / "schools" / "b.yaml").write_text(said + "leavers: {teacher: 30 days}\n")
    (tmp_path / "run").mkdir()

    async def reload() -> tuple[list[str], set[str]]:
        settings = load(school.config, Catalog())
        with wiring.database(settings, create=True) as database:
            service = Service(settings, Catalog(), database)
            service.scheduler.start()
            for one in settings.schools:
                service._begin(one)
            before = dict(service.supervisors)
            school.config.write_text(DEFAULTS + more)
            await service._load_anew()
            assert not service.board.configuration_error
            after = dict(service.supervisors)
            zones = {str(job.trigger.timezone) for job in service.scheduler.get_jobs() if "full" in job.id}
            assert len(service.scheduler.get_jobs()) == 6
            service.scheduler.shutdown(wait=False)
            await asyncio.gather(*(one.stop() for one in after.values()))
        return sorted(code for code in after if after[code] is not before[code]), zones

    anew, zones = asyncio.run(reload())
    assert anew == restarted
    assert zones == {"Europe/Lisbon" if "time_zone" in more else "Europe/Berlin"}
