"""Signed reports that lie ready."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.api import models
from bridge.api.source import Unknown
from bridge.daemon import reports
from bridge.settings import Settings

#: The forms of a report; ``html`` and ``pdf`` alone are those in the school's language. A manifest, as large as the
#: school, stays on the bridge's machine.
FORMS = ("html", "pdf", *(form for form in reports.FORMS if form != reports.MANIFEST))


def listed(settings: Settings, code: str) -> Sequence[models.ReportView]:
    """The newest first."""
    found = reports.list_reports(settings, code)
    return [models.ReportView(id=one.id, kind=one.kind, made=one.made, formats=list(one.formats)) for one in found]


def read(settings: Settings, code: str, report: str, form: str) -> tuple[bytes, str]:
    """One report in one form, and its media type."""
    try:
        body, media = reports.report_bytes(settings, code, report, form)
    except (LookupError, OSError):
        raise Unknown(f"{code} has no such report") from None
    return body, media
