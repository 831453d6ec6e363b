"""Digests in the cursor of a sensor."""

from __future__ import annotations

import json

import pytest

from harvest_dagster.orchestration.sensors.cursor_digest import digest, join_digests, split_digests


def test_a_cursor_yields_the_digests_that_it_was_made_of() -> None:
    """Each tick reads the cursor of the tick before it."""
    digests = split_digests(join_digests([digest("a"), digest("b")]))
    assert (digest("a") in digests, digest("b") in digests, digest("c") in digests) == (True, True, False)


def test_a_thousand_digests_take_five_kilobytes_and_need_no_json_escapes() -> None:
    """Dagster copies the cursor into the row of every tick: 30 kB a minute are 40 MB a day."""
    text = join_digests(digest(f"source_of_a_long_name_{number}") for number in range(1000))
    assert len(text) <= 5_000
    assert json.dumps(text) == f'"{text}"'


@pytest.mark.parametrize("text", [None, "", '{"a":"0123"}', "[]", "\N{GREEK SMALL LETTER ALPHA}", "reset"])
def test_a_cursor_of_another_format_contains_no_digest(text: str | None) -> None:
    """People can edit the cursor in the UI, and an older version may have left another format."""
    assert digest("a") not in split_digests(text)
