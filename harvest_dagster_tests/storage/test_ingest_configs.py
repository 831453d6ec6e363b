"""The copy of the catalog has one up-to-date row for each label."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from sqlalchemy import select

from harvest_dagster.storage import ingest_configs
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.tables import ingest_config
from harvest_dagster_tests.storage.configs import NOW, definition

LATER = NOW + timedelta(days=1)


def row(database: Database, key: int) -> dict[str, object]:
    with database.read() as connection:
        found = connection.execute(select(ingest_config).where(ingest_config.c.id == key)).one()
    return dict(found._mapping)


def save(database: Database, written: dict[str, object], now=NOW) -> int:
    with database.begin() as connection:
        return ingest_configs.save_config(connection, written, now)


def test_a_changed_config_keeps_its_key(database: Database) -> None:
    """With another key, all its data would belong to another source."""
    key = save(database, definition("arxiv"))
    changed = definition("arxiv", name="arXiv", disabled=True, tags={"a": "b"})
    assert save(database, changed, LATER) == key
    found = row(database, key)
    assert (found["name"], found["disabled"], found["definition"]) == ("arXiv", True, changed)
    assert found["date_modified"] == LATER


def test_an_unchanged_config_is_not_written_again(database: Database) -> None:
    """Every op saves its config. With a write for each, all ops would wait for one row."""
    key = save(database, definition("arxiv"))
    assert save(database, definition("arxiv"), LATER) == key
    assert row(database, key)["date_modified"] == NOW


def test_the_database_has_the_name_of_a_secret_and_not_its_value(database: Database) -> None:
    """Values of `${NAME}` must not reach the database (docs/failures.md#secret-in-log)."""
    written = definition("arxiv", harvester_kwargs={"key": "${ARXIV_KEY}"})
    assert row(database, save(database, written))["definition"] == written


def test_a_config_is_found_by_its_label_and_by_its_key(database: Database) -> None:
    """The job `harvest` accepts either of them."""
    key = save(database, definition("arxiv"))
    with database.read() as connection:
        assert ingest_configs.find_id(connection, "arxiv") == key
        assert ingest_configs.find_label(connection, key) == "arxiv"
        assert ingest_configs.find_id(connection, "zenodo") is None
        assert ingest_configs.find_label(connection, key + 1) is None


def test_simultaneous_runs_get_the_same_row(database: Database) -> None:
    """A backfill often starts the first runs of a new config together."""
    with ThreadPoolExecutor(4) as threads:
        keys = set(threads.map(lambda _: save(database, definition("arxiv")), range(8)))
    assert len(keys) == 1
