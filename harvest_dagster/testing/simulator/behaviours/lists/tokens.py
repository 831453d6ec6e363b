"""Resumption tokens and cursors that repeat, never change, expire or work once; empty pages with and without tokens."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from datetime import timedelta

from harvest_dagster.testing.simulator.behaviours.base import (
    JSON,
    OAI,
    Behaviour,
    Contract,
    Handler,
    NamedBehaviour,
    parameter,
)
from harvest_dagster.testing.simulator.behaviours.conditions import RequestPredicate, every_request, page_of
from harvest_dagster.testing.simulator.errors import OaiError
from harvest_dagster.testing.simulator.serving.messages import JSON_LIST, Delivery, Page, Request, Response


def _refuse_token(response: Response, reason: str) -> Response:
    return response.with_content(OaiError("badResumptionToken", reason))


@dataclass(frozen=True)
class RepeatedToken(Behaviour):
    """Gives a page a token that leads to the same page again, or back to the second page: the list never ends."""

    back_to: str = parameter("same", "the page to which the token leads", ("same", "second"))
    page: int = parameter(2, "the page of the list that has this token")
    when: RequestPredicate = every_request
    _second: list[str] = field(default_factory=list, init=False, repr=False)

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        response = handler(request)
        if response.page is None or not request.is_list:
            return response
        if not request.token and response.page.token:
            self._second[:] = [response.page.token]
        if not request.token or page_of(request) != self.page:
            return response
        token = request.token if self.back_to == "same" else self._second[0]
        return response.with_content(replace(response.page, token=token))


@dataclass(frozen=True)
class UnchangingToken(Behaviour):
    """Sends the same token on every page. Each request with it returns the next page; an empty page ends the list.

    Crossref's cursors work like this.
    """

    when: RequestPredicate = every_request
    # By token: the request for the next page, and whether the list is over.
    _next_requests: dict[str, tuple[Request, bool]] = field(default_factory=dict, init=False, repr=False)

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        stored, is_over = self._next_requests.get(request.token or "", (request, False))
        actual = request.with_list_of(stored)
        response = handler(actual)
        if response.page is None or not request.is_list:
            return response
        token = request.token if request.token in self._next_requests else f"stay{request.number}"
        next_token = response.page.token
        self._next_requests[token] = (actual.with_token(next_token), False) if next_token else (actual, True)
        records = () if is_over else response.page.records
        return response.with_content(replace(response.page, records=records, token=token, expires=None))


@dataclass(frozen=True)
class ExpiringToken(Behaviour):
    """Refuses tokens that are older than a number of seconds; expirationDate announces this."""

    seconds: float = parameter(0.0, "how long a token is valid")
    when: RequestPredicate = every_request
    _issued: dict[str, float] = field(default_factory=dict, init=False, repr=False)

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        response = handler(request)
        issued = self._issued.get(request.token or "", float("-inf"))
        if request.token and request.monotonic - issued >= self.seconds:
            return _refuse_token(response, "The token has expired")
        if response.page and response.page.token:
            self._issued[response.page.token] = request.monotonic
            expires = request.arrived + timedelta(seconds=self.seconds)
            return response.with_content(replace(response.page, expires=expires))
        return response


@dataclass(frozen=True)
class SingleUseToken(Behaviour):
    """Accepts each token once. A second request with it is refused, or returns the page after the requested one.

    The first response to one page is lost, because a client that repeats no request would notice no difference.
    """

    second_use: str = parameter("refused", "the response to the second use", ("refused", "next"))
    lost: int = parameter(2, "the page whose first response is lost; 0: no response is lost")
    when: RequestPredicate = every_request
    _used: dict[str, str] = field(default_factory=dict, init=False, repr=False)
    _lost: list[int] = field(default_factory=list, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        with self._lock:
            response = self._respond(request, handler)
            if page_of(request) != self.lost or self._lost:
                return response
            self._lost.append(request.number)
            return replace(response, delivery=Delivery(send_head=False, ending="close"))

    def _respond(self, request: Request, handler: Handler) -> Response:
        token = request.token or ""
        response = handler(request)
        if token in self._used:
            next_token = self._used[token]
            if self.second_use == "refused" or not next_token:
                return _refuse_token(response, "The token was used before")
            response = handler(request.with_token(next_token))
        next_token = (response.page and response.page.token) or ""
        if token:
            self._used[token] = next_token
        # A new list can issue a token with the same text as an earlier list. It is a new token and is unused.
        self._used.pop(next_token, None)
        return response


_JSON_HEADERS = {"Content-Type": "application/json"}
_JSON_ENDS = {
    "404": (404, '{"detail": "Invalid page."}'),
    "400": (400, '{"detail": "Invalid page."}'),
    "204": (204, ""),
    "null": (200, '{"total": TOTAL, "records": null, "next": null}'),
    "no-list": (200, '{"total": TOTAL}'),
}
_ENDS = ("noRecordsMatch", "empty", "repeated", *_JSON_ENDS)


@dataclass(frozen=True)
class TokenOnLastPage(Behaviour):
    """Gives the last page a token. The page of this token is an error, empty, or the last page again."""

    end: str = parameter("noRecordsMatch", "the response to the token", _ENDS)
    when: RequestPredicate = every_request
    _last_requests: dict[str, Request] = field(default_factory=dict, init=False, repr=False)

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        if request.token in self._last_requests:
            return self._end_of_list(request, handler)
        response = handler(request)
        if response.page is None or response.page.token or not request.is_list:
            return response
        token = f"last{request.number}"
        self._last_requests[token] = request
        return response.with_content(replace(response.page, token=token))

    def _end_of_list(self, request: Request, handler: Handler) -> Response:
        last_request = self._last_requests[request.token or ""]
        response = handler(request.with_list_of(last_request))
        if response.page is None or (self.end == "noRecordsMatch" and request.operation != JSON_LIST):
            return response.with_content(OaiError("noRecordsMatch", "No record matches"))
        if self.end == "repeated":
            return response.with_content(replace(response.page, token=request.token))
        if self.end in _JSON_ENDS:
            status, body = _JSON_ENDS[self.end]
            return Response(body.replace("TOTAL", str(response.page.total)).encode(), status, _JSON_HEADERS)
        offset = response.page.offset + len(response.page.records)
        return response.with_content(Page((), offset, response.page.total, ""))


@dataclass(frozen=True)
class EmptyPage(Behaviour):
    """Inserts a page without records. Its token leads to the page that it replaced; the list does not end there."""

    page: int = parameter(2, "the position of the empty page in the list")
    when: RequestPredicate = every_request
    _replaced_requests: dict[str, Request] = field(default_factory=dict, init=False, repr=False)

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        replaced = self._replaced_requests.get(request.token or "", request)
        response = handler(request.with_list_of(replaced))
        if replaced is not request or response.page is None or page_of(request) != self.page:
            return response
        token = f"empty{request.number}"
        self._replaced_requests[token] = request
        return response.with_content(replace(response.page, records=(), token=token))


def _end(name: str, end: str, description: str) -> NamedBehaviour:
    return NamedBehaviour(
        name,
        TokenOnLastPage,
        f"The last page contains a cursor, and its page is {description}.",
        Contract.COMPLETE,
        "A harvester must accept this end of a list if the records of the total have come.",
        condition="list",
        failures=("odd-list-ends",),
        protocols=(JSON,),
        preset={"end": end},
    )


_DETECT_LOOP = "A harvester must detect that the token leads back, and fail or start a new list."
_NO_BLIND_RETRY = "A harvester must not repeat a request with such a token without checking what it returns."
_LOST_TOKEN = ("empty-page-with-token", "no-resume")
_SINGLE_USE = ("single-use-token",)
ENTRIES = (
    NamedBehaviour(
        "token-repeats",
        RepeatedToken,
        "The page contains a token that leads to the same page again.",
        Contract.COMPLETE_OR_FAIL,
        _DETECT_LOOP,
        condition="list",
        failures=("truncated-page",),
        preset={"back_to": "same"},
        needs=("tokens",),
    ),
    NamedBehaviour(
        "token-circle",
        RepeatedToken,
        "The page contains a token that leads back to the second page.",
        Contract.COMPLETE_OR_FAIL,
        _DETECT_LOOP,
        condition="list",
        failures=("truncated-page",),
        preset={"back_to": "second"},
        defaults={"page": 3},
        needs=("tokens",),
    ),
    NamedBehaviour(
        "token-stays",
        UnchangingToken,
        "The server sends the same token on every page, as Crossref does; an empty page ends the list.",
        Contract.COMPLETE,
        "A harvester must stop at the empty page, and not at a known token while records arrive.",
        condition="list",
        protocols=(JSON,),
    ),
    NamedBehaviour(
        "token-expires",
        ExpiringToken,
        "The server refuses tokens that are older than a number of seconds; 0 refuses every token.",
        Contract.COMPLETE_OR_FAIL,
        "A harvester must not treat badResumptionToken as the end of the list.",
        condition="list",
        failures=_LOST_TOKEN,
        needs=("tokens",),
    ),
    NamedBehaviour(
        "token-lost",
        ExpiringToken,
        "The server refuses a token that it issued.",
        Contract.COMPLETE_OR_FAIL,
        "A harvester must continue from the last safe datestamp, or fail.",
        failures=_LOST_TOKEN,
        preset={"seconds": 0.0},
        needs=("tokens",),
    ),
    NamedBehaviour(
        "token-burns",
        SingleUseToken,
        "The server refuses a token that was used before, and loses the first response to one page.",
        Contract.COMPLETE_OR_FAIL,
        _NO_BLIND_RETRY,
        condition="list",
        failures=_SINGLE_USE,
        preset={"second_use": "refused"},
        needs=("tokens",),
    ),
    NamedBehaviour(
        "token-burns-silently",
        SingleUseToken,
        "The server answers the second use of a token with the page after the requested one, and loses the first "
        "response to one page.",
        Contract.COMPLETE_OR_FAIL,
        f"{_NO_BLIND_RETRY} Otherwise it loses a page.",
        condition="list",
        failures=_SINGLE_USE,
        preset={"second_use": "next"},
        needs=("tokens",),
    ),
    NamedBehaviour(
        "ends-in-error",
        TokenOnLastPage,
        "The last page contains a token, and the response to this token is noRecordsMatch, as at commons.mla.org.",
        Contract.COMPLETE,
        "A harvester must treat noRecordsMatch after a first page as the end of the list.",
        condition="list",
        protocols=(OAI,),
        preset={"end": "noRecordsMatch"},
    ),
    NamedBehaviour(
        "ends-in-empty",
        TokenOnLastPage,
        "The last page contains a token, and its page has neither records nor a token.",
        Contract.COMPLETE,
        "A harvester must treat an empty page without a token as the end of the list.",
        condition="list",
        preset={"end": "empty"},
        needs=("tokens",),
    ),
    _end("ends-in-404", "404", "a 404"),
    _end("ends-in-400", "400", "a 400"),
    _end("ends-in-204", "204", "a 204 without a body"),
    _end("ends-in-null", "null", "null in place of the list"),
    _end("ends-without-list", "no-list", "an object without the list"),
    _end("ends-in-repetition", "repeated", "the last page again"),
    NamedBehaviour(
        "empty-page",
        EmptyPage,
        "The server inserts an empty page with a token into the list.",
        Contract.COMPLETE,
        "A harvester must follow the token of an empty page.",
        condition="list",
        failures=("empty-page-with-token",),
        needs=("tokens",),
    ),
)
