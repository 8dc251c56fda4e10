"""A process that looks after a school and writes all the time; run by the tests of leases, which stop and wake it."""

from __future__ import annotations

import time

from sqlalchemy.exc import DBAPIError

from bridge.ports import Fenced
from bridge.state import open_database


def write_for_ever(url: str, lasts: float, who: str) -> None:
    """Write one row after the other as a holder, and what would be sent to a side; say when that is refused."""
    database = open_database(url, lasts=lasts)
    lease = database.leases.take("west")
    mine = database.under(lease)
    print("holds", lease.token, flush=True)
    number = 0
    while True:
        try:
            mine.permit()
            with mine.write() as connection:
                connection.exec_driver_sql("INSERT INTO written VALUES (%s, %s)", (who, number))
                # In the middle of a transaction for most of the time: that is where it will be stopped.
                time.sleep(0.02)
            number += 1
        except (Fenced, DBAPIError) as error:
            print("over", type(error).__name__, flush=True)
            return
