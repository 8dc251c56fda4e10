"""How many bytes a fragment has: many on a fast line; few where the line breaks, and where others wait for its end."""

from __future__ import annotations

from connectors.graph_drive.options import STEP

#: Seconds that one fragment should take: after each of them the line lies idle for a round trip, and where it breaks a
#: fragment begins anew.
LONGEST = 30.0
#: Bytes of a drive's first fragment: ten seconds of 2 Mbit/s.
FIRST = 8 * STEP


class Fragments:
    """``size``: bytes of the next one, a multiple of 320 KiB."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.size = min(most, FIRST)

    def took(self, size: int, seconds: float) -> None:
        """So many bytes were acknowledged after so many seconds; a small file says nothing of what the line carries."""
        if size >= STEP and not LONGEST * 3 / 4 <= seconds <= LONGEST:
            self.size = min(self.most, self.size * 2, _whole(size * LONGEST / max(seconds, 1e-3)))

    def broke(self) -> None:
        """The line did, or the service had to be left alone."""
        self.size = _whole(self.size / 2)


class Paused(Exception):
    """Others wait; the argument says how many bytes were acknowledged."""


def _whole(size: float) -> int:
    return max(STEP, int(size) // STEP * STEP)
