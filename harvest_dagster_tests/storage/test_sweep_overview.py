"""The overview of sweeps and snapshots of many sources."""

from __future__ import annotations

from harvest_dagster.storage import sweep_overview
from harvest_dagster.storage.database import Database
from harvest_dagster_tests.storage.configs import NOW


def test_the_snapshots_of_thousands_of_sources_are_read(database: Database) -> None:
    """SQLite refuses a thousand conditions that are connected with OR: the sensors would fail at each tick."""
    with database.read() as connection:
        assert sweep_overview.find_last_snapshots(connection, dict.fromkeys(range(1, 3001), NOW)) == {}
