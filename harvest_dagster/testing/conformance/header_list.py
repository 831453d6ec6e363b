"""Compare the list of identifiers of a harvester with its records, at a source without faults.

A sweep compares that list with what is stored. A record that has another identifier there would be missing and gone.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime

from harvest_dagster.errors import DeadlineExceeded
from harvest_dagster.harvesters.interface import Client, Parser
from harvest_dagster.http.rate_limit.deadline import Deadline
from harvest_dagster.pipeline.source_access import SourceAccess, WaitLimits
from harvest_dagster.records import InvalidRecord
from harvest_dagster.testing.conformance.harvester_under_test import HarvesterUnderTest
from harvest_dagster.testing.conformance.trial import WINDOW, open_session, serve, wait

_Headers = dict[str, set[datetime | None]]


def find_header_faults(harvester: HarvesterUnderTest, deadline: float) -> tuple[str, ...]:
    """Return how the list of identifiers differs from the records, one sentence each; nothing if it does not.

    Args:
        harvester: the harvester and its arguments.
        deadline: the seconds that both lists may take, as in a trial.
    """
    comparison = _Comparison(harvester)
    worker = threading.Thread(target=comparison, name="trial headers", daemon=True)
    worker.start()
    wait(worker, deadline)
    comparison.is_over.set()
    if worker.is_alive():
        return (f"HEADERS: the list of identifiers did not end within {deadline:.0f} s",)
    return tuple(comparison.faults)


class _Comparison:
    """Requests both lists, in a thread."""

    def __init__(self, harvester: HarvesterUnderTest) -> None:
        self._under_test = harvester
        self.is_over = threading.Event()
        self.faults: list[str] = []

    def __call__(self) -> None:
        try:
            self.faults += self._compare()
        except BaseException as error:  # every exception of the harvester under test is part of the result
            self.faults.append(f"HEADERS: the list of identifiers failed: {type(error).__name__}: {error}")

    def _compare(self) -> Iterator[str]:
        deadline = Deadline(keep_going=self._keep_going)
        with serve(self._under_test) as server, open_session(deadline) as session:
            config = self._under_test.config(server, "")
            harvester = SourceAccess(config, environ={}, wait_limits=WaitLimits()).harvester
            records = self._read(harvester.client(session), harvester.parser())
            headers = self._read(harvester.header_client(session), harvester.header_parser())
        if absent := sorted(records.keys() - headers.keys()):
            yield f"HEADERS: the list of identifiers lacks {len(absent)} of {len(records)} records, such as {absent[0]}"
        if unknown := sorted(headers.keys() - records.keys()):
            yield f"HEADERS: the list of identifiers has {len(unknown)} that are no records, such as {unknown[0]}"
        if others := sorted(
            name for name in records.keys() & headers.keys() if records[name] != headers[name]
        ):
            yield f"HEADERS: {len(others)} of {len(records)} records have another datestamp there, such as {others[0]}"

    def _read(self, client: Client, parser: Parser) -> _Headers:
        found: _Headers = {}
        for page in client.pages(WINDOW):
            for header in parser.headers(page, WINDOW):
                if not isinstance(header, InvalidRecord):
                    found.setdefault(header.identifier, set()).add(header.datestamp)
        return found

    def _keep_going(self) -> None:
        if self.is_over.is_set():
            raise DeadlineExceeded("The deadline of the trial is over. Raise --deadline.")
