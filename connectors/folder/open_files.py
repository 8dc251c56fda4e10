"""Which files below a directory of this machine are open, by whatever program: a file server, a login, a backup.

1. Samba's own list (``smbstatus``), where it is installed and answers: what people have open over the network
2. what each process of this machine holds open (``/proc/PID/fd``): all of it for root, else one's own processes only;
   what is hidden there counts as seen where Samba told of everybody who comes by the network

What others open is not seen here where the directory lies on another server, or where the kernel serves it by NFS.
Only writing counts: whoever just reads loses nothing when the share is frozen. The bridge's own files don't count.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from bridge.ports import AllOpened, Opened
from connectors.folder.mounts import tells_of_changes

_SMBSTATUS = ("smbstatus", "--locks", "--json")
_PATIENCE = 30.0
#: Parts that the bridge itself is writing.
_OURS = ".schoolbridge"
_BLIND = (
    "files of other accounts are seen by root only: run schoolbridge gate or readiness as root (sudo), or look at the "
    "server (smbstatus --locks)"
)
_NFS = "files that are open over NFS are seen by its clients only: look there (lsof), or stop the NFS server"


def look(*, proc: Path = Path("/proc")) -> AllOpened:
    """Look at this machine now. Blocking."""
    shared, samba = _samba()
    held, hidden = _processes(proc)
    # smbd shows up in both: what Samba tells by name is not counted twice.
    files: dict[str, bool] = dict(held)
    for path, writes in shared.items():
        files[path] = writes or files.get(path, False)
    how = " and ".join(["smbstatus"] * samba + ["the processes of this machine"])
    blind = [_BLIND] * (hidden and not samba) + [_NFS] * _serves_nfs(proc)
    return AllOpened(files, how, "; ".join(blind))


def opened(whole: AllOpened, root: Path, mount: tuple[int, int, int] | None = None) -> Opened:
    """What of it lies below a directory. Blocking. ``mount``: that of the directory, as in ``Node``."""
    real = os.path.realpath(root)
    # A folder is never open for writing; what is, may be deleted by now.
    files = [writes for path, writes in whole.files.items() if _mine(path, real) and (writes or _is_file(path))]
    blind = [whole.blind] if whole.blind else []
    far = None if mount is None else tells_of_changes(mount)
    if far is not None:
        blind.append(f"the directory lies on {far}, where others open files unseen: look at the server")
    return Opened(sum(files), len(files) - sum(files), whole.how, "; ".join(blind))


def _is_file(path: str) -> bool:
    """Also where nobody can tell."""
    try:
        return Path(path).is_file()
    except OSError:
        return True


def _serves_nfs(proc: Path) -> bool:
    """Whether the kernel's NFS server runs: what it opens for its clients belongs to no process."""
    try:
        return int((proc / "fs" / "nfsd" / "threads").read_text("ascii")) > 0
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        return True


def _samba() -> tuple[dict[str, bool], bool]:
    """Path -> whether it is open for writing, and whether Samba answered at all."""
    try:
        done = subprocess.run(_SMBSTATUS, capture_output=True, timeout=_PATIENCE, check=False)
        tree = json.loads(done.stdout) if done.returncode == 0 else {}
    except (OSError, ValueError, subprocess.SubprocessError):
        return {}, False
    files = tree.get("open_files")
    if not isinstance(files, Mapping):
        return {}, False
    found: dict[str, bool] = {}
    for one in files.values():
        path = os.path.realpath(Path(str(one.get("service_path", ""))) / str(one.get("filename", "")))
        if _is_file(path):
            found[path] = any(map(_writes, (one.get("opens") or {"": {}}).values()))
    return found, True


def _writes(one: Mapping[str, Any]) -> bool:
    """``access_mask`` in Samba's words, such as ``RW``."""
    text = str(one.get("access_mask", {}).get("text", "RW"))
    return "W" in text


def _processes(proc: Path) -> tuple[dict[str, bool], bool]:
    """Path -> whether it is open for writing, and whether a process was not let be seen into."""
    found: dict[str, bool] = {}
    # Where processes of others are not even listed (ProtectProc=invisible, hidepid), nothing else tells of them.
    hidden = not _sees_others(proc)
    for process in proc.iterdir():
        if not process.name.isdigit() or process.name == str(os.getpid()):
            continue
        try:
            for path, writes in _held(process):
                found[path] = writes or found.get(path, False)
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended meanwhile
        except OSError:
            hidden = True
    return found, hidden


def _sees_others(proc: Path) -> bool:
    """Whether the first process of the machine, which is root's, can be looked into."""
    try:
        next((proc / "1" / "fd").iterdir(), None)
    except OSError:
        return False
    return True


def _held(process: Path) -> Iterator[tuple[str, bool]]:
    for one in (process / "fd").iterdir():
        with suppress(FileNotFoundError):
            path = str(one.readlink())
            if path.startswith("/"):
                yield path, _for_writing(process / "fdinfo" / one.name)


def _for_writing(described: Path) -> bool:
    for line in described.read_text("ascii").splitlines():
        name, _, value = line.partition(":")
        if name == "flags":
            return int(value, 8) & os.O_ACCMODE != os.O_RDONLY
    return True


def _mine(path: str, root: str) -> bool:
    return path.startswith(f"{root}/") and not any(part.startswith(_OURS) for part in path[len(root) :].split("/"))
