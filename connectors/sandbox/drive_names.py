"""Names and paths of drives: what SharePoint refuses, and how clients address an item by path.

Path addressing is rewritten to one segment before routing: ``root:/a/b:/children`` and ``items/{id}:/a/b:/children``
become ``items/root%3A%2Fa%2Fb/children`` and so on, which is also how Microsoft's SDKs send it. The trailing colon is
optional, ``:`` may arrive as ``%3A`` (a name cannot hold one), and ``root`` is an id like any other.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from connectors.sandbox.drive_errors import invalid_name, missing, too_long
from connectors.sandbox.drive_model import Drive, Item

LONGEST_PATH, LONGEST_NAME = 400, 255
_ILLEGAL = re.compile(r'["*:<>?/\\|\x00-\x1f\x7f]')
_RESERVED = re.compile(r"\.lock|CON|PRN|AUX|NUL|COM[0-9]|LPT[0-9]|desktop\.ini", re.IGNORECASE)
_ADDRESSED = re.compile(
    r"(?P<drive>/(?:drives/[^/]+|(?:users|groups|sites)/[^/]+/drive|me/drive))/(?P<rest>(?:root|items/).*)",
    re.IGNORECASE,
)


def canonical(path: str) -> str:
    """A raw path with its path addressing folded into one segment; other paths unchanged."""
    match = _ADDRESSED.fullmatch(path)
    if match is None:
        return path
    drive, rest = match["drive"], re.sub("%3a", ":", match["rest"], flags=re.IGNORECASE)
    head, colon, tail = rest.partition(":")
    if not head.lower().startswith("items/"):
        # `root`, but not a word that only begins with it.
        if head.lower() != "root" and not head.lower().startswith("root/"):
            return path
        head = f"items/root{head[4:]}"
    key = head.removeprefix("items/")
    if not colon or "/" in key:
        return f"{drive}/{head}{colon}{tail}"
    address, _, suffix = tail.partition(":")
    return f"{drive}/items/{key}{quote(':' + unquote(address), safe='')}{suffix}"


def split(address: str) -> list[str]:
    """The names of a decoded path; empty ones and ``.`` are skipped (a real client sends ``/./up.txt``)."""
    return [name for name in address.split("/") if name not in ("", ".")]


def follow(start: Item, names: list[str]) -> Item:
    """The item that a path leads to.

    Raises:
        GraphError: 404.
    """
    item = start
    for name in names:
        found = item.child(name)
        if found is None:
            raise missing()
        item = found
    return item


def check_name(name: object, parent: Item, *, folder: bool) -> str:
    """``name`` unchanged.

    Raises:
        GraphError: 400 for what SharePoint refuses as a name, or when the whole path gets too long.
    """
    if not isinstance(name, str) or not name or len(name) > LONGEST_NAME:
        raise invalid_name(str(name))
    reserved = _RESERVED.fullmatch(name) or "_vti_" in name.lower() or name.startswith("~$")
    at_root = parent.parent is None
    if (
        _ILLEGAL.search(name)
        or reserved
        or name != name.strip()
        or name.endswith(".")
        or (folder and name.startswith("~"))
        or (at_root and name.lower() == "forms")
    ):
        raise invalid_name(name)
    check_length(parent, name)
    return name


def check_length(parent: Item, name: str) -> int:
    """The length of a path in SharePoint's count: decoded, with the site's prefix.

    Raises:
        GraphError: 400 above 400 characters.
    """
    length = len(web_prefix(parent.drive)) + len(parent.path()) + 1 + len(name)
    if length > LONGEST_PATH:
        raise too_long()
    return length


def web_prefix(drive: Drive) -> str:
    """The site-relative path of a drive's root."""
    library = "Documents" if drive.kind == "business" else "Shared Documents"
    return f"{drive.web_path}/{library}"


def numbered(parent: Item, name: str) -> str:
    """A free name for ``rename``: ``report 1.txt`` beside ``report.txt``."""
    stem, dot, suffix = name.rpartition(".")
    if not stem:
        stem, dot, suffix = name, "", ""
    number = 1
    while parent.child(f"{stem} {number}{dot}{suffix}"):
        number += 1
    return f"{stem} {number}{dot}{suffix}"
