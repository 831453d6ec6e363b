"""Estimate what a backfill will cost: windows, requests, time and disk space.

The windows are exact: they come from the rule of the step plan. The rest is an estimate from the source's own history,
or from one page of the source.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from harvest_dagster.catalog.arguments import has_open_end
from harvest_dagster.catalog.hosts import rate_limit_of
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.coverage.scopes import log_scope
from harvest_dagster.diagnosis.connection import Connection
from harvest_dagster.errors import OutsideHours, SourceError
from harvest_dagster.pipeline.snapshots import is_snapshot, list_window
from harvest_dagster.pipeline.steps.plan import remaining_windows
from harvest_dagster.records import Record
from harvest_dagster.storage import ingest_configs
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log import coverage_rule, queries
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.storage.record_sizes import RecordSizes, find_record_sizes
from harvest_dagster.texts import one_line
from harvest_dagster.windows import DAY, Window, whole_day

_MOST_LOGS = 1000
# Bytes of rows and indexes for each record, besides its datum and document: docs/decisions/0041.
ROW_BYTES = 950
_REQUESTS_PER_WINDOW = 1.0  # Identify, if there is no history


@dataclass(frozen=True)
class History:
    """What a source has delivered, or what one page of it shows.

    Attributes:
        basis: what the numbers are based on, in one sentence.
        records_per_day: mean number of records of a day; None if it is not known.
        page_size: mean number of records of a page, those of single records included; None if it is not known.
        requests_per_window: mean number of requests of a window that return no page.
        record_bytes: mean size of a stored record, rows and indexes included; None if it is not known.
        seconds_per_request: mean duration of a request, waits included; 0 if it is not known.
    """

    basis: str
    records_per_day: float | None
    page_size: float | None
    requests_per_window: float = _REQUESTS_PER_WINDOW
    record_bytes: float | None = None
    seconds_per_request: float = 0.0


@dataclass(frozen=True)
class BackfillPlan:
    """What a backfill will cost. A number is None if nothing is known about it.

    Attributes:
        windows: the windows that are not covered yet.
        requests: number of requests.
        seconds: the time that they take at the allowed rate, including the waits for the `hours` of the source.
        bytes: the space that the records will take in the database.
        records: number of records.
        basis: what the estimate is based on.
    """

    windows: tuple[Window, ...]
    requests: int | None
    seconds: float | None
    bytes: int | None
    records: int | None
    basis: str


def find_windows(
    database: Database | None, config: IngestConfig, wanted: Window, now: datetime
) -> list[Window]:
    """Return the windows of a range that are not covered yet."""
    covered: list[Window] = []
    if database is not None:
        with database.read() as connection:
            config_id = ingest_configs.find_id(connection, config.label)
            if config_id is not None:
                scope = log_scope(config, config_id)
                covered = coverage_rule.covered_windows(
                    coverage_rule.find_coverage(connection, scope, wanted)
                )
    one_list = has_open_end(config, os.environ)
    return remaining_windows(config, wanted, covered, now, one_list=one_list)


def read_history(database: Database, config: IngestConfig) -> History | None:
    """Return what the last harvests of a source delivered; None if none of them had a record."""
    with database.read() as connection:
        config_id = ingest_configs.find_id(connection, config.label)
        if config_id is None:
            return None
        logs = queries.find_last_finished(connection, log_scope(config, config_id), _MOST_LOGS)
        sizes = find_record_sizes(connection, config_id)
    usable = [log for log in logs if log.status == "SUCCEEDED" and log.record_limit is None]
    if is_snapshot(config):
        first = whole_day(config.earliest_date).start
        usable = [log for log in usable if log.window.start <= first][:1]  # the last snapshot has all records
    pages, records = sum(log.counts.pages for log in usable), sum(log.counts.records for log in usable)
    if not records or not pages or sizes is None:
        return None
    days = sum((log.window.length for log in usable), timedelta()) / DAY
    requests = sum(log.counts.requests for log in usable)
    return History(
        basis=f"harvested windows ({len(usable)}) of {days:g} days with {records:,} records",
        records_per_day=records / days,
        page_size=records / pages,
        requests_per_window=max(0.0, (requests - pages) / len(usable)),
        record_bytes=_record_bytes(sizes, config),
        seconds_per_request=_seconds(usable) / requests if requests else 0.0,
    )


def _record_bytes(sizes: RecordSizes, config: IngestConfig) -> float:
    documents = sizes.document if config.transformer is not None else 0.0
    return sizes.datum + documents + ROW_BYTES


def _seconds(logs: Sequence[HarvestLog]) -> float:
    return sum(
        (log.date_completed - log.date_started).total_seconds()
        for log in logs
        if log.date_started and log.date_completed
    )


def probe(connection: Connection, windows: Sequence[Window]) -> History:
    """Request the first page of all windows together, and return what it shows.

    The total of the source, if it gives one, is distributed evenly over the days. If the source has several lists, all
    of them are taken to be as long as the first.
    """
    span = Window(windows[0].start, windows[-1].end)
    asked = list_window(connection.source.config, span)
    try:
        page = next(connection.client.list_pages(asked), None)
    except OutsideHours as error:
        return History(f"no history, and {one_line(str(error))}", None, None)
    except SourceError as error:
        return History(f"no history, and the source did not answer: {one_line(str(error))}", None, None)
    if page is None or not page.count:
        return History("no history; the source has no records in the range", 0.0, None)
    found = connection.source.parser.records(page, asked)
    sizes = [len(record.blob.encode()) for record in found if isinstance(record, Record)]
    datum = sum(sizes) / len(sizes) if sizes else None
    is_whole = page.total is None and page.next is None
    total = page.count if is_whole else page.total
    lists = connection.client.list_count or 1
    known = (
        f"a total of {total:,}" if total is not None else "no total, so the number of records is not known"
    )
    # A document of the only built-in transformer repeats the values of the record.
    factor = 2 if connection.source.config.transformer is not None else 1
    return History(
        basis=f"no history; one page of {page.count} records, with {known}"
        + (f", in the first of {lists} lists" if lists > 1 else ""),
        records_per_day=None if total is None else lists * total / (span.length / DAY),
        page_size=page.count / (1 + page.count)
        if connection.client.requests_records_separately
        else float(page.count),
        requests_per_window=_REQUESTS_PER_WINDOW + lists - 1,
        record_bytes=None if datum is None else factor * datum + ROW_BYTES,
    )


def estimate(
    config: IngestConfig, windows: Sequence[Window], history: History | None, now: datetime
) -> BackfillPlan:
    """Return what these windows will cost if they are harvested from now on."""
    if not windows:
        return BackfillPlan((), 0, 0.0, 0, 0, "the whole range is covered")
    if history is None or history.records_per_day is None:
        basis = "nothing" if history is None else history.basis
        return BackfillPlan(tuple(windows), None, None, None, None, basis)
    counts = [history.records_per_day * (window.length / DAY) for window in windows]
    size = history.page_size or 1.0
    # An empty window takes one request, too.
    requests = ceil(sum(max(1, ceil(count / size)) + history.requests_per_window for count in counts))
    records = round(sum(counts))
    limit = rate_limit_of(config)
    seconds = requests * max(limit.period / limit.calls, history.seconds_per_request)
    basis = history.basis
    if is_snapshot(config):
        basis += "; one list of the whole source"
    if config.hours is not None:
        basis += f"; {timedelta(seconds=round(seconds))} of requests, sent only in the hours {config.hours}"
        seconds = (config.hours.end_of_work(now, timedelta(seconds=seconds)) - now).total_seconds()
    size_of_all = None if history.record_bytes is None else round(records * history.record_bytes)
    if records == 0:
        size_of_all = 0
    return BackfillPlan(tuple(windows), requests, round(seconds, 1), size_of_all, records, basis)
