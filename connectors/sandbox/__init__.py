"""A Graph-compatible cloud for demo, tests and rehearsal: the counterparty, sharing no code with connectors.graph.

    async with Sandbox(applications=[Application("app-id", secrets=("s",))], tls=True) as sandbox:
        sandbox.base_url, sandbox.ca_file, sandbox.token()

or ``python -m connectors.sandbox``. See :class:`Sandbox` for what can be set, :mod:`connectors.sandbox.faults` for what
can be broken on demand, :mod:`connectors.sandbox.admin` for the routes that do both over HTTP.

Files: users with a SharePoint licence (``Knobs(drives="all")``: all users) and Microsoft 365 groups have a drive.
Content is kept on disk and served from a second host name, ``sandbox.service.content_url``; fault rules can name its
paths ``/_download/``, ``/_upload/`` and ``/_monitor/`` as well. ``sandbox.tree(owner)`` reads a drive back,
``sandbox.put_file(owner, path, content)`` changes it as somebody else would; :class:`Knobs` lists what SharePoint does
behind a client's back.
"""

from connectors.sandbox.clock import MovableClock
from connectors.sandbox.faults import Fault
from connectors.sandbox.server import DOMAINS, TENANT_ID, Sandbox
from connectors.sandbox.service import Application, Knobs
from connectors.sandbox.tls import Authority, KeyPair, application_certificate
from connectors.sandbox.wire import Reply

__all__ = [
    "DOMAINS",
    "TENANT_ID",
    "Application",
    "Authority",
    "Fault",
    "KeyPair",
    "Knobs",
    "MovableClock",
    "Reply",
    "Sandbox",
    "application_certificate",
]
