"""HTTP/1.1 over sockets: persistent connections, GET and POST. Each response is sent as its `Delivery` requires.

The content of responses comes from the function that is passed to the server.
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

from harvest_dagster.testing.simulator.serving.messages import Delivery, Request, Response
from harvest_dagster.testing.simulator.serving.request_log import RequestLog

LOOPBACK = "127.0.0.1"
# SO_LINGER, enabled with zero seconds: close() sends RST instead of FIN and discards unsent data.
_LINGER_ZERO = struct.pack("ii", 1, 0)
LoggedResponse = tuple[Response, tuple[str, ...]]  # with the labels of the behaviours that changed it


class HttpServer(ThreadingHTTPServer):
    """Uses one thread per connection. `close_connections` ends them all, so that no thread outlives the server."""

    daemon_threads = False
    request_queue_size = 128

    def __init__(self, port: int, log: RequestLog, respond: Callable[[Request], LoggedResponse]) -> None:
        super().__init__((LOOPBACK, port), ConnectionHandler)
        self.log = log
        self.respond = respond
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a connection."""
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """End a connection."""
        self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """Close the connections that clients keep open."""
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print an error, except if the client closed the connection or was killed."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class ConnectionHandler(BaseHTTPRequestHandler):
    """Serves one connection: logs each request and sends its response."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: HttpServer

    def do_GET(self) -> None:
        """Serve a request with its arguments in the query string."""
        self._serve(urlsplit(self.path).query)

    def do_POST(self) -> None:
        """Serve a request with its arguments in the body (OAI-PMH section 3.1.1.2)."""
        self._serve(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())

    def _serve(self, query: str) -> None:
        arguments = tuple(parse_qsl(query, keep_blank_values=True))
        path = urlsplit(self.path).path
        request = self.server.log.add(self.command, path, arguments, dict(self.headers.items()))
        response, behaviours = self.server.respond(request)
        # Before the first byte is sent, so that a client that has received the response finds it in the log.
        status = response.status if response.delivery.send_head else None
        self.server.log.set_response(request, status, behaviours)
        self._bytes_sent = 0
        try:
            self._send(response)
        finally:
            self.server.log.set_bytes_sent(request, self._bytes_sent)

    def _send(self, response: Response) -> None:
        delivery = response.delivery
        date, length = self.date_time_string(), str(len(response.body))
        headers = {"Date": date, "Content-Length": length, **response.headers}
        body = response.body[: delivery.body_bytes]
        if int(headers["Content-Length"]) != len(body):
            self.close_connection = True
        status = f"HTTP/1.1 {response.status} {responses.get(response.status, '')}"
        head = "\r\n".join([status, *map(": ".join, headers.items()), "", ""]).encode("latin-1")
        if not delivery.send_head:
            head = body = b""
        if delivery.chunk_size:
            self._write(head)
            self._write_chunks(body, delivery)
        else:
            self._write(head + body)
        self._end(delivery)

    def _write(self, data: bytes) -> None:
        if data:
            self.wfile.write(data)
            self._bytes_sent += len(data)

    def _write_chunks(self, body: bytes, delivery: Delivery) -> None:
        for start in range(0, len(body), delivery.chunk_size):
            if self._is_closed_within(delivery.pause):
                self.close_connection = True
                return
            self._write(body[start : start + delivery.chunk_size])

    def _end(self, delivery: Delivery) -> None:
        if not delivery.ending:
            return
        self.close_connection = True
        if delivery.ending == "silence":
            self._is_closed_within(None)
        elif delivery.ending == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
            # Not `close`: the base class would send FIN first, and its reader keeps the socket open.
            socket.close(self.connection.detach())

    def _is_closed_within(self, seconds: float | None) -> bool:
        """Wait until the connection is closed, at most `seconds` (None: no limit). Return True if it was closed."""
        readable, _, _ = select.select([self.connection], [], [], seconds)
        return bool(readable)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the base class
        """Write nothing: the request log replaces the log of the base class."""
