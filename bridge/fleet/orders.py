"""Orders of the hub: signed with Ed25519 (RFC 8032), and what a site checks of one before it does anything."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from bridge.fleet.messages import Order, Signed

#: No order is good for longer; a site remembers ids for at least as long (``bridge.state.tokens.KEPT``).
LONGEST = timedelta(hours=23)
#: So far may an order come from the future: clocks differ.
SKEW = timedelta(minutes=2)
_PREFIX = b"schoolbridge order\n"
#: Characters of an answer that are journaled.
_JOURNALED = 2000


class Unfit(Exception):
    """The order is not carried out; ``str`` says why, for the journals."""


class Expired(Unfit):
    """It is this site's and genuine, but too late; ``order`` is the order."""

    def __init__(self, text: str, order: Order) -> None:
        super().__init__(text)
        self.order = order


def sign(order: Order, key: Ed25519PrivateKey) -> Signed:
    """The order as a site gets it."""
    text = order.model_dump_json()
    return Signed(text=text, value=base64.b64encode(key.sign(_PREFIX + text.encode())).decode())


def journaled(answer: str) -> str:
    """What is journaled of an answer, here and there: JSON, the result of a check, is for who asked."""
    return "" if answer.startswith("{") else answer[:_JOURNALED]


def checked(signed: Signed, public: bytes, *, site: str, now: datetime) -> Order:
    """The order, if it comes from this hub, is for this site and good now. Raises Unfit, also Expired."""
    try:
        value = base64.b64decode(signed.value, validate=True)
        Ed25519PublicKey.from_public_bytes(public).verify(value, _PREFIX + signed.text.encode())
        order = Order.model_validate_json(signed.text)
    except (InvalidSignature, ValueError):
        raise Unfit("the order was not signed by the hub that this site enrolled with") from None
    if order.site != site:
        raise Unfit(f"the order {order.id} is for the site {order.site}")
    if order.expires - order.issued > LONGEST:
        raise Unfit(f"the order {order.id} is good for longer than orders are")
    if now >= order.expires:
        text = f"the order {order.id} expired {order.expires:%Y-%m-%d %H:%M:%S %Z}; it is {now:%H:%M:%S} here"
        raise Expired(text, order)
    if order.issued > now + SKEW:
        raise Unfit(f"the order {order.id} comes from the future: this site's clock is behind the hub's")
    return order
