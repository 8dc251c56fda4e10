"""One write on its way: what is to be done, what it has come to."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from bridge.core.model import Action, Digest
from bridge.ports import Failed, Outcome, Write, Written
from connectors.graph.answers import Answer
from connectors.graph_drive.file_names import cloud_name
from connectors.graph_drive.ledger import target_of
from connectors.graph_drive.place import Spot
from connectors.graph_drive.refusals import refused
from connectors.graph_drive.shape import Entry, version_of

FAIL = {"@microsoft.graph.conflictBehavior": "fail"}


@dataclass(slots=True)
class Job:
    """``expected``: the eTag that the next request must meet. ``entry``: the item as the last answer showed it.

    ``open``: the last answer where nobody knows what happened, or nothing happened yet.
    """

    write: Write
    spot: Spot
    expected: str
    entry: Entry | None = None
    adopted: bool = False
    sent: Digest | None = None
    shown: Digest | None = None
    top: bool | None = None
    outcome: Outcome | None = None
    open: Answer | None = None
    rest: dict[str, Any] = field(default_factory=dict)
    """A PATCH that follows."""

    @classmethod
    def of(cls, write: Write, spot: Spot) -> Job:
        """A write that nothing was done for yet."""
        return cls(write, spot, write.expected)

    @property
    def subject(self) -> str:
        """For messages: ids, no names."""
        where = self.write.anchor or f"new in folder {self.parent}"
        return f"{self.write.kind} {self.write.key or where}"

    @property
    def anchor(self) -> str:
        """The item's id; empty while it does not exist."""
        return str(self.entry["id"]) if self.entry and "id" in self.entry else self.write.anchor or ""

    @property
    def parent(self) -> str:
        """The folder that it goes to, if the write says so; else the mirrored one."""
        return str(self.write.fields.get("parent") or self.spot.folder)

    @property
    def size(self) -> int:
        """Bytes that were planned with: a source need not know before it is read, and must not have others."""
        content = self.write.fields.get("content")
        if isinstance(content, Digest):
            return content.size
        return self.write.content.size if self.write.content is not None else 0

    @property
    def creates(self) -> bool:
        """Whether there is nothing yet."""
        return self.write.action is Action.CREATE

    def name(self) -> str:
        """The new name as the cloud spells it."""
        moved = self.creates or "parent" in self.write.fields
        top = self.parent == self.spot.root if moved else bool(self.top)
        return cloud_name(str(self.write.fields["name"]), folder=self.write.kind == "folder", top=top)

    def place(self) -> dict[str, Any]:
        """The part of a PATCH or restore that says where it goes and what it is called."""
        body: dict[str, Any] = {}
        if "name" in self.write.fields:
            body["name"] = self.name()
        if "parent" in self.write.fields:
            body["parentReference"] = {"id": self.parent}
        return body

    def times(self) -> dict[str, Any]:
        """The part that sets the time; empty when the write does not."""
        modified = self.write.fields.get("modified")
        return {"fileSystemInfo": {"lastModifiedDateTime": modified}} if modified else {}

    def match(self) -> dict[str, str]:
        """The precondition."""
        return {"If-Match": self.expected} if self.expected else {}

    def resume_key(self) -> str:
        """Names this very content for this very target: an upload in progress may go on only with the same bytes."""
        write, content = self.write, self.write.fields.get("content")
        told = (content.algorithm, content.value, content.size) if isinstance(content, Digest) else ()
        where = (self.write.anchor,) if not self.creates else (self.parent, self.name())
        parts = (self.spot.drive, write.action, *where, write.key, self.expected, *told, write.fields.get("modified"))
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    def target(self) -> str:
        """Names what its content goes to, in the ledger."""
        return target_of("" if self.creates else self.anchor, self.parent, self.name() if self.creates else "")

    def fail(self, failed: Failed) -> None:
        """It did not happen."""
        self.outcome, self.open = failed, None

    def refuse(self, answer: Answer) -> None:
        """The service said no. A new thing that is not found has lost the folder it was to go to."""
        if answer.status == 404 and self.creates:
            message = f"{self.subject}: the folder that it goes to is not there (any more)."
            self.fail(Failed(self.write.id, "stale", message, transient=True))
            return
        self.fail(refused(self.write.id, self.subject, answer))

    def done(self) -> None:
        """It happened."""
        version = version_of(self.entry) if self.entry else ""
        self.open = None
        self.outcome = Written(
            self.write.id, self.anchor, version, adopted=self.adopted, content=self.sent, shown=self.shown
        )
