"""Pages that hold nothing: in the middle of a list, and after its end."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from harvest_dagster.simulator.behaviours.base import OAI, Answer, Behaviour, Demand, Named, parameter
from harvest_dagster.simulator.conditions import When, every, place
from harvest_dagster.simulator.errors import OaiError
from harvest_dagster.simulator.exchange import JSON_LIST, Page, Request, Response


@dataclass(frozen=True)
class EndsInNothing(Behaviour):
    """The last page has a token, too; the page after it is an error, or empty."""

    end: str = parameter("noRecordsMatch", "what the token leads to", ("noRecordsMatch", "empty"))
    when: When = every
    _last: dict[str, Request] = field(default_factory=dict, init=False, repr=False)

    def apply(self, request: Request, answer: Answer) -> Response:  # noqa: D102
        if request.token in self._last:
            return self._end(request, answer)
        whole = answer(request)
        if whole.page is None or whole.page.token or not request.is_list:
            return whole
        token = f"last{request.number}"
        self._last[token] = request
        return whole.rewritten(replace(whole.page, token=token))

    def _end(self, request: Request, answer: Answer) -> Response:
        asked = self._last[request.token or ""]
        whole = answer(replace(request, arguments=asked.arguments))
        if whole.page is None or (self.end == "noRecordsMatch" and request.operation != JSON_LIST):
            return whole.rewritten(OaiError("noRecordsMatch", "No record matches"))
        after = whole.page.offset + len(whole.page.records)
        return whole.rewritten(Page((), after, whole.page.total, ""))


@dataclass(frozen=True)
class EmptyPage(Behaviour):
    """A page without records, whose token leads to those that were due: no end of the list."""

    page: int = parameter(2, "which page of the list is empty")
    when: When = every
    _asked: dict[str, Request] = field(default_factory=dict, init=False, repr=False)

    def apply(self, request: Request, answer: Answer) -> Response:  # noqa: D102
        known = self._asked.get(request.token or "", request)
        whole = answer(replace(request, arguments=known.arguments))
        if known is not request or whole.page is None or place(request) != self.page:
            return whole
        token = f"empty{request.number}"
        self._asked[token] = request
        return whole.rewritten(replace(whole.page, records=(), token=token))


ENTRIES = (
    Named(
        "ends-in-error",
        EndsInNothing,
        "gives the last page a token, whose page is noRecordsMatch, as commons.mla.org does",
        Demand.COMPLETE,
        "after a first page, noRecordsMatch is the end",
        at="list",
        protocols=(OAI,),
        preset={"end": "noRecordsMatch"},
    ),
    Named(
        "ends-in-empty",
        EndsInNothing,
        "gives the last page a token, whose page is empty and without token",
        Demand.COMPLETE,
        "an empty page without token is the end",
        at="list",
        preset={"end": "empty"},
    ),
    Named(
        "empty-page",
        EmptyPage,
        "puts an empty page with a token into the list",
        Demand.COMPLETE,
        "follows the token of an empty page",
        at="list",
        lessons=(2,),
    ),
)
