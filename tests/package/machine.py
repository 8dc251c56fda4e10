"""A Debian of its own, booted with systemd: debootstrap makes it once, systemd-nspawn runs a copy of it.

It has no network; packages are put in as files. Needs root, debootstrap and systemd-container.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

PACKAGES = ("systemd", "systemd-sysv", "dbus", "libnss-systemd", "python3", "ca-certificates", "sudo", "attr", "acl")
_MIRROR = "http://deb.debian.org/debian"


def base(cache: Path) -> Path:
    """A bare Debian 12, made where it is not there yet."""
    root = cache / "debian-12"
    if not (root / "made").exists():
        shutil.rmtree(root, ignore_errors=True)
        command = ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", "bookworm", root, _MIRROR]
        subprocess.run(command, check=True, capture_output=True, timeout=1800)
        (root / "made").touch()
    return root


class Machine:
    """``root``: its files, to be written and read from outside. ``borrowed``: place in it -> place here, read-only."""

    def __init__(self, root: Path, source: Path, *, borrowed: Mapping[str, Path] | None = None) -> None:
        self.root = root
        self._borrowed = [f"--bind-ro={here}:{there}" for there, here in (borrowed or {}).items()]
        # Of a link that leads to it, ``cp -a`` would make another link, and the one that all copy from would be booted.
        subprocess.run(["cp", "-a", "--reflink=auto", source.resolve(), root], check=True)
        assert not root.is_symlink()
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._leader = 0

    def boot(self) -> None:
        command = ["systemd-nspawn", "--quiet", "--directory", self.root, "--boot", "--register=no", "--keep-unit",
                   "--private-network", "--machine=schoolbridge", "--kill-signal=SIGRTMIN+3",
                   *self._borrowed]  # fmt: skip
        with (self.root.parent / "console").open("ab") as log:
            self._nspawn = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.until(lambda: self._found() and self.run("test", "-S", "/run/dbus/system_bus_socket").returncode == 0)
        self.until(lambda: self.run("systemctl", "is-system-running").stdout.strip() in {"running", "degraded"})

    def _found(self) -> bool:
        assert self._nspawn is not None
        assert self._nspawn.poll() is None, (self.root.parent / "console").read_text()[-3000:]
        children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children").read_text().split()
        self._leader = int(children[-1]) if children else 0
        return bool(self._leader)

    def run(self, *command: str | Path, check: bool = False, typed: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command in it as root."""
        enter = ["nsenter", "--target", str(self._leader), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup",
                 "--root", "--wdns=/", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
                 "LANG=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", "COLUMNS=200"]  # fmt: skip
        done = subprocess.run([*enter, *map(str, command)], capture_output=True, text=True, check=False, input=typed,
                              timeout=600)  # fmt: skip
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done

    def until(self, probe: Callable[[], object], *, seconds: float = 180, why: Callable[[], str] = str) -> None:
        end = time.monotonic() + seconds
        while not probe():
            assert time.monotonic() < end, f"did not happen in time {why()}"
            time.sleep(0.2)

    def log(self, unit: str = "schoolbridge") -> str:
        return self.run("journalctl", "--no-pager", "-u", unit, "-n", "50").stdout

    def close(self) -> None:
        if self._nspawn is not None:
            self._nspawn.terminate()
            try:
                self._nspawn.wait(timeout=120)
            except subprocess.TimeoutExpired:
                self._nspawn.kill()
                self._nspawn.wait()
        shutil.rmtree(self.root, ignore_errors=True)
