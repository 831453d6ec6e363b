"""Faults of the transport: truncated, slow, stalled, reset and refused responses. `RequestGate` blocks requests."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import cast

from harvest_dagster.testing.simulator.behaviours.base import (
    Behaviour,
    Contract,
    Handler,
    NamedBehaviour,
    parameter,
)
from harvest_dagster.testing.simulator.behaviours.conditions import RequestPredicate, every_request
from harvest_dagster.testing.simulator.serving.messages import Delivery, Ending, Request, Response


@dataclass(frozen=True)
class TruncatedBody(Behaviour):
    """Sends only the first bytes of the body.

    Attributes:
        length: how many bytes are sent.
        announced: True if Content-Length gives the full length, so that the client can detect the truncation.
    """

    length: int = parameter(1000, "number of bytes of the body that are sent")
    announced: bool = parameter(True, "Content-Length gives the full length")
    when: RequestPredicate = every_request

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        return _truncate(handler(request), self.length, announced=self.announced)


@dataclass(frozen=True)
class TruncatedAtPosition(Behaviour):
    """Truncates the body at a position that a lenient parser does not notice.

    Attributes:
        position: inside a multi-byte character, or after the last record of the page.
        announced: True if Content-Length gives the full length.
    """

    position: str = parameter("record", "where the body ends", ("character", "record"))
    announced: bool = parameter(False, "Content-Length gives the full length")
    when: RequestPredicate = every_request

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        response = handler(request)
        if self.position == "character":
            length = _length_to_split_character(response.body)
        else:
            length = _length_to_last_record(response)
        return _truncate(response, length, announced=self.announced) if length else response


@dataclass(frozen=True)
class DeliveryFault(Behaviour):
    """Delivers a correct response slowly, partly, or with a broken connection."""

    piece: int = parameter(0, "number of bytes per write; 0: all in one write")
    pause: float = parameter(0.0, "seconds before each write")
    stop: int = parameter(-1, "number of bytes of the body that are sent; -1: all")
    send_head: bool = parameter(True, "the status line and the headers are sent")
    ending: str = parameter("", "what follows the last byte", ("", "close", "reset", "silence"))
    when: RequestPredicate = every_request

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        delivery = Delivery(
            send_head=self.send_head,
            body_bytes=None if self.stop < 0 else self.stop,
            chunk_size=self.piece,
            pause=self.pause,
            ending=cast("Ending", self.ending),
        )
        return replace(handler(request), delivery=delivery)


class RequestGate(Behaviour):
    """Blocks requests until `release` is called, so that a test knows how far a client has come."""

    def __init__(self, when: RequestPredicate = every_request) -> None:
        self.when = when
        self._reached = threading.Event()
        self._released = threading.Event()

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        self._reached.set()
        self._released.wait()
        return handler(request)

    def wait_until_reached(self, timeout: float) -> None:
        """Return as soon as a request is blocked.

        Raises:
            TimeoutError: if no request arrives within `timeout` seconds.
        """
        if not self._reached.wait(timeout):
            raise TimeoutError(f"no request reached the gate within {timeout} s")

    def release(self) -> None:
        """Let the blocked requests and all later ones through."""
        self._released.set()

    def close(self) -> None:  # noqa: D102
        self.release()


def _truncate(response: Response, length: int, *, announced: bool) -> Response:
    headers = dict(response.headers)
    if announced:
        headers["Content-Length"] = str(len(response.body))
    return replace(response, body=response.body[:length], headers=headers)


def _length_to_split_character(body: bytes) -> int:
    """Return the length up to and including the first byte of the last multi-byte character; 0 if there is none."""
    return 1 + max((at for at, byte in enumerate(body) if byte >= 0xC0), default=-1)  # noqa: PLR2004 - UTF-8


def _length_to_last_record(response: Response) -> int:
    """Return the length up to the end of the last record of the page; 0 if the page has no record."""
    if response.page is None or not response.page.records:
        return 0
    last = response.page.records[-1].encode("utf-8", "surrogateescape")
    return response.body.rfind(last) + len(last)


_STRICT = "A harvester must decode and parse strictly: a page without its end tag is an error."
_READ_TIMEOUT = "A harvester must use a read timeout."
_REPEAT = "A harvester must pause and repeat the request."
_TRUNCATED = ("truncated-page",)
ENTRIES = (
    NamedBehaviour(
        "cut",
        TruncatedBody,
        "The server truncates the body; Content-Length gives the full length.",
        Contract.COMPLETE,
        "A harvester must compare the received length with Content-Length and repeat the request.",
        failures=_TRUNCATED,
        preset={"announced": True},
    ),
    NamedBehaviour(
        "cut-unannounced",
        TruncatedBody,
        "The server truncates the body; Content-Length gives the truncated length.",
        Contract.COMPLETE_OR_FAIL,
        _STRICT,
        condition="page=2",
        failures=_TRUNCATED,
        preset={"announced": False},
    ),
    NamedBehaviour(
        "cut-in-character",
        TruncatedAtPosition,
        "The server truncates the body inside a multi-byte character; Content-Length gives the truncated length.",
        Contract.COMPLETE_OR_FAIL,
        _STRICT,
        condition="page=2",
        failures=_TRUNCATED,
        preset={"position": "character"},
    ),
    NamedBehaviour(
        "cut-after-record",
        TruncatedAtPosition,
        "The server truncates the body after the last record, before the token and the end tag; "
        "Content-Length gives the truncated length.",
        Contract.COMPLETE_OR_FAIL,
        "A harvester must require the end tag, even if all records of the page are present.",
        condition="page=2",
        failures=_TRUNCATED,
        preset={"position": "record"},
    ),
    NamedBehaviour(
        "drip",
        DeliveryFault,
        "The server sends a few bytes at a time and pauses before each write.",
        Contract.COMPLETE_OR_FAIL,
        "A harvester must limit the time for the whole response, in addition to the read timeout.",
        condition="page=2",
        failures=("no-timeout",),
        preset={"send_head": True, "ending": "", "stop": -1},
        defaults={"piece": 10, "pause": 0.2},
        never_answers=True,
    ),
    NamedBehaviour(
        "stall",
        DeliveryFault,
        "The server sends the headers, announces a body and then sends nothing.",
        Contract.COMPLETE_OR_FAIL,
        _READ_TIMEOUT,
        condition="page=2",
        failures=("no-timeout",),
        preset={"stop": 0, "send_head": True, "ending": "silence", "piece": 0, "pause": 0.0},
        never_answers=True,
    ),
    NamedBehaviour(
        "silence",
        DeliveryFault,
        "The server accepts the request and never responds.",
        Contract.COMPLETE_OR_FAIL,
        _READ_TIMEOUT,
        condition="page=2",
        failures=("no-timeout",),
        preset={"send_head": False, "ending": "silence", "piece": 0, "pause": 0.0, "stop": -1},
        never_answers=True,
    ),
    NamedBehaviour(
        "reset",
        DeliveryFault,
        "The server resets the connection (TCP RST) in the middle of the body.",
        Contract.COMPLETE,
        _REPEAT,
        preset={"send_head": True, "ending": "reset", "piece": 0, "pause": 0.0},
        defaults={"stop": 500},
    ),
    NamedBehaviour(
        "refuse",
        DeliveryFault,
        "The server closes the connection without a response.",
        Contract.COMPLETE,
        _REPEAT,
        preset={"send_head": False, "ending": "close", "piece": 0, "pause": 0.0, "stop": -1},
    ),
)
