"""Units, scripts and the package's own files, without installing anything: what `make test` can say in seconds."""

import os
import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from bridge.api import listening as listener
from bridge.daemon import board, threads, watched
from bridge.hub import listening
from bridge.hub import run as hub
from bridge.samba import answering, asked
from bridge.settings.models import BridgeFile
from package import build_deb

ROOT = build_deb.ROOT
UNITS = {
    "schoolbridge.service": 15,
    "schoolbridge-local.service": 23,
    "schoolbridge-hub.service": 15,
    "schoolbridge-samba.service": 15,
}
PATHS = ("schoolbridge-samba.path",)
DAEMONS = ("schoolbridge.service", "schoolbridge-local.service")
SCRIPTS = ("preinst", "postinst", "prerm", "postrm")
needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs Debian's package systemd")
needs_dpkg = pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="needs dpkg")


def setting(unit: str, name: str) -> str:
    lines = (ROOT / "systemd" / unit).read_text("utf-8").splitlines()
    (line,) = [line for line in lines if line.startswith(f"{name}=")]
    return line.partition("=")[2]


def analyzed(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)


@needs_systemd
@pytest.mark.parametrize(("unit", "most"), UNITS.items())
def test_s11_the_units_expose_little(unit: str, most: int) -> None:
    """systemd's own measure, times ten: at most 1.5 where shares are remote, 2.3 where they lie on this machine."""
    path = ROOT / "systemd" / unit
    assert analyzed("security", "--offline=yes", f"--threshold={most}", path).returncode == 0
    assert analyzed("security", "--offline=yes", "--threshold=5", path).returncode != 0, "the threshold counts"


@needs_systemd
def test_systemd_finds_nothing_wrong_in_the_units(tmp_path: Path) -> None:
    for unit in (*UNITS, *PATHS):
        text = (ROOT / "systemd" / unit).read_text("utf-8")
        (tmp_path / unit).write_text(text.replace("/opt/schoolbridge/bin/schoolbridge", "/bin/true"))
    done = analyzed("verify", "--man=no", *(tmp_path / unit for unit in (*UNITS, *PATHS)))
    assert (done.returncode, done.stderr) == (0, "")
    (tmp_path / "schoolbridge.service").write_text("[Service]\nExecStart=/bin/true\nProtectSytem=yes\n")
    assert analyzed("verify", "--man=no", tmp_path / "schoolbridge.service").stderr, "a mistake is found"


@pytest.mark.parametrize("unit", DAEMONS)
def test_the_times_of_the_units_fit_those_of_the_daemon(unit: str) -> None:
    schools, beside = 2 * (watched.GRACE + threads.LAST), 3 * threads.LAST + listener.GRACE
    stopping = schools + beside + 3 * threads.LAST
    assert float(setting(unit, "TimeoutStopSec")) > stopping
    assert float(setting(unit, "WatchdogSec")) >= 6 * board.BEAT
    assert setting(unit, "Type") == "notify"
    assert setting(unit, "ExecReload").endswith("reload --wait")


def test_the_hub_has_no_rights_and_its_times_fit() -> None:
    unit = "schoolbridge-hub.service"
    assert setting(unit, "CapabilityBoundingSet") == setting(unit, "AmbientCapabilities") == ""
    assert (setting(unit, "DynamicUser"), setting(unit, "Type")) == ("yes", "notify")
    assert float(setting(unit, "WatchdogSec")) >= 6 * hub.BEAT
    assert float(setting(unit, "TimeoutStopSec")) > 3 * threads.LAST + 2 * listener.GRACE
    assert int(setting(unit, "LimitNOFILE")) > listening.MOST


def test_only_the_local_profile_has_capabilities_and_no_more_than_the_folder_connector_needs() -> None:
    assert setting("schoolbridge.service", "DynamicUser") == "yes"
    assert setting("schoolbridge.service", "CapabilityBoundingSet") == ""
    allowed = set(setting("schoolbridge-local.service", "CapabilityBoundingSet").split())
    assert allowed == {"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_LEASE"}
    assert set(setting("schoolbridge-local.service", "AmbientCapabilities").split()) == allowed
    account = setting("schoolbridge-local.service", "User")
    assert f"u      {account} " in (ROOT / "systemd/sysusers.conf").read_text("utf-8")


def test_roots_part_has_no_rights_but_to_read_and_writes_nothing_of_the_service() -> None:
    unit = "schoolbridge-samba.service"
    assert (setting(unit, "CapabilityBoundingSet"), setting(unit, "AmbientCapabilities")) == ("CAP_DAC_READ_SEARCH", "")
    written = [one.removeprefix("-") for one in setting(unit, "ReadWritePaths").split()]
    assert all(Path(one).name == "samba" and Path(one).parent.parts[1] in {"var", "run"} for one in written)
    assert setting("schoolbridge-samba.path", "PathChanged") == str(answering.REQUESTS)
    assert Path("/run") / setting(DAEMONS[1], "RuntimeDirectory") / asked.REQUESTS == answering.REQUESTS
    assert str(answering.OWN) == f"/var/lib/{setting(unit, 'StateDirectory')}" == BridgeFile(version=1).samba
    assert "samba" not in setting(DAEMONS[1], "ReadWritePaths")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The package as it is built, without the environment."""
    environment = tmp_path / "environment"
    (environment / "opt/schoolbridge/bin").mkdir(parents=True)
    return build_deb.build(tmp_path, "1.2.3", environment=environment, packing="none")


@needs_dpkg
def test_the_package_has_everything_in_its_place_and_none_of_the_admins_files(package: Path, tmp_path: Path) -> None:
    shown = subprocess.run(["dpkg-deb", "--contents", package], capture_output=True, text=True, check=True).stdout
    rows = {line.split()[5]: line.split()[:2] for line in shown.splitlines()}
    for path, mode in {
        "./usr/bin/schoolbridge": "-rwxr-xr-x",
        "./lib/systemd/system/schoolbridge.service": "-rw-r--r--",
        "./lib/systemd/system/schoolbridge-local.service": "-rw-r--r--",
        "./lib/systemd/system/schoolbridge-hub.service": "-rw-r--r--",
        "./lib/systemd/system/schoolbridge-samba.service": "-rw-r--r--",
        "./lib/systemd/system/schoolbridge-samba.path": "-rw-r--r--",
        "./usr/share/doc/schoolbridge/examples/hub.yaml": "-rw-r--r--",
        "./usr/lib/sysusers.d/schoolbridge.conf": "-rw-r--r--",
        "./usr/lib/tmpfiles.d/schoolbridge.conf": "-rw-r--r--",
        "./usr/lib/sysctl.d/60-schoolbridge.conf": "-rw-r--r--",
        "./usr/share/doc/schoolbridge/install.md": "-rw-r--r--",
        "./usr/share/doc/schoolbridge/examples/bridge.yaml": "-rw-r--r--",
        "./etc/schoolbridge/secrets/": "drwx------",
    }.items():
        assert rows[path] == [mode, "root/root"]
    assert [path for path in rows if path.startswith("./etc/") and not path.endswith("/")] == []
    field = ["dpkg-deb", "--field", package, "Version", "Depends"]
    said = subprocess.run(field, capture_output=True, text=True, check=True).stdout
    assert "1.2.3" in said
    assert "python3 (>= 3." in said
    subprocess.run(["dpkg-deb", "--control", package, tmp_path / "control"], check=True)
    assert sorted(one.name for one in (tmp_path / "control").iterdir()) == sorted(["control", *SCRIPTS])
    for script in SCRIPTS:
        text = (tmp_path / "control" / script).read_text("utf-8")
        assert not re.search(r"@[A-Z]+@", text)
        subprocess.run(["sh", "-n", tmp_path / "control" / script], check=True)
    assert not list(tmp_path.glob("work")), "nothing is left lying about"


@pytest.mark.parametrize(("found", "refused"), [("0001", False), (build_deb.schema(), False), ("9000", True)])
def test_a_downgrade_is_refused_where_the_state_is_newer(tmp_path: Path, found: str, refused: bool) -> None:
    script = (ROOT / "package/debian/preinst").read_text("utf-8")
    script = build_deb.filled(script, {"SCHEMA": build_deb.schema(), "VERSION": "1.0.0"})
    state = tmp_path / "state.db"
    with closing(sqlite3.connect(state)) as connection, connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES (?)", [found])
    before, way_back = state.read_bytes(), list[str]()
    if refused:  # the second time: the first copy is older
        for age, name in enumerate(("state.db.before-9000-2", "state.db.before-9000")):
            (tmp_path / name).write_text(f"a copy, {age} days old")
            os.utime(tmp_path / name, (0, 1e9 - age * 86400))
    (tmp_path / "preinst").write_text(script.replace("/var/lib/schoolbridge/state.db", str(state)))
    for words, expected in ((["upgrade", "1.0.1"], refused), (["install"], False)):
        done = subprocess.run(
            ["sh", tmp_path / "preinst", *words], capture_output=True, text=True, check=False, env={**os.environ}
        )
        assert (done.returncode != 0) is expected
        assert ("has schema 9000" in done.stderr) is expected
        if expected:
            way_back = [line for line in done.stderr.splitlines() if line.startswith(("  for ", "  cp "))]
    assert state.read_bytes() == before
    if refused:
        (tmp_path / "state.db-wal").write_text("not in the file yet")
        subprocess.run(["sh", "-ec", "\n".join(way_back)], check=True)
        assert state.read_text() == "a copy, 0 days old"
        assert not (tmp_path / "state.db-wal").exists()
        assert (tmp_path / "state.db.newest").read_bytes() == before
        assert (tmp_path / "state.db.newest-wal").read_text() == "not in the file yet"


def test_words_that_nobody_knows_are_noticed() -> None:
    assert build_deb.filled("a @B@", {"B": "c"}) == "a c"
    with pytest.raises(KeyError):
        build_deb.filled("@MISSING@", {})


@pytest.mark.parametrize(
    ("words", "beside"),
    [
        (["status"], True),
        (["hub", "sites"], True),
        (["--json", "explain", "user", "demo"], True),
        (["release", "0123", "schema", "--reason", "sandbox"], True),
        (["sandbox"], False),
        (["samba-shares"], False),
        (["-v", "demo"], False),
        (["plan", "--help"], False),
        (["--config", "other.yaml", "status"], False),
    ],
)
def test_root_s_commands_run_beside_the_service_whatever_is_asked_and_wherever(
    tmp_path: Path, words: list[str], beside: bool
) -> None:
    """Run directly they would leave files of root in the state, which the service can't open."""
    text = (ROOT / "package/schoolbridge").read_text("utf-8")
    for path in ("/run/systemd/system", "/etc/schoolbridge/bridge.yaml", "/etc/schoolbridge/hub.yaml"):
        assert path in text
        text = text.replace(path, str(tmp_path))
    command = tmp_path / "schoolbridge"
    command.write_text(text.replace("/opt/schoolbridge/bin/schoolbridge", "direct"))
    unit = "[Service]\nUser=schoolbridge\nExecStart=direct run\n"
    for name, does in {
        "id": "echo 0",
        "systemctl": f"[ $1 != cat ] || printf '{unit}'".replace("\n", "\\n"),
        "systemd-run": 'echo beside "$@"',
        "direct": 'echo direct "$@"',
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    # Also out of a unit of the administrator's own, such as a timer.
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "INVOCATION_ID": "1"}
    done = subprocess.run(["sh", command, *words], capture_output=True, text=True, check=True, env=environment)
    where, *rest = done.stdout.split()
    assert where == ("beside" if beside else "direct")
    assert rest[-len(words) :] == words
    assert not beside or {"--property=User=schoolbridge", "--wait"} <= set(rest)
    assert "ExecStart" not in done.stdout


# -- the container: there is no engine here, so that it is read and not built


def instructions() -> list[tuple[str, str]]:
    text = (ROOT / "Containerfile").read_text("utf-8")
    text = re.sub(r"^#.*\n", "", text, flags=re.M).replace("\\\n", " ")
    found = [line.partition(" ") for line in text.splitlines() if line.strip()]
    return [(word, rest.strip()) for word, _, rest in found]


def test_the_container_is_built_in_two_stages_from_locked_libraries_and_runs_without_rights() -> None:
    rows = instructions()
    known = {
        "FROM",
        "WORKDIR",
        "COPY",
        "RUN",
        "ENV",
        "USER",
        "VOLUME",
        "STOPSIGNAL",
        "HEALTHCHECK",
        "ENTRYPOINT",
        "CMD",
    }
    assert {word for word, _ in rows} <= known
    starts = [place for place, (word, _) in enumerate(rows) if word == "FROM"]
    assert len(starts) == 2
    assert all("python:3.11-" in rows[place][1] for place in starts)
    assert any("--require-hashes --only-binary :all:" in rest for word, rest in rows if word == "RUN")
    last = dict(rows[starts[1] :])
    assert last["USER"] == "10001"
    assert last["HEALTHCHECK"].endswith('CMD ["schoolbridge", "status"]')
    assert last["ENTRYPOINT"] == '["schoolbridge"]'
    assert last["CMD"] == '["run"]'
    for word, rest in rows[: starts[1]]:
        if word == "COPY":
            *sources, _ = rest.split()
            assert all((ROOT / source).exists() for source in sources)
            ignored = (ROOT / ".containerignore").read_text("utf-8").splitlines()
            assert all(f"!{source}" in ignored for source in sources)
