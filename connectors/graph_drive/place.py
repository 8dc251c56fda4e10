"""Which drive this is, and which folder in it: ids once found, asked for again only when they stop being true."""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import quote

from bridge.ports import Context, Refused, Unreachable
from connectors.graph.answers import Answer, complain
from connectors.graph.batch import Part
from connectors.graph_drive.file_names import cloud_name
from connectors.graph_drive.ledger import Ledger
from connectors.graph_drive.options import Options
from connectors.graph_drive.shared import Shared

_NOT_YET = ("mysite", "provisioning is in progress")


@dataclass(frozen=True, slots=True)
class Spot:
    """Ids of the drive, of its root folder and of the folder that is mirrored; ``folder`` empty: not made yet."""

    drive: str
    root: str
    folder: str
    library: bool = False

    @property
    def path(self) -> str:
        """The drive's path in Graph."""
        return f"/drives/{self.drive}"

    def entry(self, anchor: str) -> str:
        """The path of a file or folder by id."""
        return f"{self.path}/items/{anchor}"

    def child(self, parent: str, name: str) -> str:
        """The path of something by its name in a folder. The name is one segment, whatever it holds."""
        return f"{self.path}/items/{parent}:/{quote(name, safe='')}:"


class Locator:
    """Finds the drive of one connector."""

    def __init__(self, options: Options, context: Context, shared: Shared, ledger: Ledger) -> None:
        self._options = options
        self._context = context
        self._shared = shared
        self._ledger = ledger
        self._spot: Spot | None = None
        self._known = ("", "")
        self.renamed = False
        """Whether the mirrored folder has another name, or lies elsewhere, than is configured."""

    def expect(self, drive: str, folder: str) -> None:
        """A token of ours knows which folder is mirrored: it is found by its id, whatever it is called by now."""
        if folder:
            self._known = (drive, folder)

    def forget(self) -> None:
        """Look anew next time."""
        self._spot = None

    async def spot(self) -> Spot:
        """Where the drive is. Raises Unreachable while it is not provisioned, Refused when it can't be had."""
        if self._spot is not None and (self._spot.folder or self._options.folder is None):
            return self._spot
        place, folder = self._options.drive, self._options.folder
        now = self._context.monotonic()
        if (until := self._shared.missing.get(place.path, 0.0)) > now:
            raise self._not_yet(until - now)
        parts = [
            Part("drive", "GET", f"{place.path}?$select=id,driveType"),
            Part("root", "GET", f"{place.path}/root?$select=id"),
        ]
        answers = await self._shared.batches.run(parts)
        for name in ("drive", "root"):
            if not answers[name].ok:
                raise self._failed(answers[name])
        drive = answers["drive"].body
        spot = Spot(str(drive["id"]), str(answers["root"].body["id"]), "", drive.get("driveType") != "business")
        self._spot = replace(spot, folder=spot.root if folder is None else await self._mirrored(spot, folder))
        self._shared.missing.pop(place.path, None)
        return self._spot

    async def _mirrored(self, spot: Spot, folder: str) -> str:
        """The id of the mirrored folder: by its name, or where that is not there any more by the id that it had.

        Raises Refused when it is gone: another one must not be made in its place as if nothing had happened.
        """
        place = f"{spot.drive}/{folder}"
        drive, told = self._known
        known = told if drive == spot.drive else self._ledger.mirrored(place)
        found = await self._folder(spot, folder)
        self.renamed = False
        if not found and known:
            answer = await self._shared.client.call(f"{spot.entry(known)}?$select=id,folder")
            if answer.status == 404:
                raise self.replaced(known)
            if not answer.ok:
                raise complain(answer, f"Reading the folder of {self._options.drive.owner}")
            found, self.renamed = known, True
        if found and not known:
            self._ledger.keep_mirrored(place, found)
        return found

    def saw(self, name: str, parent: str) -> None:
        """The mirrored folder is called so now, and lies in this folder."""
        if self._spot is not None and self._options.folder is not None:
            wanted = cloud_name(self._options.folder, folder=True, top=True)
            self.renamed = name.casefold() != wanted.casefold() or parent != self._spot.root

    def replaced(self, folder: str) -> Refused:
        """The error for a mirrored folder that is not there any more, or not the one it was."""
        self.forget()
        return Refused(
            f"{self._options.drive.owner}: the mirrored folder {folder} is gone or replaced by another one. Nothing is "
            "concluded from that. Restore it from the recycle bin, or give it its name back."
        )

    async def _folder(self, spot: Spot, folder: str) -> str:
        """The id of the configured folder; empty when there is none of that name."""
        path = spot.child(spot.root, cloud_name(folder, folder=True, top=True))
        answer = await self._shared.client.call(f"{path}?$select=id,folder")
        if answer.status == 404:
            return ""
        if not answer.ok:
            raise complain(answer, f"Reading the folder of {self._options.drive.owner}")
        if "folder" not in answer.body:
            raise Refused(
                f"{self._options.drive.owner}: the configured folder is a file there. Rename it, or configure another."
            )
        return str(answer.body["id"])

    async def made(self) -> Spot:
        """As ``spot``, with the configured folder made when it is missing."""
        spot = await self.spot()
        if spot.folder:
            return spot
        name = cloud_name(self._options.folder or "", folder=True, top=True)
        body = {"name": name, "folder": {}, "@microsoft.graph.conflictBehavior": "fail"}
        answer = (await self._shared.batches.run([Part("folder", "POST", f"{spot.entry(spot.root)}/children", body)]))[
            "folder"
        ]
        if answer.ok:
            self._spot = replace(spot, folder=str(answer.body["id"]))
            self._ledger.keep_mirrored(f"{spot.drive}/{self._options.folder}", self._spot.folder)
            return self._spot
        if answer.status != 409:  # 409: our own, whose answer was lost, or somebody was faster
            raise complain(answer, f"Making the folder of {self._options.drive.owner}")
        self.forget()
        return await self.spot()

    def _failed(self, answer: Answer) -> Unreachable | Refused:
        owner = self._options.drive.owner
        if answer.status in (400, 404) and any(word in answer.message.lower() for word in _NOT_YET):
            pause = self._options.not_provisioned_seconds
            self._shared.missing[self._options.drive.path] = self._context.monotonic() + pause
            return self._not_yet(pause)
        if answer.status == 404:
            return Refused(f"{owner} is not there ({answer.code}: {answer.message}). Check the id in `drive`.")
        if "SPO license" in answer.message:
            return Refused(f"{owner}: this tenant has no SharePoint. Buy a licence with OneDrive.")
        if answer.status == 423:
            return Unreachable(f"{owner} is locked by an administrator or archived ({answer.code}).")
        return complain(answer, f"Finding {owner}")

    def _not_yet(self, seconds: float) -> Unreachable:
        return Unreachable(
            f"{self._options.drive.owner} is not provisioned yet. It is made some time after the licence was assigned, "
            "at the first sign-in, or by an administrator (Request-SPOPersonalSite). "
            f"Asked for again in {seconds / 60:.0f} minutes.",
            retry_after=seconds,
        )
