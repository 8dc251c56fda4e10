"""How many bytes a fragment has: many on a fast line; few where the line breaks, and where others wait for its end."""

from __future__ import annotations

from connectors.graph_drive.options import STEP

#: Seconds that one fragment should take: after each of them a line that loses packets lies idle for half a second, and
#: where it breaks a fragment begins anew.
LONGEST = 120.0
#: Bytes of a drive's first fragment: ten seconds of 2 Mbit/s. On a line that needs so many seconds for them also of the
#: last one of a file, for whose end others of the same drive wait.
FIRST, SLOW = 8 * STEP, 10.0
#: Bytes from which an upload is taken up again where it was, and makes room for others.
RESUMED = 10 * 1024 * 1024


class Fragments:
    """``most``: bytes of a fragment at most, a multiple of 320 KiB, as all but the last one of a file have to be."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.size = min(most, FIRST)
        self._slow = False

    def resumes(self, size: int) -> bool:
        """Whether that is so for a file of so many bytes: it has more than one fragment, or is large."""
        return size > min(self.most, RESUMED)

    def part(self, left: int) -> int:
        """Bytes of the next fragment of a file of which so many are left; the last one where it is all of them."""
        if left > self.size:
            return self.size
        return _whole(left - FIRST) if self._slow and left >= FIRST + STEP else left

    def took(self, size: int, seconds: float) -> None:
        """So many bytes were acknowledged after so many seconds; a small file says nothing of what the line carries."""
        if size < STEP:
            return
        self._slow = seconds * FIRST > SLOW * size
        if not LONGEST * 3 / 4 <= seconds <= LONGEST:
            self.size = min(self.most, self.size * 2, _whole(size * LONGEST / max(seconds, 1e-3)))

    def broke(self) -> None:
        """The line did, or the service had to be left alone."""
        self.size = _whole(self.size / 2)


class Paused(Exception):
    """Others wait; the argument says how many bytes were acknowledged."""


def _whole(size: float) -> int:
    return max(STEP, int(size) // STEP * STEP)
