"""Refusals: statuses of HTTP with and without Retry-After, limits that are enforced, headers that announce them."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

from harvest_dagster.simulator.behaviours.base import OAI, Answer, Behaviour, Demand, Named, parameter
from harvest_dagster.simulator.conditions import When, every
from harvest_dagster.simulator.exchange import Request, Response

_FORMS = ("seconds", "date", "past-date", "zero", "absent", "absurd", "negative", "garbage")
_FORBIDDEN, _TOO_MANY = 403, 429


@dataclass(frozen=True)
class Fail(Behaviour):
    """An error status, with an empty body."""

    status: int = parameter(500, "of HTTP")
    headers: Mapping[str, str] = field(default_factory=dict)
    when: When = every

    def apply(self, request: Request, answer: Answer) -> Response:  # noqa: ARG002, D102
        return Response(b"", self.status, self.headers)


@dataclass(frozen=True)
class Busy(Behaviour):
    """A refusal that may say when to come again, in every form that was seen (RFC 9110, section 10.2.3)."""

    status: int = parameter(503, "of HTTP")
    form: str = parameter("seconds", "of Retry-After", _FORMS)
    seconds: int = parameter(1, "how long to wait, where the form says so")
    when: When = every

    def apply(self, request: Request, answer: Answer) -> Response:  # noqa: ARG002, D102
        text = self._text(request.arrived)
        headers = {"Content-Type": "text/html"} | ({} if text is None else {"Retry-After": text})
        return Response(b"<html><body>Too busy</body></html>\n", self.status, headers)

    def _text(self, now: datetime) -> str | None:
        # A date has whole seconds: rounded up, else the client comes too early and is right.
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
class ErrorStatus(Behaviour):
    """OAI-PMH's errors, whose documents stay valid, under a status other than 200."""

    status: int = parameter(422, "of HTTP")
    code: str = parameter("", "only for this error; empty: for all")
    when: When = every

    def apply(self, request: Request, answer: Answer) -> Response:  # noqa: D102
        whole = answer(request)
        meant = whole.error and self.code in {"", whole.error}
        return replace(whole, status=self.status) if meant else whole


@dataclass(frozen=True)
class Headers(Behaviour):
    """One more header on a good answer."""

    name: str = parameter("Retry-After", "of the header")
    value: str = parameter("60", "of the header")
    when: When = every

    def apply(self, request: Request, answer: Answer) -> Response:  # noqa: D102
        return answer(request).with_headers(**{self.name: self.value})


@dataclass(frozen=True)
class RateLimit(Behaviour):
    """Counts arrivals, and refuses those beyond the limit; who goes on all the same is shut out for ever.

    Refused requests count, too, so that a client that hammers never gets in.
    """

    calls: int = parameter(5, "requests that are allowed in a period")
    period: float = parameter(1.0, "its length in seconds, sliding")
    ban: int = parameter(0, "refusals after which every answer is 403; 0: never")
    announce: str = parameter("", "headers on every answer", ("", "RateLimit", "X-Rate-Limit"))
    when: When = every
    _arrivals: deque[float] = field(default_factory=deque, init=False, repr=False)
    _refused: list[int] = field(default_factory=list, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def apply(self, request: Request, answer: Answer) -> Response:  # noqa: D102
        with self._lock:
            arrivals = self._arrivals
            while arrivals and arrivals[0] <= request.monotonic - self.period:
                arrivals.popleft()
            arrivals.append(request.monotonic)
            left = self.calls - len(arrivals)
            if left < 0:
                self._refused.append(request.number)
            banned = self.ban and len(self._refused) >= self.ban
        if banned:
            return Response(b"", _FORBIDDEN)
        wait = str(math.ceil(self.period))
        if left < 0:
            return Response(b"", _TOO_MANY, {"Retry-After": wait, **self._headers(0, wait)})
        headers = self._headers(left, wait)
        return answer(request).with_headers(**headers) if headers else answer(request)

    @property
    def refused(self) -> tuple[int, ...]:
        """The numbers of the requests that came too early."""
        return tuple(self._refused)

    def _headers(self, left: int, reset: str) -> dict[str, str]:
        if self.announce == "RateLimit":
            values = {"Limit": str(self.calls), "Remaining": str(left), "Reset": reset}
        elif self.announce:  # as Crossref says it
            values = {"Limit": str(self.calls), "Interval": f"{reset}s"}
        else:
            values = {}
        return {f"{self.announce}-{name}": value for name, value in values.items()}


def _busy(form: str, about: str, proves: str, demand: Demand = Demand.COMPLETE) -> Named:
    return Named(
        f"busy-{form}",
        Busy,
        f"refuses with 503 (or 429); {about}",
        demand,
        proves,
        lessons=(20,),
        preset={"form": form},
    )


ENTRIES = (
    Named(
        "error",
        Fail,
        "an error status with an empty body",
        Demand.COMPLETE,
        "asks again after 5xx, with a pause",
        lessons=(20,),
    ),
    Named(
        "error-always",
        Fail,
        "an error status at one place of the list, whenever it is asked for",
        Demand.SAFE,
        "asks again a bounded number of times, and then fails",
        at="page=2",
        lessons=(20, 21),
    ),
    Named(
        "gone",
        Fail,
        "404 for every request",
        Demand.FAILS,
        "checks the status",
        at="",
        lessons=(21,),
        defaults={"status": 404},
    ),
    _busy("seconds", "Retry-After in seconds", "waits as long"),
    _busy("date", "Retry-After as an HTTP date", "waits until then"),
    _busy("past-date", "Retry-After as a date long ago", "asks again, with a pause of its own"),
    _busy("zero", "Retry-After: 0", "asks again, with a pause of its own, and does not burn its attempts"),
    _busy("absent", "no Retry-After", "asks again, with a pause of its own"),
    _busy(
        "absurd",
        "Retry-After of thirty years",
        "does not sleep for years: fails, or asks again in time",
        Demand.SAFE,
    ),
    _busy("negative", "Retry-After below zero", "asks again, with a pause of its own"),
    _busy("garbage", "Retry-After that is neither number nor date", "asks again, with a pause of its own"),
    Named(
        "busy-always",
        Busy,
        "refuses with 503 at one place of the list, whenever it is asked for",
        Demand.SAFE,
        "has an end to its attempts",
        at="page=2",
        lessons=(20,),
        preset={"form": "zero"},
    ),
    Named(
        "errors-422",
        ErrorStatus,
        "OAI-PMH's errors with status 422, as Zenodo sends them",
        Demand.COMPLETE,
        "reads the document of an error whatever its status: noRecordsMatch is an empty window",
        at="",
        protocols=(OAI,),
    ),
    Named(
        "empty-404",
        ErrorStatus,
        "noRecordsMatch with status 404",
        Demand.COMPLETE,
        "reads the document of an error whatever its status",
        at="",
        protocols=(OAI,),
        preset={"code": "noRecordsMatch"},
        defaults={"status": 404},
    ),
    Named(
        "retry-after-always",
        Headers,
        "Retry-After on good answers, too, as Zenodo sends it",
        Demand.COMPLETE,
        "obeys Retry-After on 429 and 503 only",
        at="",
        preset={"name": "Retry-After"},
    ),
    Named(
        "rate-limit",
        RateLimit,
        "allows so many requests in a period, refuses the others with 429, and may ban",
        Demand.COMPLETE,
        "keeps to its budget, and waits after 429",
        at="",
        lessons=(18, 19),
    ),
    Named(
        "rate-headers",
        RateLimit,
        "a limit that is announced on every answer",
        Demand.COMPLETE,
        "obeys RateLimit and X-Rate-Limit headers where they are stricter than its own budget",
        at="",
        lessons=(18,),
        defaults={"announce": "RateLimit"},
    ),
)
