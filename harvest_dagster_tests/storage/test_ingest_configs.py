"""The catalogue's mirror: one row for each label, brought up to date and never doubled."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from sqlalchemy import select

from harvest_dagster.storage import ingest_configs
from harvest_dagster.storage.engine import Database
from harvest_dagster.storage.tables import ingest_config
from harvest_dagster_tests.storage.configs import NOW, definition

LATER = NOW + timedelta(days=1)


def row(database: Database, key: int) -> dict[str, object]:
    with database.read() as connection:
        found = connection.execute(select(ingest_config).where(ingest_config.c.id == key)).one()
    return dict(found._mapping)


def mirror(database: Database, written: dict[str, object], now=NOW) -> int:
    with database.begin() as connection:
        return ingest_configs.mirror(connection, written, now)


def test_a_changed_config_keeps_its_key(database: Database) -> None:
    """With another key everything it ever harvested would be another source's."""
    key = mirror(database, definition("arxiv"))
    changed = definition("arxiv", name="arXiv", disabled=True, tags={"a": "b"})
    assert mirror(database, changed, LATER) == key
    found = row(database, key)
    assert (found["name"], found["disabled"], found["definition"]) == ("arXiv", True, changed)
    assert found["date_modified"] == LATER


def test_an_unchanged_config_is_not_written_again(database: Database) -> None:
    """Every op mirrors its config: a write for each would have all of them wait for one row."""
    key = mirror(database, definition("arxiv"))
    assert mirror(database, definition("arxiv"), LATER) == key
    assert row(database, key)["date_modified"] == NOW


def test_a_secret_is_mirrored_by_its_name(database: Database) -> None:
    """Lesson 32: the value of `${NAME}` has no place in the database."""
    written = definition("arxiv", harvester_kwargs={"key": "${ARXIV_KEY}"})
    assert row(database, mirror(database, written))["definition"] == written


def test_label_and_key_lead_to_each_other(database: Database) -> None:
    """The job `harvest` takes either."""
    key = mirror(database, definition("arxiv"))
    with database.read() as connection:
        assert ingest_configs.find_id(connection, "arxiv") == key
        assert ingest_configs.find_label(connection, key) == "arxiv"
        assert ingest_configs.find_id(connection, "zenodo") is None
        assert ingest_configs.find_label(connection, key + 1) is None


def test_runs_that_start_at_once_get_the_same_row(database: Database) -> None:
    """The first runs of a new config are often started together, by a backfill."""
    with ThreadPoolExecutor(4) as threads:
        keys = set(threads.map(lambda _: mirror(database, definition("arxiv")), range(8)))
    assert len(keys) == 1
