"""Datestamps that consist of digits: numbers since 1970, and dates with times."""

from __future__ import annotations

import pytest

from harvest_dagster.harvesters.formats.dates import digits_instant, epoch_instant
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


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("20240131120005", "2024-01-31T12:00:05Z"),
        ("20240131120005.0", "2024-01-31T12:00:05Z"),
        ("202401311200", "2024-01-31T12:00:00Z"),
    ],
)
def test_a_date_and_a_time_without_separators_are_an_instant(text: str, instant: str) -> None:
    """As milliseconds, 20240131120005 is of the year 2611. A list without an upper bound would drop its record."""
    found = digits_instant(text)
    assert found is not None
    assert format_instant(found) == instant


@pytest.mark.parametrize("text", ["20241331120005", "20240131129905", "1712010100000", "99990131120005", ""])
def test_other_digits_are_no_date_with_a_time(text: str) -> None:
    """They are a number since 1970, or nothing that windows can be compared with."""
    assert digits_instant(text) is None


@pytest.mark.parametrize("text", ["20241331120005", "99990131120005"])
def test_fourteen_digits_are_never_milliseconds(text: str) -> None:
    """Their record would belong to a window that is never harvested."""
    assert epoch_instant(text) is None
