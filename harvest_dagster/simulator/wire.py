"""HTTP/1.1 on a socket: connections kept alive, GET and POST, one write an answer; and the log of requests.

What the answers say is decided by the function that a server is made with.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from http.client import responses
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from harvest_dagster.simulator.exchange import Request, Response

LOOPBACK = "127.0.0.1"


class RequestLog:
    """Every request, in the order of arrival; safe to read at any time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: list[Request] = []
        self._verbs: Counter[str] = Counter()

    def arrived(self, method: str, path: str, arguments: tuple[tuple[str, str], ...]) -> Request:
        """Note a request, and give it its numbers."""
        verb = dict(arguments).get("verb", "")
        with self._lock:
            self._verbs[verb] += 1
            number = len(self._requests) + 1
            now = datetime.now(timezone.utc)
            request = Request(number, now, method, path, arguments, self._verbs[verb])
            self._requests.append(request)
        return request

    def answered(self, request: Request, status: int) -> None:
        """Note the status of its answer."""
        with self._lock:
            self._requests[request.number - 1] = replace(request, status=status)

    def snapshot(self) -> tuple[Request, ...]:
        """The requests so far."""
        with self._lock:
            return tuple(self._requests)


class HttpServer(ThreadingHTTPServer):
    """A thread for each connection; `hang_up` ends those still open, so that none outlives the server."""

    daemon_threads = False
    request_queue_size = 128

    def __init__(self, port: int, log: RequestLog, answer: Callable[[Request], Response]) -> None:
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
        request = self.server.log.arrived(self.command, urlsplit(self.path).path, arguments)
        response = self.server.answer(request)
        # Before the first byte leaves: a client that has its answer finds it in the log.
        self.server.log.answered(request, response.status)
        self._send(response)

    def _send(self, response: Response) -> None:
        headers = {"Content-Length": str(len(response.body)), **response.headers}
        if int(headers["Content-Length"]) != len(response.body):
            self.close_connection = True
        status = f"HTTP/1.1 {response.status} {responses.get(response.status, '')}"
        head = "\r\n".join(
            [status, f"Date: {self.date_time_string()}", *map(": ".join, headers.items()), "", ""]
        )
        self.wfile.write(head.encode("latin-1") + response.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name it has there
        """The request log is ours."""
