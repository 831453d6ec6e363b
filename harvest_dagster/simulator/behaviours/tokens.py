"""Resumption tokens and cursors that repeat, stay, expire or burn; those that lead to nothing are in `empty`."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from datetime import timedelta

from harvest_dagster.simulator.behaviours.base import JSON, Answer, Behaviour, Demand, Named, parameter
from harvest_dagster.simulator.conditions import When, every, place
from harvest_dagster.simulator.errors import OaiError
from harvest_dagster.simulator.exchange import Delivery, Request, Response


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
    """A token can be used once: asked again, it is refused, or gives the page after.

    The first answer to one page is lost on its way, for a client that never asks again would see no difference.
    """

    again: str = parameter("refused", "what the second use gets", ("refused", "next"))
    lost: int = parameter(2, "the page whose first answer is lost; 0: none is")
    when: When = every
    _used: dict[str, str] = field(default_factory=dict, init=False, repr=False)
    _lost: list[int] = field(default_factory=list, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def apply(self, request: Request, answer: Answer) -> Response:  # noqa: D102
        with self._lock:
            whole = self._answer(request, answer)
            if place(request) != self.lost or self._lost:
                return whole
            self._lost.append(request.number)
            return replace(whole, delivery=Delivery(head=False, then="close"))

    def _answer(self, request: Request, answer: Answer) -> Response:
        token = request.token or ""
        whole = answer(request)
        if token in self._used:
            following = self._used[token]
            if self.again == "refused" or not following:
                return _refused(whole, "The token was used before")
            whole = answer(request.with_token(following))
        following = (whole.page and whole.page.token) or ""
        if token:
            self._used[token] = following
        # It may be the text of one that an earlier list gave; it is a new token all the same.
        self._used.pop(following, None)
        return whole


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
)
