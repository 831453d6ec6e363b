"""The table record_lag: how late the records of each source came, counted by month.

`coverage.lag` decides which records count, and what follows from the counts.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date

from sqlalchemy import Connection, case, func, select

from harvest_dagster.storage.tables import record_lag
from harvest_dagster.storage.upsert import dialect_insert

_RECENT_MONTHS, _ALL_MONTHS = 2, 12


def add_lags(connection: Connection, ingest_config_id: int, day: date, counts: Mapping[int, int]) -> None:
    """Add records to the histogram of a month, with one statement; with none if nothing is to be added.

    Args:
        connection: the transaction that stores the records.
        ingest_config_id: the config.
        day: a day of the month.
        counts: the number of records by the bound of their lag.
    """
    if not counts:
        return
    month = day.replace(day=1)
    added = dialect_insert(connection, record_lag).values(
        [
            {"ingest_config_id": ingest_config_id, "month": month, "days": days, "records": records}
            for days, records in sorted(counts.items())
        ]
    )
    total = record_lag.c.records + added.excluded.records
    connection.execute(
        added.on_conflict_do_update(
            index_elements=["ingest_config_id", "month", "days"], set_={"records": total}
        )
    )


def find_lags(
    connection: Connection, today: date, ids: Collection[int]
) -> dict[int, tuple[dict[int, int], dict[int, int]]]:
    """Return the histograms of these configs in the last twelve months, with one statement.

    Returns:
        for each config that has any: the records of this month and the month before by bound, and the records of the
        ten months before.
    """
    is_recent = record_lag.c.month >= _months_before(today, _RECENT_MONTHS - 1)
    recent = func.sum(case((is_recent, record_lag.c.records), else_=0))
    rows = connection.execute(
        select(record_lag.c.ingest_config_id, record_lag.c.days, recent, func.sum(record_lag.c.records))
        .where(
            record_lag.c.ingest_config_id.in_(list(ids)),
            record_lag.c.month >= _months_before(today, _ALL_MONTHS - 1),
        )
        .group_by(record_lag.c.ingest_config_id, record_lag.c.days)
    )
    found: dict[int, tuple[dict[int, int], dict[int, int]]] = {}
    for config_id, days, of_recent, of_all in rows:
        recent_counts, before_counts = found.setdefault(config_id, ({}, {}))
        recent_counts[days], before_counts[days] = int(of_recent), int(of_all) - int(of_recent)
    return found


def _months_before(day: date, months: int) -> date:
    """Return the first day of the month that is so many months before that of `day`."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, 1)
