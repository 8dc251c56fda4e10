"""Reads one YAML 1.2 file into a plain tree that still knows where everything stands.

compose    ruamel.yaml turns the text into nodes; nothing of it is ever constructed as a Python object
walk       each node becomes a plain value; its line and column are kept under its path
name       what people trip over is named on the way: duplicate keys, unquoted traps, secrets written out

Never raises for what a person wrote: every fault becomes a ``Problem`` of the ``Source``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from bridge.settings.secrets import REFERENCE, is_secret_name
from bridge.settings.traps import trap

MAX_BYTES = 1 << 20
MAX_NODES = 50_000
MAX_DEPTH = 30

#: Keys and indexes from the top of the file down.
Way = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One fault of the configuration: where it stands, what is wrong and what would be right."""

    file: str
    line: int
    column: int
    path: str
    wrong: str
    right: str

    def __str__(self) -> str:
        place = f"{self.path}: " if self.path else ""
        return f"{self.file}:{self.line}:{self.column}: {place}{self.wrong}; {self.right}"


@dataclass(frozen=True, slots=True)
class Spot:
    """Line and column, both from 1."""

    line: int
    column: int


@dataclass(slots=True)
class Source:
    """One file as read: where keys and values stand, and how an unquoted (``plain``) scalar was written."""

    file: str
    tree: dict[str, Any] = field(default_factory=dict)
    keys: dict[Way, Spot] = field(default_factory=dict)
    values: dict[Way, Spot] = field(default_factory=dict)
    plain: dict[Way, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    readable: bool = False

    def spot(self, way: Way, *, key: bool = False) -> Spot:
        """Where ``way`` stands, or the nearest place above it that exists."""
        for length in range(len(way), -1, -1):
            part = way[:length]
            found = (self.keys.get(part) if key else None) or self.values.get(part) or self.keys.get(part)
            if found:
                return found
        return Spot(1, 1)

    def add(self, way: Way, wrong: str, right: str, *, key: bool = False, at: Spot | None = None) -> None:
        """Note a problem at ``way``, or at the given spot."""
        spot = at or self.spot(way, key=key)
        self.problems.append(Problem(self.file, spot.line, spot.column, written(way), wrong, right))

    def trapped(self, way: Way) -> bool:
        """Whether a problem stands at exactly this path already, so that a second one would only be noise."""
        path = written(way)
        return any(problem.path == path for problem in self.problems)


def written(way: Way) -> str:
    """A path as people write it: ``school_side.servers[0].host``."""
    text = ""
    for step in way:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step}" if text else shown(step)
    return text


def shown(text: str, *, limit: int = 60) -> str:
    """``text`` fit for one line of a terminal."""
    flat = "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def read(path: Path) -> Source:
    """Read a YAML file whose top level is a mapping."""
    source = Source(str(path))
    text = _text(path, source)
    return source if text is None else parsed(text, source)


def parsed(text: str, source: Source) -> Source:
    """The same of a text; what it says goes into ``source``, which is given back."""
    node = _compose(text, source)
    if source.problems:
        return source
    if node is None:
        source.add((), "the file is empty", "start with `version: 1`")
    elif not isinstance(node, MappingNode):
        source.add((), "the file is not a mapping", "write `key: value` lines, starting with `version: 1`")
    else:
        source.readable = True
        source.tree = _Walk(source).value(node, (), None)
    return source


def _text(path: Path, source: Source) -> str | None:
    try:
        if not path.is_file():
            what = "is a directory" if path.is_dir() else "the file does not exist"
            source.add((), what, "name an existing YAML file (--config or SCHOOLBRIDGE_CONFIG)")
            return None
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        source.add((), f"the file can't be read ({reason})", "let the bridge's account read it")
        return None
    if len(raw) > MAX_BYTES:
        source.add((), "the file is larger than 1 MiB", "one file a school, without lists of people")
        return None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        lines = raw[: error.start].split(b"\n")
        source.add((), "not UTF-8 text", "save the file as UTF-8", at=Spot(len(lines), len(lines[-1]) + 1))
        return None


def _compose(text: str, source: Source) -> Node | None:
    yaml = YAML(typ="safe", pure=True)
    try:
        node: Node | None = yaml.compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        spot = Spot(mark.line + 1, mark.column + 1) if mark else Spot(1, 1)
        source.add((), _syntax(error), "check indentation, quotes and brackets at or above this place", at=spot)
    except ReaderError as error:
        lines = text[: int(error.position)].split("\n")
        wrong = "a control character that YAML does not allow"
        source.add((), wrong, "remove it", at=Spot(len(lines), len(lines[-1]) + 1))
    except RecursionError:
        source.add((), "nested too deeply", f"at most {MAX_DEPTH} levels")
    except (YAMLError, ValueError, LookupError, AttributeError, TypeError, NotImplementedError, AssertionError):
        # The scanner of ruamel.yaml falls over a few malformed directives and tags with plain Python errors.
        source.add((), "not YAML", "check directives, tags and anchors")
    else:
        return node
    return None


def _syntax(error: MarkedYAMLError) -> str:
    """What the parser says, without quoting the file: the line may hold a secret."""
    words = " ".join(part for part in (error.context, error.problem) if part)
    return "not YAML: " + shown(re.sub(r"(['\"])(?:(?!\1).){2,}\1", "something", words), limit=160)


class _Walk:
    """Turns nodes into plain values, depth first."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.seen = 0
        self.open: set[int] = set()

    def value(self, node: Node, way: Way, secret: str | None) -> Any:
        """The plain value of ``node``. ``secret``: name of the key above it that marks a secret."""
        self.seen += 1
        empty = isinstance(node, ScalarNode) and node.value == "" and not node.style
        self.source.values[way] = self.source.keys.get(way, _spot(node)) if empty else _spot(node)
        if self.seen > MAX_NODES:
            if self.seen == MAX_NODES + 1:
                self.source.add(way, f"more than {MAX_NODES} values", "write less; aliases count each time", key=True)
            return None
        if len(way) > MAX_DEPTH or id(node) in self.open:
            self.source.add(way, "nested too deeply", f"at most {MAX_DEPTH} levels, no alias of what it stands in")
            return None
        self.open.add(id(node))
        try:
            if isinstance(node, MappingNode):
                return self.mapping(node, way, secret)
            if isinstance(node, SequenceNode):
                return [self.value(child, (*way, index), secret) for index, child in enumerate(node.value)]
            return self.scalar(node, way, secret)
        finally:
            self.open.discard(id(node))

    def mapping(self, node: MappingNode, way: Way, secret: str | None) -> dict[str, Any]:
        """A mapping whose keys are all text: ``0123:`` is the key "0123"."""
        tree: dict[str, Any] = {}
        for key, child in node.value:
            name = key.value if isinstance(key, ScalarNode) else None
            if name is None or not isinstance(name, str):
                self.source.add(way, "a key that is not text", "write `key: value`", at=_spot(key))
                continue
            if key.tag == "tag:yaml.org,2002:merge":
                self.source.add((*way, name), "merge keys are not part of YAML 1.2", "write it out", at=_spot(key))
                continue
            if name in tree:
                first = self.source.keys[(*way, name)].line
                right = f"keep one of them, the first is in line {first}"
                self.source.add((*way, shown(name)), "the key is there twice", right, at=_spot(key))
                continue
            self.source.keys[(*way, name)] = _spot(key)
            mark = name if is_secret_name(name) else secret
            tree[name] = self.value(child, (*way, name), mark)
        return tree

    def scalar(self, node: Node, way: Way, secret: str | None) -> Any:
        """A text, number, truth value or nothing; what is a secret is refused unless it is a reference."""
        raw = str(node.value)
        plain = getattr(node, "style", None) in (None, "")
        if secret is not None and raw and not REFERENCE.fullmatch(raw) and node.tag != "tag:yaml.org,2002:null":
            self.source.add(way, "a secret stands in the file", 'write "credential:NAME", "file:PATH" or "env:NAME"')
            return "file:refused"
        if "-----BEGIN" in raw and "PRIVATE" in raw:
            self.source.add(way, "a private key stands in the file", 'write "credential:NAME" or "file:PATH"')
            return "file:refused"
        if plain:
            self.source.plain[way] = raw
        named = trap(str(node.tag), raw, plain=plain)
        if named is not None:
            self.source.add(way, named.wrong, named.right)
            return named.value
        return _plain_value(str(node.tag), raw)


def _spot(node: Node) -> Spot:
    mark = node.start_mark
    return Spot(mark.line + 1, mark.column + 1) if mark else Spot(1, 1)


def _plain_value(tag: str, raw: str) -> Any:
    """The value of a scalar that is no trap (YAML 1.2 core schema, section 10.3)."""
    match tag.rpartition(":")[2]:
        case "null":
            return None
        case "bool":
            return raw.casefold() == "true"
        case "int":
            digits = raw.replace("_", "")
            return int(digits, 0 if digits.lstrip("+-")[:2].casefold() in {"0x", "0o", "0b"} else 10)
        case "float":
            return float(raw.replace("_", ""))
        case _:
            return raw
