"""Unquoted scalars that mean something else than they look like.

The files are YAML 1.2, where ``NO`` and ``1:30`` are text; but editors and other programs still read YAML 1.1, and a
person who sees ``0123`` means a school's number and not 123. All of them are refused with the quoted form.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

_TRUTH = re.compile(r"(?i:y|yes|on|n|no|off)")
_SIXTIES = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9]*)?")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9_]+(\.[0-9]*)?")
_EXPONENT = re.compile(r"[-+]?[0-9][0-9_.]*[eE][-+]?[0-9]+")
_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?")
_NUMBER = re.compile(r"[-+]?(0x[0-9a-fA-F_]+|0o[0-7_]+|0b[01_]+|[0-9][0-9_]*|[0-9_]*\.?[0-9_]*([eE][-+]?[0-9]+)?)")
_KNOWN = {f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "timestamp", "value")}
_LONGEST_NUMBER = 30


@dataclass(frozen=True, slots=True)
class Trap:
    """What is wrong with a scalar, and the value to go on with so that nothing else is said about it."""

    wrong: str
    right: str
    value: Any


def trap(tag: str, raw: str, *, plain: bool) -> Trap | None:
    """Name the trap that a scalar walked into, or None."""
    if tag not in _KNOWN:
        return Trap("YAML tags are not used here", "write plain text, numbers, true or false", raw)
    kind = tag.rpartition(":")[2]
    if not plain and kind == "str":
        return None
    if kind == "str":
        return _text_trap(raw)
    if kind in {"timestamp", "value"} or _DATE.fullmatch(raw):
        return Trap(f"{_cut(raw)} without quotes is read as a date", _quote(raw), raw)
    if kind in {"int", "float"}:
        return _number_trap(kind, raw)
    if kind == "bool" and raw.casefold() not in {"true", "false"}:
        return _truth(raw)
    return None


def _text_trap(raw: str) -> Trap | None:
    if _TRUTH.fullmatch(raw):
        return _truth(raw)
    if _SIXTIES.fullmatch(raw):
        return Trap(f"{_cut(raw)} without quotes is a number to base 60 for many programs", _quote(raw), raw)
    if _EXPONENT.fullmatch(raw):
        return Trap(f"{_cut(raw)} without quotes is a number for many programs", _quote(raw), raw)
    return None


def _truth(raw: str) -> Trap:
    meant = "true" if raw.casefold() in {"y", "yes", "on"} else "false"
    return Trap(f"{raw} without quotes means {meant} to many programs", f"{_quote(raw)}, or write {meant}", raw)


def _number_trap(kind: str, raw: str) -> Trap | None:
    if _SIXTIES.fullmatch(raw):
        return Trap(f"{_cut(raw)} without quotes is a number to base 60 for many programs", _quote(raw), raw)
    if len(raw) > _LONGEST_NUMBER or not _NUMBER.fullmatch(raw) or not any(map(str.isalnum, raw)):
        return Trap(f"{_cut(raw)} is no number that can be used", "write a plain number, or quote it", raw)
    if _LEADING_ZERO.fullmatch(raw):
        number = raw.replace("_", "").lstrip("+-").lstrip("0") or "0"
        return Trap(f"{raw} without quotes is read as the number {number}", _quote(raw), raw)
    if kind == "float" and _EXPONENT.fullmatch(raw):
        return Trap(f"{raw} without quotes is read as the number {float(raw.replace('_', '')):g}", _quote(raw), raw)
    return None


def _quote(raw: str) -> str:
    return f"quote it: {json.dumps(_cut(raw), ensure_ascii=False)}"


def _cut(raw: str) -> str:
    flat = "".join(letter if letter.isprintable() else "\ufffd" for letter in raw)
    return flat if len(flat) <= _LONGEST_NUMBER else flat[: _LONGEST_NUMBER - 1] + "…"
