"""Conclude from a snapshot that was stored which records the source no longer has."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.pipeline.deletions.removal import CompleteList, Removal, conclude
from harvest_dagster.pipeline.lease_guard import LeaseHandle
from harvest_dagster.pipeline.reconciling.comparison import compare
from harvest_dagster.pipeline.reconciling.header_sort import HeaderSort
from harvest_dagster.pipeline.steps.split import parsed_pages
from harvest_dagster.records import RecordHeader
from harvest_dagster.spool import FetchSummary, ParsedPage
from harvest_dagster.storage.counts import Counts
from harvest_dagster.storage.harvest_log import counters
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.storage.raw_data.known_records import stream_known_records


def remove_unlisted(
    harvest: HarvestContext, log: HarvestLog, lease: LeaseHandle, keep_going: Callable[[], None]
) -> Removal | None:
    """Delete the records that a snapshot does not contain, if the evidence suffices.

    Args:
        harvest: the harvest.
        log: the log of the snapshot. All its pages are stored and launched.
        lease: the lease.
        keep_going: called after each page; it raises if the harvest has to stop.

    Returns:
        The result; None if the list is no snapshot, or is not complete, proven and without a limit.

    Raises:
        SpoolError: a page is missing or damaged.
        LeaseLost: another run took the lease.
    """
    if harvest.config.selective or log.attempt_began is None:
        return None
    summary = harvest.attempt(log).require_parsed().summary
    if not _is_proof(log, summary):
        return None
    with HeaderSort() as sort:
        unnamed = 0
        for _, page in parsed_pages(harvest, log, 0, keep_going):
            unnamed += sum(record.identifier is None for record in page.invalid)
            sort.add(_headers(page))
            keep_going()
        if unnamed:
            harvest.logger.warning(
                f"nothing is concluded about removed records: {unnamed} invalid records have no readable identifier, "
                "and may be those that seem to be absent"
            )
            return None
        removal = _conclude(harvest, log, lease, sort)
    if removal != Removal():
        harvest.logger.info(f"records that the source no longer lists: {removal}")
    return removal


def _is_proof(log: HarvestLog, summary: FetchSummary) -> bool:
    """Return whether a list shows that records were removed."""
    return (
        log.record_limit is None
        and log.pages_stored == summary.pages
        and summary.completeness == "complete"
        and summary.doubt is None
        and summary.records > 0
        and summary.lists_everything
    )


def _conclude(harvest: HarvestContext, log: HarvestLog, lease: LeaseHandle, sort: HeaderSort) -> Removal:
    began = log.attempt_began or harvest.run.clock()
    with harvest.run.database.read() as connection:
        known = stream_known_records(connection, harvest.config_id)
        differences = compare(sort.merged(), known, began)
        return conclude(
            harvest,
            lease,
            CompleteList("snapshot", began, harvest.run.id),
            (one.known for one in differences if one.kind == "gone" and one.header is None and one.known),
            count=lambda writer, deleted: counters.add_counts(writer, log.id, Counts(deleted=deleted)),
        )


def _headers(page: ParsedPage) -> Iterator[RecordHeader]:
    """Yield a header for each record of a page. An invalid record is listed, too; what it says is not known."""
    for record in page.records:
        yield RecordHeader(record.identifier, record.datestamp, record.deleted)
    for invalid in page.invalid:
        if invalid.identifier is not None:
            yield RecordHeader(invalid.identifier, None)
