"""How answers are spoiled on their way: cut, slow, silent, reset, refused; and `Hold`, a gate for tests."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import cast

from harvest_dagster.simulator.behaviours.base import Answer, Behaviour, Demand, Named, parameter
from harvest_dagster.simulator.conditions import When, every
from harvest_dagster.simulator.exchange import Delivery, Ending, Request, Response


@dataclass(frozen=True)
class Cut(Behaviour):
    """Only the first bytes of the body.

    Attributes:
        length: how many.
        announced: whether Content-Length gives the whole length, so that the client can tell.
    """

    length: int = parameter(1000, "bytes of the body that are sent")
    announced: bool = parameter(True, "Content-Length gives the whole length")
    when: When = every

    def apply(self, request: Request, answer: Answer) -> Response:  # noqa: D102
        return _cut(answer(request), self.length, announced=self.announced)


@dataclass(frozen=True)
class CutAt(Behaviour):
    """The body breaks off at a place that is easily taken for a good one.

    Attributes:
        place: inside a character of several bytes, or after the last record of the page.
        announced: whether Content-Length gives the whole length.
    """

    place: str = parameter("record", "where it breaks off", ("character", "record"))
    announced: bool = parameter(False, "Content-Length gives the whole length")
    when: When = every

    def apply(self, request: Request, answer: Answer) -> Response:  # noqa: D102
        whole = answer(request)
        length = _in_character(whole.body) if self.place == "character" else _after_records(whole)
        return _cut(whole, length, announced=self.announced) if length else whole


@dataclass(frozen=True)
class Deliver(Behaviour):
    """An answer that is well in itself and travels badly."""

    piece: int = parameter(0, "bytes sent at once; 0: all")
    pause: float = parameter(0.0, "seconds before each piece")
    stop: int = parameter(-1, "bytes of the body that are sent; -1: all")
    head: bool = parameter(True, "status line and headers are sent")
    then: str = parameter("", "what follows the last byte", ("", "close", "reset", "silence"))
    when: When = every

    def apply(self, request: Request, answer: Answer) -> Response:  # noqa: D102
        stop = None if self.stop < 0 else self.stop
        delivery = Delivery(self.head, stop, self.piece, self.pause, cast("Ending", self.then))
        return replace(answer(request), delivery=delivery)


class Hold(Behaviour):
    """A gate: requests wait until it is released, so that a test knows where a client stands."""

    def __init__(self, when: When = every) -> None:
        self.when = when
        self._reached = threading.Event()
        self._released = threading.Event()

    def apply(self, request: Request, answer: Answer) -> Response:  # noqa: D102
        self._reached.set()
        self._released.wait()
        return replace(answer(request))

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


def _cut(whole: Response, length: int, *, announced: bool) -> Response:
    headers = dict(whole.headers)
    if announced:
        headers["Content-Length"] = str(len(whole.body))
    return replace(whole, body=whole.body[:length], headers=headers)


def _in_character(body: bytes) -> int:
    """The place after the first byte of the last character that has several; 0 where there is none."""
    return 1 + max((at for at, byte in enumerate(body) if byte >= 0xC0), default=-1)  # noqa: PLR2004 - UTF-8


def _after_records(whole: Response) -> int:
    """The place where the last record of the page ends; 0 where it has none."""
    if whole.page is None or not whole.page.records:
        return 0
    last = whole.page.records[-1].encode("utf-8", "surrogateescape")
    return whole.body.rfind(last) + len(last)


ENTRIES = (
    Named(
        "cut",
        Cut,
        "breaks off the body; Content-Length told its whole length",
        Demand.COMPLETE,
        "compares the length with Content-Length and asks again",
        lessons=(1,),
        preset={"announced": True},
    ),
    Named(
        "cut-unannounced",
        Cut,
        "breaks off the body; Content-Length fits what is sent",
        Demand.SAFE,
        "parses strictly; a page without its end tag is no page",
        at="page=2",
        lessons=(1,),
        preset={"announced": False},
    ),
    Named(
        "cut-in-character",
        CutAt,
        "breaks off inside a character of several bytes; Content-Length fits",
        Demand.SAFE,
        "decodes and parses strictly",
        at="page=2",
        lessons=(1,),
        preset={"place": "character"},
    ),
    Named(
        "cut-after-record",
        CutAt,
        "breaks off after the last record, before the token and the end tag; Content-Length fits",
        Demand.SAFE,
        "wants the end tag, though all records of the page are there",
        at="page=2",
        lessons=(1,),
        preset={"place": "record"},
    ),
    Named(
        "drip",
        Deliver,
        "sends a few bytes at a time, with a pause before each",
        Demand.SAFE,
        "has a deadline for the whole answer beside the read timeout",
        at="page=2",
        lessons=(21,),
        preset={"head": True, "then": "", "stop": -1},
        defaults={"piece": 10, "pause": 0.2},
    ),
    Named(
        "stall",
        Deliver,
        "sends the head, announces a body and falls silent",
        Demand.SAFE,
        "has a read timeout",
        at="page=2",
        lessons=(21,),
        preset={"stop": 0, "head": True, "then": "silence", "piece": 0, "pause": 0.0},
    ),
    Named(
        "silence",
        Deliver,
        "takes the request and never answers",
        Demand.SAFE,
        "has a read timeout",
        at="page=2",
        lessons=(21,),
        preset={"head": False, "then": "silence", "piece": 0, "pause": 0.0, "stop": -1},
    ),
    Named(
        "reset",
        Deliver,
        "resets the connection (TCP RST) in the middle of the body",
        Demand.COMPLETE,
        "asks again, with a pause",
        preset={"head": True, "then": "reset", "piece": 0, "pause": 0.0},
        defaults={"stop": 500},
    ),
    Named(
        "refuse",
        Deliver,
        "closes the connection without an answer",
        Demand.COMPLETE,
        "asks again, with a pause",
        preset={"head": False, "then": "close", "piece": 0, "pause": 0.0, "stop": -1},
    ),
)
