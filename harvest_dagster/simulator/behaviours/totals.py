"""Lies about the length of a list, and lists that end before it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from harvest_dagster.simulator.behaviours.base import BOTH, JSON, Answer, Behaviour, Demand, Named, parameter
from harvest_dagster.simulator.conditions import When, every
from harvest_dagster.simulator.errors import OaiError
from harvest_dagster.simulator.exchange import Page, Request, Response

_LIES = ("higher", "lower", "changing", "negative", "absurd", "zero", "string", "text", "none")


@dataclass(frozen=True)
class Total(Behaviour):
    """Another total than the list's (completeListSize in OAI-PMH); the list itself is whole."""

    lie: str = parameter("higher", "what the total is", _LIES)
    by: int = parameter(1, "by how much it is higher, lower, or grows from page to page")
    when: When = every

    def apply(self, request: Request, answer: Answer) -> Response:  # noqa: D102
        whole = answer(request)
        if whole.page is None or not isinstance(whole.page.total, int):
            return whole
        return whole.rewritten(replace(whole.page, total=self._of(whole.page.total, whole.page.offset)))

    def _of(self, total: int, offset: int) -> int | str | None:
        lies: dict[str, int | str] = {
            "higher": total + self.by,
            "lower": max(total - self.by, 0),
            "changing": total + self.by if offset else total,
            "negative": -1,
            "absurd": 10**12,
            "zero": 0,
            "string": str(total),
            "text": "many",
        }
        return lies.get(self.lie)


@dataclass(frozen=True)
class Cap(Behaviour):
    """The list ends politely after so many records, as if that were all."""

    limit: int = parameter(10, "records after which the list ends")
    total: str = parameter("true", "what the pages say", ("true", "limit", "none"))
    when: When = every

    def apply(self, request: Request, answer: Answer) -> Response:  # noqa: D102
        whole = answer(request)
        if whole.page is None or not request.is_list:
            return whole
        return whole.rewritten(self._capped(whole.page))

    def _capped(self, page: Page) -> Page:
        known = page.total if isinstance(page.total, int) else None
        limit = self.limit if known is None else min(self.limit, known)
        total = {"true": known, "limit": limit}.get(self.total)
        records = page.records[: max(self.limit - page.offset, 0)]
        if page.offset + len(page.records) < self.limit:
            return replace(page, total=total)
        return replace(page, records=records, total=total, token="" if page.offset else None, expires=None)


@dataclass(frozen=True)
class Depth(Behaviour):
    """Pages beyond a place are refused, as search engines do: 400 in REST, an error in OAI-PMH."""

    limit: int = parameter(10, "records beyond which it refuses")
    when: When = every

    def apply(self, request: Request, answer: Answer) -> Response:  # noqa: D102
        whole = answer(request)
        if whole.page is None or whole.page.offset < self.limit:
            return whole
        problem = f"Only the first {self.limit} results can be paged through; narrow your query"
        return whole.rewritten(OaiError("badResumptionToken" if request.token else "badArgument", problem))


def _lie(lie: str, about: str, demand: Demand, proves: str, protocols: tuple[str, ...] = BOTH) -> Named:
    return Named(
        f"total-{lie}",
        Total,
        about,
        demand,
        proves,
        at="list",
        lessons=(1, 8),
        protocols=protocols,
        preset={"lie": lie},
    )


_COUNTS = "counts distinct records against the total, and says both numbers"
_NO_PROOF = "takes no proof from what can be no total"
ENTRIES = (
    _lie("higher", "says that the list is longer than it is", Demand.HONEST, _COUNTS),
    _lie("lower", "says that the list is shorter than it is", Demand.SAFE, "goes on to the end of the list"),
    _lie(
        "changing",
        "says another total from the second page on",
        Demand.HONEST,
        "compares first and last page",
    ),
    _lie("negative", "says that the total is -1", Demand.SAFE, _NO_PROOF),
    _lie("absurd", "says that the total is a million millions", Demand.HONEST, _COUNTS),
    _lie("zero", "says that the total is 0", Demand.SAFE, _NO_PROOF),
    _lie(
        "string",
        "gives the true total as a string, as bioRxiv does",
        Demand.COMPLETE,
        "reads digits as a number",
        (JSON,),
    ),
    _lie("text", "says a word where the total belongs", Demand.SAFE, _NO_PROOF),
    _lie("none", "gives no total", Demand.COMPLETE, "calls the window unverified"),
    Named(
        "cap",
        Cap,
        "ends the list politely after so many records; the total is the true one",
        Demand.SAFE,
        _COUNTS,
        at="list",
        lessons=(8,),
        preset={"total": "true"},
    ),
    Named(
        "cap-hidden",
        Cap,
        "ends the list politely after so many records, and gives no total",
        Demand.HONEST,
        "calls the window unverified; cannot know more",
        at="list",
        lessons=(8,),
        preset={"total": "none"},
    ),
    Named(
        "depth",
        Depth,
        "refuses pages beyond so many records",
        Demand.SAFE,
        "fails, or takes smaller windows",
        at="list",
        lessons=(8,),
    ),
)
