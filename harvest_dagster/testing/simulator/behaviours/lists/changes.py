"""Lists that change during a harvest, and records that appear twice.

A list of the simulator is sorted by (datestamp, identifier), and a token is an offset from its start. A change before
that offset therefore shifts all later records. Every source that pages with an SQL OFFSET behaves like this.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from harvest_dagster.testing.simulator.behaviours.base import (
    Behaviour,
    Contract,
    Handler,
    NamedBehaviour,
    parameter,
)
from harvest_dagster.testing.simulator.behaviours.conditions import RequestPredicate, every_request
from harvest_dagster.testing.simulator.repository.edits import Edits
from harvest_dagster.testing.simulator.serving.messages import Request, Response


@dataclass(frozen=True)
class RepositoryChange(Behaviour):
    """Changes one record before the first selected request is answered. The change stays.

    Attributes:
        kind: `delete` removes the record without a trace; `insert` adds a record that was hidden; `update` gives the
            record the newest datestamp, which moves it to the end of the list.
        record: the number of the record in the repository, from 0. Choose a record of the first page to shift the
            later pages.
    """

    kind: str = parameter("update", "the kind of change", ("delete", "insert", "update"))
    record: int = parameter(0, "the number of the record in the repository, from 0")
    when: RequestPredicate = every_request
    # Empty again as soon as the change is made.
    _edits: list[Edits] = field(default_factory=list, init=False, repr=False)

    def open(self, edits: Edits) -> None:  # noqa: D102
        self._edits.append(edits)
        if self.kind == "insert":
            edits.hide(edits.repository.identifier(self.record))

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        if not self._edits:
            return handler(request)
        edits = self._edits.pop()
        identifier = edits.repository.identifier(self.record)
        if self.kind == "delete":
            edits.hide(identifier)
        elif self.kind == "insert":
            edits.show(identifier)
        else:
            edits.set_datestamp(identifier, edits.repository.newest)
        return replace(handler(request))


@dataclass(frozen=True)
class DuplicateRecord(Behaviour):
    """Repeats a record at the end of its page."""

    record: int = parameter(1, "the number of the record on the page, from 1")
    when: RequestPredicate = every_request

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        response = handler(request)
        if response.page is None or not request.is_list or not response.page.records:
            return response
        records = response.page.records
        duplicate = records[(self.record - 1) % len(records)]
        return response.with_content(replace(response.page, records=(*records, duplicate)))


@dataclass(frozen=True)
class OverlappingPages(Behaviour):
    """Repeats the last record of each page at the start of the next page."""

    when: RequestPredicate = every_request
    _last_records: dict[str, str] = field(default_factory=dict, init=False, repr=False)

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        response = handler(request)
        if response.page is None or not request.is_list or not response.page.records:
            return response
        if response.page.token:
            self._last_records[response.page.token] = response.page.records[-1]
        previous = self._last_records.get(request.token or "")
        if previous is None:
            return response
        return response.with_content(replace(response.page, records=(previous, *response.page.records)))


@dataclass(frozen=True)
class RowTotal(Behaviour):
    """Lists the first record of each list twice on its first page, and counts both in the total."""

    when: RequestPredicate = every_request

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        response = handler(request)
        page = response.page
        if page is None or not request.is_list or not page.records:
            return response
        total = page.total + 1 if isinstance(page.total, int) else page.total
        records = page.records if page.offset else (page.records[0], *page.records)
        return response.with_content(replace(page, records=records, total=total))


@dataclass(frozen=True)
class RepeatedPage(Behaviour):
    """Sends the records of the first page in place of those of the second page. The list then goes on."""

    when: RequestPredicate = every_request
    _pages: dict[str, tuple[str, ...]] = field(default_factory=dict, init=False, repr=False)

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        response = handler(request)
        if response.page is None or not request.is_list or not response.page.token:
            return response
        previous = self._pages.get(request.token or "")
        if not request.token:
            self._pages[response.page.token] = response.page.records
        if previous is None:
            return response
        return response.with_content(replace(response.page, records=previous))


_DETECT_SHIFT = (
    "A harvester must notice that total and count differ, and must not report the window as complete."
)
_ROWS = ("total-counts-rows",)
_COUNT_DISTINCT = "A harvester must count distinct records and store each record once."
ENTRIES = (
    NamedBehaviour(
        "list-shrinks",
        RepositoryChange,
        "The server removes a record of an earlier page during the harvest, so that a later record is skipped.",
        Contract.NO_FALSE_CLAIM,
        _DETECT_SHIFT,
        failures=("late-records",),
        preset={"kind": "delete"},
    ),
    NamedBehaviour(
        "list-grows",
        RepositoryChange,
        "The server adds a record to an earlier page during the harvest, so that a later record appears twice.",
        Contract.NO_FALSE_CLAIM,
        _DETECT_SHIFT,
        failures=("late-records",),
        preset={"kind": "insert"},
    ),
    NamedBehaviour(
        "list-moves",
        RepositoryChange,
        "The server gives a record of an earlier page a new datestamp during the harvest: the record moves to the "
        "end, and a later record is skipped.",
        Contract.NO_FALSE_CLAIM,
        _DETECT_SHIFT,
        failures=("late-records",),
        preset={"kind": "update"},
    ),
    NamedBehaviour(
        "duplicate",
        DuplicateRecord,
        "The page contains a record twice.",
        Contract.COMPLETE,
        _COUNT_DISTINCT,
        condition="page=2",
        failures=("identifier-reuse",),
    ),
    NamedBehaviour(
        "pages-overlap",
        OverlappingPages,
        "The page begins with the last record of the previous page.",
        Contract.COMPLETE,
        _COUNT_DISTINCT,
        condition="list",
        failures=("identifier-reuse",),
        needs=("tokens",),
    ),
    NamedBehaviour(
        "total-counts-rows",
        RowTotal,
        "The server lists a record twice and counts it twice in the total.",
        Contract.COMPLETE,
        "A harvester must look at the list again, and must not wait for a record that does not exist.",
        condition="list",
        failures=_ROWS,
        needs=("totals",),
    ),
    NamedBehaviour(
        "page-repeated",
        RepeatedPage,
        "The server sends the records of the first page in place of those of the second page.",
        Contract.COMPLETE_OR_FAIL,
        "A harvester must count distinct records, and must not explain missing records by repeated ones.",
        condition="list",
        failures=_ROWS,
        needs=("tokens",),
    ),
)
