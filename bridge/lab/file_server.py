"""A real file server (stand-alone smbd) for tests and the demo, on a loopback address of its own.

1. A scratch directory with its own smb.conf, private databases and one folder for each share.
2. Users are added to a private passwd file (nss_wrapper) and with `pdbedit`; nobody of the machine is touched.
3. `smbd --foreground` runs under a guardian; ready means: a signed login succeeds.
4. `stop` ends the process tree and removes the directory; `outage` and `restart` keep it.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from smbprotocol.exceptions import SMBException  # type: ignore[import-untyped]

from bridge.lab.lent_server import LentServer, log_in_by_smb, wrapped
from bridge.lab.processes import Address, Unavailable

PORT = 4450  # smbd's port can be changed, so that no right to low ports is needed
USER, PASSWORD = "schoolbridge", "Freigabe.2026"
_UID = 20_000
_SYSTEM_GROUPS = "root:x:0:\nnogroup:x:65534:\n"


class FileServer(LentServer):
    """One running (or, during an outage, stopped) smbd. ``users``: name → password; the first one may do everything."""

    name = "smbd"
    grace = 0.2

    def __init__(self, directory: Path, address: Address, shares: Mapping[str, Path], users: Mapping[str, str]) -> None:
        super().__init__(directory, address)
        self.shares, self.users = dict(shares), dict(users)

    @classmethod
    def start(
        cls,
        *,
        shares: Sequence[str] | Mapping[str, Path] = ("daten",),
        users: Mapping[str, str] | None = None,
        options: Mapping[str, str] | None = None,
        scratch: Path | None = None,
    ) -> Self:
        """A new server. ``shares``: names (folders are made), or name → existing folder; ``options``: more of smb.conf.

        Raises Unavailable where smbd can't be had, RuntimeError with its log when it does not start.
        """
        for program in ("smbd", "pdbedit"):
            if not shutil.which(program):
                raise Unavailable(f"{program} is not installed: run python -m bridge.lab.packages samba")
        address = Address.borrow((PORT,))
        # Short: the paths of UNIX sockets below it must stay under 108 bytes.
        directory = Path(tempfile.mkdtemp(prefix="sb-fs-", dir=scratch))
        directory.chmod(0o755)
        try:
            paths = dict(shares) if isinstance(shares, Mapping) else {one: directory / "shares" / one for one in shares}
            server = cls(directory, address, paths, users or {USER: PASSWORD})
            server._configure(options or {})
            server.restart()
        except BaseException:
            shutil.rmtree(directory, ignore_errors=True)
            address.give_back()
            raise
        return server

    @property
    def port(self) -> int:
        """The one that it listens on."""
        return PORT

    def share(self, name: str) -> Path:
        """The folder that a share shows: what is done there is done behind the server's back."""
        return self.shares[name]

    def register(self, share: str, path: Path, **options: str) -> None:
        """Put a share into Samba's registry, as an administrator does; needs ``options={"include": "registry"}``.

        ``options``: those of smb.conf, with ``_`` for a blank.
        """
        path.mkdir(parents=True, exist_ok=True)
        self.shares[share] = path
        self._net("addshare", share, str(path), "writeable=y")
        for option, value in options.items():
            self._net("setparm", share, option.replace("_", " "), value)

    def _net(self, *words: str) -> None:
        command = ["net", f"--configfile={self.directory}/smb.conf", "conf", *words]
        done = subprocess.run(command, text=True, capture_output=True, check=False)
        if done.returncode:
            raise RuntimeError(f"net conf {' '.join(words)} failed:\n{done.stdout}{done.stderr}")

    # --- making -----------------------------------------------------------------------------------------------------

    def _configure(self, options: Mapping[str, str]) -> None:
        directory = self.directory
        for name in ("private", "lock", "state", "cache", "run", "ncalrpc", "log"):
            (directory / name).mkdir(mode=0o700 if name == "private" else 0o755)
        for path in self.shares.values():
            path.mkdir(parents=True, exist_ok=True)
        (directory / "smb.conf").write_text(_configuration(directory, self.ip, self.shares, options), "utf-8")
        root = os.geteuid() == 0
        lines = [f"root:x:0:0:root:{directory}:/bin/false", f"nobody:x:65534:65534:nobody:{directory}:/bin/false"]
        for number, name in enumerate(self.users):
            # smbd becomes the user: the first one is who owns the folders, so that tests can work in them too.
            uid = os.geteuid() if number == 0 else _UID + number
            gid = pwd.getpwuid(uid).pw_gid if number == 0 else 65534
            lines.append(f"{name}:x:{uid}:{gid}:{name}:{directory}:/bin/false")
        (directory / "passwd").write_text("\n".join(lines) + "\n", "utf-8")
        own = "" if root else f"own:x:{os.getegid()}:\n"
        (directory / "group").write_text(_SYSTEM_GROUPS + own, "utf-8")
        for name, password in self.users.items():
            self._add(name, password)

    def _add(self, name: str, password: str) -> None:
        command = ["pdbedit", "-s", str(self.directory / "smb.conf"), "--create", "--password-from-stdin", "-u", name]
        done = subprocess.run(
            command, input=f"{password}\n{password}\n", text=True, capture_output=True, check=False,
            env={**os.environ, **self._environment()},
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"pdbedit could not add {name}:\n{done.stdout}{done.stderr}")

    def _command(self) -> list[str]:
        configuration = f"--configfile={self.directory}/smb.conf"
        return ["smbd", configuration, "--foreground", "--debug-stdout", "--no-process-group"]

    def _environment(self) -> dict[str, str]:
        names = {f"NSS_WRAPPER_{name.upper()}": f"{self.directory}/{name}" for name in ("passwd", "group")}
        return wrapped(names, "libnss_wrapper.so")

    def _refusal(self) -> Exception | None:
        name, password = next(iter(self.users.items()))
        try:
            log_in_by_smb(self.ip, PORT, user=name, password=password)
        except (OSError, SMBException, ValueError) as error:
            return error
        return None


def _configuration(directory: Path, ip: str, shares: Mapping[str, Path], options: Mapping[str, str]) -> str:
    """See smb.conf(5). Everything private is below ``directory``."""
    settings = {
        "netbios name": "FILES",
        "workgroup": "SCHULE",
        "server role": "standalone server",
        "server min protocol": "SMB2_10",
        "server signing": "mandatory",
        "interfaces": f"{ip}/8",
        "bind interfaces only": "yes",
        "smb ports": str(PORT),
        "private dir": f"{directory}/private",
        "lock directory": f"{directory}/lock",
        "state directory": f"{directory}/state",
        "cache directory": f"{directory}/cache",
        "pid directory": f"{directory}/run",
        "ncalrpc dir": f"{directory}/ncalrpc",
        "log file": f"{directory}/log/log.%m",
        "passdb backend": f"tdbsam:{directory}/private/passdb.tdb",
        "map to guest": "never",
        "load printers": "no",
        "printcap name": "/dev/null",
        "disable spoolss": "yes",
        "usershare max shares": "0",
        "panic action": "/bin/true",
        "unix extensions": "no",
        # What Windows keeps: creation times and attributes; and deleting what is read-only is refused there too.
        "store dos attributes": "yes",
        "ea support": "yes",
        **options,
    }
    lines = ["[global]\n", *(f"  {name} = {value}\n" for name, value in settings.items())]
    for name, path in shares.items():
        lines.append(f"[{name}]\n  path = {path}\n  read only = no\n  guest ok = no\n")
    return "".join(lines)
