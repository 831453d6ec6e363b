"""A schedule over a source that publishes its records late, over HTTP: what a lookback finds, and what it learns."""

from __future__ import annotations

from datetime import date, datetime, timezone

import pytest
from sqlalchemy import select

from harvest_dagster.coverage import lag
from harvest_dagster.coverage.due_days import due_days
from harvest_dagster.coverage.lag import LagHistogram
from harvest_dagster.coverage.source_overview import SourceOverview
from harvest_dagster.storage.tables import ingest_config, record_lag, source_unique_identifier
from harvest_dagster.testing.simulator import Repository
from harvest_dagster.testing.simulator.behaviours.over_time.datestamps import LatePublication
from harvest_dagster.windows import DAY
from harvest_dagster_tests.databases import SLOW_ON_POSTGRESQL
from harvest_dagster_tests.pipeline.served import harvest_window, serving
from harvest_dagster_tests.pipeline.world import World

DAYS = 8
REPOSITORY = Repository(first_day=date(2024, 3, 1), days=DAYS, records_per_day=24, page_size=500, deleted=0)
FIRST_TIME = datetime(2024, 3, 2, 3, tzinfo=timezone.utc)
SCHEDULE = {"schedule": "0 3 * * *", "settle": "0s", "earliest_date": "2024-03-01"}


def harvest_due_days(world: World) -> LagHistogram:
    """Do what the sensor of the schedule does at a scheduled time. Return what it knew of late records."""
    labels = [world.config.label]
    with world.database.read() as connection:
        sources = SourceOverview.read_coverage(connection, world.clock(), labels)
        sources = sources.with_lags(connection, labels)
    lags = sources.lags_of(world.config)
    for due in due_days(world.config, sources.covered_windows(world.config), world.clock(), lags):
        harvest_window(world, f"{world.config.label} {due.days} at {world.clock()}", due.days.window)
    return lags


def stored_by_day(world: World, label: str) -> list[int]:
    """Return the number of stored records of each day."""
    suid = source_unique_identifier.c
    is_source = ingest_config.c.id == suid.ingest_config_id
    of_source = select(suid.identifier).join(ingest_config, is_source).where(ingest_config.c.label == label)
    with world.database.read() as connection:
        found = set(connection.scalars(of_source))
    size = REPOSITORY.records_per_day
    return [
        sum(REPOSITORY.identifier(index) in found for index in range(day * size, (day + 1) * size))
        for day in range(DAYS)
    ]


@SLOW_ON_POSTGRESQL
def test_a_learned_lookback_finds_what_a_fixed_one_loses(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each record appears three and a half days after its datestamp: docs/failures.md#late-records

    The records of the first fifteen hours of a day need a lookback of three days, which is the default. The others
    need four days, which only a source that has learned looks back.
    """
    monkeypatch.setattr(lag, "FEWEST_RECORDS", 64)
    learned = []
    with serving(world, REPOSITORY, LatePublication(days=3.5)):
        for time in range(DAYS + 4):
            world.clock.now = FIRST_TIME + time * DAY
            world.change(label="fixed", lookback="1d", **SCHEDULE)
            harvest_due_days(world)
            world.change(label="learned", lookback="auto", **SCHEDULE)
            learned.append(harvest_due_days(world).learned_lookback)
    assert stored_by_day(world, "fixed") == [0] * DAYS
    assert learned == sorted(learned), "it only grows, as long as the source does not become faster"
    assert (learned[0], learned[-1]) == (3, 8), "the bound of four days is 5, and the next one is 8"
    assert stored_by_day(world, "learned") == [REPOSITORY.records_per_day] * DAYS
    with world.database.read() as connection:
        assert set(connection.scalars(select(record_lag.c.days))) == {3, 5}
