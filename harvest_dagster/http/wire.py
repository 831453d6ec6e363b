"""What `requests` does not bound: every byte that arrives passes here, status line and headers included.

A read timeout is the silence between two pieces; a server that drips one byte a minute never breaks it, and
one that sends headers or a chunk's size without an end fills the memory. So the socket is read in slices,
each with a look at the clock, the amount, and at whether the harvest is still wanted. And a request leaves
only when its connection stands and the budget has granted it: at that instant, not before a slow handshake,
and not over a connection that the other side closed while another process took the turn.
"""

from __future__ import annotations

import http.client
import io
import logging
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from math import inf
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection

from harvest_dagster.errors import ResponseTooLarge, SourceUnreachable
from harvest_dagster.http.waiting import SLICE, Watch


class HungUp(Exception):
    """The other side closed the connection while a request waited for its turn; nothing was sent."""


@dataclass
class Exchange:
    """One request and its response.

    Attributes:
        place: the URL, redacted, for messages.
        watch: the harvest's clock and deadline.
        grant: returns when the request may leave, and not before, unless what it is handed says that it cannot.
        left: told once the request is on its way.
        silence: seconds, the longest between two pieces.
        longest: seconds for the whole response, from the request's departure.
        largest: bytes that may arrive.
        slice: seconds, the longest between two looks.
        departed: when the request left; None while it cannot have reached the server.
        received: bytes so far.
    """

    place: str
    watch: Watch
    grant: Callable[[Callable[[], bool]], None]
    left: Callable[[], None]
    silence: float
    longest: float
    largest: int
    slice: float = SLICE
    departed: float | None = None
    received: int = 0

    def depart(self, sock: socket.socket) -> None:
        """Wait for the budget; the request leaves right after.

        Raises:
            HungUp: the connection fell meanwhile.
        """
        asked, fell = count(), False

        def stands() -> bool:
            nonlocal fell
            fell = next(asked) > 0 and _has_hung_up(sock)  # the first time nothing was waited for
            return not fell

        self.grant(stands)
        if fell:
            raise HungUp
        self.departed = self.watch.clock()

    def receive(self, sock: socket.socket, buffer: Any) -> int:
        """Read what there is into the buffer: how many bytes, 0 at the end.

        Raises:
            SourceUnreachable: too long a silence, or too long altogether.
            ResponseTooLarge: more than `largest`.
            DeadlineExceeded: the harvest's time is over.
        """
        since = self.watch.clock()
        while True:
            self.watch.look()
            sock.settimeout(min(self.slice, self._patience(since)))
            try:
                count = sock.recv_into(buffer)
            except TimeoutError:
                continue
            self._count(count)
            return count

    def _patience(self, since: float) -> float:
        now = self.watch.clock()
        if now - since >= self.silence:
            remedy = "Try later, or raise `timeout: {read: …}`."
            raise SourceUnreachable(f"{self.place}: nothing came for {self.silence:g} s. {remedy}")
        remaining = inf if self.departed is None else self.departed + self.longest - now
        if remaining <= 0:
            remedy = "Try later, ask for smaller pages, or raise `timeout: {response: …}`."
            raise SourceUnreachable(
                f"{self.place}: the answer was not whole after {self.longest:g} s. {remedy}"
            )
        return min(remaining, self.silence - (now - since))

    def _count(self, count: int) -> None:
        self.received += count
        if self.received > self.largest:
            message = f"{self.place}: the answer is larger than {self.largest} bytes. Ask for smaller pages."
            raise ResponseTooLarge(message)


def _has_hung_up(sock: socket.socket) -> bool:
    """Whether nothing can come any more, where nothing may have come yet.

    That something can be read is not enough: TLS 1.3 sends tickets of its own after the handshake.
    """
    patience = sock.gettimeout()
    sock.settimeout(0)
    try:
        sock.recv(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True
    finally:
        sock.settimeout(patience)
    return True


class _Incoming(io.RawIOBase):
    """A socket's incoming side, read through the exchange of the moment.

    http.client takes the end of the connection for the end of the headers, and then a length that was cut off
    for one that was never given: the body of such an answer would count as whole.
    """

    def __init__(self, sock: socket.socket, held: io.RawIOBase, current: Callable[[], Exchange]) -> None:
        self._sock = sock
        self._held = held  # what http.client opened; closing it gives the socket back
        self._current = current
        self._begun = False
        self.in_head = True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._current().receive(self._sock, buffer)
        if count == 0 and self._begun and self.in_head:
            raise ConnectionAbortedError
        self._begun = True
        return count

    def close(self) -> None:
        self._held.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(
        self, sock: socket.socket, *args: Any, current: Callable[[], Exchange], **options: Any
    ) -> None:
        super().__init__(sock, *args, **options)
        self._incoming = _Incoming(sock, self.fp.detach(), current)
        self.fp = io.BufferedReader(self._incoming)

    def begin(self) -> None:
        super().begin()
        self._incoming.in_head = False


def _watched(base: type[HTTPConnection], current: Callable[[], Exchange]) -> type[HTTPConnection]:
    """A connection class whose requests and responses pass through the exchange of the moment."""

    class Watched(base):  # type: ignore[valid-type,misc]  # http or https, the pool knows which
        response_class = staticmethod(partial(_Response, current=current))

        def request(self, *args: Any, **options: Any) -> None:
            if self.sock is None:
                self.connect()
            current().depart(self.sock)
            super().request(*args, **options)
            current().left()

    return Watched


class WatchedAdapter(HTTPAdapter):
    """The transport of one session; `exchange` is set before each request.

    Attributes:
        exchange: the request that is under way. A session serves one thread.
    """

    exchange: Exchange

    def __init__(self) -> None:
        super().__init__()
        for name in ("urllib3.connectionpool", "urllib3.connection"):
            logging.getLogger(name).addFilter(_without_paths)

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:
        """The pool of a host, its connections watched."""
        pool: Any = super().get_connection_with_tls_context(*args, **options)
        if "ConnectionCls" not in vars(pool):
            pool.ConnectionCls = _watched(pool.ConnectionCls, lambda: self.exchange)
        return pool


def _without_paths(record: logging.LogRecord) -> bool:
    """urllib3 logs whole URLs, and a path or a query may hold an API key. It is for all of the process."""
    if isinstance(record.args, tuple):
        record.args = tuple(_shortened(value) for value in record.args)
    return True


def _shortened(value: object) -> object:
    return re.sub(r"((?:^|://[^/\s]*)/)\S*", r"\1…", value) if isinstance(value, str) else value
