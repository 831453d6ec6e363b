"""The views current_record and current_document, and the instants by which a reader follows them. On both databases."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from alembic import command
from sqlalchemy import select, text

from harvest_dagster.storage import connections, migrations
from harvest_dagster.storage.database import Database, parse
from harvest_dagster.storage.tables import source_unique_identifier
from harvest_dagster.storage.transform_queue.documents import (
    NormalizedDocument,
    put_documents,
)
from harvest_dagster_tests.storage.configs import NOW
from harvest_dagster_tests.storage.stored_source import Source, record

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)


@pytest.fixture
def source(database: Database) -> Source:
    return Source(database)


def test_each_identifier_has_one_row_with_its_newest_revision(source: Source) -> None:
    """A reader of raw_datum gets every old version, and cannot tell which one is current."""
    source.store(record("x", "A"), record("y", "A"))
    source.store(record("x", "B", NOW + DAY), now=NOW + HOUR)
    source.store(record("y", "", NOW + DAY, deleted=True), record("x", "old", NOW - DAY), now=NOW + 2 * HOUR)
    found = source.rows("current_record")
    assert list(found["x"]) == [
        "label", "identifier", "datestamp", "deleted", "hash", "datum", "first_seen", "changed_at", "raw_id",
    ]  # fmt: skip
    assert {name: (row["datum"], bool(row["deleted"])) for name, row in found.items()} == {
        "x": ("B", False),
        "y": ("", True),
    }
    assert found["x"]["hash"] == record("x", "B").hash
    assert source.changed("current_record", "x") == NOW + HOUR
    assert source.changed("current_record", "y") == NOW + 2 * HOUR


def test_only_a_changed_content_is_a_change(source: Source) -> None:
    """Otherwise an index is filled again after each harvest, or misses that older content has returned."""
    moments = []
    for day, content in enumerate(["A", "A", "B", "A"]):
        source.store(record("x", content, NOW + day * DAY), now=NOW + day * DAY)
        moments.append(source.changed("current_record", "x"))
    assert moments == [NOW, NOW, NOW + 2 * DAY, NOW + 3 * DAY]
    found = source.rows("current_record")["x"]
    assert (found["datum"], str(found["first_seen"])[:10]) == ("A", "2024-05-01")
    assert str(found["datestamp"]).startswith("2024-05-04")


def test_a_later_transaction_has_a_later_instant_whatever_its_clock_shows(source: Source) -> None:
    """A reader that has read up to the first instant would never see the change of a machine whose clock is behind."""
    source.store(record("x", "A"))
    source.transform(record("x", "A"))
    source.store(record("y", "A"), now=NOW - HOUR)
    source.transform(record("y", "A"), now=NOW - HOUR)
    for view in ("current_record", "current_document"):
        assert source.changed(view, "y") == source.changed(view, "x") + TICK


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_transaction_waits_for_one_that_has_taken_its_instant(source: Source) -> None:
    """Transforms of a source run at the same time. The one that commits last must have the latest instant."""
    source.store(record("x", "A"), record("y", "A"))
    with source.database.begin() as first, ThreadPoolExecutor() as threads:
        documents = [NormalizedDocument(_key(source, "x"), 1, 1, '{"title": "A"}')]
        put_documents(first, source.config_id, 1, documents, NOW + HOUR)
        waiting = threads.submit(source.transform, record("y", "A"), now=NOW)
        while not _waits_for_advisory_lock(source.database):
            assert not waiting.done()
        assert source.rows("current_document") == {}
        first.commit()
        waiting.result()
    assert source.changed("current_document", "y") == NOW + HOUR + TICK


def _key(source: Source, identifier: str) -> int:
    with source.database.read() as connection:
        suid = source_unique_identifier.c
        found = connection.scalar(select(suid.id).where(suid.identifier == identifier))
    assert found is not None
    return int(found)


def _waits_for_advisory_lock(database: Database) -> bool:
    with database.read() as connection:
        return bool(
            connection.scalar(
                text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
            )
        )


def test_a_deleted_record_keeps_its_row_without_a_document(source: Source) -> None:
    """An index that follows the view would otherwise never delete it."""
    live, deleted = record("x", "A"), record("x", "gone", NOW + DAY, deleted=True)
    source.store(live)
    source.transform(live)
    source.store(deleted, now=NOW + HOUR)
    source.transform(deleted, now=NOW + 2 * HOUR)
    found = source.rows("current_document")["x"]
    assert list(found) == [
        "label", "identifier", "datestamp", "deleted", "document", "changed_at", "transformer_version",
    ]  # fmt: skip
    assert (bool(found["deleted"]), found["document"]) == (True, None)
    assert source.changed("current_document", "x") == NOW + 2 * HOUR


def test_a_transform_with_the_same_result_is_no_change(source: Source) -> None:
    """A repeated transform of a million records would otherwise send a million documents to each index."""
    first = record("x", "A")
    source.store(first)
    source.transform(first)
    source.transform(first, now=NOW + HOUR)
    source.fail("x", NOW + HOUR)
    assert source.changed("current_document", "x") == NOW
    source.transform(first, now=NOW + DAY, version=2)
    assert source.changed("current_document", "x") == NOW + DAY


def test_the_changes_of_a_label_are_found_in_the_index(source: Source) -> None:
    """Asking what changed would otherwise read all rows of all sources."""
    other = Source(source.database)
    for one in (source, other):
        for page in range(4):
            records = [record(f"{page}/{number}", "A") for number in range(20 if page == 3 else 800)]
            one.store(*records, now=NOW + page * HOUR)
            one.transform(*records, now=NOW + page * HOUR)
    with source.database.begin() as connection:
        connection.execute(text("ANALYZE"))
    for view, index in (
        ("current_record", "ix_source_unique_identifier_ingest_config_id_changed_at_raw_id"),
        ("current_document", "ix_normalized_datum_ingest_config_id_changed_at"),
    ):
        plan, found = _explained(source, view, NOW + 3 * HOUR)
        assert found == 20
        assert index in plan
        # ingest_config has two rows, so that PostgreSQL reads it without its index.
        scans = ("Seq Scan on source_unique", "Seq Scan on raw_datum", "Seq Scan on normalized", "SCAN ")
        assert not any(scan in plan for scan in scans), plan


@pytest.mark.parametrize("statistics", [False, True], ids=["without statistics", "with statistics"])
def test_the_changes_of_one_of_many_labels_cost_what_they_are(database: Database, statistics: bool) -> None:
    """A reader that follows one source would otherwise read what has changed in all sources, or all of its own."""
    sources = [Source(database) for _ in range(25)]
    for source in sources:
        # Half of the records of the other sources have changed in the last hour.
        for hour, number in enumerate((150, 40, 10)) if source is sources[7] else [(0, 50), (2, 50)]:
            records = [record(f"{hour}/{each}", "A" * 300) for each in range(number)]
            source.store(*records, now=NOW + hour * HOUR)
            source.transform(*records, now=NOW + hour * HOUR)
    if statistics:
        with database.begin() as connection:
            connection.execute(text("ANALYZE"))
    for view, tables in (("current_record", 2), ("current_document", 3)):
        few, many = (_cost(sources[7], view, NOW + hour * HOUR) for hour in (2, 1))
        assert (few.rows, many.rows) == (10, 50)
        if few.unit == "steps":
            assert many.read <= 5 * few.read
            continue
        for cost in (few, many):
            assert cost.read <= tables * cost.rows + 2 * len(sources)  # it may read all of ingest_config


class _Cost(NamedTuple):
    """The number of rows that a query returned, and what it read: rows of tables, or steps of SQLite's machine."""

    rows: int
    read: int
    unit: str


def _cost(source: Source, view: str, since: datetime) -> _Cost:
    """Return the cost of the changes of a label since an instant."""
    query = text(f"SELECT * FROM {view} WHERE label = :label AND changed_at >= :since ORDER BY changed_at")
    read = "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables"
    with source.database.read() as connection:
        if connection.dialect.name == "postgresql":
            before = connection.scalar(text(read))
            rows = len(connection.execute(query, {"label": source.label, "since": since}).all())
            return _Cost(rows, int(connection.scalar(text(read)) - before), "rows")
        steps = [0]

        def count() -> None:
            steps[0] += 1

        driver: Any = connection.connection.driver_connection
        driver.set_progress_handler(count, 1)
        instant = f"{since:%Y-%m-%d %H:%M:%S.%f}"
        rows = len(connection.execute(query, {"label": source.label, "since": instant}).all())
        driver.set_progress_handler(None, 0)
        return _Cost(rows, steps[0], "steps")


def _explained(source: Source, view: str, since: datetime) -> tuple[str, int]:
    """Return how the database finds the changes of a label, and how many there are."""
    query = f"SELECT * FROM {view} WHERE label = :label AND changed_at >= :since ORDER BY changed_at"
    with source.database.read() as connection:
        postgresql = connection.dialect.name == "postgresql"
        instant: Any = since if postgresql else f"{since:%Y-%m-%d %H:%M:%S.%f}"
        asked = {"label": source.label, "since": instant}
        explain = "EXPLAIN" if postgresql else "EXPLAIN QUERY PLAN"
        plan = "\n".join(str(row[-1]) for row in connection.execute(text(f"{explain} {query}"), asked))
        return plan, len(connection.execute(text(query), asked).all())


def test_0013_finds_the_current_contents_of_existing_data(empty_database_url: str) -> None:
    """After an upgrade, the views would be empty until each record is harvested again."""
    engine = connections.create(parse(empty_database_url))
    with engine.begin() as connection:
        config = migrations.configuration()
        config.attributes["connection"] = connection
        command.upgrade(config, "0012")
        for statement in _BEFORE_0013.split(";"):
            connection.exec_driver_sql(statement)
    engine.dispose()
    with Database.open(empty_database_url) as database, database.read() as connection:
        records = connection.execute(
            text("SELECT identifier, datum, first_seen, changed_at FROM current_record")
        ).all()
        documents = connection.execute(text("SELECT identifier, changed_at FROM current_document")).all()
    assert [(*row[:2], str(row[2])[:10], str(row[3])[:10]) for row in records] == [
        ("x", "A", "2026-01-01", "2026-01-02")
    ]
    assert [(row[0], str(row[1])[:10]) for row in documents] == [("x", "2026-01-05")]


_BEFORE_0013 = """
    INSERT INTO ingest_config (id, label, name, harvester, disabled, definition, date_modified)
        VALUES (1, 'a', 'A', 'oai', false, '{}', '2026-01-01 00:00:00.000000');
    INSERT INTO source_unique_identifier (id, ingest_config_id, identifier) VALUES (1, 1, 'x');
    INSERT INTO raw_datum (id, suid_id, hash, datum, deleted, date_created, revision) VALUES
        (1, 1, 'a', 'A', false, '2026-01-01 00:00:00.000000', 3),
        (2, 1, 'b', 'B', false, '2026-01-02 00:00:00.000000', 2),
        (3, 1, 'c', 'C', false, '2026-01-03 00:00:00.000000', 0);
    INSERT INTO normalized_datum (id, suid_id, raw_id, ingest_config_id, transformer_version, revision, document,
        deleted, date_modified) VALUES (1, 1, 1, 1, 1, 3, '{}', false, '2026-01-05 00:00:00.000000')
"""


@pytest.mark.parametrize("empty_database_url", ["sqlite"], indirect=True)
def test_a_later_migration_may_create_a_table_of_the_views_again(
    empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite refuses to drop and rename tables while views refer to them, unless a migration prevents that."""
    Database.open(empty_database_url).dispose()
    folder = Path(shutil.copytree(migrations.FOLDER, tmp_path / "migrations"))
    script = _AGAIN.format(before=migrations.HEAD)
    (folder / "versions" / "9998_again.py").write_text(script)
    configuration = migrations.configuration
    monkeypatch.setattr(migrations, "configuration", lambda: configuration(folder))
    monkeypatch.setattr(migrations, "HEAD", "9998")
    with Database.open(empty_database_url) as database:
        source = Source(database)
        source.store(record("x", "A"))
        assert list(source.rows("current_record")) == ["x"]


_AGAIN = """
from alembic import op

revision = "9998"
down_revision = "{before}"


def upgrade():
    for table in ("source_unique_identifier", "raw_datum", "normalized_datum"):
        with op.batch_alter_table(table, recreate="always"):
            pass
"""
