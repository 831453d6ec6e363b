"""Which pending days are transformed together."""

from __future__ import annotations

from datetime import date, datetime, timezone

from harvest_dagster.coverage.transform_batches import transform_batches
from harvest_dagster.storage.harvest_log.overview import PendingDay
from harvest_dagster.windows import DAY, whole_day
from harvest_dagster_tests.coverage.test_day_range import may

NOW = datetime(2024, 5, 15, 3, tzinfo=timezone.utc)


def pending(*days: int, since: datetime = NOW) -> list[PendingDay]:
    """Return pending days of May 2024."""
    return [PendingDay(1, 1, date(2024, 5, day), since, since) for day in days]


def test_pending_days_with_only_covered_days_between_are_transformed_together() -> None:
    """A weekly source would need one process for each week of its history."""
    found = transform_batches(pending(1, 2, 9, 20), [may(1, 14).window])
    assert [batch.days for batch in found] == [may(1, 9), may(20)]


def test_without_coverage_only_adjacent_days_are_transformed_together() -> None:
    """A partition that was never harvested must not be shown as transformed."""
    assert [batch.days for batch in transform_batches(pending(1, 2, 4, 5), [])] == [may(1, 2), may(4, 5)]


def test_a_batch_knows_when_its_first_and_its_last_datum_became_pending() -> None:
    """The first identifies a batch that a failed run left; the last makes the key of a new run."""
    later = NOW + DAY
    (batch,) = transform_batches([*pending(1), *pending(1, since=later)], [whole_day(date(2024, 5, 1))])
    assert (batch.first_pending, batch.last_pending) == (NOW, later)
