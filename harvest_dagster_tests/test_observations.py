"""Observations are found, expire, and are written only if they are new."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from harvest_dagster.observations import Observation, Observations

NOW = datetime(2024, 5, 1, 12, tzinfo=timezone.utc)


def observed(value: object, *, days: float = 0) -> Observations:
    """Return observations with one that is so many days old."""
    return Observations([Observation("until", value, NOW - timedelta(days=days))], NOW)


def test_an_observation_expires() -> None:
    """Otherwise a source that changes its software is treated like the old one forever."""
    known = observed("midnight", days=31)
    assert known.find("until") == "midnight"
    assert known.find("until", timedelta(days=30)) is None
    assert known.find("from") is None


def test_what_is_known_already_is_not_written_again_within_a_day() -> None:
    """Otherwise each window of a healthy source costs a write."""
    known = observed("midnight", days=0.5)
    known.record("until", "midnight")
    assert known.take_changed() == []


def test_what_was_observed_long_ago_is_refreshed() -> None:
    """Otherwise an observation that every window confirms expires."""
    known = observed("midnight", days=2)
    known.record("until", "midnight")
    assert known.take_changed() == [Observation("until", "midnight", NOW)]


def test_a_new_value_replaces_the_former_one_and_is_written_once() -> None:
    """Otherwise the former value decides about the rest of the window."""
    known = observed("midnight")
    known.record("until", "inclusive")
    assert known.find("until") == "inclusive"
    assert known.take_changed() == [Observation("until", "inclusive", NOW)]
    assert known.take_changed() == []


def test_observations_of_a_client_without_a_pipeline_are_not_kept() -> None:
    """Tools use a client without a database; recording must not fail there."""
    known = Observations()
    known.record("until", "inclusive")
    assert known.find("until") is None
