"""Which sources one run harvests together."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.coverage.day_range import DayRange
from harvest_dagster.coverage.due_days import DueDays
from harvest_dagster.coverage.shared_runs import LONGEST_HARVEST, MOST_DAYS, RunGroups, may_share_run
from harvest_dagster.storage.harvest_log.newest_ends import NewestEnd
from harvest_dagster.windows import Window, whole_day

NOW = datetime(2024, 5, 15, 12, tzinfo=timezone.utc)
DAY = date(2024, 5, 14)


def config(**changes: Any) -> IngestConfig:
    return IngestConfig.model_validate({"label": "a", "harvester": "oai", **changes})


def ended(seconds: float = 1.0, days: int = 1, status: str = "SUCCEEDED") -> NewestEnd:
    """Return the end of a harvest of some days that took some seconds."""
    window = Window(whole_day(DAY).start - timedelta(days=days), whole_day(DAY).start)
    return NewestEnd(status, window, NOW - timedelta(seconds=seconds), NOW)


def due(days: int = 1) -> DueDays:
    return DueDays(DayRange(DAY - timedelta(days=days - 1), DAY))


@pytest.mark.parametrize(
    ("last", "days", "expected"),
    [
        (ended(), 1, True),
        (None, 1, False),
        (ended(status="FAILED"), 1, False),
        (ended(status="CANCELLED"), 1, False),
        (ended(LONGEST_HARVEST + 1), 1, False),
        (ended(LONGEST_HARVEST / 2), 3, False),  # three days take three times as long
        (ended(LONGEST_HARVEST / 2, days=3), 3, True),
        (ended(), MOST_DAYS + 1, False),
    ],
)
def test_only_a_quick_source_that_works_shares_a_run(
    last: NewestEnd | None, days: int, *, expected: bool
) -> None:
    """Any other source would delay the sources after it."""
    assert may_share_run(config(), due(days), last) is expected


@pytest.mark.parametrize("changes", [{"hours": "21:00-05:00 UTC"}, {"selective": False}])
def test_a_source_that_may_wait_for_hours_has_a_run_of_its_own(changes: dict[str, Any]) -> None:
    """Its run would last until the source may be asked, or until a snapshot of it is complete."""
    assert not may_share_run(config(**changes), due(), ended())


@given(st.lists(st.tuples(st.integers(0, 3), st.integers())), st.integers(1, 5))
def test_each_item_is_in_one_group_of_its_key(items: list[tuple[int, int]], size: int) -> None:
    """An item in no group is never harvested, and one in a group of another key gets the wrong days."""
    groups = RunGroups[tuple[int, int]](size)
    places = 0
    for key, value in items:
        before, had_place = len(groups.groups), groups.has_place(key)
        groups.add(key, (key, value))
        assert len(groups.groups) == before + (not had_place)
        places += had_place
    assert sorted(item for group in groups.groups for item in group) == sorted(items)
    for group in groups.groups:
        assert 1 <= len(group) <= size
        assert len({key for key, _ in group}) == 1
    for key in range(4):
        sizes = [len(group) for group in groups.groups if group[0][0] == key]
        assert all(full == size for full in sizes[:-1]), "only the last group of a key has free places"
