"""``page``: the small page on which people change passwords, as a process of its own beside the daemon."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
from typing import Annotated

import typer

from bridge.commands.session import NOTHING, Mistake, Session, plain, session_of
from bridge.core.model import Side
from bridge.daemon import wiring
from bridge.daemon.actor import actor
from bridge.daemon.password_desk import desk_at, writable
from bridge.settings import School
from bridge.state.store import SchoolStore


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(page)


def page(
    context: typer.Context,
    school: Annotated[str, typer.Argument(help="Code of the school.")],
    listen: Annotated[str, typer.Option(help="Address and port; for a proxy that speaks TLS.")] = "127.0.0.1:8077",
    proxied: Annotated[
        bool, typer.Option("--proxied", help="A proxy on this machine tells addresses (X-Forwarded-For).")
    ] = False,
) -> int:
    """Serve the page for passwords until SIGTERM: teachers reset those of their pupils, everybody changes the own."""
    session = session_of(context)
    one = session.school(school)
    found = re.fullmatch(r"(\[[0-9a-f:.]+\]|[^:\s]+):(\d{1,5})", listen)
    if found is None or not 0 <= int(found[2]) < 65536:
        raise Mistake(f"--listen {plain(listen)}: expected ADDRESS:PORT, such as 127.0.0.1:8077")
    with wiring.database(session.settings, create=False) as database:
        store = database.school(one.code, one.kinds())
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_serve(session, one, store, (found[1].strip("[]"), int(found[2])), proxied=proxied))
    return NOTHING


async def _serve(
    session: Session, school: School, store: SchoolStore, place: tuple[str, int], *, proxied: bool
) -> None:
    from aiohttp import web  # only here: it takes a while to load

    from bridge.web import app, pages

    sides = writable(school, store)
    async with wiring.connected(session.settings, session.catalog, school, Side.SCHOOL) as directory:
        door = directory.capabilities.log_in
        if door is None:
            raise Mistake(
                f"{school.code}: the connector {school.sides[Side.SCHOOL].connector} of the school side can't tell "
                f"who people are; active_directory can"
            )
        async with desk_at(
            session.settings, session.catalog, school, store, sides, actor=actor(), reason="page"
        ) as desk:
            served = pages.School(school.name, school.language, store, desk, door, sides)
            runner = web.AppRunner(app.build(served, proxied=proxied), access_log=None)
            await runner.setup()
            try:
                site = web.TCPSite(runner, *place)
                await site.start()
                session.err.print(f"{plain(school.code)}: passwords at {plain(site.name)}")
                await _until_stopped()
            finally:
                await runner.cleanup()


async def _until_stopped() -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await stopped.wait()
