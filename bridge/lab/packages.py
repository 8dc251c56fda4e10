"""Installs Debian packages for servers of the lab and for tests: `python -m bridge.lab.packages [samba] [browser] ...`.

1. Ask dpkg what is missing. Nothing: done, without any network.
2. Not root, or no apt-get: say what is missing and how to install it, exit code 1.
3. Install without recommended packages, asking nothing, starting no daemon. The package lists are fetched only when
   they are not there or turn out too old.

Standard library only: it also runs before the project's own environment is made.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

NEEDED = {
    "samba": (
        "samba", "samba-ad-dc", "samba-ad-provision", "samba-dsdb-modules", "samba-vfs-modules", "python3-samba",
        "tdb-tools", "winbind", "libnss-wrapper", "libuid-wrapper", "python3-gpg", "gnupg",
    ),
    "postgresql": ("postgresql",),
    # Shifts the clock of one process: a site of the fleet demo has a wrong one.
    "clock": ("libfaketime",),
    # Tests only: what judges the units, and what boots a Debian of its own for the package.
    "systemd": ("systemd",),
    "machine": ("systemd", "systemd-container", "debootstrap"),
    # A browser for the tests of the dashboard; without a font it would draw nothing.
    "browser": ("chromium", "fonts-dejavu-core"),
    # gssapi comes as source: it is compiled against MIT Kerberos by whoever installs the extra `kerberos`.
    "kerberos": ("libkrb5-dev", "gcc", "libc6-dev", "python3-dev"),
}  # fmt: skip
_UNITS = ("samba-ad-dc.service", "smbd.service", "nmbd.service", "winbind.service", "postgresql.service")
_POLICY = Path("/usr/sbin/policy-rc.d")
_REFUSE = "#!/bin/sh\nexit 101\n"  # "action forbidden by policy": invoke-rc.d(8) then starts nothing


def missing(servers: Sequence[str]) -> list[str]:
    """The packages for `servers` (keys of NEEDED) that are not installed; all of them where there is no dpkg."""
    wanted = [package for server in servers for package in NEEDED[server]]
    if not shutil.which("dpkg-query"):
        return wanted
    command = ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *wanted]
    answer = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    installed = {line.split()[0] for line in answer.splitlines() if line.endswith(" installed")}
    return [package for package in wanted if package not in installed]


@contextlib.contextmanager
def no_daemons(policy: Path = _POLICY) -> Iterator[None]:
    """While inside, packages start no daemon; `policy` is as before afterwards, also when that was: not there."""
    before = policy.read_bytes() if policy.exists() else None
    mode = policy.stat().st_mode & 0o7777 if before is not None else 0
    policy.write_text(_REFUSE)
    policy.chmod(0o755)
    try:
        yield
    finally:
        if before is None:
            policy.unlink()
        else:
            policy.write_bytes(before)
            policy.chmod(mode)


def install(packages: Sequence[str]) -> bool:
    """Install `packages` with apt-get; True when it succeeded. Its output goes to standard output."""
    apt = ["apt-get", "--yes", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120", "install", *packages]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}

    def run(command: Sequence[str]) -> bool:
        return subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=False).returncode == 0

    with no_daemons():
        return run(apt) or (run(["apt-get", "update"]) and run(apt))


def main(arguments: Sequence[str]) -> int:
    """Make sure that the packages for the named servers (none named: all) are installed; the exit code."""
    servers = list(arguments) or list(NEEDED)
    if unknown := [server for server in servers if server not in NEEDED]:
        _say(f"unknown: {', '.join(unknown)}; known are {', '.join(NEEDED)}")
        return 2
    packages = missing(servers)
    if not packages:
        _say(f"{', '.join(servers)}: all packages are installed")
        return 0
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        _say(f"missing: {' '.join(packages)}")
        _say(f"install them as root: apt-get install --no-install-recommends {' '.join(packages)}")
        return 1
    _say(f"installing {' '.join(packages)}")
    enabled = _enabled()
    if not install(packages) or (packages := missing(servers)):
        _say(f"could not be installed: {' '.join(packages)}; see apt-get's messages above")
        return 1
    _disable(_enabled() - enabled)
    return 0


def _enabled() -> set[str]:
    """Those of the servers' services that start with the machine."""
    if not shutil.which("systemctl"):
        return set()
    return {unit for unit in _UNITS if _systemctl("is-enabled", unit)}


def _systemctl(*arguments: str) -> bool:
    return subprocess.run(["systemctl", "--quiet", *arguments], capture_output=True, check=False).returncode == 0


def _disable(units: set[str]) -> None:
    """What was installed just now would start at the next boot, on all addresses; the lab starts its own instead."""
    if units:
        _systemctl("disable", *sorted(units))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
