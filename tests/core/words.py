"""Short words for links and records in tests of core."""

from __future__ import annotations

from datetime import UTC, datetime

from bridge.core.model import Digest, Endpoint, Evidence, Fields, Link, Record, Side, Value

NOW = datetime(2026, 9, 1, 6, 0, tzinfo=UTC)


def end(fields: Fields | None, side: Side, *, kind: str, gone: Evidence | None = None) -> Endpoint:
    """An endpoint with a record, one whose record is gone, or (with neither) none at all."""
    if fields is not None:
        return Endpoint(f"{side}-1", Record(kind, f"{side}-1", "1", fields))
    return Endpoint(f"{side}-1", None, gone) if gone else Endpoint()


def link(
    kind: str,
    school: Fields | None = None,
    cloud: Fields | None = None,
    agreed: Fields | None = None,
    *,
    gone: Evidence | None = Evidence.DELETED,
    id: str = "L1",  # noqa: A002
    retired_at: datetime | None = None,
) -> Link:
    """A link; a side without a record was there before when something was agreed."""
    was = gone if agreed is not None else None
    return Link(
        id,
        kind,
        end(school, Side.SCHOOL, kind=kind, gone=was),
        end(cloud, Side.CLOUD, kind=kind, gone=was),
        agreed,
        retired_at,
    )


def user(**fields: Value) -> Fields:
    return {"source_anchor": "u1", "display_name": "Anna", "enabled": True, "consent": True, **fields}


def file(text: str = "one", name: str = "a.txt", **fields: Value) -> Fields:
    return {"name": name, "content": Digest("sha256", text, 1), **fields}
