"""What the hub asks of sites: signed here, kept in the database, taken by the site when it reports or waits.

ask       a command, once per id; who asked, and why, is journaled
question  rows or names, for the process that asks; the answer is sealed for it
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bridge.fleet.messages import Look, Order
from bridge.fleet.orders import LONGEST, sign
from bridge.hub import hints
from bridge.ports import ConfigurationError
from bridge.state import hub_orders
from bridge.state.database import Database
from bridge.state.hub_orders import Command


def ask(
    database: Database,
    key: Ed25519PrivateKey,
    *,
    site: str,
    school: str,
    action: Mapping[str, Any],
    actor: str,
    scopes: Iterable[str],
    reason: str,
    expires: datetime,
    wave: str = "",
    id: str | None = None,  # noqa: A002 - the word of the order
) -> Command:
    """Ask a site for an action (``bridge.api.asked.Action`` as JSON, or ``configure``); the command as it stands now.

    The same ``id`` again is the same command, whatever else is said: nothing is asked twice. ``actor``: the label of
    who asks, which the site journals as ``hub:LABEL``. ``expires``: at most 23 hours ahead. Raises ConfigurationError.
    """
    now = database.clock()
    name = id or secrets.token_urlsafe(18)
    if not now < expires <= now + LONGEST:
        raise ConfigurationError(
            f"{site}: an order has to expire within {LONGEST.total_seconds() / 3600:g} hours from now; found "
            f"{expires:%Y-%m-%d %H:%M} UTC. Nothing was asked; ask with an earlier end"
        )
    order = Order(
        id=name, site=site, school=school, actor=actor[:100], scopes=cast("Any", sorted(set(scopes))), issued=now,
        expires=expires, action=dict(action),
    )  # fmt: skip
    command, new = hub_orders.ask(
        database,
        Command(
            id=name, site=site, school=school, action=json.dumps(dict(action), sort_keys=True),
            order=sign(order, key).model_dump_json(), actor=actor, reason=reason, wave=wave, asked=now, expires=expires,
        ),
    )  # fmt: skip
    if new:
        hints.tell(database, hints.ORDERS)
    return command


def question(
    database: Database,
    key: Ed25519PrivateKey,
    *,
    site: str,
    school: str,
    look: Look,
    actor: str,
    scopes: Iterable[str],
    expires: datetime,
) -> str:
    """Ask a site a question; its id. The answer is fetched by it (``hub_orders.fetch``), sealed for ``look.key``."""
    now, name = database.clock(), secrets.token_urlsafe(18)
    order = Order(
        id=name, site=site, school=school, actor=actor[:100], scopes=cast("Any", sorted(set(scopes))), issued=now,
        expires=expires, look=look,
    )  # fmt: skip
    text = sign(order, key).model_dump_json()
    row = {"id": name, "site": site, "order": text, "asked": now, "expires": expires}
    hub_orders.question(database, row)
    hints.tell(database, hints.ORDERS)
    return name
