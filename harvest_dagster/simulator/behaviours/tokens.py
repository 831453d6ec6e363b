"""Resumption tokens and cursors that repeat, stay, expire, burn, or lead to nothing."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from datetime import timedelta

from harvest_dagster.simulator.behaviours.base import JSON, OAI, Answer, Behaviour, Demand, Named, parameter
from harvest_dagster.simulator.conditions import When, every, place
from harvest_dagster.simulator.errors import OaiError
from harvest_dagster.simulator.exchange import JSON_LIST, Page, Request, Response


def _refused(response: Response, reason: str) -> Response:
    return response.rewritten(OaiError("badResumptionToken", reason))


@dataclass(frozen=True)
class Repeat(Behaviour):
    """The token of a page leads to that page again, or back to the second one: a list without end."""

    back_to: str = parameter("same", "where the token leads", ("same", "second"))
    page: int = parameter(2, "the page of the list whose token does")
    when: When = every
    _second: list[str] = field(default_factory=list, init=False, repr=False)

    def apply(self, request: Request, answer: Answer) -> Response:  # noqa: D102
        whole = answer(request)
        if whole.page is None or not request.is_list:
            return whole
        if not request.token and whole.page.token:
            self._second[:] = [whole.page.token]
        if not request.token or place(request) != self.page:
            return whole
        back = request.token if self.back_to == "same" else self._second[0]
        return whole.rewritten(replace(whole.page, token=back))


@dataclass(frozen=True)
class Stay(Behaviour):
    """The token stays the same from page to page while the list goes on, and the end is an empty page.

    As Crossref's cursors do: asked again with it, the source gives the next page, not the same one.
    """

    when: When = every
    _asked: dict[str, tuple[Request, bool]] = field(default_factory=dict, init=False, repr=False)

    def apply(self, request: Request, answer: Answer) -> Response:  # noqa: D102
        known, is_over = self._asked.get(request.token or "", (request, False))
        meant = replace(request, arguments=known.arguments)
        whole = answer(meant)
        if whole.page is None or not request.is_list:
            return whole
        token = request.token if request.token in self._asked else f"stay{request.number}"
        following = whole.page.token
        self._asked[token] = (meant.with_token(following), False) if following else (meant, True)
        records = () if is_over else whole.page.records
        return whole.rewritten(replace(whole.page, records=records, token=token, expires=None))


@dataclass(frozen=True)
class Expire(Behaviour):
    """Tokens older than so many seconds are refused, as their expirationDate says."""

    seconds: float = parameter(0.0, "how long a token can be used")
    when: When = every
    _given: dict[str, float] = field(default_factory=dict, init=False, repr=False)

    def apply(self, request: Request, answer: Answer) -> Response:  # noqa: D102
        whole = answer(request)
        given = self._given.get(request.token or "", float("-inf"))
        if request.token and request.monotonic - given >= self.seconds:
            return _refused(whole, "The token has expired")
        if whole.page and whole.page.token:
            self._given[whole.page.token] = request.monotonic
            until = request.arrived + timedelta(seconds=self.seconds)
            return whole.rewritten(replace(whole.page, expires=until))
        return whole


@dataclass(frozen=True)
class Burn(Behaviour):
    """A token can be used once: asked again, it is refused, or gives the page after."""

    again: str = parameter("refused", "what the second use gets", ("refused", "next"))
    when: When = every
    _used: dict[str, str] = field(default_factory=dict, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def apply(self, request: Request, answer: Answer) -> Response:  # noqa: D102
        with self._lock:
            whole = answer(request)
            if not request.token or not request.is_list:
                return whole
            if request.token not in self._used:
                self._used[request.token] = (whole.page and whole.page.token) or ""
                return whole
            following = self._used[request.token]
            if self.again == "refused" or not following:
                return _refused(whole, "The token was used before")
            whole = answer(request.with_token(following))
            self._used[request.token] = (whole.page and whole.page.token) or ""
            return whole


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


_CANNOT_END = "notices that a token leads back, and fails or begins anew"
ENTRIES = (
    Named(
        "token-repeats",
        Repeat,
        "gives a page the token that leads to this very page",
        Demand.SAFE,
        _CANNOT_END,
        at="list",
        lessons=(1,),
        preset={"back_to": "same"},
    ),
    Named(
        "token-circle",
        Repeat,
        "gives a page the token of the second page: a circle",
        Demand.SAFE,
        _CANNOT_END,
        at="list",
        lessons=(1,),
        preset={"back_to": "second"},
        defaults={"page": 3},
    ),
    Named(
        "token-stays",
        Stay,
        "keeps the same token while the list goes on, as Crossref does; the end is an empty page",
        Demand.COMPLETE,
        "stops at an empty page, never at a token that it knows, as long as records come",
        at="list",
        protocols=(JSON,),
    ),
    Named(
        "token-expires",
        Expire,
        "refuses a token that is older than so many seconds; 0 refuses every one",
        Demand.SAFE,
        "never takes badResumptionToken for the end",
        at="list",
        lessons=(2, 22),
    ),
    Named(
        "token-lost",
        Expire,
        "refuses a token",
        Demand.SAFE,
        "begins anew from the last safe place, or fails",
        lessons=(2, 22),
        preset={"seconds": 0.0},
    ),
    Named(
        "token-burns",
        Burn,
        "refuses a token that was used before",
        Demand.SAFE,
        "does not repeat a request with such a token blindly",
        at="list",
        lessons=(23,),
        preset={"again": "refused"},
    ),
    Named(
        "token-burns-silently",
        Burn,
        "answers a token that was used before with the page after",
        Demand.SAFE,
        "does not repeat a request with such a token blindly: a page would be lost",
        at="list",
        lessons=(23,),
        preset={"again": "next"},
    ),
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
