"""From a file to rows: encoding, separator and header. Every mistake names file, line, column, what was expected and
found, and the remedy; never a name of a person."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

from bridge.ports import ConfigurationError
from connectors.roster.options import FORMATS, SEPARATORS, Format, Options

#: Bytes of a file at most: 20,000 people need about 3 MB.
MOST = 64 * 1024 * 1024
#: Mistakes that are told at once.
TOLD = 20
_NEEDED = ("reference", "given_name", "surname")


class RosterError(ConfigurationError):
    """The file can't be used; nothing of it was."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong. ``column`` is empty where the whole line is meant."""

    line: int
    column: str
    expected: str
    found: str
    remedy: str

    def say(self, file: str) -> str:
        """One sentence for a person."""
        place = f"{file}, line {self.line}" + (f', column "{self.column}"' if self.column else "")
        return f"{place}: expected {self.expected}, found {self.found}. {self.remedy}"


@dataclass(frozen=True, slots=True)
class Row:
    """One person's line: field -> text, stripped; a field whose column the file lacks is missing."""

    line: int
    fields: dict[str, str]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file that could be read. ``digest`` stands for its bytes; ``columns``: field -> name of its column."""

    digest: str
    format: Format
    between_groups: str
    columns: dict[str, str]
    rows: tuple[Row, ...]


def refuse(options: Options, mistakes: Sequence[Mistake]) -> None:
    """Raise what is wrong, the first of it."""
    if mistakes:
        told = [one.say(str(options.path)) for one in sorted(mistakes, key=lambda one: (one.line, one.column))[:TOLD]]
        more = f"\n… and {len(mistakes) - TOLD} more" if len(mistakes) > TOLD else ""
        raise RosterError("\n".join(told) + more)


def sheet(options: Options) -> Sheet:
    """Read the file; raises RosterError with all that is wrong with its form."""
    body = _bytes(options)
    text, format_ = _decoded(options, body)
    separator = SEPARATORS.get(options.separator) or _separator(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        columns = _columns(options, format_, header)
        rows = tuple(_rows(options, reader, header, columns))
    except csv.Error:
        raise RosterError(
            Mistake(
                reader.line_num, "", "quoted fields that end with a quotation mark", "one that does not",
                "Repair the line, or export the file again",
            ).say(str(options.path))
        ) from None  # fmt: skip
    between = options.between_groups or (";" if separator == "," else ",")
    return Sheet(hashlib.sha256(body).hexdigest(), format_, between, columns, rows)


def _bytes(options: Options) -> bytes:
    try:
        with options.path.open("rb") as stream:
            body = stream.read(MOST + 1)
    except OSError as error:
        raise RosterError(
            f"{options.path}: expected the roster, found none ({error.strerror}). Name its file"
        ) from None
    if len(body) > MOST:
        raise RosterError(f"{options.path}: expected a roster of at most {MOST >> 20} MB, found more. Name its file")
    return body


def _decoded(options: Options, body: bytes) -> tuple[str, Format]:
    """The text and whose export it is: the first format that can read the bytes and finds its reference."""
    wanted = [one for one in FORMATS if options.format in ("auto", one.name)]
    failed: UnicodeDecodeError | None = None
    for one in wanted:
        for encoding in (options.encoding,) if options.encoding else one.encodings:
            try:
                text = body.decode(encoding)
            except UnicodeDecodeError as error:
                failed = failed or error
                continue
            except LookupError:
                raise RosterError(f"no encoding is called {encoding}; write utf-8 or cp1252") from None
            reference = options.columns.get("reference", one.columns["reference"])
            if len(wanted) == 1 or reference.casefold() in text.partition("\n")[0].casefold():
                return text, one
    if failed is not None:
        line = body[: failed.start].count(b"\n") + 1
        found = f"byte 0x{body[failed.start]:02x}"
        raise RosterError(
            Mistake(line, "", "text in UTF-8", found, "Save the file as CSV UTF-8, or say `encoding: cp1252`").say(
                str(options.path)
            )
        )
    known = " or ".join(f'"{one.columns["reference"]}" ({one.name})' for one in wanted)
    raise RosterError(
        Mistake(1, "", f"a column {known}", "none of them", "Export the reference, or say under `columns` how it is "
                "called").say(str(options.path))
    )  # fmt: skip


def _separator(text: str) -> str:
    first = text.partition("\n")[0]
    return max(SEPARATORS.values(), key=first.count)


def _columns(options: Options, format_: Format, header: Sequence[str]) -> dict[str, str]:
    wanted: dict[str, str] = dict(format_.columns)
    wanted.update({str(field): name for field, name in options.columns.items()})
    there = {name.casefold(): name for name in header}
    mistakes = []
    for field, name in wanted.items():
        if name.casefold() not in there and (field in _NEEDED or field in options.columns):
            found = ", ".join(f'"{one}"' for one in header if one) or "an empty line"
            mistakes.append(
                Mistake(1, name, "this column", found, "Export it, or say under `columns` how it is called")
            )
        elif [one.casefold() for one in header].count(name.casefold()) > 1:
            mistakes.append(Mistake(1, name, "this column once", "it twice", "Remove one of them"))
    refuse(options, mistakes)
    return {field: there[name.casefold()] for field, name in wanted.items() if name.casefold() in there}


def _rows(options: Options, reader: object, header: Sequence[str], columns: dict[str, str]) -> list[Row]:
    places = {field: header.index(name) for field, name in columns.items()}
    rows: list[Row] = []
    mistakes: list[Mistake] = []
    line = 2
    for cells in reader:  # type: ignore[attr-defined]
        if any(cell.strip() for cell in cells):
            if len(cells) > len(header) and any(cell.strip() for cell in cells[len(header) :]):
                mistakes.append(
                    Mistake(line, "", f"{len(header)} columns", f"{len(cells)}", "Put what holds a separator in quotes")
                )
            elif len(cells) <= max(places[one] for one in _NEEDED):
                mistakes.append(
                    Mistake(line, "", f"{len(header)} columns", f"{len(cells)}", "Complete the line, or remove it")
                )
            else:
                found = {name: cells[place].strip() if place < len(cells) else "" for name, place in places.items()}
                rows.append(Row(line, found))
        line = reader.line_num + 1  # type: ignore[attr-defined]
    refuse(options, mistakes)
    return rows
