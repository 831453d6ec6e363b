"""The step store: writes the records of a window to the database.

One transaction contains a page and its progress (docs/failures.md#cursor-before-data), the ingest logs of its data, its
invalid records, and the removal of older invalid versions of its records from quarantine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection

from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.pipeline.fetching.identifier_index import SeenIdentifiers
from harvest_dagster.pipeline.fetching.ignored_dates import describe_outside_records, warn
from harvest_dagster.pipeline.lease_guard import LeaseHandle
from harvest_dagster.pipeline.snapshots import is_snapshot, list_window
from harvest_dagster.pipeline.steps.split import parsed_pages
from harvest_dagster.pipeline.storing import quarantine_policy
from harvest_dagster.pipeline.storing.day_counter import day_rule
from harvest_dagster.pipeline.storing.lag_counter import LagCounter
from harvest_dagster.pipeline.storing.out_of_window import OutOfWindowCounter
from harvest_dagster.pipeline.storing.queued_pages import PageQueue
from harvest_dagster.records import Record
from harvest_dagster.spool import FetchSummary, ParsedPage, fingerprints
from harvest_dagster.storage.counts import Counts
from harvest_dagster.storage.day_versions import add_changes, digest_of
from harvest_dagster.storage.deletions import absences
from harvest_dagster.storage.deletions.decisions import add_protocol_deletions
from harvest_dagster.storage.harvest_log import counters, quarantine, queries
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.storage.raw_data.originals import put_originals
from harvest_dagster.storage.raw_data.store import ChangedRecord, StoreCounts, store_records

# Quarantined identifiers in memory, about a megabyte. If a source has more, each page costs one statement.
_MOST_REMEMBERED = 10_000


def store(
    harvest: HarvestContext, log: HarvestLog, lease: LeaseHandle, keep_going: Callable[[], None]
) -> Counts:
    """Store the pages that are not stored yet, in order.

    Args:
        harvest: the harvest.
        log: the window's current log; `pages_stored` is the page to continue with.
        lease: the lease.
        keep_going: called after each page; it raises if the harvest has to stop.

    Returns:
        the counts of what this call stored.

    Raises:
        LeaseLost: another run took the lease; the current page is not stored.
        SpoolError: a page is missing or damaged.
        QuarantineLimitExceeded: too many records are invalid. All valid records are stored (docs/decisions/0015).
    """
    quarantined, out_of_window = (
        _QuarantinedIdentifiers.read(harvest),
        OutOfWindowCounter(list_window(harvest.config, log.window)),
    )
    stored, missing_originals = Counts(), 0
    with harvest.run.database.read() as connection:
        has_absent = absences.has_absences(connection, harvest.config_id)
    lags = LagCounter.read(harvest, log)
    summary, queue = _begin(harvest, log)
    for number, parsed_page in parsed_pages(harvest, log, log.pages_stored, keep_going):
        with lease.begin() as connection:
            counts = _store_page(connection, harvest, log, number, parsed_page, lags=lags, queue=queue)
            counts += out_of_window.count(parsed_page.records)
            quarantined.remove_valid(connection, parsed_page)
            if has_absent:
                absences.remove_arrived(connection, harvest.config_id, _listed_identifiers(parsed_page))
            counters.count_page(connection, log.id, number, counts)
        stored += counts
        if harvest.config.keep_original:
            missing_originals += sum(record.original is None for record in parsed_page.records)
        if quarantine_policy.may_skip_rest(log.counts + stored):
            break
        keep_going()
    if missing_originals:
        harvest.logger.warning(
            f"{missing_originals} records have no original: their harvester gives none, or the bytes of a record "
            "cannot be separated from those of its page. `keep_original` has no effect for them."
        )
    if report := out_of_window.report(stored):
        harvest.logger.debug(report)
    warning = describe_outside_records(log, log.counts + stored, out_of_window.outside_example)
    warn(harvest, lease, None if is_snapshot(harvest.config) else warning)
    if stored.outdated:
        harvest.logger.warning(
            f"{stored.outdated} records are older than what is stored, by their datestamps. They are kept as history "
            "and do not replace the newer content."
        )
    _correct_counts(harvest, log, lease, summary, keep_going)
    _check_quarantine(harvest, log.id, lease)
    queue.write_result()
    return stored


def _begin(harvest: HarvestContext, log: HarvestLog) -> tuple[FetchSummary, PageQueue]:
    """Return the summary of the pages, and the queue for their data.

    The data of a window with too many invalid records are not transformed (docs/decisions/0015).
    """
    index = harvest.attempt(log).require_parsed()
    counts = Counts(
        records=sum(valid for valid, _ in index.counts),
        quarantined=sum(invalid for _, invalid in index.counts),
    )
    fails = quarantine_policy.exceeds_limits(counts, harvest.config.quarantine)
    return index.summary, PageQueue(harvest, log, is_open=not fails)


def _correct_counts(
    harvest: HarvestContext,
    log: HarvestLog,
    lease: LeaseHandle,
    summary: FetchSummary,
    keep_going: Callable[[], None],
) -> None:
    """Count each record of a window once if several lists delivered it.

    While the pages are stored, an invalid record counts once for each page that contains it. The step fetch does not
    know which records in the lists of sub-windows belong to neighbouring windows. The parser has left these records
    out.
    """
    is_recounted = summary.sub_windows > 1 and summary.identifiers is not None
    identifiers = _count_identifiers(harvest, log, keep_going) if is_recounted else None
    with lease.begin() as connection:
        counters.correct_quarantined(connection, log.id, quarantine.count_different(connection, log))
        if identifiers is not None:
            counters.set_expected(connection, log.id, summary.expected, identifiers)


def _count_identifiers(harvest: HarvestContext, log: HarvestLog, keep_going: Callable[[], None]) -> int:
    """Return the number of different records on the parsed pages. Invalid ones without identifier differ by bytes."""
    with SeenIdentifiers() as seen:
        for _, page in parsed_pages(harvest, log, 0, keep_going):
            invalid = (record.identifier or f"{record.datum!r}" for record in page.invalid)
            seen.add(0, fingerprints([*(record.identifier for record in page.records), *invalid]))
        return seen.count_distinct([0])


def _listed_identifiers(parsed_page: ParsedPage) -> list[str]:
    """Return the identifiers of a page, also those of invalid records: the source still has these records."""
    invalid = (record.identifier for record in parsed_page.invalid if record.identifier is not None)
    return [*(record.identifier for record in parsed_page.records), *invalid]


def _store_page(
    connection: Connection,
    harvest: HarvestContext,
    log: HarvestLog,
    number: int,
    parsed_page: ParsedPage,
    *,
    lags: LagCounter,
    queue: PageQueue,
) -> Counts:
    now = harvest.run.clock()
    new = store_valid_records(connection, harvest, log, parsed_page.records, now)
    lags.count(connection, new)
    queue.add(connection, parsed_page.records, new.data, now)
    quarantine.add_records(connection, log, number, parsed_page.invalid, now)
    return Counts(
        pages=1,
        records=len(parsed_page.records),
        new_identifiers=new.new_identifiers,
        new_data=new.new_data,
        changed=new.changed_identifiers,
        deleted=sum(record.deleted for record in parsed_page.records),
        quarantined=len(parsed_page.invalid),
        outdated=new.outdated,
    )


def store_valid_records(
    connection: Connection,
    harvest: HarvestContext,
    log: HarvestLog,
    records: Sequence[Record],
    now: datetime,
) -> StoreCounts:
    """Store records of a window. Add their changes to the data versions of their days, and record deletions."""
    new = store_records(connection, harvest.config_id, records, now)
    if harvest.config.keep_original:
        put_originals(connection, harvest.config_id, records, now)
    _add_to_day_versions(connection, harvest, log, new.changed)
    deleted = [change.record.identifier for change in new.changed if change.record.deleted]
    add_protocol_deletions(connection, harvest.config_id, deleted, harvest.run.id, now)
    return new


def _add_to_day_versions(
    connection: Connection, harvest: HarvestContext, log: HarvestLog, changed: Sequence[ChangedRecord]
) -> None:
    """Add the changes of a page to the data versions of their days."""
    changes: Counter[date] = Counter()
    day_of = day_rule(harvest, log)
    for record, content_hash, revision in changed:
        changes[day_of(record)] += digest_of(record.identifier, content_hash.hex(), revision)
    add_changes(connection, harvest.config_id, "raw", changes)


def _check_quarantine(harvest: HarvestContext, log_id: int, lease: LeaseHandle) -> None:
    """Remove quarantined records of older lists. Raise if the window has too many of its own."""
    limits = harvest.config.quarantine
    with lease.begin() as connection:
        log = queries.get_log(connection, log_id)
        if not quarantine_policy.may_skip_rest(log.counts):
            quarantine.remove_outdated(connection, log)
        records = quarantine.find_by_logs(connection, [log_id], quarantine_policy.NAMED_RECORDS)
    if quarantine_policy.exceeds_limits(log.counts, limits):
        raise quarantine_policy.limit_error(log, limits, records)


@dataclass
class _QuarantinedIdentifiers:
    """The quarantined identifiers of a config. Pages without any of them cost no statement.

    Attributes:
        config_id: the config.
        identifiers: the identifiers; None if there are too many to remember.
    """

    config_id: int
    identifiers: set[str] | None

    @classmethod
    def read(cls, harvest: HarvestContext) -> _QuarantinedIdentifiers:
        with harvest.run.database.read() as connection:
            found = quarantine.find_identifiers(connection, harvest.config_id, _MOST_REMEMBERED)
        return cls(harvest.config_id, found)

    def remove_valid(self, connection: Connection, parsed_page: ParsedPage) -> None:
        """Remove the valid records of a page from quarantine, and remember its invalid ones.

        A record that occurs on the page in both forms stays in quarantine.
        """
        invalid = {record.identifier for record in parsed_page.invalid if record.identifier is not None}
        valid = {record.identifier for record in parsed_page.records} - invalid
        removed = valid if self.identifiers is None else valid & self.identifiers
        if removed:
            quarantine.remove_identifiers(connection, self.config_id, sorted(removed))
        if self.identifiers is not None:
            self.identifiers |= invalid
            if len(self.identifiers) > _MOST_REMEMBERED:
                self.identifiers = None
