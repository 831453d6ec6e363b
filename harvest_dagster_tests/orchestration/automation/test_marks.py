"""What a sensor remembers of many sources in a cursor."""

from __future__ import annotations

import json

import pytest

from harvest_dagster.orchestration.automation.marks import Marks


def test_what_was_noted_is_recognized_after_it_was_a_cursor() -> None:
    """Each tick begins with the text that the one before left."""
    marks = Marks.read(str(Marks.of(["a", "b"])))
    assert ("a" in marks, "b" in marks, "c" in marks) == (True, True, False)


def test_a_thousand_take_five_kilobytes_and_go_into_json_as_they_are() -> None:
    """Dagster writes the cursor into every tick's row: 30 kB a minute were 40 MB a day."""
    text = str(Marks.of(f"source_of_a_long_name_{number}" for number in range(1000)))
    assert len(text) <= 5_000
    assert json.dumps(text) == f'"{text}"'


@pytest.mark.parametrize("text", [None, "", '{"a":"0123"}', "[]", "\N{GREEK SMALL LETTER ALPHA}", "reset"])
def test_what_is_no_such_cursor_is_nothing_noted(text: str | None) -> None:
    """Somebody may set it in the UI, and an older version left another."""
    assert "a" not in Marks.read(text)
