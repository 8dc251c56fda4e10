"""One share is made read-only for everybody who comes by Samba, and becomes what it was.

| what is kept | freeze | thaw |
|---|---|---|
| nothing | kept, set, cut off, looked at | nothing to do |
| the options | set, cut off, looked at: somebody died on the way | given back, cut off, forgotten |
| the options, and all were cut off | nothing to do while it is as it was set, else as above | the same |

Who is in ``write list`` may write whatever ``read only`` says, so that it is emptied, not only taken away: [global] may
have one for all shares. ``admin users`` are bound by ``read only`` like everybody else. A connection keeps what it
could when it was made, so that all of them end, also when the share is writable again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bridge.ports import Refused, Unreachable
from bridge.samba.asked import Kept, Request, name_of, read, remove, write
from bridge.samba.judged import Registered
from bridge.samba.registry import Samba

FROZEN: Mapping[str, str] = {"read only": "yes", "write list": ""}
#: smbd reads its configuration when it comes to it. Who connects in between is cut off by a second time, after so long.
_SETTLES = 1.0


@dataclass(frozen=True, slots=True)
class Shares:
    """``folder``: where the options are kept. Every method may be repeated, also after a crash in it."""

    samba: Samba
    folder: Path
    sleep: Callable[[float], None] = time.sleep

    def kept(self, share: str, school: str) -> Kept | None:
        """What is kept of it; raises Refused where that is for another school."""
        found = read(self.folder, share, Kept)
        if found is not None and found.school != school:
            raise Refused(
                f"{school}: the share {share} of Samba is frozen for the school {found.school}. Expected a share that "
                f"shows folders of one school only: wait until that one's cutover is over, and give each its own"
            )
        return found

    def freeze(self, request: Request, judge: Callable[[], Registered]) -> None:
        """``judge`` says what the share is, and raises where it may not be frozen. Raises BridgeError."""
        kept, found = self.kept(request.share, request.school), judge()
        if kept is not None and kept.closed and self._is_frozen(found):
            return
        if kept is None:
            before = {option: found.options.get(option) for option in FROZEN}
            kept = Kept(share=found.name, school=request.school, options=before)
            write(self.folder, request.share, kept)
        self.samba.set(kept.share, FROZEN)
        if self.samba.holds(kept.share, "read only") != "Yes" or self.samba.holds(kept.share, "write list"):
            self._give_back(kept)
            remove(self.folder, name_of(request.share))
            raise Refused(
                f"{request.school}: the share {request.share} of Samba was set read-only in the registry, and yet is "
                f"not. Expected that nothing else says so: take [{kept.share}] out of smb.conf; see: testparm -s"
            )
        self._cut_off(kept.share)
        write(self.folder, request.share, kept.model_copy(update={"closed": True}))

    def thaw(self, request: Request) -> None:
        """Exactly the options that were kept. Raises BridgeError."""
        kept = self.kept(request.share, request.school)
        if kept is None:
            return
        self._give_back(kept)
        self._cut_off(kept.share)
        remove(self.folder, name_of(request.share))

    def _is_frozen(self, found: Registered) -> bool:
        return all(found.options.get(option) == value for option, value in FROZEN.items())

    def _give_back(self, kept: Kept) -> None:
        if self.samba.registered(kept.share) is None:
            return  # taken away meanwhile: to set an option would make a share anew
        self.samba.set(kept.share, kept.options)
        _, options = self.samba.registered(kept.share) or ("", {})
        if any(options.get(option) != value for option, value in kept.options.items()):
            raise Unreachable(
                f"{kept.school}: the share {kept.share} of Samba could not be made as it was: expected {kept.options}, "
                f"found {dict(options)}. See: net conf showshare {kept.share}; it is tried again"
            )

    def _cut_off(self, share: str) -> None:
        for pause in (_SETTLES, 0.0):
            self.samba.reload()
            self.samba.close(share)
            self.sleep(pause)
