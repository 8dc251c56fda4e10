"""Which file system a mount is, from /proc/self/mountinfo (proc(5))."""

from __future__ import annotations

from pathlib import Path

#: File systems on which others may change what the kernel here does not see.
_SHARED = ("nfs", "cifs", "smb", "9p", "ceph", "gluster", "fuse", "afs", "lustre", "ocfs2", "gfs2", "virtiofs", "ncp")
_LOCAL = ("fuseblk",)


def kind_of(mount: tuple[int, int, int]) -> str:
    """The type of a file system, such as ext4; empty when it can't be told."""
    try:
        lines = Path("/proc/self/mountinfo").read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    device = f"{mount[0]}:{mount[1]}"
    for line in lines:
        fields = line.split(" ")
        if fields[0] == str(mount[2]) or (mount[2] == 0 and fields[2] == device):
            return fields[fields.index("-") + 1]
    return ""


def tells_of_changes(mount: tuple[int, int, int]) -> str | None:
    """None where inotify sees every change; else the type of the file system, where it sees this machine's only."""
    kind = kind_of(mount)
    return kind if kind.startswith(_SHARED) and kind not in _LOCAL else None
