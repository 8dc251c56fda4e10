"""One school's trouble never delays another: four schools in one real daemon, of which only one is well."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from connectors.memory import MemorySide
from connectors.memory.persistence import Shelf
from tests.daemon.embedded import Embedded, person
from tests.waiting import until

ROOT = Path(__file__).parents[2]
UNITS = ("schoolbridge.service", "schoolbridge-local.service")


class District:
    """The school 0123 is well; ``add`` brings others, of which each has something."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.well = Embedded(root, more="schedule: {school_poll: 1s, cloud_poll: 1s, jitter: 0s}\n")
        self.well.fill(3)

    def add(self, code: str, how: str) -> None:
        """A school whose directory is ``troubled``."""
        text = self.well.school_file.read_text()
        own = self.root / code
        own.mkdir()
        other = Shelf(own / "school.json", MemorySide(name="school"))
        with other.changing() as side:
            side.create("user", person(1))
        text = text.replace("0123", code).replace(str(self.root), str(own))
        text = text.replace("{connector: memory, name: school,", f"{{connector: troubled, how: {how}, name: school,")
        self.well.school_file.with_name(f"{code}.yaml").write_text(text)

    @contextmanager
    def daemon(self) -> Iterator[subprocess.Popen[bytes]]:
        with (self.root / "log").open("a") as log:
            command = [sys.executable, "-m", "tests.daemon.troubled", "run"]
            process = subprocess.Popen(command, env=self.well.environment(), stderr=log, cwd=ROOT)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The real command, which knows the troubled connector too."""
        command = [sys.executable, "-m", "tests.daemon.troubled", *arguments]
        return subprocess.run(
            command, env=self.well.environment(), cwd=ROOT, capture_output=True, text=True, check=False
        )

    def status(self) -> dict[str, dict[str, Any]]:
        """What ``status`` says of each school."""
        return {row["school"]: row for row in json.loads(self.run("status", "--json").stdout)["schools"]}

    def until(self, probe: Callable[[], object]) -> None:
        until(probe, seconds=120, why=lambda: (self.root / "log").read_text()[-3000:])


@pytest.fixture
def district(tmp_path: Path) -> District:
    return District(tmp_path)


def test_a_school_that_hangs_and_one_with_a_bug_delay_nobody(district: District) -> None:
    district.add("0456", "hangs")
    district.add("0789", "bugs")
    district.add("0790", "dies")
    well = district.well
    with district.daemon() as process:
        district.until(lambda: len(well.accounts()) == 3)
        for number in range(3, 6):  # what comes later passes, too, when all that could hang does
            with well.school.changing() as side:
                side.create("user", person(number))
            district.until(lambda count=number + 1: len(well.accounts()) == count)  # type: ignore[misc]
        district.until(lambda: district.status()["0123"]["health"] == "green")
        rows = district.status()
        troubled = {rows[code]["health"] for code in ("0456", "0789", "0790")}
        assert rows["0123"]["health"] == "green"
        assert "green" not in troubled
        assert "internal error (TypeError)" in rows["0789"]["causes"][0]["text"]
        assert rows["0456"]["causes"], "why it is not green is said"
        district.until(lambda: "internal error (CancelledError)" in str(district.status()["0790"]["causes"]))
        # A new configuration is still taken, and the school that is well gets it at once.
        text = well.school_file.read_text()
        well.school_file.write_text(text.replace("Gymnasium am Ölberg", "Gymnasium am Teich"))
        process.send_signal(signal.SIGHUP)
        district.until(lambda: "configuration loaded" in (district.root / "log").read_text())
        with well.school.changing() as side:
            side.create("user", person(6))
        district.until(lambda: len(well.accounts()) == 7)
        assert process.poll() is None
    assert "Anna Lang" not in (district.root / "log").read_text()


def test_r15_sigterm_stops_within_the_time_of_the_unit_also_while_a_side_hangs(district: District) -> None:
    district.add("0456", "hangs")
    district.add("0789", "hangs when closed")
    with district.daemon() as process:
        district.until(lambda: len(district.well.accounts()) == 3)
        process.terminate()
        # systemd would kill it after this time; the unit's own figure is the requirement.
        assert process.wait(timeout=min(_stops_within(unit) for unit in UNITS)) == 0
    log = (district.root / "log").read_text()
    assert "stopped" in log
    assert "Traceback" not in log
    assert not list(district.root.glob("**/*.new")), "no half file is left"
    assert district.run("journal", "verify").returncode == 0


def _stops_within(unit: str) -> float:
    lines = (ROOT / "systemd" / unit).read_text().splitlines()
    return float(next(line for line in lines if line.startswith("TimeoutStopSec=")).partition("=")[2])
