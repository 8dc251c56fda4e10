"""Cutover, status API, notices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_NAME, _TEXT, _TIME, _NUMBER = sa.String, sa.Text, sa.String(32), sa.Integer

Type = sa.types.TypeEngine[Any] | type[sa.types.TypeEngine[Any]]


def upgrade() -> None:
    """Add the tables."""
    _cutover()
    _table(
        "api_token",
        ("school", "id"),
        *((name, _TEXT) for name in ("label", "hash", "scopes", "schools")),
        *((name, _TIME) for name in ("made", "expires", "revoked", "used")),
        optional=("revoked", "used"),
    )
    _table(
        "api_answer",
        ("school", "token", "key"),
        ("request", _TEXT),
        ("status", _NUMBER),
        ("body", _TEXT),
        ("at", _TIME),
    )
    _table(
        "notice",
        ("school", "key"),
        ("severity", _TEXT),
        ("text", _TEXT),
        ("since", _TIME),
        ("told", _TIME),
        ("ended", _TIME),
        ("times", _NUMBER),
        optional=("told", "ended"),
    )


def _cutover() -> None:
    _table("gate", ("school", "gate"), ("result", _TEXT), ("evidence", _TEXT), ("at", _TIME))
    _table(
        "vouch",
        ("school", "gate"),
        *((name, _TEXT) for name in ("how", "actor", "reason")),
        ("at", _TIME),
        ("expires", _TIME),
        optional=("expires",),
    )
    _table(
        "approval",
        ("school", "event", "actor"),
        ("reason", _TEXT),
        ("typed", _TEXT),
        ("at", _TIME),
        ("expires", _TIME),
        optional=("expires",),
    )
    _table("appointment", ("school",), ("at", _TIME), ("actor", _TEXT), ("reason", _TEXT), ("made", _TIME))
    _table(
        "changeover",
        ("school", "id"),
        ("started", _TIME),
        ("deadline", _TIME),
        ("actor", _TEXT),
        ("step", _TEXT),
        ("step_at", _TIME),
        ("attempts", _NUMBER),
        *((name, _TEXT) for name in ("state", "problem", "outcome")),
        ("ended", _TIME),
        optional=("ended",),
    )
    op.create_index(op.f("ix_changeover_school_started"), "changeover", ["school", "started"])
    _table("frozen", ("school", "handle"), ("was", _NUMBER), ("mode", _NUMBER), compact=True)


def _table(
    name: str, key: Sequence[str], *columns: tuple[str, Type], optional: Sequence[str] = (), compact: bool = False
) -> None:
    """A table; ``key``: its first columns, all of them names."""
    every = [*((one, _NAME) for one in key), *columns]
    op.create_table(
        name,
        *(sa.Column(one, kind, nullable=one in optional) for one, kind in every),
        sa.PrimaryKeyConstraint(*key, name=op.f(f"pk_{name}")),
        sqlite_with_rowid=not compact,
    )
