"""Signed reports that lie ready: ``reports/SCHOOL/ID.json`` beside the state, with HTML and PDF of the same name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bridge.api import models
from bridge.api.source import Unknown
from bridge.settings import Settings

FORMS = {"json": "application/json", "html": "text/html", "pdf": "application/pdf"}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def folder(settings: Settings, code: str) -> Path:
    """Where a school's reports lie."""
    return settings.indexes.parent / "reports" / code


def listed(settings: Settings, code: str) -> Sequence[models.ReportView]:
    """The newest first."""
    place = folder(settings, code)
    found = sorted(place.glob("*.json"), key=lambda one: (-one.stat().st_mtime, one.name)) if place.is_dir() else []
    return [
        models.ReportView(
            id=one.stem,
            kind=one.stem.partition("-")[0],
            made=datetime.fromtimestamp(one.stat().st_mtime, UTC),
            formats=[form for form in FORMS if one.with_suffix(f".{form}").is_file()],
        )
        for one in found
        if _NAME.fullmatch(one.stem)
    ]


def read(settings: Settings, code: str, report: str, form: str) -> tuple[bytes, str]:
    """One report in one form; no name leads out of the school's folder."""
    path = folder(settings, code) / f"{report}.{form}"
    if form not in FORMS or not _NAME.fullmatch(report) or ".." in report or path.is_symlink():
        raise Unknown(f"{code} has no such report")
    try:
        return path.read_bytes(), FORMS[form]
    except OSError:
        raise Unknown(f"{code} has no such report") from None
