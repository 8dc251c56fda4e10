"""Microsoft 365 through Microsoft Graph v1.0, app-only.

A cycle reads what changed (``observe``: the delta of users and groups), and writes what the engine asks for
(``write_users``, ``write_groups`` and ``members``) in batches of 20 (``batch``) through one connection (``client``)
that keeps the service's limits (``budget``) and gives the token (``auth``) to nobody else.
``directory_url`` is the one place where paths are built, ``mapping`` the one where fields become properties.
"""

from connectors.graph.connector import GraphConnector, connect
from connectors.graph.options import Options
from connectors.graph.passwords import Passwords

__all__ = ["GraphConnector", "Options", "Passwords", "connect"]
