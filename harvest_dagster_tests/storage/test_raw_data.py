"""What a source says is stored once, in order, and what it says now can be told: on both databases alike."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, event, insert, select, text

from harvest_dagster.errors import DatabaseUnreachable
from harvest_dagster.records import Record
from harvest_dagster.storage import raw_data, raw_data_postgresql
from harvest_dagster.storage.engine import Database
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
    with database.begin() as connection:
        counts = raw_data.store(connection, config_id, records, now)
    return counts.new_identifiers, counts.new_data


def stored(database: Database, config_id: int) -> dict[str, dict[str, int]]:
    """The revision of each content of each identifier."""
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
    """What should be stored, by the rules of `revisions` and nothing else."""

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
def test_any_sequence_of_batches_is_stored_as_the_model_says(
    database: Database, batches: list[list[tuple[str, str]]]
) -> None:
    """Without it some order of changes, returns and repetitions within a page loses or doubles a content."""
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


def test_content_that_comes_back_is_the_current_one_again(database: Database, config_id: int) -> None:
    """Lesson 3: without it the index stays at B for ever, though the source says A again."""
    for content in "ABA":
        store(database, config_id, record("x", content))
    assert stored(database, config_id) == {"x": {"A": 3, "B": 2}}


def test_the_same_bytes_under_two_identifiers_are_two_data(database: Database, config_id: int) -> None:
    """Lesson 29: without it one of two identical records is lost, or the page fails."""
    assert store(database, config_id, record("x", "A"), record("y", "A")) == (2, 2)
    assert stored(database, config_id) == {"x": {"A": 1}, "y": {"A": 1}}


def test_identifiers_belong_to_a_config(database: Database) -> None:
    """Without it two repositories that both number their records share them."""
    first, second = new_config(database), new_config(database)
    store(database, first, record("1", "A"))
    assert store(database, second, record("1", "A")) == (1, 1)
    assert stored(database, first) == stored(database, second) == {"1": {"A": 1}}


def test_what_is_stored_stays_as_it_was_first_stored(database: Database, config_id: int) -> None:
    """Lesson 28: without it a source that stamps everything anew rewrites the whole table."""
    store(database, config_id, record("x", "A", NOW, deleted=True))
    store(database, config_id, record("x", "A", LATER), now=LATER)
    columns = (raw_datum.c.datestamp, raw_datum.c.deleted, raw_datum.c.date_created)
    with database.read() as connection:
        assert connection.execute(select(*columns)).all() == [(NOW, True, NOW)]


def test_a_row_holds_what_the_record_said(database: Database, config_id: int) -> None:
    """Without it COPY's types or SQLite's text change an instant, a hash or a letter on the way."""
    instant = datetime(1850, 1, 1, 0, 0, 0, 1, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    records = [record("x", "<ä>\t\n\\N \U0001d518", instant), record("y", "{}", None, deleted=True)]
    store(database, config_id, *records)
    columns = (raw_datum.c.hash, raw_datum.c.datum, raw_datum.c.datestamp, raw_datum.c.deleted)
    with database.read() as connection:
        rows = connection.execute(select(*columns, raw_datum.c.date_created).order_by(raw_datum.c.id)).all()
    assert rows == [(one.hash, one.blob, one.datestamp, one.deleted, NOW) for one in records]


def test_identifiers_that_only_look_alike_stay_apart(database: Database, config_id: int) -> None:
    """Without it a collation or a trim makes two records one, and on one of the two databases only."""
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
    """Without it the longest identifier that split lets through breaks PostgreSQL's index."""
    # Digits in no order: PostgreSQL compresses what repeats itself before it measures.
    identifier = "".join(record(str(number), str(number)).hash for number in range(40))[:2000]
    assert store(database, config_id, record(identifier, "A")) == (1, 1)
    assert store(database, config_id, record(identifier, "A")) == (0, 0)


def test_an_empty_page_is_stored(database: Database, config_id: int) -> None:
    """Lesson 2: without it an empty page that carries a token ends the harvest."""
    assert store(database, config_id) == (0, 0)
    with database.read() as connection:
        assert raw_data.find(connection, config_id, []) == []


def test_data_are_found_in_the_order_asked(database: Database, config_id: int) -> None:
    """Lesson 9: without it launch marks the wrong data, or only the new ones."""
    records = [record(identifier, content) for identifier in "zyx" for content in "BA"]
    store(database, config_id, *records)
    asked = [*reversed(records), records[0]]
    with database.read() as connection:
        found = raw_data.find(connection, config_id, asked)
        rows = connection.execute(select(raw_datum.c.id, raw_datum.c.revision, raw_datum.c.hash)).all()
    hashes = {(raw_id, revision): content_hash for raw_id, revision, content_hash in rows}
    assert [hashes[one] for one in found] == [one.hash for one in asked]
    assert len(set(found)) == len(records)


def test_what_is_not_stored_is_not_found(database: Database, config_id: int) -> None:
    """Without it launch goes on with less than the window holds."""
    store(database, config_id, record("x", "A"))
    for missing in (record("x", "B"), record("y", "A")):
        with pytest.raises(LookupError, match=missing.identifier), database.read() as connection:
            raw_data.find(connection, config_id, [missing])


def test_a_rolled_back_batch_leaves_nothing(database: Database, config_id: int) -> None:
    """Lesson 6: without it a page is stored whose progress is not."""
    with database.begin() as connection:
        raw_data.store(connection, config_id, [record("x", "A")], NOW)
        connection.rollback()
    assert stored(database, config_id) == {}
    assert store(database, config_id, record("x", "A")) == (1, 1)


def test_a_page_takes_a_few_statements(database: Database, config_id: int) -> None:
    """Without it somebody's fix brings back a query per record: 150 records a second instead of 15,000."""
    pages = [[record(str(number), content) for number in range(300)] for content in "ABAA"]
    for page in pages:
        with database.begin() as connection:
            statements = _counted(connection)
            raw_data.store(connection, config_id, page, NOW)
            raw_data.find(connection, config_id, page)
            assert len(statements) <= 6


def _counted(connection: Connection) -> list[str]:
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    event.listen(connection, "before_cursor_execute", note)
    return statements


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_the_probe_looks_into_indexes_only(database: Database, config_id: int) -> None:
    """Without it each page reads all of a table that has no statistics yet, which a fresh one has not."""
    page = [record(str(number), "A") for number in range(2000)]
    store(database, config_id, *page)
    asked = {"identifiers": [one.identifier for one in page], "hashes": [one.hash for one in page]}
    explain = text(f"EXPLAIN {raw_data_postgresql._PROBE.text}")
    with database.begin() as connection:
        plan = "\n".join(connection.scalars(explain, {"ingest_config_id": config_id, **asked}))
    assert "Seq Scan" not in plan
    assert "(ingest_config_id = " in plan
    assert "AND (identifier = asked.identifier)" in plan


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_connection_that_breaks_while_copying_is_said(database: Database, config_id: int) -> None:
    """Without it COPY, which goes past SQLAlchemy, ends in the driver's own exception."""
    with pytest.raises(DatabaseUnreachable, match="cannot be used"):
        _store_while_the_server_ends_the_session(database, config_id)
    assert store(database, config_id, record("x", "A")) == (1, 1)


def _store_while_the_server_ends_the_session(database: Database, config_id: int) -> None:
    with database.begin() as connection:
        process_id = connection.scalar(text("SELECT pg_backend_pid()"))

        def rows() -> object:
            with database.read() as other:
                other.execute(text("SELECT pg_terminate_backend(:process_id)"), {"process_id": process_id})
            yield (1, config_id, "x")

        columns = raw_data_postgresql._IDENTIFIER_COLUMNS
        raw_data_postgresql._copy(connection, "source_unique_identifier", columns, rows())


def test_two_threads_store_two_configs_at_once(database: Database) -> None:
    """Without it two runs take the same keys, or wait for each other for ever."""
    configs = [new_config(database), new_config(database)]

    def harvest(config_id: int) -> list[tuple[int, int]]:
        return [
            store(database, config_id, *(record(f"{page}/{n}", "A") for n in range(20))) for page in range(10)
        ]

    with ThreadPoolExecutor() as threads:
        assert list(threads.map(harvest, configs)) == [[(20, 20)] * 10] * 2
    assert stored(database, configs[0]) == stored(database, configs[1])
