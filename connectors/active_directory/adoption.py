"""Nobody twice: before anything is made, who carries its key already and who has its login, in one search for many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.ports import chunks
from connectors.active_directory.desk import Desk, Job
from connectors.active_directory.edits import Rejected
from connectors.active_directory.mapping import CONSISTENCY_GUID
from connectors.active_directory.reader import GROUP
from connectors.active_directory.wire import Entry, equals_filter, guid_bytes, guid_filter, is_canonical, octets_filter

_CREATIONS_A_SEARCH = 50


@dataclass(slots=True)
class Found:
    """Who is there already, by folded key and by folded login."""

    by_key: dict[str, list[Entry]]
    by_login: dict[str, Entry]

    def adopted(self, job: Job) -> Entry | None:
        """The object with the key of a creation; None where there is none. Rejected where that can't be said."""
        entries = self.by_key.get(job.write.key.casefold(), [])
        if len(entries) > 1:
            ids = ", ".join(sorted(entry.guid for entry in entries))
            raise Rejected(
                "invalid", f"{len(entries)} objects carry this source anchor ({ids}). Leave it to one of them"
            )
        return entries[0] if entries else None

    def taken(self, login: str) -> bool:
        """Whether somebody has the login."""
        return login.casefold() in self.by_login


def look_for(desk: Desk, kind: str, jobs: Sequence[Job]) -> Found:
    """Search the whole domain, also the limbo: nobody outside of the scope is made twice either."""
    found = Found({}, {})
    for some in chunks(jobs, _CREATIONS_A_SEARCH):
        parts = [part for job in some for part in _conditions(desk, job)]
        if not parts:
            continue
        for entry in desk.session.all(f"(|{''.join(parts)})", desk.attributes(kind)):
            found.by_login[entry.text("sAMAccountName").casefold()] = entry
            if ("group" in entry.classes()) == (kind == GROUP) and "computer" not in entry.classes():
                for key in {desk.mapping.source_anchor(entry).casefold(), entry.guid}:
                    found.by_key.setdefault(key, []).append(entry)
    return found


def _conditions(desk: Desk, job: Job) -> list[str]:
    key, login = job.write.key, str(job.write.fields.get("login") or "")
    parts = [equals_filter("sAMAccountName", login)] if login else []
    if key and (reference := desk.options.reference_attribute):
        parts.append(equals_filter(reference, key))
    if is_canonical(key):
        parts += [octets_filter(CONSISTENCY_GUID, guid_bytes(key)), guid_filter(key)]
    return parts
