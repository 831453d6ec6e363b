"""Limit the time and the size of a whole response: status line, headers and body.

`requests` alone does not limit them. Its read timeout is the longest silence between two reads: a server that sends
one byte a minute never exceeds it. A server that sends headers or a chunk size without an end fills the memory. So
the adapter waits for bytes only for a short time at once. After each wait, the exchange compares the time and the size
with their limits, and ends the read if the harvest must end.

The adapter connects first. Then it waits until the rate limiter reserves the request, and sends it at once. A slow TLS
handshake therefore does not delay a reserved request. If the server closes the connection during that wait, nothing is
reserved or sent.
"""

from __future__ import annotations

import http.client
import io
import logging
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from math import inf
from typing import Any, Literal
from urllib.parse import urlsplit

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection

from harvest_dagster.errors import DeadlineExceeded, ResponseTooLarge, SourceUnreachable
from harvest_dagster.http.error_mapping import forbidden_host_error, forbidden_redirect_error
from harvest_dagster.http.models import Timeouts
from harvest_dagster.http.rate_limit.deadline import SLICE, Deadline
from harvest_dagster.http.rate_limit.limiter import RateLimiter
from harvest_dagster.http.transport.addresses import RedirectGuard, parse_address, scope_of
from harvest_dagster.response_limits import ResponseLimits, raise_limit


class ConnectionClosed(Exception):
    """The server closed the connection while the request waited for the rate limiter. Nothing was sent."""


@dataclass
class Exchange:
    """One request and its response.

    Attributes:
        url: The requested URL, secrets masked, for messages.
        host: Key of the host for the rate limiter.
        limiter: Reserves the request.
        deadline: The clock, and the time limit of the harvest.
        timeouts: The timeouts `read` and `response` apply here. The connection applies `connect`.
        response_limits: The limits of the response.
        size_limit: The key of the limit of the bytes that may arrive.
        guard: Decides to which addresses a redirect may lead. It learns the address of the source from the first
            request.
        is_redirected: Whether a redirect led to this request.
        sent_at: The time of the clock when the request was sent. None before that.
        received: Number of bytes received so far.
    """

    url: str
    host: str
    limiter: RateLimiter
    deadline: Deadline
    timeouts: Timeouts
    response_limits: ResponseLimits
    size_limit: Literal["received_bytes", "file_bytes"] = "received_bytes"
    guard: RedirectGuard = field(default_factory=RedirectGuard)
    is_redirected: bool = False
    sent_at: float | None = None
    received: int = 0

    def validate_peer(self, sock: socket.socket) -> None:
        """Raise if a request must not go to the address of a connection. Without a redirect, record the address.

        Raises:
            SourceUnreachable: The address is in a network that is less public than the source.
        """
        host = str(sock.getpeername()[0])
        if self.is_redirected:
            self.validate_redirect(host)
        elif (address := parse_address(host)) is not None:
            name = urlsplit(self.url).hostname or ""
            if not self.guard.allows_host(self.host, name, address, scope := scope_of(address)):
                raise forbidden_host_error(self.url)
            self.guard = self.guard.with_host(self.host, scope)

    def validate_redirect(self, host: str) -> None:
        """Raise SourceUnreachable if `host` is an address to which a redirect must not lead.

        `host` is a name if a proxy resolves it. The address of a name is unknown, except that of `localhost`.
        """
        address = parse_address("127.0.0.1" if host == "localhost" else host)
        if address is not None and not self.guard.allows(address):
            raise forbidden_redirect_error(self.url)

    def reserve(self, sock: socket.socket) -> None:
        """Wait until the rate limiter reserves the request. The caller sends it at once.

        Raises:
            ConnectionClosed: The server closed the connection during the wait. Nothing is reserved.
        """
        if not self.limiter.reserve(self.host, partial(_is_open, sock)):
            raise ConnectionClosed
        self.sent_at = self.deadline.clock()

    def receive(self, sock: socket.socket, buffer: Any) -> int:
        """Read the bytes that have arrived into the buffer. Return their number, 0 at the end of the stream.

        Raises:
            SourceUnreachable: The timeout `read` or `response` has expired.
            ResponseTooLarge: More bytes arrived than `size_limit` allows.
            DeadlineExceeded: The time limit of the harvest has expired.
        """
        since = self.deadline.clock()
        while True:
            self._raise_if_over()
            sock.settimeout(min(SLICE, self._remaining(since)))
            try:
                count = sock.recv_into(buffer)
            except TimeoutError:
                continue
            self._add(count)
            return count

    def _raise_if_over(self) -> None:
        """Raise DeadlineExceeded if the time limit of the harvest has expired: with the page, and what has arrived."""
        try:
            self.deadline.raise_if_over()
        except DeadlineExceeded as error:
            seconds = 0.0 if self.sent_at is None else self.deadline.clock() - self.sent_at
            message = f"{self.url}: {self.received} bytes of the response have arrived in {seconds:.0f} s, and {error}"
            raise DeadlineExceeded(message) from error

    def _remaining(self, since: float) -> float:
        """Return the seconds until the next timeout. Raise if one has expired. No byte has arrived since `since`."""
        now, read, response = self.deadline.clock(), self.timeouts.read, self.timeouts.response
        if now - since >= read:
            message = (
                f"{self.url}: no byte arrived for {read:g} s. Try later, or raise `timeout: {{read: …}}`."
            )
            raise SourceUnreachable(message)
        remaining = inf if self.sent_at is None else self.sent_at + response - now
        if remaining <= 0:
            message = (
                f"{self.url}: the response was not complete after {response:g} s, {self.received} bytes have arrived."
                " Try later, request smaller pages, or raise `timeout: {response: …}`."
            )
            raise SourceUnreachable(message)
        return min(remaining, read - (now - since))

    def _add(self, count: int) -> None:
        self.received += count
        if self.received > getattr(self.response_limits, self.size_limit):
            remedy = "Request smaller pages, or" if self.size_limit == "received_bytes" else "If it is right,"
            message = (
                f"{self.url}: the response has more bytes than allowed: "
                f"{self.response_limits.describe(self.size_limit)}. {remedy} {raise_limit(self.size_limit)}."
            )
            raise ResponseTooLarge(message)


def _is_open(sock: socket.socket) -> bool:
    """Return whether a connection on which no request is pending is still open.

    It tries to read a byte. To poll the socket is not enough: TLS 1.3 sends session tickets after the handshake, so
    an open connection can be readable too. Application data before a request means that the connection is unusable.
    """
    timeout = sock.gettimeout()
    sock.settimeout(0)
    try:
        sock.recv(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        return False
    finally:
        sock.settimeout(timeout)
    return False


class _SocketReader(io.RawIOBase):
    """Reads a socket through the current exchange.

    Here it is an error if the connection ends within the headers. http.client would treat that as the end of the
    headers. If Content-Length were among the missing headers, an incomplete response would seem complete.
    """

    def __init__(self, sock: socket.socket, original: io.RawIOBase, current: Callable[[], Exchange]) -> None:
        self._sock = sock
        self._original = original  # opened by http.client; closing it releases the socket
        self._current = current
        self._has_begun = False
        self.in_headers = True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._current().receive(self._sock, buffer)
        if count == 0 and self._has_begun and self.in_headers:
            raise ConnectionAbortedError
        self._has_begun = True
        return count

    def close(self) -> None:
        self._original.close()
        super().close()


class _WatchedResponse(http.client.HTTPResponse):
    def __init__(
        self, sock: socket.socket, *args: Any, current: Callable[[], Exchange], **options: Any
    ) -> None:
        super().__init__(sock, *args, **options)
        self._reader = _SocketReader(sock, self.fp.detach(), current)
        self.fp = io.BufferedReader(self._reader)

    def begin(self) -> None:
        super().begin()
        self._reader.in_headers = False


def _watched_connection(base: type[HTTPConnection], current: Callable[[], Exchange]) -> type[HTTPConnection]:
    """Return a connection class whose requests and responses use the current exchange."""

    class WatchedConnection(base):  # type: ignore[valid-type,misc]  # http or https: the pool knows which
        response_class = staticmethod(partial(_WatchedResponse, current=current))

        def _new_conn(self) -> socket.socket:
            """Connect, and validate the address before the TLS handshake. A proxy is trusted, so its address is not."""
            sock: socket.socket = super()._new_conn()
            if self.proxy is None:
                try:
                    current().validate_peer(sock)
                except SourceUnreachable:
                    sock.close()
                    raise
            return sock

        def request(self, *args: Any, **options: Any) -> None:
            if self.sock is None:
                self.connect()
            exchange = current()
            if self.proxy is None:
                # Again, because a redirect may use a connection that an earlier request opened.
                exchange.validate_peer(self.sock)
            exchange.reserve(self.sock)
            super().request(*args, **options)
            exchange.limiter.record_departure(exchange.host)

    return WatchedConnection


class WatchedAdapter(HTTPAdapter):
    """The `requests` adapter of one session.

    Attributes:
        exchange: The current request. Set it before each request. A session serves one thread.
    """

    exchange: Exchange

    def __init__(self) -> None:
        super().__init__()
        for name in ("urllib3.connectionpool", "urllib3.connection"):
            logging.getLogger(name).addFilter(_hide_paths)

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:
        """Return the connection pool of a host, with watched connections."""
        pool: Any = super().get_connection_with_tls_context(*args, **options)
        if "ConnectionCls" not in vars(pool):
            pool.ConnectionCls = _watched_connection(pool.ConnectionCls, lambda: self.exchange)
        return pool


def _hide_paths(record: logging.LogRecord) -> bool:
    """Remove the paths and queries of URLs from the log records of urllib3, in the whole process.

    A path or a query may hold an API key.
    """
    if isinstance(record.args, tuple):
        record.args = tuple(
            re.sub(r"((?:^|://[^/\s]*)/)\S*", r"\1…", value) if isinstance(value, str) else value
            for value in record.args
        )
    return True
