"""What only one machine has of a school, although its state is one that several machines may share."""

from __future__ import annotations

from sqlalchemy import make_url

from bridge.ports import Finding
from bridge.settings import School, Settings

#: Connectors to the disk of the machine that they run on.
_OF_THIS_MACHINE = frozenset({"folder"})


def tied(settings: Settings, school: School) -> Finding | None:
    """A warning where this school can't be shared; None where nobody can share the state, or nothing of it is here.

    Whether there are other machines nobody knows from here, and with one alone nothing is wrong: so it is no fault, and
    no matter of health.
    """
    if make_url(settings.state_url).get_backend_name() == "sqlite":
        return None
    mine = [f"the {side} side" for side, one in school.sides.items() if one.connector in _OF_THIS_MACHINE]
    mine += [
        f"share {share.name}"
        for share in school.shares
        if any(one.connector in _OF_THIS_MACHINE for one in share.sides.values())
    ]
    if not mine:
        return None
    return Finding(
        "several machines",
        None,
        f"{', '.join(mine)}: on this machine's disk (connector `folder`), while the state is in PostgreSQL, which "
        f"several machines may share. With one machine nothing is wrong. Another one that took over school "
        f"{school.code} would not find these folders, and could not mirror them",
        f"nothing where this is the only machine; else configure school {school.code} on this machine only",
    )
