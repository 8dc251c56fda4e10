"""``check --online``: what has to be there for this directory to be mirrored."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.ports import BridgeError, Finding
from connectors.folder.options import Options
from connectors.folder.sight import Sight


def probe(options: Options, sight: Sight) -> Sequence[Finding]:
    """Look without writing. Blocking; never raises for what it finds wrong."""
    subject = f"directory {options.path}"
    try:
        root = sight.verified()
    except BridgeError as error:
        return [Finding(subject, False, str(error), "create or mount it, or correct base and root")]
    return [Finding(subject, True, f"inode and birth time {root.identity}")]
