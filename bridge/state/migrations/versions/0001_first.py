"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "agreed_reference",
        sa.Column("school", sa.String(), nullable=False),
        sa.Column("link", sa.String(), nullable=False),
        sa.Column("field", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("school", "link", "field", "target", name=op.f("pk_agreed_reference")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "agreement",
        sa.Column("school", sa.String(), nullable=False),
        sa.Column("link", sa.String(), nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.Column("refs", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("school", "link", name=op.f("pk_agreement")),
    )
    op.create_table(
        "binding",
        sa.Column("school", sa.String(), nullable=False),
        sa.Column("side", sa.String(), nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("school", "side", name=op.f("pk_binding")),
    )
    op.create_table(
        "conflict",
        sa.Column("school", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("link", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("anchor", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("copy", sa.Text(), nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("resolved", sa.String(32), nullable=True),
        sa.Column("how", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("school", "id", name=op.f("pk_conflict")),
    )
    op.create_table(
        "content_alias",
        sa.Column("school", sa.String(), nullable=False),
        sa.Column("side", sa.String(), nullable=False),
        sa.Column("anchor", sa.String(), nullable=False),
        sa.Column("seen", sa.Text(), nullable=False),
        sa.Column("agreed", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("school", "side", "anchor", name=op.f("pk_content_alias")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "cycle",
        sa.Column("school", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("started", sa.String(32), nullable=False),
        sa.Column("ended", sa.String(32), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("school", "id", name=op.f("pk_cycle")),
    )
    op.create_index(op.f("ix_cycle_school_started"), "cycle", ["school", "started"], unique=False)
    op.create_table(
        "echo",
        sa.Column("school", sa.String(), nullable=False),
        sa.Column("side", sa.String(), nullable=False),
        sa.Column("anchor", sa.String(), nullable=False),
        sa.Column("field", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("until", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("school", "side", "anchor", "field", "value", name=op.f("pk_echo")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_echo_school_until"), "echo", ["school", "until"], unique=False)
    op.create_table(
        "handed_out",
        sa.Column("school", sa.String(), nullable=False),
        sa.Column("link", sa.String(), nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("school", "link", name=op.f("pk_handed_out")),
    )
    op.create_table(
        "journal",
        sa.Column("school", sa.String(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("cycle", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("link", sa.Text(), nullable=False),
        sa.Column("anchor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("school", "seq", name=op.f("pk_journal")),
    )
    op.create_index(op.f("ix_journal_school_link"), "journal", ["school", "link"], unique=False)
    op.create_table(
        "key",
        sa.Column("school", sa.String(), nullable=False),
        sa.Column("side", sa.String(), nullable=False),
        sa.Column("anchor", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("school", "side", "anchor", "name", name=op.f("pk_key")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_key_school_side_kind_name_value"), "key", ["school", "side", "kind", "name", "value"], unique=False
    )
    op.create_table(
        "link",
        sa.Column("school", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("school_anchor", sa.String(), nullable=True),
        sa.Column("cloud_anchor", sa.String(), nullable=True),
        sa.Column("retired_at", sa.String(32), nullable=True),
        sa.PrimaryKeyConstraint("school", "id", name=op.f("pk_link")),
    )
    op.create_index("ix_link_only_cloud", "link", ["school", "school_anchor", "cloud_anchor"], unique=False)
    op.create_index("ix_link_only_school", "link", ["school", "cloud_anchor", "school_anchor"], unique=False)
    op.create_index(op.f("ix_link_school_cloud_anchor"), "link", ["school", "cloud_anchor"], unique=True)
    op.create_index(op.f("ix_link_school_school_anchor"), "link", ["school", "school_anchor"], unique=True)
    op.create_table(
        "name",
        sa.Column("school", sa.String(), nullable=False),
        sa.Column("space", sa.String(), nullable=False),
        sa.Column("folded", sa.String(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("link", sa.Text(), nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("school", "space", "folded", name=op.f("pk_name")),
    )
    op.create_index(op.f("ix_name_school_space_link"), "name", ["school", "space", "link"], unique=False)
    op.create_table(
        "observation",
        sa.Column("school", sa.String(), nullable=False),
        sa.Column("side", sa.String(), nullable=False),
        sa.Column("anchor", sa.String(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.Column("refs", sa.String(32), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("gone", sa.String(), nullable=True),
        sa.Column("written_until", sa.String(32), nullable=True),
        sa.Column("doubt_until", sa.String(32), nullable=True),
        sa.PrimaryKeyConstraint("school", "side", "anchor", name=op.f("pk_observation")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_observation_doubt",
        "observation",
        ["school", "doubt_until"],
        unique=False,
        sqlite_where=sa.text("doubt_until IS NOT NULL"),
        postgresql_where=sa.text("doubt_until IS NOT NULL"),
    )
    op.create_index(op.f("ix_observation_school_side_kind"), "observation", ["school", "side", "kind"], unique=False)
    op.create_table(
        "reference",
        sa.Column("school", sa.String(), nullable=False),
        sa.Column("side", sa.String(), nullable=False),
        sa.Column("anchor", sa.String(), nullable=False),
        sa.Column("field", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("written_until", sa.String(32), nullable=True),
        sa.PrimaryKeyConstraint("school", "side", "anchor", "field", "target", name=op.f("pk_reference")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_reference_school_side_target"), "reference", ["school", "side", "target"], unique=False)
    op.create_table(
        "release",
        sa.Column("school", sa.String(), nullable=False),
        sa.Column("link", sa.String(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("expires", sa.String(32), nullable=True),
        sa.Column("used", sa.String(32), nullable=True),
        sa.PrimaryKeyConstraint("school", "link", name=op.f("pk_release")),
    )
    op.create_table(
        "school",
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("stage_since", sa.String(32), nullable=True),
        sa.Column("journal_seq", sa.Integer(), nullable=False),
        sa.Column("journal_hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_school")),
    )
    op.create_table(
        "seen",
        sa.Column("school", sa.String(), nullable=False),
        sa.Column("side", sa.String(), nullable=False),
        sa.Column("anchor", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("school", "side", "anchor", name=op.f("pk_seen")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tally",
        sa.Column("school", sa.String(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("side", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("tally", sa.String(), nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("school", "seq", "side", "kind", "role", "tally", name=op.f("pk_tally")),
    )
    op.create_index(op.f("ix_tally_school_at"), "tally", ["school", "at"], unique=False)
    op.create_table(
        "token",
        sa.Column("school", sa.String(), nullable=False),
        sa.Column("side", sa.String(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("listing", sa.Boolean(), nullable=False),
        sa.Column("recall", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("school", "side", name=op.f("pk_token")),
    )
    op.create_table(
        "tombstone",
        sa.Column("school", sa.String(), nullable=False),
        sa.Column("link", sa.String(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("school_anchor", sa.String(), nullable=True),
        sa.Column("cloud_anchor", sa.String(), nullable=True),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("agreed", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("school", "link", name=op.f("pk_tombstone")),
    )
    op.create_table(
        "touched",
        sa.Column("school", sa.String(), nullable=False),
        sa.Column("link", sa.String(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("changed", sa.Boolean(), nullable=False),
        sa.Column("again", sa.String(32), nullable=True),
        sa.PrimaryKeyConstraint("school", "link", name=op.f("pk_touched")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_touched_school_rank_link"), "touched", ["school", "rank", "link"], unique=False)
    op.create_table(
        "touched_loose",
        sa.Column("school", sa.String(), nullable=False),
        sa.Column("anchor", sa.String(), nullable=False),
        sa.Column("side", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("school", "anchor", "side", name=op.f("pk_touched_loose")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "trouble",
        sa.Column("school", sa.String(), nullable=False),
        sa.Column("link", sa.String(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("since", sa.String(32), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("retry_at", sa.String(32), nullable=True),
        sa.PrimaryKeyConstraint("school", "link", name=op.f("pk_trouble")),
    )
