"""Examine a source: with the requests of OAI-PMH, or with those that every protocol has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice

from harvest_dagster.diagnosis.connection import Connection
from harvest_dagster.diagnosis.findings import Finding, ignored_dates, in_order
from harvest_dagster.diagnosis.http_checks import check_http, explain_failure
from harvest_dagster.diagnosis.oai_doctor import OaiDoctor
from harvest_dagster.errors import MisconfiguredPath, SourceError
from harvest_dagster.harvesters.oai.client import OaiClient
from harvest_dagster.harvesters.rest.arguments import RestArguments
from harvest_dagster.harvesters.undivided import UndividedClient
from harvest_dagster.pipeline.snapshots import list_window
from harvest_dagster.records import InvalidRecord, Page
from harvest_dagster.texts import shorten
from harvest_dagster.windows import DAY, Window, whole_day

_KWARGS = ("harvester_kwargs",)
_LONGEST_ERROR = 300
_RECENT = timedelta(days=30)
_SINGLE_RECORDS = 3  # that are requested


def examine(connection: Connection, now: datetime) -> list[Finding]:
    """Return what a few requests show about a source, the problems first."""
    if isinstance(connection.client, OaiClient):
        return list(in_order(OaiDoctor(connection, now).findings()))
    return list(in_order(_examine_any(connection, now)))


def _examine_any(connection: Connection, now: datetime) -> Iterator[Finding]:
    """Yield the findings for a source of any protocol: two pages of the last 30 days, and a window in the future."""
    end = whole_day(now.date()).start
    first = whole_day(connection.source.config.earliest_date).start
    window, failure = Window(min(max(end - _RECENT, first), end - DAY), end), None
    window = list_window(connection.source.config, window)
    try:
        pages = list(islice(connection.client.list_pages(window), 2))
    except MisconfiguredPath as error:
        text = "a path of the config matches nothing in the response"
        yield Finding(
            "paths", "problem", text, shorten(str(error), _LONGEST_ERROR), "correct the path", _KWARGS
        )
        pages = []
    except SourceError as error:
        failure = explain_failure(error)
        yield failure
        pages = []
    if pages:
        yield from _check_pages(connection, pages, window)
        yield from _check_future(connection, now)
    source = connection.source
    found = check_http(source.config, connection.responses, source.redact, now)
    yield from (finding for finding in found if failure is None or finding.topic != failure.topic)
    text = "this protocol does not say: earliest date, deletion policy, granularity, clock"
    yield Finding("statements of the source", "unknown", text)


def _check_pages(connection: Connection, pages: list[Page], window: Window) -> Iterator[Finding]:
    first = pages[0]
    records = [
        record
        for page in _pages_with_records(connection, pages, window)
        for record in connection.source.parser.records(page, window)
    ]
    invalid = [record for record in records if isinstance(record, InvalidRecord)]
    if first.count == 0:
        yield Finding("page size", "unknown", f"the window {window} has no records")
        return
    yield Finding("page size", "ok", f"a page has {first.count} records", f"the first page of {window}")
    yield _check_total(connection, pages, window)
    if invalid:
        text = f"{len(invalid)} of {len(records)} records are invalid"
        yield Finding("records", "problem", text, shorten(invalid[0].error, _LONGEST_ERROR), "", _KWARGS)
    outside = [
        record
        for record in records
        if not isinstance(record, InvalidRecord) and record.datestamp and record.datestamp not in window
    ]
    if outside:
        text = f"{len(outside)} of {len(records)} records have a datestamp outside the requested window"
        yield ignored_dates(connection.source.config, text, f"{window}", _or_correct(connection))


def _or_correct(connection: Connection) -> str:
    """Return what else to change if a source ignores dates. The arguments of a REST API may name wrong parameters."""
    if not isinstance(connection.client.arguments, RestArguments):
        return ""
    return ", without {from} and {until} in harvester_kwargs; or correct the date parameters"


def _check_total(connection: Connection, pages: list[Page], window: Window) -> Finding:
    # Some harvesters know the total only at the end of the list.
    total = next((page.total for page in pages if page.total is not None), None)
    if total is not None:
        return Finding("totals", "ok", f"the source counts {total:,} records", f"total of {window}")
    if not hasattr(connection.client.arguments, "total"):
        text = "the first pages name no total; a list without one cannot be proven complete"
        return Finding("totals", "unknown", text)
    text = "the source gives no total, or the config names no path to it: lists cannot be proven complete"
    return Finding("totals", "advice", text, "", "set `total` if the response has one", _KWARGS)


def _pages_with_records(connection: Connection, pages: list[Page], window: Window) -> Iterable[Page]:
    """Return the pages that contain records: those of a list, or a few single ones if its records are not in it."""
    if not connection.client.requests_records_separately:
        return pages
    return list(islice(connection.client.pages(window), _SINGLE_RECORDS))


def _check_future(connection: Connection, now: datetime) -> Iterator[Finding]:
    topic, window = "selective harvesting", Window(now + 2 * DAY, now + 3 * DAY)
    if not connection.source.config.selective:
        yield Finding(
            topic, "ok", "each harvest requests one list of the whole source, as `selective: false` says"
        )
        return
    if isinstance(connection.client, UndividedClient):
        yield Finding(
            topic, "ok", "each list has the whole source; the harvester selects the records by date"
        )
        return
    try:
        count = sum(page.count for page in islice(connection.client.list_pages(window), 1))
    except SourceError as error:
        yield Finding(
            topic, "unknown", "a window in the future was refused", shorten(str(error), _LONGEST_ERROR)
        )
        return
    if count:
        text = "the source ignores the dates: each window contains all records"
        evidence = f"{count} records in the future window {window}"
        yield ignored_dates(connection.source.config, text, evidence, _or_correct(connection))
    else:
        yield Finding(topic, "ok", "a window in the future is empty, so the source obeys the dates")
