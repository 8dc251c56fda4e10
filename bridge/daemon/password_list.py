"""New passwords for a whole class, on both sides and on paper.

set      one person after the other; what a side refuses to everybody ends it
print    who has the new one on every side; the document is on the disk before anybody counts as handed out
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from bridge.daemon.handout import Person
from bridge.daemon.passwords import Account, Desk, Outcome, set_password
from bridge.engine.bridged import Progress
from bridge.letters import Letter, document
from bridge.ports import ConfigurationError
from bridge.state.private import save


async def set_and_print(
    desk: Desk,
    people: Sequence[tuple[Person, Account]],
    *,
    out: Path,
    school: str,
    language: str,
    must_change: bool,
    now: datetime,
    progress: Progress,
) -> Mapping[str, Outcome]:
    """Set and print; link -> what became of it, those left out that were not tried. Raises OSError (not printed)."""
    outcomes: dict[str, Outcome] = {}
    letters: list[Letter] = []
    refused = False
    for person, account in people:
        outcome = outcomes[person.link] = await set_password(desk, account, None, must_change=must_change)
        progress("passwords", len(outcomes), len(people))
        if outcome.ok:
            letters.append(Letter(person.group, person.surname, person.given_name, person.login, outcome.secret))
        elif outcome.ended and (refused or not outcome.refused):
            break  # a right that is missing for two in a row is missing for all
        refused = outcome.refused
    if letters:
        save(out, document(letters, school=school, language=language, printed=now.date(), change=must_change))
    return outcomes


def writable(out: Path) -> None:
    """Find out before any password is changed whether the document can be written; raises OSError too."""
    if out.exists() or out.is_symlink():
        raise ConfigurationError(f"{out} exists already; name another file, or remove it")
    if not out.parent.is_dir():
        raise ConfigurationError(f"the directory {out.parent} does not exist")
    probe = out.with_name(f".{out.name}.probe")
    probe.touch(mode=0o600)
    probe.unlink()
