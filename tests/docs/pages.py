"""Reads the pages as a reader would use them: which commands they show, which YAML, which links. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]

_FENCE = re.compile(r"^```(?P<language>[a-z]*)\n(?P<text>.*?)^```$", re.M | re.S)
_INLINE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (?P<text>.+)$", re.M)
#: What starts a command of ours; the last on a line, because the account may be called the same.
_OURS = re.compile(r"^(?:.*[\s/])?(?:schoolbridge|python -m bridge) (?P<words>.+)$")
_SHELLS = {"sh", "bash", "console"}


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page."""

    language: str
    text: str
    line: int


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a page."""
    return [
        Block(match["language"], match["text"], text.count("\n", 0, match.start()) + 2)
        for match in _FENCE.finditer(text)
    ]


def commands(text: str) -> Iterator[list[str]]:
    """The arguments of every command of ours in shell blocks and in inline code; bare names of commands count too."""
    for block in blocks(text):
        if block.language in _SHELLS:
            for line in block.text.splitlines():
                yield from _command(line)
    for match in _INLINE.finditer(_FENCE.sub("", text).replace("\n", " ")):
        yield from _command(match[1])


def _command(line: str) -> Iterator[list[str]]:
    if line.lstrip().startswith(("sudo apt", "sudo install", "sudo systemctl", "systemctl ", "cat ", "sqlite3 ", "#")):
        return  # where our name is that of an account, a service or a file
    match = _OURS.search(line)
    if match:
        words = shlex.split(match["words"], comments=True)
        cut = next((place for place, word in enumerate(words) if word in {">", "|", "&&", "…", "..."}), len(words))
        yield words[:cut]


def targets(text: str) -> list[str]:
    """``make`` targets shown in shell blocks and inline code."""
    shown = [line for block in blocks(text) if block.language in _SHELLS for line in block.text.splitlines()]
    shown += _INLINE.findall(_FENCE.sub("", text))
    return [match[1] for line in shown for match in re.finditer(r"(?:^|&& |sudo )make ([a-z-]+)", line)]


def links(text: str) -> list[str]:
    """Targets of all links; addresses on the web are left out."""
    found = [match["target"] for match in _LINK.finditer(_FENCE.sub("", text))]
    return [target for target in found if "://" not in target and not target.startswith("mailto:")]


def headings(text: str) -> set[str]:
    """The names by which a page's headings can be linked, as GitHub makes them."""
    plain = [re.sub(r"[`*]", "", match["text"]).strip().lower() for match in _HEADING.finditer(_FENCE.sub("", text))]
    return {re.sub(r"[^\w\- ]", "", one).replace(" ", "-") for one in plain}


def dead(page: Path) -> list[str]:
    """The links of a page that lead nowhere."""
    found = []
    for target in links(page.read_text("utf-8")):
        file, _, heading = target.partition("#")
        place = (page.parent / file).resolve() if file else page
        if not place.exists() or (heading and heading not in headings(place.read_text("utf-8"))):
            found.append(target)
    return found
