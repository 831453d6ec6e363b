"""The clock that decides when a lease expires, and whether a run still reports itself.

Several machines read and write these instants, and the clock of one machine may be wrong by hours. On PostgreSQL, the
clock is therefore that of the server, as an expression of the same statement. A SQLite database belongs to one machine
and uses its clock. `Database.with_clock` sets another one.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Interval, func, literal

from harvest_dagster.storage.tables import Instant
from harvest_dagster.windows import utc_now

OPTION = "harvest_clock"  # execution option of a connection: a function that returns the time


def database_now(connection: Connection, later: timedelta = timedelta()) -> ColumnElement[datetime]:
    """Return an expression for the present time of the database, or for a time that is later by so much.

    On PostgreSQL it is the time at which the row is written or compared. A statement may have waited for a lock.
    """
    clock = connection.get_execution_options().get(OPTION)
    if clock is None and connection.dialect.name == "postgresql":
        return func.clock_timestamp(type_=Instant()) + literal(later, Interval())
    return literal((clock or utc_now)() + later, Instant())
