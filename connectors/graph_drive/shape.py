"""Drive items (Graph: driveItem) as fields of folders and files. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from bridge.core.model import Digest, Value
from bridge.ports import QUICKXOR, UNREAD
from connectors.graph_drive.file_names import school_name

Entry = Mapping[str, Any]

#: What is read of every item, in delta and elsewhere; ``cTag`` does not come in delta.
SELECT = (
    "id,name,eTag,cTag,size,parentReference,file,folder,root,package,remoteItem,malware,deleted,fileSystemInfo,"
    "lastModifiedDateTime,lastModifiedBy"
)
#: What SharePoint writes properties into after an upload (onedrive-api-docs#935, rclone#2599).
_WORD, _EXCEL = ("doc", "docx", "docm", "dot", "dotx", "dotm"), ("xls", "xlsx", "xlsm", "xlsb", "xlt", "xltx", "xltm")
_SLIDES = ("ppt", "pptx", "pptm", "pot", "potx", "potm", "pps", "ppsx", "ppsm")
_PAGES = ("pdf", "htm", "html", "aspx", "mht", "mhtml", "jpg", "jpeg", "one", "vsd", "vsdx", "pub", "mpp")
REWRITTEN = frozenset({*_WORD, *_EXCEL, *_SLIDES, *_PAGES})
_EMPTY = "0" * 40


def kind_of(entry: Entry) -> str | None:
    """``folder``, ``file``, or None for what is neither."""
    if outside(entry):
        return None
    return "folder" if "folder" in entry else "file" if "file" in entry else None


def outside(entry: Entry) -> str:
    """Why an item is not mirrored, for a person; empty when it is."""
    if "package" in entry:
        return "a OneNote notebook or another package"
    if "remoteItem" in entry:
        return "a link to somebody else's file or folder"
    if "malware" in entry:
        return "a file that Microsoft holds for malware"
    file = entry.get("file") or {}
    if file.get("irmEffectivelyEnabled") or file.get("irmEnabled"):
        return "a file protected by rights management"
    return ""


def fields_of(entry: Entry, *, root: str, library_root: str) -> dict[str, Value]:
    """The fields of a file or folder. ``root`` is the mirrored folder, ``library_root`` the drive's own root."""
    parent = parent_of(entry)
    folder = "folder" in entry
    name = school_name(str(entry.get("name", "")), folder=folder, top=parent == library_root)
    fields: dict[str, Value] = {"name": name} if parent == root else {"name": name, "parent": parent}
    if not folder:
        fields |= {"content": digest_of(entry), "modified": modified_of(entry)}
    return fields


def parent_of(entry: Entry) -> str:
    """The id of the folder that it lies in."""
    return str((entry.get("parentReference") or {}).get("id", ""))


def digest_of(entry: Entry) -> Digest:
    """The content's digest; ``unread`` with the version where SharePoint shows no hash."""
    size = int(entry.get("size") or 0)
    text = ((entry.get("file") or {}).get("hashes") or {}).get("quickXorHash")
    try:
        raw = base64.b64decode(str(text or ""), validate=True)
    except binascii.Error:
        raw = b""
    if len(raw) == 20:
        return Digest(QUICKXOR, raw.hex(), size)
    if size == 0:
        return Digest(QUICKXOR, _EMPTY, 0)
    return Digest(UNREAD, str(entry.get("cTag") or version_of(entry)), size)


def version_of(entry: Entry) -> str:
    """The eTag: changes with anything."""
    return str(entry.get("eTag") or entry.get("@odata.etag") or "")


def modified_of(entry: Entry) -> str:
    """When the file was changed on its own machine, in UTC, whole seconds."""
    text = str((entry.get("fileSystemInfo") or {}).get("lastModifiedDateTime") or entry.get("lastModifiedDateTime"))
    return text[:19] + "Z"


def by_person(entry: Entry) -> bool:
    """Whether a person changed it last: neither an application nor SharePoint itself."""
    return bool(((entry.get("lastModifiedBy") or {}).get("user") or {}).get("id"))


def by_application(entry: Entry, client_id: str) -> bool:
    """Whether this application changed it last."""
    found = ((entry.get("lastModifiedBy") or {}).get("application") or {}).get("id")
    return str(found or "").lower() == client_id.lower()


def may_be_rewritten(name: str) -> bool:
    """Whether SharePoint may change the bytes of a file of this name after an upload."""
    return name.rpartition(".")[2].lower() in REWRITTEN
