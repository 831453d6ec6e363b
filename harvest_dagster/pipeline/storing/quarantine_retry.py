"""Parse quarantined records again with the present parser, and store those that are valid now.

A record passes through the usual steps: the validation of split, then store and launch. One transaction under the lease
stores the records of a window and deletes them from the quarantine. The log of the window keeps its counts, which
describe its harvest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from sqlalchemy import Connection

from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.pipeline.lease_guard import LeaseHandle
from harvest_dagster.pipeline.steps.launch import launch_records
from harvest_dagster.pipeline.steps.split import as_storable
from harvest_dagster.pipeline.steps.store import store_valid_records
from harvest_dagster.records import InvalidRecord, Record
from harvest_dagster.storage.harvest_log import quarantine, queries
from harvest_dagster.storage.harvest_log.quarantine import QuarantinedRow
from harvest_dagster.storage.raw_data.current_records import find_newest_arrivals

BATCH = 100  # records in memory, each with its bytes


@dataclass(frozen=True)
class RetryOutcome:
    """The result for quarantined records, by their primary keys.

    Attributes:
        stored: valid now, and stored.
        superseded: valid now, but a version of the record that arrived later is stored. They are deleted.
        invalid: still invalid. They have the present error.
        unsupported: the parser of the source cannot parse a record without its page.
    """

    stored: tuple[int, ...] = ()
    superseded: tuple[int, ...] = ()
    invalid: tuple[int, ...] = ()
    unsupported: tuple[int, ...] = ()

    def __add__(self, other: RetryOutcome) -> RetryOutcome:
        return RetryOutcome(
            self.stored + other.stored,
            self.superseded + other.superseded,
            self.invalid + other.invalid,
            self.unsupported + other.unsupported,
        )


def retry_records(
    harvest: HarvestContext, lease: LeaseHandle, rows: Sequence[QuarantinedRow]
) -> RetryOutcome:
    """Parse these records of the harvest's source again, in the order in which they arrived.

    Raises:
        LeaseLost: another run has acquired the lease; the present batch was not written.
    """
    outcome = RetryOutcome()
    for batch in _batches(rows):
        outcome += _retry_batch(harvest, lease, batch)
        lease.raise_if_lost()
    return outcome


def _batches(rows: Sequence[QuarantinedRow]) -> Iterator[list[QuarantinedRow]]:
    """Yield the records in batches that belong to one window each."""
    for _, of_log in groupby(sorted(rows, key=lambda row: row.id), key=lambda row: row.harvest_log_id):
        found = list(of_log)
        for start in range(0, len(found), BATCH):
            yield found[start : start + BATCH]


def _retry_batch(harvest: HarvestContext, lease: LeaseHandle, rows: Sequence[QuarantinedRow]) -> RetryOutcome:
    with lease.begin() as connection:
        log = queries.get_log(connection, rows[0].harvest_log_id)
        # A row may have been deleted since: a harvest has stored a valid version.
        bytes_by_id = quarantine.find_bytes(connection, [row.id for row in rows])
        parsed = {row.id: _parse(harvest, row, bytes_by_id[row.id]) for row in rows if row.id in bytes_by_id}
        records = {key: found for key, found in parsed.items() if isinstance(found, Record)}
        invalid = {key: found for key, found in parsed.items() if isinstance(found, InvalidRecord)}
        superseded = _find_superseded(connection, harvest.config_id, rows, records)
        stored = {key: record for key, record in records.items() if key not in superseded}
        now: datetime = harvest.run.clock()
        store_valid_records(connection, harvest, log, list(stored.values()), now)
        launch_records(connection, harvest, log, list(stored.values()))
        quarantine.remove_rows(connection, [*stored, *superseded])
        quarantine.set_errors(
            connection, {key: harvest.source.redact(found.error) for key, found in invalid.items()}
        )
    unsupported = tuple(key for key, found in parsed.items() if found is None)
    return RetryOutcome(tuple(stored), tuple(superseded), tuple(invalid), unsupported)


def _parse(harvest: HarvestContext, row: QuarantinedRow, datum: bytes) -> Record | InvalidRecord | None:
    parsed = harvest.source.parser.single_record(datum, row.window)
    return None if parsed is None else as_storable(parsed)


def _find_superseded(
    connection: Connection, config_id: int, rows: Sequence[QuarantinedRow], records: Mapping[int, Record]
) -> list[int]:
    """Return the keys of records without a datestamp, or with that of a stored version, if this version arrived later.

    The version that arrived last is then the current one, and a quarantined record arrived when it was quarantined. If
    the datestamps differ, the step store keeps the newer one (docs/decisions/0026).
    """
    identifiers = sorted({record.identifier for record in records.values()})
    arrivals = find_newest_arrivals(connection, config_id, identifiers) if identifiers else {}
    quarantined_at = {row.id: row.date_created for row in rows}
    return [
        key
        for key, record in records.items()
        if (arrival := arrivals.get(record.identifier))
        and arrival.date > quarantined_at[key]
        and record.datestamp in (None, arrival.datestamp)
    ]
