"""What cannot be read is kept as it came: on both databases."""

from __future__ import annotations

from sqlalchemy import select

from harvest_dagster.records import Unreadable
from harvest_dagster.storage import quarantine
from harvest_dagster.storage.engine import Database
from harvest_dagster.storage.tables import quarantine as rows
from harvest_dagster_tests.storage.configs import NOW
from harvest_dagster_tests.storage.logs import Logs


def test_a_piece_is_kept_with_its_bytes_its_error_and_its_page(database: Database) -> None:
    """Lesson 10: others drop it without a trace. Its bytes may be no text at all."""
    log = Logs(database).start()
    pieces = [Unreadable(b"\x00\xff<broken", "not well-formed"), Unreadable(b"", "empty", "oai:x:1")]
    with database.begin() as connection:
        quarantine.set_aside(connection, log.id, 3, pieces, NOW)
        quarantine.set_aside(connection, log.id, 4, [], NOW)
        columns = (rows.c.harvest_log_id, rows.c.page, rows.c.datum, rows.c.error, rows.c.identifier)
        found = connection.execute(select(*columns).order_by(rows.c.id)).all()
    assert [tuple(row) for row in found] == [
        (log.id, 3, b"\x00\xff<broken", "not well-formed", None),
        (log.id, 3, b"", "empty", "oai:x:1"),
    ]
