"""Root's part of ``freeze: samba`` as systemd starts and shuts it in: it reaches smbd, and the service reaches only it.

The programs (Samba, Python) are those of this machine, borrowed by a Debian that is really booted: `make soak`.
"""

import os
import shutil
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from package import build_deb
from tests.package.machine import Machine, base
from tests.package.test_machine import CACHE

_WANTED = ("debootstrap", "systemd-nspawn", "smbd", "net", "pdbedit", f"/usr/bin/python3.{sys.version_info[1]}")
MISSING = [one for one in _WANTED if not shutil.which(one)]
pytestmark = [
    pytest.mark.soak,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(os.geteuid() != 0 or bool(MISSING), reason=f"needs root, and {MISSING or 'nothing else'}"),
]
_PATH = "PYTHONPATH=/opt/wt:/opt/site"
_PYTHON = ("systemd-run", "--quiet", f"--setenv={_PATH}", "--setenv=PYTHONDONTWRITEBYTECODE=1")
_PROGRAM = f'#!/bin/sh\nexec env {_PATH} PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -m bridge "$@"\n'
_SMBD = """\
[Service]
RuntimeDirectory=samba
RuntimeDirectoryPreserve=yes
ExecStart=/usr/sbin/smbd --foreground --no-process-group
"""
_CONF = "[global]\n server role = standalone server\n include = registry\n load printers = no\n disable spoolss = yes\n"
_ASK = """\
import asyncio, sys
from pathlib import Path
from bridge.daemon.samba_shares import SambaShares
places = Path("/run/schoolbridge/samba"), Path("/var/lib/schoolbridge-samba")
shares = SambaShares("0123", *places, {sys.argv[2]: "/srv/schueler"}, patience=float(sys.argv[3]))
try:
    print(asyncio.run(getattr(shares, sys.argv[1])()).changed)
except Exception as error:
    print(error)
"""
_HOLD = r"""
import smbclient, time
who = dict(username="root", password="x.Y.12345", connection_cache={})
smbclient.register_session("127.0.0.1", **who)
file = smbclient.open_file(r"\\127.0.0.1\schueler\a.txt", mode="wb", buffering=0, **who)
open("/srv/held", "w").close()
try:
    while True:
        file.write(b"x")
        time.sleep(0.1)
except Exception as error:
    open("/srv/cut", "w").write(type(error).__name__)
"""


def put(machine: Machine, path: str, text: str, mode: int = 0o644) -> None:
    file = machine.root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(mode)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    CACHE.mkdir(exist_ok=True)
    site = Path(sysconfig.get_path("purelib"))
    borrowed = {"/usr": Path("/usr"), "/opt/site": site, "/opt/wt": build_deb.ROOT}
    one = Machine(tmp_path / "root", base(CACHE), borrowed=borrowed)
    put(one, "opt/schoolbridge/bin/schoolbridge", _PROGRAM, 0o755)
    for unit in ("schoolbridge-samba.path", "schoolbridge-samba.service"):
        put(one, f"etc/systemd/system/{unit}", (build_deb.ROOT / "systemd" / unit).read_text("utf-8"))
    put(one, "etc/systemd/system/fileserver.service", _SMBD)
    put(one, "etc/samba/smb.conf", _CONF)
    put(one, "etc/schoolbridge/samba-shares", "schueler\n")
    put(one, "srv/ask.py", _ASK)
    put(one, "srv/hold.py", _HOLD)
    for place in ("var/lib/samba/private", "var/cache/samba", "var/log/samba", "srv/schueler/anna"):
        (one.root / place).mkdir(parents=True, exist_ok=True)
    (one.root / "srv/schueler").chmod(0o750)  # nobody but root sees where it lies
    try:
        one.boot()
        yield one
    finally:
        one.close()


def asked(machine: Machine, what: str, share: str = "schueler", *, patience: float = 30) -> str:
    """By the account of the service, with no right at all."""
    account = ("--pipe", "--wait", "--uid=schoolbridge-local", "--property=CapabilityBoundingSet=")
    words = ("/usr/bin/python3", "/srv/ask.py", what, share, str(patience))
    return machine.run(*_PYTHON, *account, *words).stdout.strip()


def test_the_service_asks_and_roots_part_cuts_people_off(machine: Machine) -> None:
    machine.run("systemd-sysusers", "/opt/wt/systemd/sysusers.conf", check=True)
    machine.run("systemctl", "start", "fileserver", check=True)
    machine.until(lambda: machine.run("smbcontrol", "smbd", "ping").returncode == 0)
    machine.run("pdbedit", "--create", "--password-from-stdin", "-u", "root", typed="x.Y.12345\n" * 2, check=True)
    machine.run("net", "conf", "addshare", "schueler", "/srv/schueler", "writeable=y", check=True)
    machine.run("net", "conf", "setparm", "schueler", "write list", "@lehrer", check=True)
    owner = ("-m", "0750", "-o", "schoolbridge-local", "-g", "schoolbridge-local")
    machine.run("install", "-d", *owner, "/run/schoolbridge", check=True)

    def shown() -> str:
        return machine.run("net", "conf", "showshare", "schueler", check=True).stdout

    before = shown()
    # Not enabled: said so. What nobody did by then is never done.
    assert asked(machine, "thaw") == "0"
    assert "enable --now schoolbridge-samba.path" in asked(machine, "freeze", patience=3)
    machine.run("systemctl", "enable", "--now", "schoolbridge-samba.path", check=True)
    machine.run(*_PYTHON, "--unit=hold", "/usr/bin/python3", "/srv/hold.py", check=True)
    machine.until(lambda: (machine.root / "srv/held").exists())
    assert shown() == before

    assert asked(machine, "freeze") == "1"
    assert "read only = yes" in shown()
    machine.until(lambda: (machine.root / "srv/cut").exists(), seconds=10)
    assert "not on the list" in asked(machine, "freeze", "other")
    assert asked(machine, "freeze") == "1"

    # One after the other, each as soon as the last is answered: no request is lost between two rounds.
    for _ in range(3):
        assert (asked(machine, "thaw"), sorted(shown())) == ("1", sorted(before))
        assert asked(machine, "freeze") == "1"
    machine.run("systemctl", "stop", "fileserver", check=True)
    assert asked(machine, "thaw") == "1", "also where no smbd runs: it reads what is set when it starts"
    assert sorted(shown()) == sorted(before)
    time.sleep(3)
    assert machine.run("systemctl", "is-active", "schoolbridge-samba.path").stdout.strip() == "active"
    denied = "DENIED\\|not permitted\\|NT_STATUS"
    log = machine.run("sh", "-c", f"journalctl -u schoolbridge-samba | grep -i '{denied}'").stdout
    assert log == ""
