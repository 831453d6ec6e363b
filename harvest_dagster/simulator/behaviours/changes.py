"""Lists that change while they are read, and records that come twice.

A list of the simulator is in the order of (datestamp, identifier), and a token a place in it, counted from its
beginning. So what is changed before that place shifts all that come after it, as with every source that pages
by OFFSET.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from harvest_dagster.simulator.behaviours.base import Answer, Behaviour, Demand, Named, parameter
from harvest_dagster.simulator.conditions import When, every
from harvest_dagster.simulator.edits import Edits
from harvest_dagster.simulator.exchange import Request, Response


@dataclass(frozen=True)
class Change(Behaviour):
    """Something happens to a record before the request is answered, once; it stays that way.

    Attributes:
        what: `delete` takes it away without a trace, `insert` lets it appear that was not there, `update` gives
            it the newest datestamp, so that it moves to the end of the list.
        record: its number in the repository, from 0; of the first page, if the pages after it are to shift.
    """

    what: str = parameter("update", "what happens", ("delete", "insert", "update"))
    record: int = parameter(0, "to which record of the repository, from 0")
    when: When = every
    _edits: list[Edits] = field(default_factory=list, init=False, repr=False)

    def open(self, edits: Edits) -> None:  # noqa: D102
        self._edits.append(edits)
        if self.what == "insert":
            edits.withhold(edits.repository.identifier(self.record))

    def apply(self, request: Request, answer: Answer) -> Response:  # noqa: D102
        if not self._edits:
            return answer(request)
        edits = self._edits.pop()
        identifier = edits.repository.identifier(self.record)
        if self.what == "delete":
            edits.withhold(identifier)
        elif self.what == "insert":
            edits.publish(identifier)
        else:
            edits.restamp(identifier, edits.repository.newest)
        return replace(answer(request))


@dataclass(frozen=True)
class Duplicate(Behaviour):
    """A record of the page a second time, at its end."""

    record: int = parameter(1, "which of the page, from 1")
    when: When = every

    def apply(self, request: Request, answer: Answer) -> Response:  # noqa: D102
        whole = answer(request)
        if whole.page is None or not request.is_list or not whole.page.records:
            return whole
        again = whole.page.records[(self.record - 1) % len(whole.page.records)]
        return whole.rewritten(replace(whole.page, records=(*whole.page.records, again)))


@dataclass(frozen=True)
class Overlap(Behaviour):
    """Each page begins with the last record of the page before, in addition to its own."""

    when: When = every
    _last: dict[str, str] = field(default_factory=dict, init=False, repr=False)

    def apply(self, request: Request, answer: Answer) -> Response:  # noqa: D102
        whole = answer(request)
        if whole.page is None or not request.is_list or not whole.page.records:
            return whole
        if whole.page.token:
            self._last[whole.page.token] = whole.page.records[-1]
        before = self._last.get(request.token or "")
        if before is None:
            return whole
        return whole.rewritten(replace(whole.page, records=(before, *whole.page.records)))


_SHIFTS = "notices that the list has changed by its total and its count, and does not claim to be complete"
ENTRIES = (
    Named(
        "list-shrinks",
        Change,
        "takes a record of an earlier page away, so that a later one is skipped",
        Demand.HONEST,
        _SHIFTS,
        lessons=(7,),
        preset={"what": "delete"},
    ),
    Named(
        "list-grows",
        Change,
        "lets a record appear on an earlier page, so that another one comes twice",
        Demand.HONEST,
        _SHIFTS,
        lessons=(7,),
        preset={"what": "insert"},
    ),
    Named(
        "list-moves",
        Change,
        "gives a record of an earlier page a new datestamp: it moves to the end, and another one is skipped",
        Demand.HONEST,
        _SHIFTS,
        lessons=(7,),
        preset={"what": "update"},
    ),
    Named(
        "duplicate",
        Duplicate,
        "repeats a record on its page",
        Demand.COMPLETE,
        "counts distinct records, and stores each once",
        at="page=2",
        lessons=(29,),
    ),
    Named(
        "pages-overlap",
        Overlap,
        "begins each page with the last record of the page before",
        Demand.COMPLETE,
        "counts distinct records, and stores each once",
        at="list",
        lessons=(29,),
    ),
)
