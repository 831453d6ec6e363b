"""What can go wrong with an answer, each as a value that one hands to a server.

    busy = Fail(503, {"Retry-After": "1"}, when=nth(2))
    Server(repository, behaviours=[busy, Cut(1000, when=nth(3, "ListRecords"))])

A behaviour sees every request that it is meant for, together with the way to the answer that would have been
given: it may wait, replace that answer, or change it. They are asked in the order given, the first one
outermost. Another kind is another subclass of `Behaviour`; nothing else needs to know of it.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from harvest_dagster.simulator.exchange import Request, Response

Answer = Callable[[Request], Response]
When = Callable[[Request], bool]

_HTML = (
    b"<!DOCTYPE html>\n<html><head><title>Maintenance</title></head><body><h1>Back soon</h1></body></html>\n"
)


def every(request: Request) -> bool:  # noqa: ARG001 - it has the shape of all of them
    """Meant for every request."""
    return True


def nth(number: int, verb: str | None = None) -> When:
    """Meant for the n-th request, from 1: of all, or of those with this verb."""
    if verb is None:
        return lambda request: request.number == number
    return lambda request: request.verb == verb and request.verb_number == number


class Behaviour(ABC):
    """One thing that a server does to the requests that it is meant for.

    Attributes:
        when: which requests it is meant for.
    """

    when: When

    @abstractmethod
    def apply(self, request: Request, answer: Answer) -> Response:
        """The answer to a request that it is meant for; `answer` gives the one it would have got."""

    def close(self) -> None:  # noqa: B027 - most have nothing that waits
        """The server is about to stop: let go of whatever waits."""


@dataclass(frozen=True)
class Fail(Behaviour):
    """An error status, with an empty body."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    when: When = every

    def apply(self, request: Request, answer: Answer) -> Response:  # noqa: ARG002, D102
        return Response(b"", self.status, self.headers)


@dataclass(frozen=True)
class Html(Behaviour):
    """A maintenance page, by default with status 200, as DOAJ and others sent them."""

    status: int = 200
    when: When = every

    def apply(self, request: Request, answer: Answer) -> Response:  # noqa: ARG002, D102
        return Response(_HTML, self.status, {"Content-Type": "text/html; charset=utf-8"})


@dataclass(frozen=True)
class Cut(Behaviour):
    """Only the first bytes of the body.

    Attributes:
        length: how many.
        announced: whether Content-Length gives the whole length, so that the client can tell.
    """

    length: int
    announced: bool = True
    when: When = every

    def apply(self, request: Request, answer: Answer) -> Response:  # noqa: D102
        whole = answer(request)
        headers = dict(whole.headers)
        if self.announced:
            headers["Content-Length"] = str(len(whole.body))
        return replace(whole, body=whole.body[: self.length], headers=headers)


class Hold(Behaviour):
    """A gate: requests wait until it is released, so that a test knows where a client stands."""

    def __init__(self, when: When = every) -> None:
        self.when = when
        self._reached = threading.Event()
        self._released = threading.Event()

    def apply(self, request: Request, answer: Answer) -> Response:  # noqa: D102
        self._reached.set()
        self._released.wait()
        return answer(request)

    def wait_until_reached(self, timeout: float) -> None:
        """Return as soon as a request waits at the gate.

        Raises:
            TimeoutError: none came within `timeout` seconds.
        """
        if not self._reached.wait(timeout):
            raise TimeoutError(f"no request came to the gate within {timeout} s")

    def release(self) -> None:
        """Let through what waits, and whatever comes."""
        self._released.set()

    def close(self) -> None:  # noqa: D102
        self.release()
