"""HTTP/1.1 on a socket: connections kept alive, GET and POST; an answer travels as its `Delivery` says.

What the answers say is decided by the function that a server is made with.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import sys
from collections.abc import Callable
from http.client import responses
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from harvest_dagster.simulator.exchange import Delivery, Request, Response
from harvest_dagster.simulator.log import RequestLog

LOOPBACK = "127.0.0.1"
# On, and zero seconds: closing sends RST instead of FIN and throws away what is not yet sent.
_RESET = struct.pack("ii", 1, 0)
Answered = tuple[Response, tuple[str, ...]]


class HttpServer(ThreadingHTTPServer):
    """A thread for each connection; `hang_up` ends those still open, so that none outlives the server."""

    daemon_threads = False
    request_queue_size = 128

    def __init__(self, port: int, log: RequestLog, answer: Callable[[Request], Answered]) -> None:
        super().__init__((LOOPBACK, port), Handler)
        self.log = log
        self.answer = answer
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Begin with a connection."""
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """End a connection."""
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Close what clients keep open."""
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away, or was killed, is no error of ours; anything else is shown."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One connection: notes each request, asks for its answer, sends it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: HttpServer

    def do_GET(self) -> None:
        """Arguments in the query string."""
        self._respond(urlsplit(self.path).query)

    def do_POST(self) -> None:
        """Arguments in the body (OAI-PMH section 3.1.1.2)."""
        self._respond(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())

    def _respond(self, query: str) -> None:
        arguments = tuple(parse_qsl(query, keep_blank_values=True))
        path = urlsplit(self.path).path
        request = self.server.log.arrived(self.command, path, arguments, dict(self.headers.items()))
        response, behaviours = self.server.answer(request)
        # Before the first byte leaves: a client that has its answer finds it in the log.
        self.server.log.answered(request, response.status if response.delivery.head else None, behaviours)
        self._sent = 0
        try:
            self._send(response)
        finally:
            self.server.log.sent(request, self._sent)

    def _send(self, response: Response) -> None:
        delivery = response.delivery
        date, length = self.date_time_string(), str(len(response.body))
        headers = {"Date": date, "Content-Length": length, **response.headers}
        body = response.body[: delivery.stop]
        if int(headers["Content-Length"]) != len(body):
            self.close_connection = True
        status = f"HTTP/1.1 {response.status} {responses.get(response.status, '')}"
        head = "\r\n".join([status, *map(": ".join, headers.items()), "", ""]).encode("latin-1")
        if not delivery.head:
            head = body = b""
        if delivery.piece:
            self._write(head)
            self._trickle(body, delivery)
        else:
            self._write(head + body)
        self._end(delivery)

    def _write(self, data: bytes) -> None:
        if data:
            self.wfile.write(data)
            self._sent += len(data)

    def _trickle(self, body: bytes, delivery: Delivery) -> None:
        for start in range(0, len(body), delivery.piece):
            if self._is_left(delivery.pause):
                self.close_connection = True
                return
            self._write(body[start : start + delivery.piece])

    def _end(self, delivery: Delivery) -> None:
        if not delivery.then:
            return
        self.close_connection = True
        if delivery.then == "silence":
            self._is_left(None)
        elif delivery.then == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            # Not `close`: the base class would send FIN first, and the reading side keeps it open.
            socket.close(self.connection.detach())

    def _is_left(self, seconds: float | None) -> bool:
        """Wait so long, or for ever; whether the client, or `hang_up`, ended the connection meanwhile."""
        readable, _, _ = select.select([self.connection], [], [], seconds)
        return bool(readable)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name it has there
        """The request log is ours."""
