"""Signed reports that lie ready: written once, listed, and handed out by their id. Nobody ever overwrites one.

reports/SCHOOL/KIND-TIME-MARK.json         the signed report: what counts; written last, so that what is listed is whole
                             .de.html ...  the same for people, in both languages, for the screen and on paper
                             .manifest.gz  of a completion: a line a mirrored object
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import secrets
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bridge.core.cutover import Event, Stage
from bridge.core.gates import Standing
from bridge.daemon import evidence, wiring
from bridge.daemon.shares import Ground
from bridge.daemon.signing import FILE, Signer, written
from bridge.letters import evidence_pages
from bridge.letters.speaker import LANGUAGES
from bridge.settings import Settings
from bridge.state.private import save
from bridge.state.store import SchoolStore

MANIFEST = "manifest.gz"
#: Stages whose beginning is proved by a report.
PROVED = frozenset({Stage.SOAKING, Stage.CLOUD})
#: Form -> media type.
FORMS: Mapping[str, str] = {
    "json": "application/json",
    **{f"{language}.html": "text/html; charset=utf-8" for language in LANGUAGES},
    **{f"{language}.pdf": "application/pdf" for language in LANGUAGES},
    MANIFEST: "application/gzip",
}
_ID = re.compile(r"(?P<kind>completion|readiness)-(?P<made>\d{8}T\d{6}Z)-[0-9a-f]{8}")
_MADE = "%Y%m%dT%H%M%SZ"


class NoReport(LookupError):
    """There is no such report, or not in this form; ``str`` says which."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A report that lies ready."""

    id: str
    kind: str
    made: datetime
    formats: tuple[str, ...]


def signer_of(settings: Settings) -> Signer:
    """The key that this bridge signs with."""
    return Signer.of(settings.kept / FILE)


def keep_completion(ground: Ground, *, now: datetime) -> Kept:
    """Put the evidence of a cutover together, sign it, write it. Reads the state only. Raises OSError."""
    name, folder = _name("completion", now), _folder(ground.settings, ground.school.code)
    signer = signer_of(ground.settings)
    with _whole(folder, name):
        descriptor, part = tempfile.mkstemp(prefix=f".{name}.", suffix=".part", dir=folder)  # made with mode 0600
        with os.fdopen(descriptor, "wb") as stream:
            with gzip.GzipFile(filename="", mode="wb", fileobj=stream, compresslevel=3, mtime=0) as out:
                said = evidence.completion(ground, now=now, out=out)
            stream.flush()
            os.fsync(stream.fileno())
        Path(part).rename(folder / f"{name}.{MANIFEST}")  # a name of its own: nothing is there
        return _keep(folder, {"id": name, **said}, signer)


@contextmanager
def _whole(folder: Path, name: str) -> Iterator[None]:
    """A report is written whole or not at all: the bridge tries again and again, and each manifest is a large file."""
    try:
        yield
    except BaseException:
        for path in (*folder.glob(f"{name}.*"), *folder.glob(f".{name}.*")):
            path.unlink(missing_ok=True)
        raise


def prove(ground: Ground, store: SchoolStore, proved: tuple[str, datetime] | None) -> tuple[str, datetime]:
    """Once a school was switched, and once it is final, there is a signed report of it, whoever asked for that.

    The stage and since when, for the next time: nothing is looked for again. Blocking. Raises OSError.
    """
    stage, since = store.stage(), store.stage_since()
    if stage not in PROVED or proved == (stage, since):
        return stage, since
    known = list_reports(ground.settings, ground.school.code)
    if not any(one.kind == "completion" and one.made >= since.replace(microsecond=0) for one in known):
        keep_completion(ground, now=wiring.now())
    return stage, since


def keep_readiness(ground: Ground, found: Iterable[Standing], *, event: Event, now: datetime) -> Kept:
    """Write how far a school is on its way to an event. Raises OSError."""
    name, folder = _name("readiness", now), _folder(ground.settings, ground.school.code)
    with _whole(folder, name):
        said = evidence.readiness(ground, found, event=event, now=now)
        return _keep(folder, {"id": name, **said}, signer_of(ground.settings))


def _keep(folder: Path, said: Mapping[str, Any], signer: Signer) -> Kept:
    name = said["id"]
    content = written(signer.sign(said))
    proved = {"key": signer.fingerprint, "file": f"{name}.json", "sha256": hashlib.sha256(content).hexdigest()}
    for language in LANGUAGES:
        foot = evidence_pages.foot(language, **proved)
        save(folder / f"{name}.{language}.html", evidence_pages.html(said, language=language, foot=foot))
        save(folder / f"{name}.{language}.pdf", evidence_pages.pdf(said, language=language, foot=foot))
    save(folder / f"{name}.json", content)
    return _kept(folder, name)


def _name(kind: str, now: datetime) -> str:
    return f"{kind}-{now.astimezone(UTC):{_MADE}}-{secrets.token_hex(4)}"


def _folder(settings: Settings, code: str) -> Path:
    """A school's directory of reports, made where it is missing; a school's code is a plain name of a folder."""
    folder = settings.reports / code
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def list_reports(settings: Settings, code: str, *, names: bool = False) -> Sequence[Kept]:
    """All reports of a school, the newest first; with their manifests only for who may know ``names``: see there."""
    folder = settings.reports / code
    found = [path.stem for path in folder.glob("*.json") if _ID.fullmatch(path.stem)] if _known(settings, code) else []
    kept = sorted((_kept(folder, name) for name in found), key=lambda one: (one.made, one.id), reverse=True)
    return kept if names else [replace(one, formats=_without_manifest(one.formats)) for one in kept]


def _without_manifest(formats: Iterable[str]) -> tuple[str, ...]:
    """The forms of a report without its manifest, by whose salt names can be tried."""
    return tuple(form for form in formats if form != MANIFEST)


def path_of(settings: Settings, code: str, id: str, form: str) -> Path:  # noqa: A002
    """Where a report lies in one of its forms; ``html`` and ``pdf`` alone are those in the school's language."""
    school = settings.school(code)
    if school is None or not _ID.fullmatch(id):
        raise NoReport(f"there is no report {id!r} of the school {code!r}")
    form = f"{school.language}.{form}" if form in {"html", "pdf"} else form
    path = settings.reports / code / f"{id}.{form}"
    if form not in FORMS or not path.is_file() or path.is_symlink():
        raise NoReport(f"the report {id} is not there as {form!r}; there is: {', '.join(FORMS)}, html, pdf")
    return path


def report_bytes(settings: Settings, code: str, id: str, form: str, *, names: bool = False) -> tuple[bytes, str]:  # noqa: A002
    """A report and its media type; its manifest only for who may know ``names``. Raises NoReport."""
    if form == MANIFEST and not names:
        raise NoReport(f"the manifest of {id} is for those who may know the names of people and files")
    path = path_of(settings, code, id, form)
    return path.read_bytes(), FORMS[path.name.removeprefix(f"{id}.")]


def _known(settings: Settings, code: str) -> bool:
    return settings.school(code) is not None


def _kept(folder: Path, name: str) -> Kept:
    said = _ID.fullmatch(name)
    if said is None:
        raise NoReport(name)
    made = datetime.strptime(said["made"], _MADE).replace(tzinfo=UTC)
    return Kept(name, said["kind"], made, tuple(form for form in FORMS if (folder / f"{name}.{form}").is_file()))
