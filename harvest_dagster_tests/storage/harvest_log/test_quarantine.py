"""Invalid records stay in quarantine until a valid version is stored. On both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from harvest_dagster.records import InvalidRecord
from harvest_dagster.storage import tables
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log import quarantine, transitions
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster_tests.storage.configs import NOW
from harvest_dagster_tests.storage.logs import Logs, day


def test_an_invalid_record_is_stored_with_its_bytes_its_error_and_its_page(database: Database) -> None:
    """Other harvesters drop it silently (docs/failures.md#one-invalid-record). Its bytes may not be text."""
    log = Logs(database).start()
    pieces = [InvalidRecord(b"\x00\xff<broken", "not well-formed"), InvalidRecord(b"", "empty", "oai:x:1")]
    with database.begin() as connection:
        quarantine.add_records(connection, log, 3, pieces, NOW)
        quarantine.add_records(connection, log, 4, [], NOW)
        columns = (
            tables.quarantine.c.harvest_log_id,
            tables.quarantine.c.page,
            tables.quarantine.c.datum,
            tables.quarantine.c.error,
            tables.quarantine.c.identifier,
        )
        found = connection.execute(select(*columns).order_by(tables.quarantine.c.id)).all()
    assert [tuple(row) for row in found] == [
        (log.id, 3, b"\x00\xff<broken", "not well-formed", None),
        (log.id, 3, b"", "empty", "oai:x:1"),
    ]


@pytest.fixture
def logs(database: Database) -> Logs:
    return Logs(database)


def add_records(
    logs: Logs, log: HarvestLog, *pieces: InvalidRecord, page: int = 0, now: datetime = NOW
) -> None:
    with logs.database.begin() as connection:
        quarantine.add_records(connection, log, page, pieces, now)


def begin_attempt(logs: Logs, log: HarvestLog) -> HarvestLog:
    with logs.database.begin() as connection:
        return transitions.begin_attempt(connection, log.id, NOW)


def quarantined(logs: Logs) -> list[tuple[int, str | None, bytes]]:
    with logs.database.read() as connection:
        columns = (
            tables.quarantine.c.harvest_log_id,
            tables.quarantine.c.identifier,
            tables.quarantine.c.datum,
        )
        return [tuple(row) for row in connection.execute(select(*columns).order_by(tables.quarantine.c.id))]


def test_a_valid_version_deletes_the_records_of_all_windows_of_its_source(logs: Logs) -> None:
    """The same identifier of another source is another record. There may be very many identifiers."""
    other = Logs(logs.database)
    own, elsewhere = [logs.start(day(0)), logs.start(day(1))], other.start()
    for log in (*own, elsewhere):
        add_records(
            logs,
            log,
            InvalidRecord(b"1", "bad", "x"),
            InvalidRecord(b"2", "bad", "y"),
            InvalidRecord(b"3", "bad"),
        )
    with logs.database.begin() as connection:
        quarantine.remove_identifiers(
            connection, logs.scope.ingest_config_id, ["x", *map(str, range(40_000))]
        )
    assert quarantined(logs) == [
        *((log.id, identifier, datum) for log in own for identifier, datum in (("y", b"2"), (None, b"3"))),
        *((elsewhere.id, *pair) for pair in (("x", b"1"), ("y", b"2"), (None, b"3"))),
    ]


def test_the_identifiers_of_a_source_are_returned_up_to_a_limit(logs: Logs) -> None:
    """An incomplete set would look like a complete one."""
    log = logs.start()
    pieces = [
        InvalidRecord(b"1", "bad", "x"),
        InvalidRecord(b"2", "bad", "x"),
        InvalidRecord(b"3", "bad", "y"),
    ]
    add_records(logs, log, *pieces, InvalidRecord(b"4", "bad"))
    config_id = logs.scope.ingest_config_id
    with logs.database.read() as connection:
        assert quarantine.find_identifiers(connection, config_id, 2) == {"x", "y"}
        assert quarantine.find_identifiers(connection, config_id, 1) is None
        assert quarantine.find_identifiers(connection, Logs(logs.database).scope.ingest_config_id, 1) == set()


def test_a_stored_list_deletes_the_records_of_earlier_lists(logs: Logs) -> None:
    """Of equal records, only the last one stays, even if they have no identifier."""
    log, other = logs.start(), logs.start(day(1))
    add_records(logs, log, InvalidRecord(b"0", "bad", "gone"), InvalidRecord(b"1", "bad", "x"))
    add_records(logs, other, InvalidRecord(b"0", "bad", "gone"))
    log = begin_attempt(logs, log)
    # By an op on another machine, whose clock is behind that of the one which began the list.
    behind = NOW - timedelta(seconds=3)
    add_records(logs, log, InvalidRecord(b"1", "bad", "x"), InvalidRecord(b"2", "bad"), now=behind)
    add_records(logs, log, InvalidRecord(b"2", "bad"), InvalidRecord(b"3", "bad", "x"), page=1, now=behind)
    with logs.database.begin() as connection:
        quarantine.remove_outdated(connection, log)
    assert quarantined(logs) == [
        (other.id, "gone", b"0"),
        (log.id, "x", b"1"),
        (log.id, None, b"2"),
        (log.id, "x", b"3"),
    ]
    with logs.database.read() as connection:
        assert quarantine.count_by_log(connection, [log.id, other.id]) == {log.id: 3, other.id: 1}
        found = quarantine.find_by_logs(connection, [log.id], 2)
    assert [(record.identifier, record.page) for record in found] == [("x", 0), (None, 1)]


def test_a_list_with_a_limit_deletes_only_equal_records(logs: Logs) -> None:
    """It does not show the rest of its window."""
    log = logs.start()
    add_records(logs, log, InvalidRecord(b"0", "bad", "x"))
    log = replace(begin_attempt(logs, log), record_limit=2)
    add_records(logs, log, InvalidRecord(b"0", "bad", "x"), InvalidRecord(b"1", "bad", "y"))
    with logs.database.begin() as connection:
        quarantine.remove_outdated(connection, log)
    assert [identifier for _, identifier, _ in quarantined(logs)] == ["x", "y"]
