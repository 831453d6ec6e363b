"""The order of a list that the config declares with `sorted`."""

from __future__ import annotations

from typing import Any

import pytest

from harvest_dagster.errors import MisconfiguredSource
from harvest_dagster_tests.harvesters.rest.rest_sources import found, scripted

OFFSET = {"by": "offset", "param": "at"}


def page(*hours: int | None) -> dict[str, Any]:
    """Return a page of records, each with the time at which it changed; None for no time."""
    return {
        "items": [
            {"id": f"{hour}", "changed": None if hour is None else f"2024-01-01T{hour:02}:00:00Z"}
            for hour in hours
        ]
    }


def listed(*pages: dict[str, Any], **changed: Any) -> list[str | None]:
    return found(scripted(*pages, **{"total": None, "sorted": "datestamp", "next": OFFSET, **changed}))


@pytest.mark.parametrize("pages", [[page(2, 1), page()], [page(1, 3), page(2, 4), page()]])
def test_a_record_after_a_later_one_is_an_error_that_names_the_key(pages: list[dict[str, Any]]) -> None:
    """Recovery would continue from the last datestamp, and lose the records before it."""
    with pytest.raises(MisconfiguredSource, match="not ordered by changed, the oldest first"):
        listed(*pages)
    assert listed(*pages, sorted=None)


def test_equal_datestamps_and_records_without_one_are_in_order() -> None:
    """Many records change in the same second. A record without a datestamp shows no order."""
    assert len(listed(page(1, 1, None, 2), page(None), page(2, 3), page())) == 7


def test_a_last_page_that_comes_again_is_no_wrong_order() -> None:
    """Some sources repeat their last page past the end (docs/failures.md#odd-list-ends)."""
    assert listed(page(1, 2), page(3, 4), page(3, 4)) == ["1", "2", "3", "4"]
