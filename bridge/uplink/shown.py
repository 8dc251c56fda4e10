"""What the status shows of the hub; the log tells each change once. An away hub makes no school worse."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import structlog

#: Clocks that are further apart are told.
SKEW = timedelta(minutes=5)


class Shown:
    """Keeps ``board``, the block ``hub`` of the status file, as it is."""

    def __init__(self, board: dict[str, Any], *, url: str, clock: Callable[[], datetime]) -> None:
        self._board, self._clock = board, clock
        self._log = structlog.get_logger()
        board.update(url=url, site="", confirmed=None, waiting=0, error="", since=None, clock="", certificate=None)
        board.update(aside=0, aside_last="")

    def site(self, name: str, ends: datetime) -> None:
        """Which site this is, and until when its certificate is good."""
        self._board.update(site=name, certificate=ends.isoformat())

    def away(self, why: str) -> None:
        """It can't be talked to."""
        if not self._board["error"]:
            self._board["since"] = self._clock().isoformat()
        if self._board["error"] != why:
            self._log.warning("the hub is away; what is to be told waits", reason=why)
        self._board["error"] = why

    def aside(self, what: str, why: str) -> None:
        """A message was set aside: the hub does not take it."""
        self._log.error("a message for the hub was set aside", what=what, reason=why)
        self._board.update(aside=self._board["aside"] + 1, aside_last=f"{what}: {why}")

    def waits(self, waiting: int) -> None:
        """So many messages wait."""
        self._board["waiting"] = waiting

    def heard(self, theirs: datetime, now: datetime, *, waiting: int) -> None:
        """It confirmed a report."""
        if self._board["error"]:
            self._log.info("the hub is there again", waiting=waiting)
        self._board.update(confirmed=now.isoformat(), waiting=waiting, error="", since=None)
        apart = now - theirs
        text = _apart(apart) if abs(apart) > SKEW else ""
        if bool(text) != bool(self._board["clock"]):
            say = self._log.warning if text else self._log.info
            say("the clocks of this site and its hub", apart=round(apart.total_seconds()))
        self._board["clock"] = text


def _apart(apart: timedelta) -> str:
    minutes = round(abs(apart.total_seconds()) / 60)
    word = "ahead of" if apart > timedelta(0) else "behind"
    text = f"this machine's clock is {minutes} minutes {word} the hub's. Orders may count as expired here"
    return f"{text}. See: timedatectl"
