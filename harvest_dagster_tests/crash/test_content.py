"""Content that returns to an older version, and data that a killed run has stored, with real runs."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from sqlalchemy import delete, func, select, update

from harvest_dagster.storage.database import Database
from harvest_dagster.storage.tables import ingest_log, raw_datum, source_unique_identifier
from harvest_dagster_tests.crash.child import Moment
from harvest_dagster_tests.crash.conftest import FIRST, LAST, REPOSITORY, Deploy
from harvest_dagster_tests.crash.contents import assert_complete, harvests


@pytest.mark.slow
def test_data_that_a_killed_run_stored_are_launched_by_the_next_run(deploy: Deploy) -> None:
    """The data were not new to the next run and were never transformed: docs/failures.md#stored-but-not-launched"""
    deployment = deploy(max_window="30d")
    deployment.materialize(FIRST, LAST, killed_at=Moment(r"open .*/queued\.zst\.part")).wait()
    with Database.open(deployment.database_url) as database:
        with database.begin() as connection:
            assert connection.scalar(select(func.count()).select_from(raw_datum)) == REPOSITORY.size
            # As after a run of an earlier version, whose step store queues nothing.
            connection.execute(delete(ingest_log))
        deployment.materialize(FIRST, LAST).succeed()
        assert_complete(database, deployment.source)


@pytest.mark.slow
def test_content_that_returns_to_an_older_version_is_delivered_again(deploy: Deploy) -> None:
    """Content changed from A to B and back, and the index stayed at B: docs/failures.md#content-returns"""
    deployment = deploy(max_window="30d")
    identifier = REPOSITORY.identifier(7)
    deployment.materialize(FIRST, LAST).succeed()
    with Database.open(deployment.database_url) as database:
        _deliver_all(database)
        deployment.source.edits.change(identifier, "B", datetime(2024, 3, 4, 12, tzinfo=timezone.utc))
        deployment.materialize(FIRST, LAST, parameters={"optimize": False}).succeed()
        assert [(revision, status) for _, revision, status in _history(database, identifier)] == [
            (1, "SUCCEEDED"),
            (2, "PENDING"),
        ]
        _deliver_all(database)
        deployment.source.edits.undo(identifier)
        # The change back is the newest change. With its original datestamp, the old content would be history.
        deployment.source.edits.set_datestamp(identifier, datetime(2024, 3, 4, 13, tzinfo=timezone.utc))
        deployment.materialize(FIRST, LAST, parameters={"optimize": False}).succeed()
        first, second = _history(database, identifier)
        # The old row is current again, and its ingest log is PENDING.
        assert (first[1:], second[1:]) == ((3, "PENDING"), (2, "SUCCEEDED"))
        with database.read() as connection:
            (log,) = harvests(connection)
            waiting = select(func.count()).where(ingest_log.c.status == "PENDING")
            assert connection.scalar(waiting) == 1
        assert (log["completions"], log["new_data"], log["new_identifiers"]) == (3, 0, 0)


def _deliver_all(database: Database) -> None:
    """Mark all ingest logs as the transform asset does."""
    with database.begin() as connection:
        connection.execute(update(ingest_log).values(status="SUCCEEDED"))


def _history(database: Database, identifier: str) -> list[tuple[int, int, str]]:
    """Return key, revision and ingest status of all contents of an identifier, by key."""
    query = (
        select(raw_datum.c.id, raw_datum.c.revision, ingest_log.c.status)
        .join(source_unique_identifier, source_unique_identifier.c.id == raw_datum.c.suid_id)
        .join(ingest_log, ingest_log.c.raw_id == raw_datum.c.id)
        .where(source_unique_identifier.c.identifier == identifier)
        .order_by(raw_datum.c.id)
    )
    with database.read() as connection:
        return [tuple(row) for row in connection.execute(query)]
