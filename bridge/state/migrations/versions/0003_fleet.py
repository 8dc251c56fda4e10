"""A fleet: leases, the outbox of a site, and what a hub knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_LETTERS: dict[str, Any] = {
    "n": sa.String(),
    "t": sa.Text(),
    "w": sa.String(32),
    "i": sa.Integer(),
    "f": sa.Float(),
    "b": sa.Boolean(),
}


def upgrade() -> None:
    """Add the tables."""
    _table("lease", "school:n", "owner:t token:i since:w until:w")
    op.create_index(op.f("ix_lease_school_token"), "lease", ["school", "token"], unique=True)
    _table("restored", "school:n", "at:w reason:t compared:t still:b")
    _table("uplink", "school:n", "epoch:i last:i missing:i told:t")
    _table("outbox", "place:i", "seq:i school:n kind:t slot:t at:w body:t", ("slot",))
    _table("mastered", "school:n anchor:n", "kind:t at:w")
    _hub()


def _hub() -> None:
    _table(
        "hub_site", "site:n",
        "label:t schools:t former:t made:w ticket:t ticket_expires:w? epoch:i seq:i missing:i missed:w? heard:w? "
        "ahead:f version:t revoked:w?",
    )  # fmt: skip
    _table("hub_certificate", "serial:n", "site:t made:w expires:w revoked:w? reason:t", ("site",))
    _table("hub_school", "school:n slot:n", "site:t at:w received:w body:t", ("received",))
    _table(
        "hub_event", "site:n epoch:i seq:i", "school:n kind:t at:w received:w body:t", ("school", "received"),
        ("received",), ("kind", "received"),
    )  # fmt: skip
    _table(
        "hub_command", "id:n",
        "site:t school:n action:t order:t actor:t reason:t wave:t asked:w expires:w state:t sent:w? answered:w? "
        "answer:t",
        ("state", "site"), ("school", "asked"),
    )  # fmt: skip
    _table("hub_question", "id:n", "site:t order:t asked:w expires:w sent:b answer:t", ("sent", "site"))
    _table(
        "hub_grant", "id:n", "token:t school:n scopes:t begins:w ends:w actor:t reason:t revoked:w?", ("token",)
    )  # fmt: skip
    _table("hub_wave", "name:n", "state:t begun:w starts:w? actor:t reason:t why:t changed:w schools:t")
    _table("hub_need", "wave:n need:n", "actor:t reason:t at:w")
    _table("hub_demand", "tenant:n budget:n site:n", "wanted:f at:w promises:t holds:w?")
    _table("hub_head", "school:n seq:i", "hash:t received:w")
    _table(
        "hub_configuration", "school:n version:i",
        "text:t digest:t actor:t reason:t at:w state:t answer:t command:t checked:t",
    )  # fmt: skip


def _table(name: str, keys: str, rest: str, *indexes: Sequence[str]) -> None:
    """``keys`` and ``rest``: columns as ``name:letter``, with a question mark where they may be null."""
    columns = [one.partition(":") for one in f"{keys} {rest}".split()]
    op.create_table(
        name,
        *(sa.Column(column, _LETTERS[kind[0]], nullable=kind.endswith("?")) for column, _, kind in columns),
        sa.PrimaryKeyConstraint(*(one.partition(":")[0] for one in keys.split()), name=op.f(f"pk_{name}")),
    )
    for index in indexes:
        op.create_index(op.f("_".join(("ix", name, *index))), name, list(index))
