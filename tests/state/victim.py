"""Writes until it is killed: run by the test of crashes in a process of its own."""

from __future__ import annotations

from bridge.core.kinds import KINDS
from bridge.core.model import Action
from bridge.state import open_database
from tests.state.words import NOW, both, done, operation, user


def record_for_ever(url: str) -> None:
    """Rename ten records over and over and say each round that was committed."""
    store = open_database(url).school("west", KINDS)
    with store.lock():
        both(store, *(user(f"u{number}", display_name="0") for number in range(10)))
        round_ = 0
        while True:
            new, old = {"display_name": str(round_ + 1)}, {"display_name": str(round_)}
            batch = [
                operation(f"Lu{number}", Action.UPDATE, anchor=f"U{number}", before=old, after=new, agree=new)
                for number in range(10)
            ]
            store.record([done(one, str(one.anchor)) for one in batch], cycle="c", now=NOW)
            round_ += 1
            print("round", round_, flush=True)
