"""Detect sources that ignore the dates of a request: each window then downloads the whole source.

Two things show it: most records of a list are outside of the window, or windows without a common day return the same
list. The log then names the line of the YAML that makes each harvest a snapshot (`pipeline.snapshots`).
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

from harvest_dagster.errors import SourceError
from harvest_dagster.harvesters.interface import Client
from harvest_dagster.observations import Observation, Observations
from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.pipeline.fetching.completeness import CompletenessTracker
from harvest_dagster.pipeline.fetching.identifier_index import SeenIdentifiers
from harvest_dagster.pipeline.lease_guard import LeaseHandle
from harvest_dagster.storage import source_observations
from harvest_dagster.storage.counts import Counts
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.windows import DAY, Window, format_bounds, parse_instant

_ENOUGH_RECORDS = 10  # fewer may be equal or outside by chance
_LISTS, _MOST_LISTS = "window_lists", 5
_WARNED = "dates_ignored"
_LINE = (
    "If the source ignores dates, add this line to its YAML: `selective: false`. Each harvest then requests one list "
    "of the whole source, without dates."
)


def find_repeated_list(
    client: Client,
    log: HarvestLog,
    tracker: CompletenessTracker,
    seen: SeenIdentifiers,
    observations: Observations,
) -> str | None:
    """Return a warning if the list of another window had the same identifiers; None if there is no reason for one.

    The digests of a few lists are kept with the source.

    Args:
        client: has requested the list.
        log: the log of the window.
        tracker: has counted the list.
        seen: its identifiers.
        observations: what is known about the source.
    """
    if log.record_limit is not None or not _is_selected_by_date(client, tracker):
        return None
    found = {"window": format_bounds(log.window), "digest": seen.digest(), "records": tracker.records}
    known: list[dict[str, Any]] = observations.find(_LISTS) or []
    others = [one for one in known if not _window(one).intersection(log.window)]
    if len(known) == len(others) and (len(known) < _MOST_LISTS or observations.find(_LISTS, DAY) is None):
        observations.record(_LISTS, [*known, found][-_MOST_LISTS:])
    same = next((one for one in others if one["digest"] == found["digest"]), None)
    if same is None:
        return None
    return (
        f"the source returned the same list of {tracker.records:,} records for {log.window} and for {_window(same)}. "
        f"{_LINE}"
    )


def describe_outside_records(log: HarvestLog, counts: Counts, example: str) -> str | None:
    """Return a warning if most records of a window are outside of it; None if they are not.

    Args:
        log: the log of the window.
        counts: what was stored of it.
        example: identifier and datestamp of one of these records.
    """
    if counts.records < _ENOUGH_RECORDS or counts.outside_window * 2 <= counts.records:
        return None
    such_as = f", such as {example}" if example else ""
    return (
        f"{counts.outside_window:,} of {counts.records:,} records of {log.window} have a datestamp outside of it"
        f"{such_as}. {_LINE} If it selects by another date than its datestamp, nothing is wrong."
    )


def warn(harvest: HarvestContext, lease: LeaseHandle, warning: str | None) -> None:
    """Log a warning, at most one a day for each source: all of its windows have the same reason."""
    if warning is None:
        return
    key, now = (harvest.config_id, harvest.source.request_digest), harvest.run.clock()
    with lease.begin() as connection:
        known = Observations(source_observations.find_observations(connection, *key), now)
        if known.find(_WARNED, timedelta(days=1)) is not None:
            return
        source_observations.save_observations(connection, *key, [Observation(_WARNED, warning, now)])
    harvest.logger.warning(warning)


def _is_selected_by_date(client: Client, tracker: CompletenessTracker) -> bool:
    """Return whether the records of a list show how the source treats dates.

    They do not if each list has the whole source or reaches to the present, or if most records belong to the windows
    next to it.
    """
    if tracker.records < _ENOUGH_RECORDS or tracker.own_records * 2 <= tracker.records:
        return False
    with suppress(SourceError):
        return not client.has_open_end and client.smallest_window <= DAY
    return False


def _window(known: dict[str, Any]) -> Window:
    start, end = known["window"]
    return Window(parse_instant(start), parse_instant(end))
