"""The package on a Debian of its own, booted with systemd: both profiles, upgrade, downgrade, removal, purge.

Takes minutes and needs root, debootstrap, systemd-container and (the first time) the network: `make soak`.
"""

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from connectors.memory import MemorySide
from connectors.memory.persistence import Shelf
from package import build_deb
from tests.daemon.embedded import person
from tests.package.machine import Machine, base
from tests.state.test_upgrade import made

CACHE = build_deb.ROOT / ".cache"
MISSING = [one for one in ("debootstrap", "systemd-nspawn", "dpkg-deb") if not shutil.which(one)]
pytestmark = [
    pytest.mark.soak,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(os.geteuid() != 0 or bool(MISSING), reason=f"needs root, and {MISSING or 'nothing else'}"),
]
BRIDGE = "version: 1\nschools: schools\n"
SCHOOL = """\
version: 1
school: "0123"
name: Gymnasium am Ölberg
initial_stage: hybrid
school_side: {connector: memory, name: school, path: /etc/schoolbridge/school.json, kinds: [user, group]}
cloud_side: {connector: memory, name: cloud, path: /var/lib/schoolbridge/cloud.json, kinds: [user, group]}
naming: {domain: school.example}
schedule: {school_poll: 1s, cloud_poll: 1s, jitter: 0s}
"""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Version N and N+1 of this tree."""
    target = tmp_path_factory.mktemp("packages")
    kept = os.environ.get("SCHOOLBRIDGE_ENVIRONMENT")  # of an earlier build, for whoever works on this test
    environment = Path(kept) if kept else tmp_path_factory.mktemp("environment") / "root"
    os.environ.setdefault("SOURCE_DATE_EPOCH", str(build_deb.epoch()))
    first = build_deb.build(target, "1.0.0", environment=environment, packing="none")
    again = build_deb.build(target / "again", "1.0.0", environment=environment, packing="none")
    assert first.read_bytes() == again.read_bytes(), "the same tree gives the same package"
    return [first, build_deb.build(target, "1.0.1", environment=environment, packing="none")]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, packages: list[Path]) -> Iterator[Machine]:
    CACHE.mkdir(exist_ok=True)
    one = Machine(tmp_path_factory.mktemp("machine") / "root", base(CACHE))
    try:
        for package in packages:
            shutil.copy(package, one.root / "root")
        one.boot()
        yield one
    finally:
        one.close()


def install(machine: Machine, number: str) -> str:
    done = machine.run("dpkg", "-i", f"/root/schoolbridge_{number}_amd64.deb", check=True)
    return done.stdout


def health(machine: Machine) -> str:
    told = machine.run("schoolbridge", "status", "--json")
    return str(json.loads(told.stdout)["health"]) if told.stdout.startswith("{") else told.stderr


def as_the_service(machine: Machine, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python as the command of the package runs the bridge."""
    wrapper = (machine.root / "usr/bin/schoolbridge").read_text()
    other = machine.root / "usr/local/bin/with-its-rights"
    other.write_text(wrapper.replace("/opt/schoolbridge/bin/schoolbridge", "/opt/schoolbridge/bin/python3"))
    other.chmod(0o755)
    return machine.run("/usr/local/bin/with-its-rights", *arguments)


def accounts(machine: Machine) -> int:
    state = machine.run("cat", "/var/lib/schoolbridge/cloud.json").stdout
    return len(json.loads(state)["objects"]) if state else 0


def test_the_life_of_an_installation(machine: Machine) -> None:
    etc = machine.root / "etc/schoolbridge"
    unit = "schoolbridge"

    # Installed and not configured: nothing runs.
    assert "not started" in install(machine, "1.0.0")
    machine.run("systemctl", "enable", "--now", unit)
    assert machine.run("systemctl", "is-active", unit).stdout.strip() == "inactive"

    # Configured: both profiles are clean for systemd, the service starts and mirrors.
    checked = machine.run(
        "systemd-analyze", "verify", "--man=no", *(f"/lib/systemd/system/{unit}{one}.service" for one in ("", "-local"))
    )
    assert (checked.returncode, checked.stderr) == (0, "")
    (etc / "bridge.yaml").write_text(BRIDGE)
    (etc / "schools/a.yaml").write_text(SCHOOL)
    with Shelf(etc / "school.json", MemorySide(name="school")).changing() as side:
        for number in range(3):
            side.create("user", person(number))
    (etc / "school.json").chmod(0o644)
    machine.run("systemctl", "start", unit, check=True)
    machine.until(lambda: accounts(machine) == 3, why=lambda: machine.log())
    machine.until(lambda: health(machine) == "green", why=lambda: machine.log())

    # Commands of root run with the service's account and write beside it; they say who typed them.
    machine.run("schoolbridge", "stage", "0123", "pause", "--reason", "a test", check=True)
    assert "root via schoolbridge" in machine.run("schoolbridge", "journal", "show", "--limit", "3").stdout
    machine.run("schoolbridge", "stage", "0123", "resume", "--reason", "a test", check=True)
    machine.until(lambda: health(machine) == "green", why=lambda: machine.log())
    assert "can't be written" not in machine.log()

    # R10 through systemd: a bad configuration fails the reload, says why, and changes nothing.
    (etc / "schools/a.yaml").write_text(SCHOOL.replace("naming", "namming"))
    assert machine.run("systemctl", "reload", unit).returncode != 0
    assert "old one kept" in machine.run("systemctl", "show", "-p", "StatusText", unit).stdout
    (etc / "schools/a.yaml").write_text(SCHOOL)
    machine.run("systemctl", "reload", unit, check=True)

    # A secret handed over encrypted or plain reaches the service and its commands, and nobody else.
    (etc / "secrets/one").write_text("a secret of the test")
    drop_in = machine.root / f"etc/systemd/system/{unit}.service.d"
    drop_in.mkdir()
    (drop_in / "secrets.conf").write_text("[Service]\nLoadCredential=one:/etc/schoolbridge/secrets/one\n")
    machine.run("systemctl", "daemon-reload", check=True)
    machine.run("systemctl", "restart", unit, check=True)
    process = machine.run("systemctl", "show", "-p", "MainPID", "--value", unit).stdout.strip()
    environment = machine.run("cat", f"/proc/{process}/environ").stdout
    assert f"CREDENTIALS_DIRECTORY=/run/credentials/{unit}.service" in environment
    assert "a secret" not in environment
    read = "import os; print(open(os.environ['CREDENTIALS_DIRECTORY'] + '/one').read(), os.getuid() == 0)"
    assert as_the_service(machine, "-c", read).stdout.split("\n")[0] == "a secret of the test False"

    upgrade(machine)
    downgrade(machine)
    local_profile(machine)
    removal(machine)


def first_schema(path: Path) -> Path:
    """A state as the first version made it."""
    made(path, "0001")
    return path


def tables(state: Path) -> set[str]:
    """The names of all its tables."""
    with closing(sqlite3.connect(state)) as connection:
        found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        return {name for (name,) in found}


def upgrade(machine: Machine) -> None:
    """To N+1, with a state of the first schema: stopped, copied, migrated, started again."""
    state = machine.root / "var/lib/private/schoolbridge/state.db"
    machine.run("systemctl", "stop", "schoolbridge", check=True)
    with closing(sqlite3.connect(state)) as connection, connection:
        for table in tables(state) - tables(first_schema(machine.root.parent / "first.db")):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    owner = state.parent.stat().st_uid
    for file in state.parent.glob("state.db*"):
        os.chown(file, owner, owner)
    machine.run("systemctl", "start", "schoolbridge", check=True)
    copy = state.with_name(f"state.db.before-{build_deb.schema()}")
    assert copy.exists(), machine.log()
    before = (machine.root / "etc/schoolbridge/schools/a.yaml").read_text()
    install(machine, "1.0.1")
    assert (machine.root / "etc/schoolbridge/schools/a.yaml").read_text() == before, "the admin's own file stays"
    machine.until(lambda: health(machine) == "green", why=lambda: machine.log())
    assert accounts(machine) == 3
    assert machine.run("schoolbridge", "journal", "verify").returncode == 0


def downgrade(machine: Machine) -> None:
    """Refused with what to do where the state is newer; the service goes on. Allowed where it is not."""
    state = machine.root / "var/lib/private/schoolbridge/state.db"

    def at(revision: str) -> None:
        with closing(sqlite3.connect(state)) as connection, connection:
            connection.execute("UPDATE alembic_version SET version_num = ?", [revision])

    at("9000")
    refused = machine.run("dpkg", "-i", "/root/schoolbridge_1.0.0_amd64.deb")
    assert refused.returncode != 0
    assert "has schema 9000" in refused.stderr
    assert "state.db.before-9000" in refused.stderr
    at(build_deb.schema())
    shown = machine.run("dpkg-query", "-W", "-f", "${Version} ${db:Status-Status}", "schoolbridge").stdout
    assert shown == "1.0.1 installed"
    machine.run("systemctl", "restart", "schoolbridge", check=True)
    machine.until(lambda: health(machine) == "green", why=lambda: machine.log())
    install(machine, "1.0.0")
    install(machine, "1.0.1")
    machine.until(lambda: health(machine) == "green", why=lambda: machine.log())


def local_profile(machine: Machine) -> None:
    """The other profile takes the state over, and has the rights that the folder connector needs, and no others."""
    machine.run("systemctl", "disable", "--now", "schoolbridge", check=True)
    machine.run("systemctl", "enable", "--now", "schoolbridge-local", check=True)
    machine.until(lambda: health(machine) == "green", why=lambda: machine.log("schoolbridge-local"))
    homes = machine.root / "srv/homes"
    for name, owner, group, mode in (("anna", 2001, 2001, 0o700), ("class", 2002, 3000, 0o2770)):
        (homes / name).mkdir(parents=True)
        (homes / name / "there.txt").write_text("private")
        for path in (homes / name, homes / name / "there.txt"):
            os.chown(path, owner, group)
            path.chmod(mode if path.is_dir() else 0o600)
    there = machine.root / "usr/local/lib/in_the_machine.py"
    shutil.copy(Path(__file__).with_name("in_the_machine.py"), there)
    done = as_the_service(machine, "/usr/local/lib/in_the_machine.py")
    told = json.loads(done.stdout or "{}")
    assert told, done.stderr
    assert told["anna"] == {"seen": 1, "new": [2001, 2001, "0o700"], "new.txt": [2001, 2001, "0o600"]}
    assert told["class"] == {"seen": 1, "new": [2002, 3000, "0o2770"], "new.txt": [2002, 3000, "0o660"]}
    assert told["outside"] == "Read-only file system"
    assert told["root"] is False


def removal(machine: Machine) -> None:
    """Removed: configuration and state stay. Purged: only the state stays, and how to remove it is said."""
    machine.run("dpkg", "-r", "schoolbridge", check=True)
    running = machine.run("sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '").stdout
    assert "systemd" in running
    assert "schoolbridge run" not in running
    assert not (machine.root / "opt/schoolbridge/bin").exists()
    assert (machine.root / "etc/schoolbridge/bridge.yaml").exists()
    said = machine.run("dpkg", "-P", "schoolbridge", check=True)
    assert not (machine.root / "etc/schoolbridge").exists()
    assert (machine.root / "var/lib/schoolbridge/state.db").exists()
    assert "rm -r /var/lib/schoolbridge" in said.stdout
