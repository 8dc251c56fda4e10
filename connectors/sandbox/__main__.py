"""``python -m connectors.sandbox``: the cloud as a process of its own.

Prints one JSON line when it listens: ``{"base_url", "graph_url", "tenant_id", "domains", "content_url", "ca_file"}``.
Stops on SIGTERM and SIGINT. Secrets never stand in the arguments: the admin key comes in ``SANDBOX_ADMIN_KEY``,
applications in the file of ``--applications`` or in ``SANDBOX_APPLICATIONS``, as a JSON list of ``{"client_id",
"secrets", "certificates", "permissions", "roles"}``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from connectors.sandbox.server import DOMAINS, TENANT_ID, Sandbox
from connectors.sandbox.service import Application, Knobs
from connectors.sandbox.tls import server_context


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m connectors.sandbox", description="A Graph-compatible cloud.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: any free one)")
    parser.add_argument("--tls", action="store_true", help="serve https with an own authority; its CA file is printed")
    parser.add_argument("--tls-cert", type=Path, help="PEM file of a server certificate, instead of --tls")
    parser.add_argument("--tls-key", type=Path, help="PEM file of its private key")
    parser.add_argument("--content-port", type=int, default=0, help="port of the other host, which serves content")
    parser.add_argument("--content-url", default="", help="what to call that host, when it is reached by another way")
    parser.add_argument("--drives", choices=("licence", "all", "none"), default="licence", help="who gets a drive")
    parser.add_argument("--state", type=Path, help="SQLite file that keeps the tenant (default: memory)")
    parser.add_argument("--seed", type=Path, help="JSON file to fill an empty tenant with, as POST /_sandbox/load")
    parser.add_argument("--applications", type=Path, help="JSON file of the registered applications")
    parser.add_argument("--tenant", default=TENANT_ID, help="id of the tenant (default %(default)s)")
    parser.add_argument("--name", default="Sandbox", help="its display name")
    parser.add_argument("--domain", action="append", help="verified domain, the first is the default; repeatable")
    parser.add_argument("--budgets", action="store_true", help="enforce the real throttling budgets")
    parser.add_argument("--budget-scale", type=float, default=1.0, help="how much faster their clock runs")
    parser.add_argument("--visibility-delay", type=float, default=0.0, help="seconds until a new object is seen")
    parser.add_argument("--random-seed", type=int, help="repeatable ids, batch order and fault probabilities")
    return parser.parse_args(arguments)


def applications(source: Any) -> list[Application]:
    """Applications from parsed JSON.

    Raises:
        ValueError: the JSON is not a list of objects with ``client_id``.
    """
    if not isinstance(source, list) or not all(isinstance(one, dict) and one.get("client_id") for one in source):
        raise ValueError("applications: expected a JSON list of objects with client_id")
    return [
        Application(
            client_id=one["client_id"],
            secrets=tuple(one.get("secrets", ())),
            certificates=tuple(one.get("certificates", ())),
            permissions=frozenset(one.get("permissions", ["*"])),
            roles=frozenset(one.get("roles", ())),
            name=one.get("name", "schoolbridge"),
        )
        for one in source
    ]


def _registered(options: argparse.Namespace) -> list[Application]:
    text = options.applications.read_text() if options.applications else os.environ.get("SANDBOX_APPLICATIONS", "[]")
    return applications(json.loads(text))


def _sandbox(options: argparse.Namespace) -> Sandbox:
    tls = server_context(options.tls_cert, options.tls_key) if options.tls_cert and options.tls_key else options.tls
    return Sandbox(
        tenant_id=options.tenant,
        name=options.name,
        domains=options.domain or DOMAINS,
        applications=_registered(options),
        host=options.host,
        port=options.port,
        content_port=options.content_port,
        content_url=options.content_url,
        knobs=Knobs(drives=options.drives),
        tls=tls,
        state=options.state,
        seed=options.random_seed,
        budgets=options.budgets,
        budget_scale=options.budget_scale,
        visibility_delay=options.visibility_delay,
        admin_key=os.environ.get("SANDBOX_ADMIN_KEY", ""),
    )


async def _serve(options: argparse.Namespace) -> None:
    sandbox = _sandbox(options)
    if options.seed and not sandbox.tenant.entries:
        sandbox.load(json.loads(options.seed.read_text()))
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with sandbox:
        ready = {
            "base_url": sandbox.base_url,
            "graph_url": sandbox.graph_url,
            "tenant_id": sandbox.tenant.id,
            "domains": sandbox.tenant.domains,
            "content_url": sandbox.service.content_url,
            "ca_file": str(sandbox.ca_file) if sandbox.ca_file else None,
        }
        print(json.dumps(ready), flush=True)  # noqa: T201 - the line that the starter waits for
        await stopping.wait()


def main(arguments: list[str] | None = None) -> int:
    """Run until stopped; 1 when the settings are wrong or the port is taken."""
    try:
        asyncio.run(_serve(_arguments(arguments)))
    except (OSError, ValueError) as error:
        print(f"sandbox: cannot start: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
