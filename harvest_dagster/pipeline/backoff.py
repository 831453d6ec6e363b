"""Pauses before a harvest that has failed is tried again. Preflight and the sensors share them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from harvest_dagster.storage.harvest_log.run_attempts import RunAttempt

_FIRST_PAUSE = timedelta(hours=1)
_LONGEST_PAUSE = timedelta(hours=24)


def pause_before_retry(failed_retries: int) -> timedelta:
    """Return the pause before the next retry: one hour, doubled for each failed retry, at most one day."""
    return min(_FIRST_PAUSE * int(2 ** min(failed_retries, 10)), _LONGEST_PAUSE)


def is_pause_over(now: datetime, tries: int, last: datetime) -> bool:
    """Return whether the pause after the last try is over. It is over if there was no try.

    Args:
        now: the time.
        tries: number of tries so far.
        last: the time of the last try.
    """
    return tries == 0 or now >= last + pause_before_retry(tries - 1)


def count_failed_probes(failures: Sequence[RunAttempt], threshold: int) -> int:
    """Return how many runs failed after the threshold was reached. A run that failed at several windows counts once.

    Args:
        failures: consecutive failures, the oldest first.
        threshold: the config's `failure_threshold`.
    """
    if len(failures) < threshold:
        return 0
    reached_by = failures[threshold - 1].run_id
    return len({failure.run_id for failure in failures[threshold:]} - {reached_by})
