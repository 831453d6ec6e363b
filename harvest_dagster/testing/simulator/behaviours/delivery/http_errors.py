"""HTTP error statuses, Retry-After in all its forms, and rate limits."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

from harvest_dagster.testing.simulator.behaviours.base import (
    OAI,
    Behaviour,
    Contract,
    Handler,
    NamedBehaviour,
    parameter,
)
from harvest_dagster.testing.simulator.behaviours.conditions import RequestPredicate, every_request
from harvest_dagster.testing.simulator.serving.messages import Request, Response

_FORMS = ("seconds", "date", "past-date", "zero", "absent", "absurd", "negative", "garbage")
_FORBIDDEN, _TOO_MANY_REQUESTS = 403, 429


@dataclass(frozen=True)
class HttpErrorStatus(Behaviour):
    """Sends an error status with an empty body."""

    status: int = parameter(500, "HTTP status")
    headers: Mapping[str, str] = field(default_factory=dict)
    when: RequestPredicate = every_request

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: ARG002, D102
        return Response(b"", self.status, self.headers)


@dataclass(frozen=True)
class RetryAfterResponse(Behaviour):
    """Refuses a request, with Retry-After in one of the forms that servers send (RFC 9110, section 10.2.3)."""

    status: int = parameter(503, "HTTP status")
    form: str = parameter("seconds", "the form of Retry-After", _FORMS)
    seconds: int = parameter(1, "the requested wait, for the forms `seconds` and `date`")
    when: RequestPredicate = every_request

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: ARG002, D102
        value = self._value(request.arrived)
        headers = {"Content-Type": "text/html"} | ({} if value is None else {"Retry-After": value})
        return Response(b"<html><body>Too busy</body></html>\n", self.status, headers)

    def _value(self, now: datetime) -> str | None:
        # An HTTP date has whole seconds. Round up, so that a client that obeys the date does not return too early.
        at = (now + timedelta(seconds=self.seconds + 1)).astimezone(timezone.utc)
        return {
            "seconds": str(self.seconds),
            "date": format_datetime(at, usegmt=True),
            "past-date": "Sun, 06 Nov 1994 08:49:37 GMT",
            "zero": "0",
            "absurd": str(10**9),
            "negative": "-5",
            "garbage": "soon",
        }.get(self.form)


@dataclass(frozen=True)
class OaiErrorStatus(Behaviour):
    """Sends OAI-PMH error documents, unchanged, with a status other than 200."""

    status: int = parameter(422, "HTTP status")
    code: str = parameter("", "the OAI-PMH error to which this applies; empty: to all")
    when: RequestPredicate = every_request

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        response = handler(request)
        is_affected = response.error_code and self.code in {"", response.error_code}
        return replace(response, status=self.status) if is_affected else response


@dataclass(frozen=True)
class ExtraHeader(Behaviour):
    """Adds a header to a correct response."""

    name: str = parameter("Retry-After", "the name of the header")
    value: str = parameter("60", "the value of the header")
    when: RequestPredicate = every_request

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        return handler(request).with_headers(**{self.name: self.value})


@dataclass(frozen=True)
class RateLimit(Behaviour):
    """Refuses requests beyond a rate limit with 429, and bans a client after too many refused requests.

    Refused requests count too. A client that repeats requests too fast is therefore never served.
    """

    calls: int = parameter(5, "number of requests allowed per period")
    period: float = parameter(1.0, "length of the sliding period in seconds")
    ban: int = parameter(0, "number of refused requests after which every response is 403; 0: never")
    announce: str = parameter("", "rate limit headers on every response", ("", "RateLimit", "X-Rate-Limit"))
    when: RequestPredicate = every_request
    _arrivals: deque[float] = field(default_factory=deque, init=False, repr=False)
    _refused: list[int] = field(default_factory=list, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        with self._lock:
            remaining = self._count_arrival(request)
            is_banned = self.ban and len(self._refused) >= self.ban
        if is_banned:
            return Response(b"", _FORBIDDEN)
        wait = str(math.ceil(self.period))
        if remaining < 0:
            return Response(b"", _TOO_MANY_REQUESTS, {"Retry-After": wait, **self._headers(0, wait)})
        headers = self._headers(remaining, wait)
        return handler(request).with_headers(**headers) if headers else handler(request)

    @property
    def refused(self) -> tuple[int, ...]:
        """The numbers of the requests that were refused."""
        return tuple(self._refused)

    def _count_arrival(self, request: Request) -> int:
        """Return how many requests remain in the period; a negative number means that this one is refused."""
        while self._arrivals and self._arrivals[0] <= request.monotonic - self.period:
            self._arrivals.popleft()
        self._arrivals.append(request.monotonic)
        remaining = self.calls - len(self._arrivals)
        if remaining < 0:
            self._refused.append(request.number)
        return remaining

    def _headers(self, remaining: int, reset: str) -> dict[str, str]:
        if self.announce == "RateLimit":
            values = {"Limit": str(self.calls), "Remaining": str(remaining), "Reset": reset}
        elif self.announce:  # the form of Crossref
            values = {"Limit": str(self.calls), "Interval": f"{reset}s"}
        else:
            values = {}
        return {f"{self.announce}-{name}": value for name, value in values.items()}


_RETRY_AFTER = ("retry-after",)
_REPEAT = "A harvester must repeat the request after a pause of its own."


def _busy(form: str, header: str, requirement: str, contract: Contract = Contract.COMPLETE) -> NamedBehaviour:
    return NamedBehaviour(
        f"busy-{form}",
        RetryAfterResponse,
        f"The server refuses the request with 503 (or 429) and sends {header}.",
        contract,
        requirement,
        failures=_RETRY_AFTER,
        preset={"form": form},
    )


ENTRIES = (
    NamedBehaviour(
        "error",
        HttpErrorStatus,
        "The server sends an error status with an empty body.",
        Contract.COMPLETE,
        "A harvester must pause and repeat the request after a 5xx status.",
        failures=_RETRY_AFTER,
    ),
    NamedBehaviour(
        "error-always",
        HttpErrorStatus,
        "The server sends an error status for one page of the list, on every request for it.",
        Contract.COMPLETE_OR_FAIL,
        "A harvester must repeat the request a limited number of times and then fail.",
        condition="page=2",
        failures=("retry-after", "no-timeout"),
    ),
    NamedBehaviour(
        "gone",
        HttpErrorStatus,
        "The server sends 404 for every request.",
        Contract.FAIL,
        "A harvester must check the status.",
        condition="",
        failures=("no-timeout",),
        defaults={"status": 404},
    ),
    _busy(
        "seconds", "Retry-After in seconds", "A harvester must wait this long before it repeats the request."
    ),
    _busy(
        "date",
        "Retry-After as an HTTP date",
        "A harvester must wait until this date before it repeats the request.",
    ),
    _busy("past-date", "Retry-After as a date in the past", _REPEAT),
    _busy(
        "zero",
        "`Retry-After: 0`",
        "A harvester must repeat the request after a pause of its own and must not use up all attempts at once.",
    ),
    _busy("absent", "no Retry-After", _REPEAT),
    _busy(
        "absurd",
        "Retry-After of more than thirty years",
        "A harvester must not sleep for years: it must fail, or repeat the request earlier.",
        Contract.COMPLETE_OR_FAIL,
    ),
    _busy("negative", "a negative Retry-After", _REPEAT),
    _busy("garbage", "a Retry-After that is neither a number nor a date", _REPEAT),
    NamedBehaviour(
        "busy-always",
        RetryAfterResponse,
        "The server refuses one page of the list with 503, on every request for it.",
        Contract.COMPLETE_OR_FAIL,
        "A harvester must limit the number of attempts.",
        condition="page=2",
        failures=_RETRY_AFTER,
        preset={"form": "zero"},
    ),
    NamedBehaviour(
        "errors-422",
        OaiErrorStatus,
        "The server sends OAI-PMH errors with status 422, as Zenodo does.",
        Contract.COMPLETE,
        "A harvester must read the error document whatever the status: noRecordsMatch means an empty window.",
        condition="",
        protocols=(OAI,),
    ),
    NamedBehaviour(
        "empty-404",
        OaiErrorStatus,
        "The server sends noRecordsMatch with status 404.",
        Contract.COMPLETE,
        "A harvester must read the error document whatever the status.",
        condition="",
        protocols=(OAI,),
        preset={"code": "noRecordsMatch"},
        defaults={"status": 404},
    ),
    NamedBehaviour(
        "retry-after-always",
        ExtraHeader,
        "The server sends Retry-After on correct responses too, as Zenodo does.",
        Contract.COMPLETE,
        "A harvester must obey Retry-After on 429 and 503 only.",
        condition="",
        preset={"name": "Retry-After"},
    ),
    NamedBehaviour(
        "rate-limit",
        RateLimit,
        "The server allows a number of requests per period, refuses the others with 429, and can ban the client.",
        Contract.COMPLETE,
        "A harvester must keep to its own request budget and wait after a 429.",
        condition="",
        failures=("budget-per-process", "limiter-miscounts"),
    ),
    NamedBehaviour(
        "rate-headers",
        RateLimit,
        "The server enforces a rate limit and announces it in the headers of every response.",
        Contract.COMPLETE,
        "A harvester must obey RateLimit and X-Rate-Limit headers that are stricter than its own budget.",
        condition="",
        failures=("budget-per-process",),
        defaults={"announce": "RateLimit"},
    ),
)
