"""Root's round: every request that lies there is answered, once; then it is over.

1. the directory has to be the service's alone, and so has every file in it that counts
2. nobody writes requests meanwhile, so that none is half read and none is taken back unseen
3. a request is judged by what root has: its list, Samba's registry, what it kept; never by the service's word
"""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bridge.ports import BridgeError, ConfigurationError, Unreachable
from bridge.samba.asked import FRESH, MOST, Answer, Request, alone, name_of, names, opened, read, remove, write
from bridge.samba.frozen import Shares
from bridge.samba.judged import judge
from bridge.samba.registry import Samba

REQUESTS = Path("/run/schoolbridge/samba")
OWN = Path("/var/lib/schoolbridge-samba")
ALLOWED = Path("/etc/schoolbridge/samba-shares")
#: Below root's own directory.
KEPT, ANSWERS = "kept", "answers"
_PATIENCE, _LOOK = 10.0, 0.05
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Desk:
    """``requests``: the service's directory; ``own``: root's, for all to read; ``allowed``: root's list of shares."""

    requests: Path = REQUESTS
    own: Path = OWN
    allowed: Path = ALLOWED
    samba: Samba = field(default_factory=Samba)

    def answer_all(self) -> Sequence[Answer]:
        """Answer what is asked now. Raises ConfigurationError where the directory could be somebody else's, OSError."""
        if not os.path.lexists(self.requests):
            return []  # nothing was ever asked
        with opened(self.requests) as folder:
            owner = _owner(self.requests, folder)
            with _locked(folder):
                asked = [one for name in names(folder) if (one := _request(folder, name, owner)) is not None]
                return self._answered(asked)

    def _answered(self, asked: Sequence[Request]) -> Sequence[Answer]:
        for folder in (KEPT, ANSWERS):
            (self.own / folder).mkdir(mode=0o755, parents=True, exist_ok=True)
        answers = self.own / ANSWERS
        # Whoever asks in the name of ever new shares fills no disk of root's.
        for name in set(names(answers)) - {name_of(one.share) for one in asked}:
            remove(answers, name)
        frozen = [one.share for one in asked if one.wanted == "frozen"]
        return [self._answer(one, frozen) for one in asked if not self._was_done(one)]

    def _was_done(self, request: Request) -> bool:
        known = read(self.own / ANSWERS, request.share, Answer)
        return known is not None and known.id == request.id and known.done

    def _answer(self, request: Request, frozen: Sequence[str]) -> Answer:
        shares = Shares(self.samba, self.own / KEPT)
        todo = {
            "frozen": lambda: shares.freeze(
                request, partial(judge, request, self.samba, allowed=self.allowed, others=frozen)
            ),
            "writable": lambda: shares.thaw(request),
        }
        text = ""
        try:
            todo[request.wanted]()
        except (BridgeError, OSError) as error:
            text = str(error)
        answer = Answer(id=request.id, share=request.share, done=not text, text=text)
        write(self.own / ANSWERS, request.share, answer)
        return answer


def _owner(path: Path, folder: int) -> int:
    """The account whose directory it is. Raises ConfigurationError where others could put requests into it."""
    node, above = os.fstat(folder), path.parent.stat()
    if node.st_uid != above.st_uid or (node.st_mode | above.st_mode) & 0o022:
        found = f"account {node.st_uid}, mode {stat.S_IMODE(node.st_mode):o}, in a directory of {above.st_uid}"
        raise ConfigurationError(
            f"{path} belongs to {found}. Expected that only one account, the service's, can write it and the directory "
            f"above: remove it, the daemon makes it anew"
        )
    return node.st_uid


@contextmanager
def _locked(folder: int) -> Iterator[None]:
    end = time.monotonic() + _PATIENCE
    while True:
        with alone(folder) as mine:
            if mine:
                yield
                return
        if time.monotonic() > end:
            raise Unreachable(f"the directory of requests is in use since {_PATIENCE:.0f} seconds: restart the daemon")
        time.sleep(_LOOK)


def _request(folder: int, name: str, owner: int) -> Request | None:
    """What is asked in a file; None, with a word in the log, where it is not to be answered."""
    try:
        said, age = _content(folder, name, owner)
        request = Request.model_validate_json(said)
        if name_of(request.share) != name:
            raise ValueError("it is of another share")
    except FileNotFoundError:
        return None  # taken back in this moment
    except (OSError, ValueError) as error:
        sys.stderr.write(f"a request is passed over: {type(error).__name__}; expected one that the daemon wrote\n")
        return None
    stale = request.wanted == "frozen" and age > FRESH
    if stale:
        sys.stderr.write(f"share {request.share}: whoever wanted it frozen does not wait any more: passed over\n")
    return None if stale else request


def _content(folder: int, name: str, owner: int) -> tuple[bytes, float]:
    """What stands in it, and how long ago it was written, in seconds."""
    with os.fdopen(os.open(name, _FILE, dir_fd=folder), "rb") as stream:
        node = os.fstat(stream.fileno())
        if not stat.S_ISREG(node.st_mode) or node.st_uid != owner or node.st_size > MOST:
            raise ValueError("no file of the service's")
        return stream.read(MOST + 1), abs(time.time() - node.st_mtime)
