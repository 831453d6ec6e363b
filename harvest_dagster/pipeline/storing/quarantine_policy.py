"""How many invalid records a window may have before it fails (docs/decisions/0015).

Ten of ten thousand are normal for a source. A window fails if its invalid records exceed both limits of `quarantine`,
the number and the share. It also fails if it has several records and none is valid: then the source has probably
changed its format. Another harvester reported "SUCCESS; 0 harvested, 117 failed" (docs/failures.md#truncated-page).
"""

from __future__ import annotations

from collections.abc import Sequence

from harvest_dagster.catalog.schema import Quarantine
from harvest_dagster.errors import QuarantineLimitExceeded
from harvest_dagster.storage.counts import Counts
from harvest_dagster.storage.harvest_log.quarantine import QuarantinedRecord
from harvest_dagster.storage.harvest_log.queries import HarvestLog

NAMED_RECORDS = 5  # invalid records in an error message
_ENOUGH_INVALID = 1000  # records; if all are invalid, more of them would only fill the quarantine
_LONGEST_ERROR = 200  # characters


def exceeds_limits(counts: Counts, limits: Quarantine) -> bool:
    """Return whether a window fails: it exceeds both limits, or has at least two records, all invalid."""
    invalid, all_records = counts.quarantined, counts.quarantined + counts.records
    exceeds = invalid > limits.records and invalid > limits.share * all_records
    return exceeds or (counts.records == 0 and invalid > 1)


def may_skip_rest(counts: Counts) -> bool:
    """Return whether the step store may skip the rest of the window, because only invalid records have come so far."""
    return counts.records == 0 and counts.quarantined >= _ENOUGH_INVALID


def limit_error(
    log: HarvestLog, limits: Quarantine, records: Sequence[QuarantinedRecord]
) -> QuarantineLimitExceeded:
    """Return the error with the numbers, the first invalid records and the remedy."""
    named = "; ".join(_describe(record) for record in records[:NAMED_RECORDS])
    message = (
        f"{_numbers(log, limits)} The first: {named}. All are in the table quarantine under harvest_log_id "
        f"{log.id}. The valid records are stored. The next run fetches the window again. If this is normal for the "
        "source, raise `quarantine` in its YAML."
    )
    return QuarantineLimitExceeded(message)


def _numbers(log: HarvestLog, limits: Quarantine) -> str:
    invalid, all_records = log.counts.quarantined, log.counts.quarantined + log.counts.records
    if not log.counts.records:
        return f"none of the {invalid} records of {log.window} is valid."
    return (
        f"{invalid} of the {all_records} records of {log.window} are invalid. `quarantine` allows {limits.records} "
        f"records or {limits.share:.2%}, whichever is more."
    )


def _describe(record: QuarantinedRecord) -> str:
    identifier = "a record without an identifier" if record.identifier is None else record.identifier
    return f"{identifier} on page {record.page}, {record.error[:_LONGEST_ERROR].rstrip('.')}"
