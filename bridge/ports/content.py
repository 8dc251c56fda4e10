"""The bytes of files: they never lie in a record, they stream from one side to the other while a write is carried out.

A record's content is a ``Digest``. Two algorithms exist:

``quickxor``  QuickXorHash, 20 bytes as 40 hexadecimal digits: the only hash that both sides can tell
``unread``    nobody has read the bytes yet; ``value`` is the version that they have, so that a change shows
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from bridge.core.model import Digest

#: The hash that is agreed on (Graph, resource type ``quickXorHash``).
QUICKXOR = "quickxor"
#: Stands for bytes that were seen by size and time only.
UNREAD = "unread"


class Source(Protocol):
    """The bytes of one file of the other side, exactly as they were when the plan was made."""

    @property
    def size(self) -> int:
        """Bytes in all."""
        ...

    @property
    def digest(self) -> Digest | None:
        """The content's ``quickxor`` digest where the side knows it without reading; else None."""
        ...

    def chunks(self, start: int = 0) -> AsyncIterator[bytes]:
        """Yield the bytes from offset ``start`` on, at most 1 MiB at a time; may be called again (a resumed upload).

        The last thing it does is to look whether the file is still the same. Raises ContentChanged when it is not, at
        any time up to then: what was written must not be committed. Raises Busy when the file is being written or open
        exclusively, Unreachable when its side went away.
        """
        ...


class Contents(Protocol):
    """What a connector of files offers besides: the bytes of its own side, for the other side to write."""

    def source(self, anchor: str, version: str) -> Source:
        """The bytes of a file in the version that was observed; nothing is opened before ``chunks`` is called."""
        ...

    def digests(self, anchors: Sequence[tuple[str, str]]) -> AsyncIterator[tuple[str, Digest]]:
        """Read files (anchor, version) to their end and yield their ``quickxor`` digests; leaves out what changed."""
        ...
