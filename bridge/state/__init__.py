"""What the bridge remembers: observations, agreements and tokens, committed together, and the journal.

1. ``fold`` writes what differs and touches the links it concerns,  2. ``due`` gives touched links in link space,
3. ``record`` journals a write, folds it into the observation and stores the agreement.  Each is one transaction.
"""

from bridge.state import cutover_tables as _cutover_tables  # noqa: F401 - so that the metadata has all tables
from bridge.state import fleet_tables as _fleet_tables  # noqa: F401 - the same
from bridge.state.database import Database, open_database
from bridge.state.lock import Busy
from bridge.state.store import SchoolStore

__all__ = ["Busy", "Database", "SchoolStore", "open_database"]
