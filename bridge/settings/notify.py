"""Who is told when something is wrong, and over what: mail, a webhook, a ticket system by one of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from string import Formatter
from typing import Annotated, Literal
from urllib.parse import parse_qs, urlsplit

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from bridge.core.notices import Severity
from bridge.settings.limits import Strict
from bridge.settings.secrets import REFERENCE
from bridge.settings.words import Pause, TimeOfDay, matching

#: What may stand in a subject.
WORDS = ("severity", "school", "title", "key", "count")
SUBJECT = "[schoolbridge] {severity}: {school}: {title} ({key})"
_SECRET_QUERY = ("pass", "password", "token", "key", "secret", "apikey")

TargetName = Annotated[
    str, *matching(r"[a-z][a-z0-9_-]{0,31}", "no name", "write one like `it`: lower case, digits, - and _")
]


def _url(text: str) -> str:
    if REFERENCE.fullmatch(text):
        return text
    try:
        parts = urlsplit(text)
        inside = parts.password is not None or any(name.lower() in _SECRET_QUERY for name in parse_qs(parts.query))
    except ValueError:
        raise ValueError("!not a URL|write mailto://HOST?from=ADDRESS&to=ADDRESS, or name a secret") from None
    if parts.scheme not in {"mailto", "mailtos"}:
        raise ValueError(
            '!such a URL is as good as a password|write it into a secret and name that: "credential:NAME" '
            "(only mailto:// and mailtos:// without a password may stand here)"
        )
    if inside:
        raise ValueError('!a password stands in the URL|write it into a secret and name that: "credential:NAME"')
    if not parts.hostname:
        raise ValueError("!no mail server stands in the URL|write mailto://HOST?from=ADDRESS&to=ADDRESS")
    return text


def _subject(text: str) -> str:
    try:
        found = [
            f"{name}{'!' if turned else ''}{':' if spec else ''}"
            for _, name, spec, turned in Formatter().parse(text)
            if name is not None
        ]
    except ValueError:
        raise ValueError("braces that don't match|write words and {" + "}, {".join(WORDS) + "}") from None
    wrong = [name for name in found if name not in WORDS]
    if wrong:
        raise ValueError(f"no such word: {{{wrong[0]}}}|use {{" + "}, {".join(WORDS) + "}")
    if not re.search(r"\{key\}", text):
        raise ValueError("{key} is missing: by it a ticket system puts together what belongs together|add {key}")
    return text


class Quiet(Strict):
    """A time of day at which only critical messages are sent; the others wait until it is over."""

    begins: TimeOfDay = Field(alias="from", description="From when on, in the bridge's time zone.")
    ends: TimeOfDay = Field(alias="to", description="Until when; at or before `from`: on the next day.")

    @model_validator(mode="after")
    def _not_always(self) -> Quiet:
        if self.begins == self.ends:
            raise ValueError(
                "it begins when it ends, so it would always be quiet|write two times, or `at_least: critical`"
            )
        return self

    def holds(self, local: datetime) -> bool:
        """Whether it is quiet at a local time."""
        return within(self.begins, self.ends, local.time().replace(tzinfo=None))


def within(begins: time, ends: time, now: time) -> bool:
    """Whether a time of day lies in a span that may go over midnight."""
    return begins <= now < ends if begins < ends else now >= begins or now < ends


class Target(Strict):
    """Somebody who is told. Messages hold codes of schools, counts and rules, never a name of a person or a file."""

    name: TargetName = Field(description="What it is called in `status` and in `schoolbridge notify`.")
    url: Annotated[
        str,
        AfterValidator(_url),
        WithJsonSchema(
            {
                "type": "string",
                "examples": ["credential:notify-it", "mailto://mail.example?from=a@b.example&to=c@b.example"],
            }
        ),
    ] = Field(
        description="A secret that holds the URL (`mailtos://USER:PASSWORD@HOST?from=…&to=…`, `https://…`, `jsons://…` "
        "or another one that the library Apprise knows), or `mailto://HOST?from=…&to=…` without a password."
    )
    at_least: Severity = Field(
        default=Severity.WARNING,
        strict=False,
        description="`critical`: only what stops a school; `warning`: also what needs somebody; `notice`: also each "
        "change of a stage.",
    )
    schools: Annotated[list[str], Field(min_length=1)] | Literal["all"] = Field(
        default="all", description="Codes of the schools that it is told of."
    )
    language: Literal["de", "en"] | None = Field(
        default=None, description="Language of its messages; by default `language` of the bridge."
    )
    after: Pause = Field(
        default=timedelta(minutes=5),
        description="How long something has to be wrong before it is told, and gone before its end is.",
    )
    quiet: Quiet | None = Field(default=None, description="When only critical messages are sent.")
    digest: TimeOfDay | None = Field(
        default=None,
        description="Once a day at this time all that is not critical comes in one message, if there is any.",
    )
    subject: Annotated[str, AfterValidator(_subject)] = Field(
        default=SUBJECT,
        min_length=5,
        max_length=200,
        description="Subject, made of words and {severity}, {school}, {title}, {count} and {key}: the key stays the "
        "same from the first message of a trouble to its end.",
    )

    @model_validator(mode="after")
    def _not_endless(self) -> Target:
        if self.after > timedelta(days=1):
            raise ValueError("`after` is longer than a day|write less: nobody would be told of what ends in time")
        return self

    def tells_of(self, code: str) -> bool:
        """Whether it is told of a school; of the bridge as a whole (no code) everybody is."""
        return not code or self.schools == "all" or code in self.schools


def problems(said: Sequence[Target], codes: Sequence[str]) -> list[tuple[tuple[str | int, ...], str, str]]:
    """(place, what is wrong, what would be right) of all targets together."""
    found: list[tuple[tuple[str | int, ...], str, str]] = []
    names: set[str] = set()
    for place, one in enumerate(said):
        if one.name in names:
            found.append((("notify", place, "name"), f'"{one.name}" is there already', "give it another name"))
        names.add(one.name)
        for number, code in enumerate(one.schools if one.schools != "all" else ()):
            if code not in codes:
                right = f"write one of {', '.join(codes[:20])}" if codes else "write the school's file first"
                found.append((("notify", place, "schools", number), f'no school has the code "{code[:40]}"', right))
    return found
