"""Unreadable records of a window: how many are too many (docs/decisions/0015).

Ten of ten thousand are a source's everyday. More than `quarantine` allows, in number and in share, or a window of
which nothing can be read, is a source that changed its format: "SUCCESS; 0 harvested, 117 failed" (Lesson 1).
"""

from __future__ import annotations

from collections.abc import Sequence

from harvest_dagster.catalog.schema import Quarantine
from harvest_dagster.errors import TooManyUnreadable
from harvest_dagster.storage.harvest_logs import Counts, HarvestLog
from harvest_dagster.storage.quarantine import Quarantined

NAMED = 5  # culprits in an error
_HOPELESS = 1000  # unreadable records, and not one that is good: a longer list would only fill the quarantine
_LONGEST_ERROR = 200


def are_too_many(counts: Counts, bounds: Quarantine) -> bool:
    """Whether a window fails by these: they must be more than both bounds, or all of at least two."""
    bad, came = counts.quarantined, counts.quarantined + counts.records
    exceeds = bad > bounds.records and bad > bounds.share * came
    return exceeds or (counts.records == 0 and bad > 1)


def are_hopeless(counts: Counts) -> bool:
    """Whether the rest of a window need not be looked at."""
    return counts.records == 0 and counts.quarantined >= _HOPELESS


def too_many(log: HarvestLog, bounds: Quarantine, culprits: Sequence[Quarantined]) -> TooManyUnreadable:
    """The error, with the numbers, the first culprits and the remedy."""
    named = "; ".join(_named(culprit) for culprit in culprits[:NAMED])
    message = (
        f"{_numbers(log, bounds)} The first: {named}. All are in the table quarantine under harvest_log_id "
        f"{log.id}; what could be read is stored. The next run fetches the window anew. If the source is meant to "
        "be like that, raise `quarantine` in its YAML."
    )
    return TooManyUnreadable(message)


def _numbers(log: HarvestLog, bounds: Quarantine) -> str:
    bad, came = log.counts.quarantined, log.counts.quarantined + log.counts.records
    if not log.counts.records:
        return f"none of the {bad} records of {log.window} that came can be read."
    return (
        f"{bad} of the {came} records of {log.window} cannot be read, more than `quarantine` allows: "
        f"{bounds.records}, and {bounds.share:.2%} of them."
    )


def _named(culprit: Quarantined) -> str:
    who = "one without an identifier" if culprit.identifier is None else culprit.identifier
    return f"{who} on page {culprit.page}, {culprit.error[:_LONGEST_ERROR].rstrip('.')}"
