"""SharePoint writes properties into Office files, PDFs and some pictures after an upload: size and hash change.

That is no edit. Both hashes are kept: what the drive shows goes to the state as it is, together with what it means, the
bytes that we sent. The ledger knows those bytes from before the last of them went out, so that it needs no answer: a
process may die, or the line may break, between SharePoint's commit and our hearing of it.
(onedrive-api-docs#935, rclone#2599)
"""

from __future__ import annotations

from bridge.ports import Meaning
from connectors.graph_drive.ledger import Ledger, Sent, target_of
from connectors.graph_drive.shape import (
    Entry,
    by_person,
    digest_of,
    may_be_rewritten,
    modified_of,
    parent_of,
    version_of,
)


class Rewriting:
    """What a drive's files mean, by what we sent to it."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def meant(self, key: str, entry: Entry) -> Meaning | None:
        """The bytes that we sent, where the file shows others only because SharePoint wrote into them; else None.

        It is SharePoint's rewriting when no person changed the file last and the time that we gave it still stands: an
        edit, in Office or by a sync client, sets a new one.
        """
        name = str(entry.get("name", ""))
        if not may_be_rewritten(name):
            return None
        shown = digest_of(entry)
        sent = self._found(key, entry) or self._ledger.sent(key)
        if sent is None or sent.content == shown:
            return None
        if sent.modified == modified_of(entry) and not by_person(entry):
            return Meaning(key, shown, sent.content)
        self._ledger.keep_sent(key, None)
        return None

    def _found(self, key: str, entry: Entry) -> Sent | None:
        """An upload of which nobody heard the end turns out to have come to it."""
        place = target_of("", parent_of(entry), str(entry.get("name", "")))
        found = self._ledger.sending(target_of(key), place)
        if found is None:
            return None
        target, sending = found
        if sending.expected == version_of(entry):
            return None  # it did not, so far
        self._ledger.keep_sending(target, None)
        if sending.modified != modified_of(entry) or by_person(entry):
            return None
        sent = Sent(sending.content, sending.modified)
        self._ledger.keep_sent(key, sent)
        return sent

    def gone(self, key: str) -> None:
        """The file is deleted."""
        self._ledger.keep_sent(key, None)
        self._ledger.keep_sending(target_of(key), None)
