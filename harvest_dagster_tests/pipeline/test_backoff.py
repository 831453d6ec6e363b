"""Pauses before a retry."""

from __future__ import annotations

from datetime import timedelta

from harvest_dagster.pipeline.backoff import pause_before_retry


def test_the_pause_starts_at_one_hour_and_doubles_up_to_one_day() -> None:
    """A source that is down for a week is asked a few times only."""
    hours = [pause_before_retry(probes) / timedelta(hours=1) for probes in (0, 1, 2, 3, 4, 5, 50, 10**6)]
    assert hours == [1, 2, 4, 8, 16, 24, 24, 24]
