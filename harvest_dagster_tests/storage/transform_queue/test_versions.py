"""The version of the transforms increases when the YAML names another transformer, and only then. On both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from harvest_dagster.storage.database import Database
from harvest_dagster.storage.transform_queue import versions
from harvest_dagster.storage.transform_queue.queue import TransformQueue
from harvest_dagster.storage.transform_queue.versions import DeclaredTransformer, update_version
from harvest_dagster_tests.storage.transform_queue.test_queue import DAY, Logs


@pytest.fixture
def logs(database: Database) -> Logs:
    return Logs(database)


def settle(logs: Logs, version: int, digest: str) -> int:
    return update_version(logs.database, logs.queue.ingest_config_id, DeclaredTransformer(version, digest))


def test_the_first_transformer_has_its_own_version(logs: Logs) -> None:
    assert settle(logs, 3, "a") == 3
    assert settle(logs, 3, "a") == 3


def test_data_of_before_the_migration_keep_their_version(logs: Logs) -> None:
    """Their digest is not known. They must not be transformed again without a reason."""
    logs.enqueue(logs.store(("x", "A")))
    assert settle(logs, 1, "a") == 1


def test_another_transformer_with_a_lower_version_gets_a_higher_one(logs: Logs) -> None:
    """Version 1 of `datacite` follows version 3 of `oai_dc`. Otherwise the documents of `oai_dc` would stay."""
    settle(logs, 1, "oai_dc")
    logs.enqueue(logs.store(("x", "A")))
    assert settle(logs, 1, "datacite") == 2
    assert settle(logs, 1, "datacite") == 2
    assert settle(logs, 2, "datacite") == 3  # a newer version of it


def test_a_higher_version_stays_as_it_is(logs: Logs) -> None:
    settle(logs, 1, "a")
    logs.enqueue(logs.store(("x", "A")))
    assert settle(logs, 5, "b") == 5


def test_an_older_release_of_the_same_transformer_changes_nothing(logs: Logs) -> None:
    """While a new release is rolled out, two releases run side by side. They must not transform in turn."""
    settle(logs, 2, "a")
    logs.enqueue(logs.store(("x", "A")))
    assert settle(logs, 1, "a") == 1
    assert settle(logs, 2, "a") == 2


def test_outdated_days_are_queued_once_and_the_newest_first(logs: Logs) -> None:
    entries = logs.store(("x", "A"), ("y", "B"))
    logs.enqueue(entries[:1])
    other = [entry._replace(day=DAY - timedelta(days=1)) for entry in entries[1:]]
    logs.enqueue(other)
    queue = TransformQueue(logs.queue.ingest_config_id, 2)
    with logs.database.read() as connection:
        assert versions.find_outdated_days(connection, queue) == [DAY, DAY - timedelta(days=1)]
    versions.requeue_day(logs.database, queue, DAY, logs.now)
    with logs.database.read() as connection:
        assert versions.find_outdated_days(connection, queue) == [DAY - timedelta(days=1)]


def test_data_that_were_not_to_be_transformed_are_not_outdated(logs: Logs) -> None:
    """A run with `transform: false` leaves them CREATED."""
    logs.enqueue(logs.store(("x", "A")), status="CREATED")
    with logs.database.read() as connection:
        queue = TransformQueue(logs.queue.ingest_config_id, 2)
        assert versions.find_outdated_days(connection, queue) == []
