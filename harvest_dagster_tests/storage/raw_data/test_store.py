"""Content is stored once and in order, and the current content of each identifier is known. On both databases."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, event, insert, select, text

from harvest_dagster.errors import DatabaseUnreachable
from harvest_dagster.records import Record, sets_digest
from harvest_dagster.storage import bulk_insert
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.raw_data import postgresql
from harvest_dagster.storage.raw_data import store as raw_data
from harvest_dagster.storage.raw_data.store import find_data, store_records
from harvest_dagster.storage.tables import ingest_config, raw_datum, source_unique_identifier

NOW = datetime(2024, 5, 1, 12, tzinfo=timezone.utc)
LATER = NOW + timedelta(days=1)
numbers = count(1)


def new_config(database: Database) -> int:
    with database.begin() as connection:
        values = {"label": f"source_{next(numbers)}", "name": "x", "harvester": "oai", "date_modified": NOW}
        row = insert(ingest_config).values(disabled=False, definition={}, **values)
        key = connection.execute(row).inserted_primary_key
        assert key is not None
        return int(key[0])


@pytest.fixture
def config_id(database: Database) -> int:
    return new_config(database)


def record(identifier: str, blob: str, datestamp: datetime | None = NOW, *, deleted: bool = False) -> Record:
    return Record(identifier, datestamp, deleted, blob)


def store(database: Database, config_id: int, *records: Record, now: datetime = NOW) -> tuple[int, int]:
    """Store a batch. What the function returns about the data must be what the database has."""
    with database.begin() as connection:
        counts = store_records(connection, config_id, records, now)
        found = {datum.raw_id: datum for datum in find_data(connection, config_id, records)}
    assert {datum.raw_id: datum._replace(is_new=False) for datum in counts.data} == found
    assert sum(datum.is_new for datum in counts.data) == counts.new_data
    return counts.new_identifiers, counts.new_data


def stored(database: Database, config_id: int) -> dict[str, dict[str, int]]:
    """Return the revision of each content of each identifier."""
    query = (
        select(source_unique_identifier.c.identifier, raw_datum.c.datum, raw_datum.c.revision)
        .outerjoin(raw_datum)
        .where(source_unique_identifier.c.ingest_config_id == config_id)
    )
    found: dict[str, dict[str, int]] = {}
    with database.read() as connection:
        for identifier, datum, revision in connection.execute(query):
            found.setdefault(identifier, {})[datum] = revision
    return found


@dataclass
class Model:
    """The expected rows, by the rules of `revisions` only."""

    revisions: dict[str, dict[str, int]] = field(default_factory=dict)

    def store(self, batch: list[tuple[str, str]]) -> None:
        for identifier, content in batch:
            known = self.revisions.setdefault(identifier, {})
            known.setdefault(content, max(known.values(), default=0) + 1)
        for identifier, content in dict(batch).items():
            known = self.revisions[identifier]
            if known[content] < max(known.values()):
                known[content] = max(known.values()) + 1


contents = st.tuples(st.sampled_from("xyz"), st.sampled_from("ABCD"))
batches = st.lists(st.lists(contents, max_size=8), max_size=6)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=batches)
def test_any_sequence_of_batches_gives_the_rows_of_the_model(
    database: Database, batches: list[list[tuple[str, str]]]
) -> None:
    """Some order of changes, returns and repetitions within a page could lose or duplicate a content."""
    config_id, model = new_config(database), Model()
    for batch in batches:
        records = [record(identifier, content) for identifier, content in batch]
        before = stored(database, config_id)
        new = store(database, config_id, *records)
        model.store(batch)
        after = stored(database, config_id)
        assert after == model.revisions
        assert new == (len(after) - len(before), _data(after) - _data(before))
        for identifier, content in dict(batch).items():
            assert max(after[identifier], key=after[identifier].__getitem__) == content
        assert store(database, config_id, *records) == (0, 0)
        assert stored(database, config_id) == after


def _data(found: dict[str, dict[str, int]]) -> int:
    return sum(len(known) for known in found.values())


versions = st.lists(st.tuples(st.sampled_from("xy"), st.integers(1, 6)), min_size=1, max_size=8, unique=True)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), listed=versions)
def test_any_order_of_arrival_gives_the_same_current_content(
    database: Database, data: st.DataObject, listed: list[tuple[str, int]]
) -> None:
    """A backfill that ran backwards made old versions current (docs/failures.md#old-version-arrives-late).

    Each version has its own datestamp. Some versions have the same content, as if the source had only touched them.
    Versions may arrive several times, in any batches.
    """
    config_id = new_config(database)
    arrivals = data.draw(st.permutations(listed)) + data.draw(st.lists(st.sampled_from(listed), max_size=4))
    content_of = {
        day: data.draw(st.sampled_from("ABC"), label=f"content of day {day}") for day in range(1, 7)
    }
    cuts = data.draw(st.sets(st.integers(1, len(arrivals))))
    batch: list[Record] = []
    for number, (identifier, day) in enumerate(arrivals, 1):
        batch.append(record(identifier, content_of[day], NOW + timedelta(days=day)))
        if number in cuts or number == len(arrivals):
            store(database, config_id, *batch)
            batch = []
    newest = {
        identifier: content_of[max(day for name, day in listed if name == identifier)]
        for identifier, _ in listed
    }
    assert current(database, config_id) == newest
    assert all(len(known) == len(set(known)) for known in stored(database, config_id).values())


def current(database: Database, config_id: int) -> dict[str, str]:
    """Return the current content of each identifier. Exactly one content has the highest revision."""
    found = stored(database, config_id)
    assert all(sorted(known.values())[-2:].count(max(known.values())) == 1 for known in found.values())
    return {identifier: max(known, key=known.__getitem__) for identifier, known in found.items()}


def test_an_old_tombstone_does_not_delete_a_live_record(database: Database, config_id: int) -> None:
    """A source listed a record as live and, from an older table, as deleted (OpenWIS). The record disappeared."""
    live, tombstone = record("x", "live", LATER), record("x", "deleted", NOW, deleted=True)
    store(database, config_id, live, tombstone)
    assert current(database, config_id) == {"x": "live"}
    assert stored(database, config_id) == {"x": {"live": 1, "deleted": 0}}
    for batch in ([tombstone], [tombstone, live], [live, tombstone]):
        store(database, config_id, *batch)
        assert stored(database, config_id) == {"x": {"live": 1, "deleted": 0}}


def test_content_that_the_source_only_touched_keeps_its_newest_datestamp(
    database: Database, config_id: int
) -> None:
    """Otherwise an old version would replace it that is newer than its first datestamp."""
    days = [NOW + timedelta(days=day) for day in range(4)]
    store(database, config_id, record("x", "A", days[0]))
    store(database, config_id, record("x", "A", days[2]))
    store(database, config_id, record("x", "B", days[1]))
    assert stored(database, config_id) == {"x": {"A": 1, "B": 0}}
    store(database, config_id, record("x", "B", days[3]))
    assert stored(database, config_id) == {"x": {"A": 1, "B": 2}}


@pytest.mark.parametrize(("first", "second"), [(NOW, NOW), (LATER, None), (None, NOW), (None, None)])
def test_without_two_different_datestamps_the_last_arrival_is_current(
    database: Database, config_id: int, first: datetime | None, second: datetime | None
) -> None:
    """A source that gives no datestamp, or only days, would never get its corrections through."""
    store(database, config_id, record("x", "A", first), record("y", "A", first))
    store(database, config_id, record("x", "B", second), record("z", "A", first), record("z", "B", second))
    assert current(database, config_id) == {"x": "B", "y": "A", "z": "B"}


def test_outdated_records_are_counted(database: Database, config_id: int) -> None:
    """Nobody would see that the datestamps of a source go backwards."""
    with database.begin() as connection:
        store_records(connection, config_id, [record("x", "A", LATER), record("y", "A", LATER)], NOW)
        counts = store_records(
            connection, config_id, [record("x", "B"), record("y", "A"), record("z", "A")], NOW
        )
    assert (counts.new_identifiers, counts.new_data, counts.outdated) == (1, 2, 1)
    assert [(one.record.identifier, one.revision) for one in counts.changed] == [("z", 1)]


def test_returned_content_is_the_current_one_again(database: Database, config_id: int) -> None:
    """After A, B, A the index stayed at B (docs/failures.md#content-returns)."""
    for content in "ABA":
        store(database, config_id, record("x", content))
    assert stored(database, config_id) == {"x": {"A": 3, "B": 2}}


def test_the_same_bytes_under_two_identifiers_are_two_data(database: Database, config_id: int) -> None:
    """Otherwise one of two equal records is lost, or the page fails (docs/failures.md#identifier-reuse)."""
    assert store(database, config_id, record("x", "A"), record("y", "A")) == (2, 2)
    assert stored(database, config_id) == {"x": {"A": 1}, "y": {"A": 1}}


def test_identifiers_belong_to_a_config(database: Database) -> None:
    """Otherwise two repositories that number their records would share them."""
    first, second = new_config(database), new_config(database)
    store(database, first, record("1", "A"))
    assert store(database, second, record("1", "A")) == (1, 1)
    assert stored(database, first) == stored(database, second) == {"1": {"A": 1}}


def test_a_stored_row_does_not_change(database: Database, config_id: int) -> None:
    """A source that changes all datestamps would rewrite the table (docs/failures.md#noise-counts-as-change)."""
    store(database, config_id, record("x", "A", NOW, deleted=True))
    store(database, config_id, record("x", "A", LATER), now=LATER)
    columns = (raw_datum.c.datestamp, raw_datum.c.deleted, raw_datum.c.date_created)
    with database.read() as connection:
        assert connection.execute(select(*columns)).all() == [(NOW, True, NOW)]


def test_a_datum_has_the_digest_of_its_sets(database: Database, config_id: int) -> None:
    """A sweep compares it with the sets that the source names now."""
    sets = [(), ("cs",), ("cs", "math"), ("set 1",), ("set 2",)]  # some digests are negative
    store(
        database,
        config_id,
        *(Record(f"x{number}", NOW, False, "A", sets=one) for number, one in enumerate(sets)),
    )
    with database.read() as connection:
        found = connection.scalars(select(raw_datum.c.sets_digest).order_by(raw_datum.c.id)).all()
    assert found == [sets_digest(one) for one in sets]
    assert found[0] is None


def test_a_row_has_the_values_of_the_record(database: Database, config_id: int) -> None:
    """The types of COPY or the texts of SQLite could change an instant, a hash or a letter."""
    instant = datetime(1850, 1, 1, 0, 0, 0, 1, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    records = [record("x", "<ä>\t\n\\N \U0001d518", instant), record("y", "{}", None, deleted=True)]
    store(database, config_id, *records)
    columns = (raw_datum.c.hash, raw_datum.c.datum, raw_datum.c.datestamp, raw_datum.c.deleted)
    with database.read() as connection:
        rows = connection.execute(select(*columns, raw_datum.c.date_created).order_by(raw_datum.c.id)).all()
    assert rows == [(one.digest, one.blob, one.datestamp, one.deleted, NOW) for one in records]


def test_similar_identifiers_are_different(database: Database, config_id: int) -> None:
    """A collation or trimming would merge two records, perhaps on one database only."""
    alike = [
        "caf\u00e9",
        "cafe\u0301",
        "CAF\u00c9",
        "a",
        "A",
        "a ",
        " a",
        "a\n",
        "'",
        '"',
        "\\",
        "%",
        "[0]",
        "0",
        "00",
    ]
    records = [record(identifier, "same") for identifier in alike]
    assert store(database, config_id, *records) == (len(alike), len(alike))
    assert set(stored(database, config_id)) == set(alike)
    assert store(database, config_id, *records) == (0, 0)


def test_an_identifier_of_two_thousand_bytes_is_stored(database: Database, config_id: int) -> None:
    """The longest identifier that split accepts must fit into the index of PostgreSQL."""
    # Random digits: PostgreSQL compresses repetitions before it checks the length.
    identifier = "".join(record(str(number), str(number)).hash for number in range(40))[:2000]
    assert store(database, config_id, record(identifier, "A")) == (1, 1)
    assert store(database, config_id, record(identifier, "A")) == (0, 0)


def test_an_empty_page_is_stored(database: Database, config_id: int) -> None:
    """An empty page with a token does not end a list (docs/failures.md#empty-page-with-token)."""
    assert store(database, config_id) == (0, 0)
    with database.read() as connection:
        assert find_data(connection, config_id, []) == []


def test_data_are_found_in_the_order_of_the_records(database: Database, config_id: int) -> None:
    """Otherwise launch queues the wrong data, or only new ones (docs/failures.md#stored-but-not-launched)."""
    records = [record(identifier, content) for identifier in "zyx" for content in "BA"]
    store(database, config_id, *records)
    asked = [*reversed(records), records[0]]
    with database.read() as connection:
        found = find_data(connection, config_id, asked)
        rows = connection.execute(select(raw_datum.c.id, raw_datum.c.revision, raw_datum.c.hash)).all()
    hashes = {(raw_id, revision, revision == 2): content_hash for raw_id, revision, content_hash in rows}
    assert [one.record for one in found] == asked
    assert [hashes[one.raw_id, one.revision, one.is_current] for one in found] == [
        one.digest for one in asked
    ]
    assert len(set(found)) == len(records)


def test_a_record_that_is_not_stored_is_an_error(database: Database, config_id: int) -> None:
    """Otherwise launch would continue with an incomplete window."""
    store(database, config_id, record("x", "A"))
    for missing in (record("x", "B"), record("y", "A")):
        with pytest.raises(LookupError, match=missing.identifier), database.read() as connection:
            find_data(connection, config_id, [missing])


def test_a_rolled_back_batch_leaves_nothing(database: Database, config_id: int) -> None:
    """Data and progress must be stored together (docs/failures.md#cursor-before-data)."""
    with database.begin() as connection:
        store_records(connection, config_id, [record("x", "A")], NOW)
        connection.rollback()
    assert stored(database, config_id) == {}
    assert store(database, config_id, record("x", "A")) == (1, 1)


def test_a_page_takes_a_few_statements(database: Database, config_id: int) -> None:
    """One query for each record stores 150 records per second instead of 15,000."""
    pages = [
        [record(str(number), content, NOW + timedelta(days=day)) for number in range(300)]
        for day, content in enumerate("ABAA")
    ]
    for page in pages:
        with database.begin() as connection:
            statements = _counted(connection)
            store_records(connection, config_id, page, NOW)
            find_data(connection, config_id, page)
            assert len(statements) <= 8


def _counted(connection: Connection) -> list[str]:
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    event.listen(connection, "before_cursor_execute", note)
    return statements


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_the_search_for_known_identifiers_uses_only_indexes(database: Database, config_id: int) -> None:
    """A new table has no statistics, and each page would read all of it."""
    page = [record(str(number), "A") for number in range(2000)]
    store(database, config_id, *page)
    asked = {
        "identifiers": json.dumps([one.identifier for one in page]),
        "hashes": b"".join(one.digest for one in page),
    }
    explain = text(f"EXPLAIN {postgresql._PROBE.text}")
    with database.begin() as connection:
        plan = "\n".join(connection.scalars(explain, {"ingest_config_id": config_id, **asked}))
    assert "Seq Scan" not in plan
    assert "(ingest_config_id = " in plan
    assert "AND (identifier = listed.identifier)" in plan


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_connection_lost_during_copy_is_an_error_of_this_package(
    database: Database, config_id: int
) -> None:
    """COPY bypasses SQLAlchemy and would raise the exception of the driver."""
    with pytest.raises(DatabaseUnreachable, match="cannot be used"):
        _store_while_the_server_ends_the_session(database, config_id)
    assert store(database, config_id, record("x", "A")) == (1, 1)


def _store_while_the_server_ends_the_session(database: Database, config_id: int) -> None:
    with database.begin() as connection:
        process_id = connection.scalar(text("SELECT pg_backend_pid()"))

        def rows() -> object:
            with database.read() as other:
                other.execute(text("SELECT pg_terminate_backend(:process_id)"), {"process_id": process_id})
            yield (1, config_id, "x", NOW, 1, NOW, NOW)

        bulk_insert.insert_rows(connection, "source_unique_identifier", raw_data._IDENTIFIER_COLUMNS, rows())


def test_two_threads_store_two_configs_at_once(database: Database) -> None:
    """Two runs could otherwise take the same keys, or wait for each other forever."""
    configs = [new_config(database), new_config(database)]

    def harvest(config_id: int) -> list[tuple[int, int]]:
        return [
            store(database, config_id, *(record(f"{page}/{n}", "A") for n in range(20))) for page in range(10)
        ]

    with ThreadPoolExecutor() as threads:
        assert list(threads.map(harvest, configs)) == [[(20, 20)] * 10] * 2
    assert stored(database, configs[0]) == stored(database, configs[1])
