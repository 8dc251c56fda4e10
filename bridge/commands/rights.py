"""Who may get at the folders of shares: for ``shares --rights``, and in a plan."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from bridge.commands.session import NOTHING, Session, plain
from bridge.core.access import Change, Role, Step
from bridge.daemon.roots import roots_of
from bridge.settings import School
from bridge.settings.effective import ShareSettings
from bridge.state.access import Access, principals, recall_all
from bridge.state.database import Database

#: Those that Windows knows by a name of its own (MS-DTYP 2.4.2.4), or their last part in a domain.
_WELL_KNOWN = {
    "S-1-1-0": ("Everyone", "Jeder"),
    "S-1-5-11": ("Authenticated Users", "Authentifizierte Benutzer"),
    "S-1-5-32-545": ("Users", "Benutzer"),
    "other": ("everybody with an account on the server", "jeder mit einem Konto auf dem Server"),
    "-513": ("Domain Users", "Domänen-Benutzer"),
    "-514": ("Domain Guests", "Domänen-Gäste"),
    "-515": ("Domain Computers", "Domänencomputer"),
}
_WORDS = {
    "read": ("may read", "darf lesen"),
    "write": ("may write", "darf schreiben"),
    "off": ("permissions are left alone (permissions: off)", "Berechtigungen bleiben unberührt (permissions: off)"),
    "report": ("would be let in", "würde eingelassen"),
    "let in": ("let in", "eingelassen"),
    "due": ("will be let in", "wird eingelassen"),
    "over": ("will no longer be let in", "wird nicht mehr eingelassen"),
    "unread": ("its permissions were not read yet", "die Berechtigungen wurden noch nicht gelesen"),
    "nobody": ("nobody else is to be let in", "sonst ist niemand einzulassen"),
    "unsaid": ("can't be carried over", "nicht übertragbar"),
}  # fmt: skip
_STEPS = {
    Step.GIVE: "let in",
    Step.CHANGE: "change the role of",
    Step.TAKE_BACK: "no longer let in",
    Step.FORGET: "forget that it was let in:",
}


@dataclass(frozen=True, slots=True)
class _Row:
    """One root. ``known`` None: nothing was read of it yet."""

    school: School
    share: ShareSettings
    owner: str
    known: Access | None
    called: Callable[[str], str]

    def tree(self) -> dict[str, Any]:
        """As JSON."""
        known = self.known or Access()
        everybody = sorted({*known.wanted, *known.given})
        return {
            "school": self.school.code,
            "share": self.share.name,
            "owner": self.owner,
            "permissions": self.share.permissions,
            "read_at": known.read_at.isoformat() if known.read_at else None,
            "roles": [
                {
                    "principal": one,
                    "name": self.called(one),
                    "school": known.wanted[one].value if one in known.wanted else None,
                    "cloud": known.given[one].role.value if one in known.given and known.given[one].id else None,
                }
                for one in everybody
            ],
            "not_carried_over": [
                {"cause": one.cause.value, "folder": one.folder, "who": one.who, "text": self._said(one.say)}
                for one in known.unsaid
            ],
        }

    def _said(self, say: Callable[..., str]) -> str:
        return say(self.school.language, called=self.called)


def names(database: Database, school: School) -> Callable[[str], str]:
    """How a SID, an account's name or an id of the cloud is called in a report; as it is where nobody knows it."""
    called: dict[str, str] = {}
    for one in principals(database, school.code):
        name = one.names[0] if one.names else one.id
        called |= {one.id: name} | ({one.sid: name} if one.sid else {})
    german = school.language == "de"

    def call(whom: str) -> str:
        known = called.get(whom)
        if known is not None:
            return known
        domain = whom.startswith("S-1-5-21-")
        words = _WELL_KNOWN.get("-" + whom.rpartition("-")[2] if domain else whom)
        return f"{words[german]} ({whom})" if words and whom != "other" else words[german] if words else whom

    return call


def show_rights(
    session: Session,
    database: Database,
    schools: Sequence[School],
    *,
    share: str | None,
    chosen: Mapping[str, Collection[str]] | None,
    called: Mapping[str, str],
) -> int:
    """What is known of each root, with names. ``chosen``: school's code -> owners' links; ``called``: link -> name."""
    rows: list[_Row] = []
    for school in schools:
        known, by_name = recall_all(database, school.code), names(database, school)
        shares = {one.name: one for one in school.shares}
        for root in roots_of(school, database).roots.values():
            if share not in (None, root.share) or (chosen is not None and root.owner not in chosen[school.code]):
                continue
            owner = called.get(root.owner) or root.owner
            rows.append(_Row(school, shares[root.share], owner, known.get(root.code), by_name))
    session.show({"rights": [row.tree() for row in rows]}, lambda out: _draw(out, rows))
    return NOTHING


def _draw(out: Console, rows: Sequence[_Row]) -> None:
    for row in rows:
        german = row.school.language == "de"
        out.print(f"[bold]{plain(row.owner)}[/] ({plain(row.share.name)})")
        if row.share.permissions == "off" or row.known is None or row.known.read_at is None:
            out.print(f"  {_WORDS['off' if row.share.permissions == 'off' else 'unread'][german]}")
            continue
        known = row.known
        for one in sorted({*known.wanted, *known.given}):
            role, now = known.wanted.get(one), known.given.get(one)
            out.print(
                f"  {plain(row.called(one))}: {_standing(role, now.role if now and now.id else None, row, german)}"
            )
        if not known.wanted and not known.given:
            out.print(f"  {_WORDS['nobody'][german]}")
        for unsaid in known.unsaid:
            text = unsaid.say(row.school.language, called=row.called)
            out.print(f"  [yellow]{_WORDS['unsaid'][german]}[/]: {plain(text)}")


def _standing(wanted: Role | None, given: Role | None, row: _Row, german: bool) -> str:
    if wanted is None:
        return _WORDS["over"][german]
    word = "let in" if wanted is given else "report" if row.share.permissions == "report" else "due"
    return f"{_WORDS[wanted.value][german]} ({_WORDS[word][german]})"


def draw_changes(out: Console, changes: Sequence[Change], called: Callable[[str], str]) -> None:
    """What a plan would do about who may get at a drive."""
    for change in changes:
        role = f" ({change.role})" if change.role else ""
        out.print(f"  {_STEPS[change.step]} {plain(called(change.principal))}{role}")


def change_tree(change: Change) -> dict[str, Any]:
    """As JSON."""
    return {
        "step": change.step.value,
        "principal": change.principal,
        "role": change.role.value if change.role else None,
    }
