"""The first schema."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Types of columns, as the tables spell them.
_NAME, _TEXT, _TIME, _REFS, _HASH = sa.String, sa.Text, sa.String(32), sa.String(32), sa.String(64)
_NUMBER, _FLAG = sa.Integer, sa.Boolean

Type = sa.types.TypeEngine[Any] | type[sa.types.TypeEngine[Any]]


def upgrade() -> None:
    """All tables."""
    _schools()
    _observed()
    _agreed()
    _due()
    _decided()
    _remembered()
    _journal()


def _table(
    name: str, key: Sequence[str], *columns: tuple[str, Type], optional: Sequence[str] = (), compact: bool = False
) -> None:
    """A table; ``key``: its first columns, names unless ``columns`` says otherwise. ``compact`` as in ``tables``."""
    known = dict(columns)
    every = {**{one: known.get(one, _NAME) for one in key}, **known}
    op.create_table(
        name,
        *(sa.Column(one, kind, nullable=one in optional) for one, kind in every.items()),
        sa.PrimaryKeyConstraint(*key, name=op.f(f"pk_{name}")),
        sqlite_with_rowid=not compact,
    )


def _index(table: str, *columns: str, unique: bool = False) -> None:
    op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, list(columns), unique=unique)


def _schools() -> None:
    """What a school is and how far it was read."""
    _table(
        "school",
        ("code",),
        ("stage", _TEXT),
        ("stage_since", _TIME),
        ("journal_seq", _NUMBER),
        ("journal_hash", _TEXT),
        optional=("stage_since",),
    )
    _table("binding", ("school", "side"), ("identity", _TEXT), ("description", _TEXT))
    _table(
        "token",
        ("school", "side"),
        ("value", _TEXT),
        ("listing", _FLAG),
        ("recall", _TEXT),
        optional=("value", "recall"),
    )
    _table("seen", ("school", "side", "anchor"), compact=True)
    _table(
        "cycle",
        ("school", "id"),
        ("started", _TIME),
        ("ended", _TIME),
        ("outcome", _TEXT),
        ("counts", _TEXT),
        optional=("ended",),
    )
    _index("cycle", "school", "started")


def _observed() -> None:
    """What each side shows, and what it may still show of before a write of ours."""
    _table(
        "observation",
        ("school", "side", "anchor"),
        ("kind", _TEXT),
        ("version", _TEXT),
        ("fields", _TEXT),
        ("refs", _REFS),
        ("role", _TEXT),
        ("gone", _NAME),
        ("written_until", _TIME),
        ("doubt_until", _TIME),
        ("changed_at", _TIME),
        optional=("gone", "written_until", "doubt_until", "changed_at"),
        compact=True,
    )
    op.create_index(
        "ix_observation_doubt",
        "observation",
        ["school", "doubt_until"],
        unique=False,
        sqlite_where=sa.text("doubt_until IS NOT NULL"),
        postgresql_where=sa.text("doubt_until IS NOT NULL"),
    )
    _index("observation", "school", "side", "kind", "gone")
    _table(
        "reference",
        ("school", "side", "anchor", "field", "target"),
        ("written_until", _TIME),
        optional=("written_until",),
        compact=True,
    )
    _index("reference", "school", "side", "target")
    _table("key", ("school", "side", "anchor", "name"), ("kind", _TEXT), ("value", _TEXT), compact=True)
    _index("key", "school", "side", "kind", "name", "value")
    _table("echo", ("school", "side", "anchor", "field", "value"), ("until", _TIME), compact=True)
    _index("echo", "school", "until")
    _table("content_alias", ("school", "side", "anchor"), ("seen", _TEXT), ("agreed", _TEXT), compact=True)


def _agreed() -> None:
    """Which ends belong together and what they agreed on."""
    _table(
        "link",
        ("school", "id"),
        ("kind", _TEXT),
        ("rank", _NUMBER),
        ("school_anchor", _NAME),
        ("cloud_anchor", _NAME),
        ("retired_at", _TIME),
        ("step", _NAME),
        ("step_at", _TIME),
        ("step_on", _NAME),
        optional=("school_anchor", "cloud_anchor", "retired_at", "step", "step_at", "step_on"),
    )
    op.create_index("ix_link_only_cloud", "link", ["school", "school_anchor", "cloud_anchor"], unique=False)
    op.create_index("ix_link_only_school", "link", ["school", "cloud_anchor", "school_anchor"], unique=False)
    _index("link", "school", "cloud_anchor", unique=True)
    _index("link", "school", "school_anchor", unique=True)
    _table("agreement", ("school", "link"), ("fields", _TEXT), ("refs", _REFS))
    _table("agreed_reference", ("school", "link", "field", "target"), compact=True)
    _table("name", ("school", "space", "folded"), ("name", _TEXT), ("link", _TEXT), ("at", _TIME))
    _index("name", "school", "space", "link")
    _table(
        "tombstone",
        ("school", "link"),
        ("kind", _TEXT),
        ("school_anchor", _NAME),
        ("cloud_anchor", _NAME),
        ("at", _TIME),
        ("agreed", _TEXT),
        optional=("school_anchor", "cloud_anchor"),
    )


def _due() -> None:
    """What is to be looked at, and what is held."""
    _table(
        "touched",
        ("school", "link"),
        ("rank", _NUMBER),
        ("changed", _FLAG),
        ("again", _TIME),
        optional=("again",),
        compact=True,
    )
    _index("touched", "school", "rank", "link")
    _table("touched_loose", ("school", "anchor", "side"), compact=True)
    _table(
        "trouble",
        ("school", "link"),
        ("kind", _TEXT),
        ("side", _TEXT),
        ("action", _TEXT),
        ("role", _TEXT),
        ("rule", _TEXT),
        ("message", _TEXT),
        ("since", _TIME),
        ("attempts", _NUMBER),
        ("retry_at", _TIME),
        optional=("retry_at",),
    )


def _decided() -> None:
    """What a person let pass, chose or held, and what was handed out."""
    _table(
        "release",
        ("school", "link"),
        ("actor", _TEXT),
        ("reason", _TEXT),
        ("at", _TIME),
        ("expires", _TIME),
        ("used", _TIME),
        optional=("expires", "used"),
    )
    _table(
        "conflict",
        ("school", "id"),
        ("link", _TEXT),
        ("side", _TEXT),
        ("anchor", _TEXT),
        ("path", _TEXT),
        ("copy", _TEXT),
        ("at", _TIME),
        ("resolved", _TIME),
        ("how", _TEXT),
        optional=("resolved",),
    )
    _table(
        "drift",
        ("school", "link", "field", "side"),
        ("kind", _TEXT),
        ("found", _TEXT),
        ("wanted", _TEXT),
        ("state", _TEXT),
        ("at", _TIME),
    )
    _table(
        "hold",
        ("school", "link", "since"),
        ("since", _TIME),
        ("until", _TIME),
        ("reason", _TEXT),
        ("note", _TEXT),
        ("actor", _TEXT),
        ("lifted", _TIME),
        optional=("lifted",),
    )
    _table("handed_out", ("school", "link"), ("at", _TIME))
    _table(
        "password_state",
        ("school", "link", "side"),
        ("outcome", _TEXT),
        ("set_at", _TIME),
        ("mark", _TEXT),
        optional=("mark",),
    )


def _remembered() -> None:
    """What is known of a root and of a school year beyond what was observed."""
    _table(
        "access",
        ("school",),
        ("wanted", _TEXT),
        ("given", _TEXT),
        ("unsaid", _TEXT),
        ("read_at", _TIME),
        optional=("read_at",),
    )
    _table("whereabouts", ("school",), ("filled", _TEXT))
    _table("year", ("school",), ("id", _TEXT), ("phase", _TEXT), ("at", _TIME), ("last", _TEXT), ("done", _TEXT))
    _table("generation", ("school", "anchor"), ("source_anchor", _TEXT))
    _table("roster", ("school", "anchor"), ("link", _TEXT), ("first", _TIME), ("last", _TIME))
    _table("roster_apply", ("school",), ("id", _TEXT), ("phase", _TEXT), ("at", _TIME), ("approved", _TEXT))
    step = [(name, _TEXT) for name in ("kind", "source_anchor", "action", "before", "after")]
    _table("roster_step", ("school", "link"), ("number", _NUMBER), *step)


def _journal() -> None:
    """What was done, and the numbers that the guard counts with."""
    _table(
        "journal",
        ("school", "seq"),
        ("seq", _NUMBER),
        ("at", _TIME),
        ("actor", _TEXT),
        ("cycle", _TEXT),
        ("side", _TEXT),
        ("kind", _TEXT),
        ("action", _TEXT),
        ("link", _TEXT),
        ("anchor", _TEXT),
        ("reason", _TEXT),
        ("before", _TEXT),
        ("after", _TEXT),
        ("outcome", _TEXT),
        ("salt", _REFS),
        ("digest", _HASH),
        ("hash", _HASH),
    )
    _index("journal", "school", "link")
    _table(
        "tally",
        ("school", "seq", "side", "kind", "role", "tally"),
        ("seq", _NUMBER),
        ("at", _TIME),
        ("number", _NUMBER),
    )
    _index("tally", "school", "at")
