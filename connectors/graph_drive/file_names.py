"""Names that SharePoint refuses, mapped to names that look nearly the same, and back.

What it refuses (support.microsoft.com/kb/905231; restrictions in OneDrive and SharePoint): the characters
``" * : < > ? / \\ |`` and control characters; a space at either end, a full stop at the end; ``.lock``, ``desktop.ini``
and ``CON`` and the other devices of DOS as a whole name; ``_vti_`` anywhere; ``~$`` at the start, for folders ``~``
too; ``forms`` at the root of a library.

Each of these becomes a wide twin (``:`` → ``：``, ``CON`` → ``ＣON``, a space at the end → ``␠``). A name that holds
such a twin already, so that reading it back would give something else, gets ``‛`` before each of them. This is the
scheme of rclone, so that files which rclone put there are understood.
"""

from __future__ import annotations

import re

QUOTE = "\u201b"  # ‛
_SPACE = "\u2420"  # ␠
_DELETE = "\u2421"
_WIDE = 0xFEE0  # from an ASCII sign to its full-width twin
_SIGNS = {sign: chr(ord(sign) + _WIDE) for sign in '"*:<>?/\\|'}
_SIGNS |= {chr(code): chr(0x2400 + code) for code in range(1, 32)} | {"\x7f": _DELETE}
_REPLACED = str.maketrans(_SIGNS)
_NARROW = {wide: sign for sign, wide in _SIGNS.items()}
_WORDS = re.compile(r"(?:\.lock|con|prn|aux|nul|com[0-9]|lpt[0-9]|desktop\.ini)", re.IGNORECASE)
_VTI = re.compile(r"_(?=vti_)", re.IGNORECASE)
_WIDE_VTI = re.compile(r"\uff3f(?=vti[_\uff3f])", re.IGNORECASE)
_FIRST = frozenset(chr(ord(sign) + _WIDE) for sign in ".cpanldfCPANLDF~")
#: Every sign that reading back may turn into another one.
_TWINS = frozenset({*_NARROW, *_FIRST, _SPACE, "\uff0e", "\uff3f", QUOTE})


def cloud_name(name: str, *, folder: bool = False, top: bool = False) -> str:
    """The name that the cloud gets. ``top``: it lies at the root of a library."""
    plain = _refused(name, folder=folder, top=top)
    if plain == name and _TWINS.isdisjoint(name):
        return name  # as nearly all are
    if _read(plain, folder=folder, top=top) == name:
        return plain
    quoted = "".join(QUOTE + sign if sign in _TWINS else sign for sign in name)
    return _refused(quoted, folder=folder, top=top)


def school_name(name: str, *, folder: bool = False, top: bool = False) -> str:
    """The school's spelling of a name in the cloud; the inverse of :func:`cloud_name`."""
    if _TWINS.isdisjoint(name):
        return name
    found = _read(name, folder=folder, top=top)
    # A name that we would never write stands for itself: two names never become one.
    return found if found and cloud_name(found, folder=folder, top=top) == name else name


def _refused(name: str, *, folder: bool, top: bool) -> str:
    """Replace what is refused."""
    name = name.translate(_REPLACED)
    inner = name.strip(" ")
    begins = len(name) - len(name.lstrip(" "))
    name = _SPACE * len(name) if not inner else _SPACE * begins + inner + _SPACE * (len(name) - begins - len(inner))
    if name.strip(".") == "" or name.endswith("."):
        name = name[:-1] + "\uff0e"
    if _word(name, top=top) or name.startswith("~$") or (folder and name.startswith("~")):
        name = chr(ord(name[0]) + _WIDE) + name[1:]
    return _VTI.sub("\uff3f", name)


def _read(name: str, *, folder: bool, top: bool) -> str:
    """Put back what was replaced; a quoted sign stands for itself."""
    signs: list[str] = []
    quoted: list[bool] = []
    waiting = False
    for sign in name:
        if waiting and sign in _TWINS:
            signs[-1], quoted[-1], waiting = sign, True, False
            continue
        waiting = sign == QUOTE
        signs.append(sign)
        quoted.append(False)
    for place, sign in enumerate(signs):
        if not quoted[place]:
            signs[place] = _NARROW.get(sign, sign)
    _read_ends(signs, quoted)
    # The words are sought where nothing is quoted: a quoted sign is no part of them.
    masked = "".join("\0" if is_quoted else sign for sign, is_quoted in zip(signs, quoted, strict=True))
    for found in _WIDE_VTI.finditer(masked):
        signs[found.start()] = "_"
    first = masked[:1]
    if first in _FIRST:
        narrow = chr(ord(first) - _WIDE)
        rest = "".join(signs[1:])
        if (narrow == "~" and (folder or rest.startswith("$"))) or _word(narrow + rest, top=top):
            signs[0] = narrow
    return "".join(signs)


def _read_ends(signs: list[str], quoted: list[bool]) -> None:
    """Spaces at both ends, a full stop at the very end."""
    for places in (range(len(signs)), reversed(range(len(signs)))):
        for place in places:
            if signs[place] != _SPACE or quoted[place]:
                if signs[place] != " ":
                    break
                continue
            signs[place] = " "
    if signs and signs[-1] == "\uff0e" and not quoted[-1]:
        signs[-1] = "."


def _word(name: str, *, top: bool) -> bool:
    return bool(_WORDS.fullmatch(name)) or (top and name.lower() == "forms")
