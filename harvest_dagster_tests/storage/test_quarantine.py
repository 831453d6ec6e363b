"""What cannot be read is kept as it came, until it comes well: on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from harvest_dagster.records import Unreadable
from harvest_dagster.storage import harvest_states, quarantine
from harvest_dagster.storage.engine import Database
from harvest_dagster.storage.harvest_logs import HarvestLog
from harvest_dagster.storage.tables import quarantine as rows
from harvest_dagster_tests.storage.configs import NOW
from harvest_dagster_tests.storage.logs import Logs, day


def test_a_piece_is_kept_with_its_bytes_its_error_and_its_page(database: Database) -> None:
    """Lesson 10: others drop it without a trace. Its bytes may be no text at all."""
    log = Logs(database).start()
    pieces = [Unreadable(b"\x00\xff<broken", "not well-formed"), Unreadable(b"", "empty", "oai:x:1")]
    with database.begin() as connection:
        quarantine.set_aside(connection, log, 3, pieces, NOW)
        quarantine.set_aside(connection, log, 4, [], NOW)
        columns = (rows.c.harvest_log_id, rows.c.page, rows.c.datum, rows.c.error, rows.c.identifier)
        found = connection.execute(select(*columns).order_by(rows.c.id)).all()
    assert [tuple(row) for row in found] == [
        (log.id, 3, b"\x00\xff<broken", "not well-formed", None),
        (log.id, 3, b"", "empty", "oai:x:1"),
    ]


@pytest.fixture
def logs(database: Database) -> Logs:
    return Logs(database)


def set_aside(logs: Logs, log: HarvestLog, *pieces: Unreadable, page: int = 0, now: datetime = NOW) -> None:
    with logs.database.begin() as connection:
        quarantine.set_aside(connection, log, page, pieces, now)


def begin_anew(logs: Logs, log: HarvestLog) -> HarvestLog:
    with logs.database.begin() as connection:
        return harvest_states.restart(connection, log.id, NOW)


def held(logs: Logs) -> list[tuple[int, str | None, bytes]]:
    with logs.database.read() as connection:
        columns = (rows.c.harvest_log_id, rows.c.identifier, rows.c.datum)
        return [tuple(row) for row in connection.execute(select(*columns).order_by(rows.c.id))]


def test_a_good_version_clears_all_windows_of_its_own_source(logs: Logs) -> None:
    """Identifiers belong to a source: another one's x is another record. In sets, however many."""
    other = Logs(logs.database)
    own, elsewhere = [logs.start(day(0)), logs.start(day(1))], other.start()
    for log in (*own, elsewhere):
        set_aside(
            logs, log, Unreadable(b"1", "bad", "x"), Unreadable(b"2", "bad", "y"), Unreadable(b"3", "bad")
        )
    with logs.database.begin() as connection:
        quarantine.clear(connection, logs.series.ingest_config_id, ["x", *map(str, range(40_000))])
    assert held(logs) == [
        *((log.id, identifier, datum) for log in own for identifier, datum in (("y", b"2"), (None, b"3"))),
        *((elsewhere.id, *pair) for pair in (("x", b"1"), ("y", b"2"), (None, b"3"))),
    ]


def test_the_identifiers_of_a_source_are_told_up_to_a_number(logs: Logs) -> None:
    """Of more than are worth remembering nothing is told, rather than a part of them."""
    log = logs.start()
    pieces = [Unreadable(b"1", "bad", "x"), Unreadable(b"2", "bad", "x"), Unreadable(b"3", "bad", "y")]
    set_aside(logs, log, *pieces, Unreadable(b"4", "bad"))
    config_id = logs.series.ingest_config_id
    with logs.database.read() as connection:
        assert quarantine.identifiers(connection, config_id, 2) == {"x", "y"}
        assert quarantine.identifiers(connection, config_id, 1) is None
        assert quarantine.identifiers(connection, Logs(logs.database).series.ingest_config_id, 1) == set()


def test_once_a_list_is_stored_what_only_earlier_lists_had_is_dropped(logs: Logs) -> None:
    """And of what came twice, the one without an identifier too, one row is left: the last."""
    log, other = logs.start(), logs.start(day(1))
    set_aside(logs, log, Unreadable(b"0", "bad", "gone"), Unreadable(b"1", "bad", "x"))
    set_aside(logs, other, Unreadable(b"0", "bad", "gone"))
    log = begin_anew(logs, log)
    # By an op on another machine, whose clock is behind that of the one which began the list.
    behind = NOW - timedelta(seconds=3)
    set_aside(logs, log, Unreadable(b"1", "bad", "x"), Unreadable(b"2", "bad"), now=behind)
    set_aside(logs, log, Unreadable(b"2", "bad"), Unreadable(b"3", "bad", "x"), page=1, now=behind)
    with logs.database.begin() as connection:
        quarantine.drop_outdated(connection, log)
    assert held(logs) == [
        (other.id, "gone", b"0"),
        (log.id, "x", b"1"),
        (log.id, None, b"2"),
        (log.id, "x", b"3"),
    ]
    with logs.database.read() as connection:
        assert quarantine.count_by_log(connection, [log.id, other.id]) == {log.id: 3, other.id: 1}
        found = quarantine.of_logs(connection, [log.id], 2)
    assert [(culprit.identifier, culprit.page) for culprit in found] == [("x", 0), (None, 1)]


def test_a_list_that_a_limit_cut_drops_nothing_but_repeats(logs: Logs) -> None:
    """It says nothing of what else its window holds."""
    log = logs.start()
    set_aside(logs, log, Unreadable(b"0", "bad", "x"))
    log = replace(begin_anew(logs, log), record_limit=2)
    set_aside(logs, log, Unreadable(b"0", "bad", "x"), Unreadable(b"1", "bad", "y"))
    with logs.database.begin() as connection:
        quarantine.drop_outdated(connection, log)
    assert [identifier for _, identifier, _ in held(logs)] == ["x", "y"]
