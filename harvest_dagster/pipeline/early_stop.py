"""Stop a run early: after its last windows failed one after the other, or if the host cannot be reached.

The other windows would most likely fail in the same way. One run sent 364 requests to a source that was down, and ten
years would have taken thousands (docs/failures.md#skipped-windows). The windows that were not tried are not covered, so
the next run plans them again.
"""

from __future__ import annotations

from collections.abc import Sequence

from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.storage.harvest_log import run_attempts
from harvest_dagster.windows import Window, merged

_MOST_LISTED = 20


def find_stop_reason(harvest: HarvestContext) -> str | None:
    """Return why this run must not try another window; None if it may.

    The reason is in the database, because the next window may be the work of another process.
    """
    threshold = harvest.config.failure_threshold
    with harvest.run.database.read() as connection:
        ends = run_attempts.find_last_ends(connection, harvest.scope, harvest.run.id, threshold)
    if ends and ends[0].host_unreachable:
        return "the host of the source cannot be reached"
    if len(ends) == threshold and all(end.failed for end in ends):
        return f"its last windows failed one after the other (failure_threshold: {threshold})"
    return None


def describe_stop(reason: str, untried: Sequence[Window]) -> str:
    """Return the sentences for the error of a run that stops before it has tried these windows."""
    ranges = [str(window) for window in merged(untried)]
    more = len(ranges) - _MOST_LISTED
    listed = ", ".join(ranges[:_MOST_LISTED]) + (f" and {more} more ranges" if more > 0 else "")
    count = "1 window" if len(untried) == 1 else f"{len(untried)} windows"
    return (
        f"The run stops, because {reason}. It did not try {count}: {listed}. The next run plans them again."
    )
