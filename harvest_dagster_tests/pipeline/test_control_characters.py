"""No control character of a source reaches a log line or an error in the database."""

from __future__ import annotations

from datetime import timedelta

from harvest_dagster.records import InvalidRecord, Record
from harvest_dagster.storage.tables import ingest_log, normalized_datum, quarantine
from harvest_dagster_tests.pipeline.world import WINDOW, World, records

CLEAR_SCREEN = "\x1b[2J\x1b]0;owned\x07"


def test_a_log_line_escapes_an_identifier(world: World) -> None:
    """An identifier in JSON may contain an escape sequence, and the terminal of the operator obeyed it."""
    world.source.items = [Record(f"x{CLEAR_SCREEN}", WINDOW.end + timedelta(days=1), False, "A")]
    world.run("run 1")
    text = "\n".join(world.log_lines)
    assert r"x\x1b[2J\x1b]0;owned\x07" in text
    assert "\x1b" not in text


def test_an_error_in_quarantine_is_escaped_and_its_bytes_are_not(world: World) -> None:
    """People read the error in a terminal. The bytes are the evidence, so they stay as they are."""
    world.source.items = [*records(3), InvalidRecord(CLEAR_SCREEN.encode(), f"not valid: {CLEAR_SCREEN}")]
    world.run("run 1")
    ((error, datum),) = world.rows(quarantine, "error", "datum")
    assert (error, datum) == (r"not valid: \x1b[2J\x1b]0;owned\x07", CLEAR_SCREEN.encode())


def test_each_column_with_errors_escapes_them() -> None:
    """A new column of plain Text would store them as they are."""
    columns = (quarantine.c.error, ingest_log.c.error, normalized_datum.c.error)
    assert {type(column.type).__name__ for column in columns} == {"ErrorText"}
