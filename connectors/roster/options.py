"""What may be said of a roster: where it lies, and which column means what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


@dataclass(frozen=True, slots=True)
class Format:
    """An export as a program writes it: field -> name of its column, and the encodings to try in turn."""

    name: str
    columns: Mapping[str, str]
    encodings: tuple[str, ...]


#: MNSpro: the columns are those of its manual (docs.mnspro.cloud, "Benutzerimport"), UTF-8, ``,`` or ``;``.
#: SchILD-NRW: text export with chosen columns; their names and the numbers of ``Status`` are those that published
#: converters read (SchildNRW-WebUntis-Umwandler). ``Kurse`` is our own choice: SchILD exports courses separately.
FORMATS = (
    Format(
        "mnspro",
        {"reference": "Referenz-ID", "given_name": "Vorname", "surname": "Nachname", "class": "Gruppen#Klasse",
         "course": "Gruppen#Kurs"},
        ("utf-8-sig",),
    ),
    Format(
        "schild",
        {"reference": "Interne ID-Nummer", "given_name": "Vorname", "surname": "Nachname", "class": "Klasse",
         "course": "Kurse", "status": "Status"},
        ("utf-8-sig", "cp1252"),
    ),
)  # fmt: skip
#: What may stand between two columns; where the header has as many of several, the first.
SEPARATORS: Mapping[str, str] = {"semicolon": ";", "comma": ",", "bar": "|", "tab": "\t"}
ColumnName = Literal["reference", "given_name", "surname", "class", "course", "status"]


class Options(BaseModel):
    """Options of the roster connector."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Path = Field(description="The CSV file that the school's administration program exported.")
    format: Literal["auto", "mnspro", "schild"] = Field(
        default="auto", description="Whose export it is; `auto` tells it by the name of the reference's column."
    )
    encoding: str = Field(default="", description="Encoding of the file; empty: those that the format knows.")
    separator: Literal["auto", "comma", "semicolon", "bar", "tab"] = Field(
        default="auto", description="What stands between two columns; `auto`: told by the header."
    )
    between_groups: str = Field(
        default="",
        max_length=3,
        description="What stands between two classes or courses of one person; empty: a comma, or a semicolon where "
        "the comma stands between columns.",
    )
    columns: dict[ColumnName, str] = Field(
        default_factory=dict, description="Columns that are called otherwise in this school's export."
    )
    active: tuple[str, ...] = Field(
        default=("2", "3", "aktiv", "beurlaubt"), description="Values of the status of people who are at the school."
    )
    role: Literal["auto", "pupil", "teacher", "staff"] = Field(
        default="auto", description="Who is in the file; `auto`: pupils, where it has a column of classes."
    )
