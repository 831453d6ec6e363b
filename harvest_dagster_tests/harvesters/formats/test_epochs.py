"""Datestamps that are numbers since 1970."""

from __future__ import annotations

import pytest

from harvest_dagster.harvesters.formats.dates import epoch_instant
from harvest_dagster.windows import format_instant


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("1712010100", "2024-04-01T22:21:40Z"),
        ("1712010100000", "2024-04-01T22:21:40Z"),
        ("1712010100000000", "2024-04-01T22:21:40Z"),
        ("1712010100000.0", "2024-04-01T22:21:40Z"),
        ("1.7120101E12", "2024-04-01T22:21:40Z"),
        ("100000000", "1973-03-03T09:46:40Z"),
    ],
)
def test_the_unit_of_a_number_follows_from_its_size(text: str, instant: str) -> None:
    """As ISO 8601, 1712010100000 is a day of the year 1712, and its record would belong to no window."""
    found = epoch_instant(text)
    assert found is not None
    assert format_instant(found) == instant


@pytest.mark.parametrize(
    "text", ["", "20240131", "2024", "99999999", "-1712010100", "2024-01-31", "1e99", "9" * 17]
)
def test_other_texts_are_no_such_numbers(text: str) -> None:
    """20240131 is a date in the basic format of ISO 8601."""
    assert epoch_instant(text) is None
