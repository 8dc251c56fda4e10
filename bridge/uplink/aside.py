"""What a hub can't take: found among the messages of a report and set aside, so that it holds up nothing else.

ask      the report without messages: if that is not taken either, no message is at fault
halve    the first half, or what is behind it, until one message is left; what is taken on the way is applied
aside    another one stands in its place, under its number (``bridge.state.aside``)

Each number keeps its place: of a report that it does not take the hub has applied nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from bridge.fleet.messages import Receipt
from bridge.state.outbox import Packed, Sent
from bridge.uplink.line import NotTaken

Send = Callable[[Packed], Awaitable[Receipt]]


async def culprit(send: Send, packed: Packed) -> tuple[Sent, NotTaken] | None:
    """The first message that is not taken, and what is said of it; None where each was taken by itself.

    Raises NotTaken where it is for no message, and whatever else ``send`` raises.
    """
    await send(replace(packed, messages=()))
    these = packed.messages
    while True:
        some = these[: max(1, len(these) // 2)]
        try:
            await send(replace(packed, messages=some))
        except NotTaken as error:
            if len(some) == 1:
                return some[0], error
            these = some
        else:
            these = these[len(some) :]
            if not these:
                return None
