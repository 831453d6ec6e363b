"""Reports once what the granularity and the clock of a source mean for `settle` and for its windows."""

from __future__ import annotations

from datetime import timedelta

from harvest_dagster.errors import SourceError
from harvest_dagster.harvesters.interface import Client
from harvest_dagster.observations import Observations
from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.pipeline.fetching.completeness import CompletenessTracker
from harvest_dagster.windows import DAY

_REPORTED = "clock"
_EXACT = timedelta(minutes=5)  # a smaller difference between two clocks changes nothing


def report_source(
    harvest: HarvestContext, client: Client, tracker: CompletenessTracker, observations: Observations
) -> None:
    """Log the granularity and the clock of the source, for the first harvest of the source and after a change.

    It is a warning if the source's clock is further behind than `settle` allows for.
    """
    offset = tracker.clock_offset
    found = {"minutes_behind": _minutes_behind(offset)}
    if not tracker.history or observations.find(_REPORTED) == found:
        return
    try:
        unit = client.smallest_window
    except SourceError:  # the list is complete; this run has only read it from the spool
        return
    observations.record(_REPORTED, found)
    line = f"{harvest.config.label}: {_granularity(unit)} {_clock(offset, harvest.config.settle)}"
    is_late = offset is not None and -offset > max(_EXACT, harvest.config.settle)
    (harvest.logger.warning if is_late else harvest.logger.info)(line)


def _minutes_behind(offset: timedelta | None) -> int | None:
    """Return a number that stays the same for small differences, so that it is written once."""
    if offset is None:
        return None
    return 0 if abs(offset) <= _EXACT else int(-offset / timedelta(hours=1)) * 60


def _granularity(unit: timedelta) -> str:
    if unit > DAY:  # see UndividedClient
        return "each list has the whole source; the harvester keeps the records of the requested days (UTC)."
    if unit == DAY:
        return (
            "the source knows only days, so a window counts as done only after the end of its last day (UTC)."
        )
    return "the source knows seconds, so a window may be shorter than a day."


def _clock(offset: timedelta | None, settle: timedelta) -> str:
    if offset is None:
        return f"It does not name its time. `settle` is {settle}."
    if abs(offset) <= _EXACT:
        return f"Its clock agrees with ours. `settle` is {settle}."
    hours = abs(offset) / timedelta(hours=1)
    if offset > timedelta():
        return f"Its clock is {hours:.1f} h ahead of ours; ours decides. `settle` is {settle}."
    return f"Its clock is {hours:.1f} h behind ours, so a day counts as done that much later. `settle` is {settle}."
