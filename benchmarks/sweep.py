"""Measure a sweep: the time, the requests and the memory to compare all identifiers of a source with the stored ones.

    python benchmarks/sweep.py [--identifiers 1000000] [--compare-only 0] [--databases sqlite postgresql]

A small server in a process of its own answers ListIdentifiers with 1,000 headers on a page, over ten years. The
database is filled with the same records by bulk insert. 200 records are missing here on 20 days, 100 have a newer
datestamp on these days, and 100 are gone. The rate limit does not slow the requests down. The sweep runs in a process
of its own, without Dagster; its peak memory is that of this process.

With `--compare-only N`, N headers are sorted and compared with N records that are generated in place of the database's
stream. That shows the memory of the comparison for any number of records in a few minutes.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from common.services import postgresql
from sqlalchemy import insert

from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.pipeline import lease_guard
from harvest_dagster.pipeline.context import CurrentRun, HarvestContext, Parameters, RunHistory
from harvest_dagster.pipeline.reconciling.comparison import ComparedRecords, compare
from harvest_dagster.pipeline.reconciling.header_sort import HeaderSort
from harvest_dagster.pipeline.reconciling.sweep import finish_sweep, list_headers, reconcile
from harvest_dagster.pipeline.reconciling.sweep_guard import begin_sweep, hold_sweep
from harvest_dagster.pipeline.run_window import WindowRun
from harvest_dagster.pipeline.source_access import SourceAccess
from harvest_dagster.processes import this_process
from harvest_dagster.records import RecordHeader
from harvest_dagster.spool import Spool
from harvest_dagster.storage import ingest_configs
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.raw_data.known_records import KnownRecord
from harvest_dagster.storage.tables import raw_datum, source_unique_identifier
from harvest_dagster.windows import Window, utc_now

PAGE = 1_000
FIRST_DAY = date(2015, 1, 1)
FIRST = datetime(2015, 1, 1, tzinfo=timezone.utc)
SPAN = timedelta(days=3650)
STORED = datetime(2025, 1, 1, tzinfo=timezone.utc)
# In each of these groups of records that follow each other: which are missing here, changed there, gone there.
GROUPS, MISSING, CHANGED, GONE = 20, range(100, 110), range(110, 115), range(2_000, 2_005)
_BATCH = 20_000
_OAI = (
    '<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><responseDate>{now}</responseDate>'
    '<request verb="{verb}">{url}</request>{body}</OAI-PMH>'
)
_HEADER = "<header><identifier>{identifier}</identifier><datestamp>{stamp}</datestamp></header>"
_RECORD = (
    '<record>{header}<metadata><oai_dc:dc xmlns:oai_dc="http://www.openarchives.org/OAI/2.0/oai_dc/" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{identifier}</dc:title></oai_dc:dc></metadata></record>'
)


@dataclass(frozen=True)
class Contents:
    """What the source and the database contain. Record n has the n-th datestamp.

    Attributes:
        count: number of records on both sides together.
    """

    count: int

    def identifier(self, number: int) -> str:
        """Return the identifier of a record. Its order differs from that of the datestamps."""
        return f"oai:benchmark.example.org:{number * 7919 % self.count:09d}"

    def number(self, identifier: str) -> int:
        """Return the number of a record."""
        return int(identifier.rpartition(":")[2]) * pow(7919, -1, self.count) % self.count

    def datestamp(self, number: int) -> datetime:
        """Return the datestamp of a record in seconds, the same on both sides."""
        return FIRST + timedelta(seconds=number * (SPAN // timedelta(seconds=1)) // self.count)

    def first_from(self, instant: datetime) -> int:
        """Return the number of the first record with this datestamp or a later one."""
        seconds = max(0, (instant - FIRST) // timedelta(seconds=1))
        number = min(self.count, max(0, seconds * self.count // (SPAN // timedelta(seconds=1)) - 1))
        while number < self.count and self.datestamp(number) < instant:
            number += 1
        return number

    def is_missing(self, number: int) -> bool:
        """Return whether a record is not stored."""
        return number % (self.count // GROUPS) in MISSING

    def is_changed(self, number: int) -> bool:
        """Return whether the source lists a record with a newer datestamp."""
        return number % (self.count // GROUPS) in CHANGED

    @cached_property
    def gone(self) -> list[int]:
        """The numbers of the records that the source does not list."""
        return [group * (self.count // GROUPS) + place for group in range(GROUPS) for place in GONE]


class Handler(BaseHTTPRequestHandler):
    """Answers Identify, ListIdentifiers, ListRecords and GetRecord."""

    protocol_version = "HTTP/1.1"
    contents: Contents
    gone: frozenset[int]

    def do_GET(self) -> None:
        """Answer one request."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        verb = query.get("verb", "")
        body = _OAI.format(
            now=_text(utc_now()), verb=verb, url="http://127.0.0.1/", body=self._body(verb, query)
        )
        data = body.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _body(self, verb: str, query: dict[str, str]) -> str:
        if verb == "Identify":
            return (
                "<Identify><repositoryName>Benchmark</repositoryName><baseURL>http://127.0.0.1/</baseURL>"
                "<protocolVersion>2.0</protocolVersion><adminEmail>a@example.org</adminEmail>"
                f"<earliestDatestamp>{_text(FIRST)}</earliestDatestamp><deletedRecord>no</deletedRecord>"
                "<granularity>YYYY-MM-DDThh:mm:ssZ</granularity></Identify>"
            )
        if verb == "GetRecord":
            number = self.contents.number(query["identifier"])
            missing = '<error code="idDoesNotExist">no such record</error>'
            return missing if number in self.gone else f"<GetRecord>{self._item(verb, number)}</GetRecord>"
        if verb not in ("ListIdentifiers", "ListRecords"):
            return '<error code="badVerb">unknown</error>'
        return self._list(verb, query)

    def _list(self, verb: str, query: dict[str, str]) -> str:
        """Return a page. A token has the bounds of the list, the next number, and the position in the list."""
        if token := query.get("resumptionToken"):
            first, last, number, position = map(int, token.split("-"))
        else:
            until = _instant(query["until"]) + timedelta(seconds=1) if "until" in query else FIRST + 2 * SPAN
            start = _instant(query["from"]) if "from" in query else FIRST
            first, last, position = self.contents.first_from(start), self.contents.first_from(until), 0
            number = first
        page: list[int] = []
        while number < last and len(page) < PAGE:
            if number not in self.gone:
                page.append(number)
            number += 1
        if not page:
            return '<error code="noRecordsMatch">none</error>'
        total = last - first - sum(first <= one < last for one in self.gone)
        items = "".join(self._item(verb, number) for number in page)
        following = position + len(page)
        next_token = f"{first}-{last}-{number}-{following}" if following < total else ""
        attributes = f'completeListSize="{total}" cursor="{position}"'
        return f"<{verb}>{items}<resumptionToken {attributes}>{next_token}</resumptionToken></{verb}>"

    def _item(self, verb: str, number: int) -> str:
        identifier, stamp = self.contents.identifier(number), self.contents.datestamp(number)
        if self.contents.is_changed(number):
            stamp += timedelta(seconds=1)
        header = _HEADER.format(identifier=identifier, stamp=_text(stamp))
        return header if verb == "ListIdentifiers" else _RECORD.format(header=header, identifier=identifier)

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


def _text(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def _instant(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)


def serve(count: int, port: Any, stop: Event) -> None:
    """Serve the source until the event is set."""
    Handler.contents = Contents(count)
    Handler.gone = frozenset(Handler.contents.gone)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    port.value = server.server_address[1]
    server.timeout = 0.5
    while not stop.is_set():
        server.handle_request()


def fill(database: Database, config_id: int, count: int) -> None:
    """Store the records."""
    contents = Contents(count)
    for first in range(0, count, _BATCH):
        numbers = [
            number for number in range(first, min(first + _BATCH, count)) if not contents.is_missing(number)
        ]
        known = [
            {
                "id": number + 1,
                "ingest_config_id": config_id,
                "identifier": contents.identifier(number),
                "current_datestamp": contents.datestamp(number),
                "raw_id": number + 1,
                "changed_at": STORED,
                "first_seen": STORED,
            }
            for number in numbers
        ]
        data = [
            {
                "id": number + 1,
                "suid_id": number + 1,
                "hash": number.to_bytes(32, "big"),
                "datum": "<record/>",
                "datestamp": contents.datestamp(number),
                "deleted": False,
                "date_created": STORED,
            }
            for number in numbers
        ]
        with database.begin() as connection:
            connection.execute(insert(source_unique_identifier), known)
            connection.execute(insert(raw_datum), data)
    if database.dialect == "postgresql":  # the sequences do not know the keys that were given
        with database.begin() as connection:
            for name in (source_unique_identifier.name, raw_datum.name):
                connection.exec_driver_sql(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), {count})")


def _config(port: int) -> IngestConfig:
    return IngestConfig.model_validate(
        {
            "label": "benchmark",
            "harvester": "oai",
            "harvester_kwargs": {"base_url": f"http://127.0.0.1:{port}/"},
            "rate_limit": {"calls": 100_000, "period": 1},
            "earliest_date": FIRST_DAY,
            "deletions": {"by": "reconcile"},
        }
    )


def _context(database: Database, folder: str, port: int) -> HarvestContext:
    config = _config(port)
    with database.begin() as connection:
        key = ingest_configs.save_config(connection, config.model_dump(mode="json", by_alias=True), utc_now())
    run = CurrentRun(
        id="benchmark",
        process=this_process(),
        history=RunHistory(lambda _: None, str),
        database=database,
        spool=Spool(folder),
        clock=utc_now,
        logger=logging.getLogger("benchmark"),
    )
    return HarvestContext(config, key, Parameters(), run, SourceAccess(config, os.environ, (config,)))


def measure(url: str, folder: str, port: int) -> None:
    """Run a sweep, and print what it cost."""
    start = time.perf_counter()
    with Database.open(url) as database:
        harvest = _context(database, folder, port)
        with hold_sweep(harvest, begin_sweep(harvest, single_process=True).id) as guard:
            listed = list_headers(harvest, guard)
            seconds = time.perf_counter() - start
            print(
                f"{database.dialect:10} listing   {seconds:6.1f} s, {listed.pages} pages, {listed.requests} requests, "
                f"{len(listed.windows)} windows, {listed.bytes / 2**20:.0f} MB received, peak {_peak():.0f} MB"
            )
            wanted = Window(FIRST, FIRST + SPAN)
            lease_guard.acquire(harvest, wanted, single_process=True)
            with lease_guard.hold_lease(harvest) as lease:
                reconcile(WindowRun(harvest, lease), guard)
                sweep = finish_sweep(harvest, guard, lease)
    found = sweep.findings
    print(
        f"{database.dialect:10} the rest  {time.perf_counter() - start - seconds:6.1f} s, {found.listed} listed, "
        f"{found.known} known, {found.missing} missing, {found.changed} changed, {found.gone} gone, "
        f"{found.repaired} repaired, {found.deleted} deleted, {sweep.requests} requests for the sweep, "
        f"peak {_peak():.0f} MB"
    )


def measure_comparison(count: int) -> None:
    """Sort headers and compare them with generated records, and print what it cost."""
    contents, start = Contents(count), time.perf_counter()
    counts = ComparedRecords()
    with HeaderSort() as sort:
        sort.add(_headers(contents))
        seconds = time.perf_counter() - start
        print(f"sorting   {seconds:6.1f} s, {count} headers, peak {_peak():.0f} MB", flush=True)
        differences = sum(1 for _ in compare(sort.merged(), _known(contents), utc_now(), counts))
    seconds = time.perf_counter() - start - seconds
    print(
        f"comparing {seconds:6.1f} s, {counts.live} listed, {counts.known} known, {differences} differences, "
        f"peak {_peak():.0f} MB"
    )


def _known(contents: Contents) -> Iterator[KnownRecord]:
    """Yield the records in the order of their identifiers."""
    inverse = pow(7919, -1, contents.count)
    for value in range(contents.count):
        number = value * inverse % contents.count
        identifier = f"oai:benchmark.example.org:{value:09d}"
        yield KnownRecord(number + 1, number + 1, identifier, contents.datestamp(number), False, STORED, None)


def _headers(contents: Contents) -> Iterator[RecordHeader]:
    return (
        RecordHeader(contents.identifier(number), contents.datestamp(number))
        for number in range(contents.count)
    )


def main() -> None:
    """Parse the arguments, measure, and print the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--identifiers", type=int, default=1_000_000)
    parser.add_argument("--compare-only", type=int, default=0)
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgresql"])
    arguments = parser.parse_args()
    if arguments.compare_only:
        _in_process(measure_comparison, arguments.compare_only)
        return
    count = arguments.identifiers
    for dialect in arguments.databases:
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            url = new_database(stack, dialect, folder)
            start = time.perf_counter()
            with Database.open(url) as database:
                fill(database, _save_config(database), count)
            print(
                f"{dialect:10} filled with {count} records in {time.perf_counter() - start:.0f} s", flush=True
            )
            _in_process(measure, url, str(Path(folder) / "spool"), _start_source(stack, count))


def _save_config(database: Database) -> int:
    with database.begin() as connection:
        definition = _config(1).model_dump(mode="json", by_alias=True)
        return ingest_configs.save_config(connection, definition, utc_now())


def _start_source(stack: ExitStack, count: int) -> int:
    """Start the source in a process of its own. Return its port."""
    context = multiprocessing.get_context("spawn")
    port, stop = context.Value("i", 0), context.Event()
    process = context.Process(target=serve, args=(count, port, stop), daemon=True)
    process.start()
    stack.callback(process.join, 10)
    stack.callback(stop.set)
    while not port.value:
        time.sleep(0.05)
    return int(port.value)


def _in_process(target: Any, *arguments: Any) -> None:
    # A new process, because the peak memory belongs to a process.
    process = multiprocessing.get_context("spawn").Process(target=target, args=arguments)
    process.start()
    process.join()


def new_database(stack: ExitStack, dialect: str, folder: str) -> str:
    """Return the URL of a new database; the stack removes it."""
    if dialect == "sqlite":
        return f"sqlite:///{Path(folder) / 'benchmark.db'}"
    return str(stack.enter_context(stack.enter_context(postgresql()).database()))


def _peak() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


if __name__ == "__main__":
    main()
