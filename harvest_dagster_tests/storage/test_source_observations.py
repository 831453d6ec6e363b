"""Observations about a source are kept by name, and belong to the arguments of its harvester."""

from __future__ import annotations

from datetime import timedelta

import pytest

from harvest_dagster.observations import Observation
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.source_observations import find_observations, save_observations
from harvest_dagster_tests.storage.configs import NOW, new_config


def save(database: Database, key: int, digest: str, *observations: Observation) -> None:
    with database.begin() as connection:
        save_observations(connection, key, digest, observations)


def find(database: Database, key: int, digest: str) -> list[Observation]:
    with database.read() as connection:
        return sorted(find_observations(connection, key, digest), key=lambda found: found.name)


@pytest.mark.parametrize("value", ["midnight", {"pages": [50, 100]}, [], 3, True, None])
def test_an_observation_is_read_as_it_was_written(database: Database, value: object) -> None:
    """Otherwise the next window cannot compare it with what it observes."""
    key = new_config(database)
    save(database, key, "a", Observation("until", value, NOW))
    assert find(database, key, "a") == [Observation("until", value, NOW)]


def test_a_later_observation_replaces_the_earlier_one(database: Database) -> None:
    """Otherwise the table grows with each window."""
    key = new_config(database)
    later = Observation("until", "inclusive", NOW + timedelta(days=1))
    save(database, key, "a", Observation("until", "midnight", NOW), Observation("from", "inclusive", NOW))
    save(database, key, "a", later)
    assert find(database, key, "a") == [Observation("from", "inclusive", NOW), later]


def test_after_a_change_of_base_url_the_observations_begin_again(database: Database) -> None:
    """Otherwise what was true of the old server loses records at the new one."""
    key = new_config(database)
    save(database, key, "old", Observation("until", "inclusive", NOW), Observation("from", "inclusive", NOW))
    assert find(database, key, "new") == []
    save(database, key, "new", Observation("until", "midnight", NOW))
    assert find(database, key, "new") == [Observation("until", "midnight", NOW)]
    assert find(database, key, "old") == [Observation("from", "inclusive", NOW)]


def test_sources_do_not_share_observations(database: Database) -> None:
    """Otherwise one source is asked in the way that another one needs."""
    first, second = new_config(database), new_config(database)
    save(database, first, "a", Observation("until", "inclusive", NOW))
    assert find(database, second, "a") == []
