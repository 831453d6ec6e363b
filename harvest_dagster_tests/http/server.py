"""A server that sends exactly the bytes that a test specifies. http.server is too correct to fail in these ways."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO

Reply = bytes | Callable[[socket.socket], None]


@dataclass
class Request:
    """One received request."""

    path: str
    headers: dict[str, str]
    connection: int
    method: str = "GET"
    body: bytes = b""


@dataclass
class Server:
    """Answers the first request with the first reply, and so on. The last reply is repeated.

    A reply in bytes leaves the connection open. A reply that is a function receives the connection, which is closed
    when the function returns.
    """

    port: int
    scheme: str = "http"
    replies: list[Reply] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/oai"

    @property
    def paths(self) -> list[str]:
        return [request.path for request in self.requests]

    def next_reply(self, request: Request) -> Reply:
        with self.lock:
            self.requests.append(request)
            return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def serve(self, connection: socket.socket, number: int) -> None:
        with connection, suppress(OSError), connection.makefile("rb") as incoming:
            while request := _read_request(incoming, number):
                reply = self.next_reply(request)
                if callable(reply):
                    reply(connection)
                    return
                connection.sendall(reply)


def _read_request(incoming: IO[bytes], number: int) -> Request | None:
    first = incoming.readline().decode("latin-1").split()
    if not first:
        return None
    headers = {}
    while (line := incoming.readline().decode("latin-1").strip()) != "":
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = incoming.read(int(headers.get("content-length", "0")))
    return Request(first[1], headers, number, first[0], body)


@contextmanager
def serving(*replies: Reply, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(listener.getsockname()[1], "https" if tls else "http", list(replies))
        threads: list[threading.Thread] = []
        acceptor = threading.Thread(target=_accept, args=(listener, server, threads, tls), daemon=True)
        acceptor.start()
        try:
            yield server
        finally:
            # close() alone does not end accept() on Linux.
            listener.shutdown(socket.SHUT_RDWR)
            acceptor.join()


def _accept(
    listener: socket.socket, server: Server, threads: list[threading.Thread], tls: ssl.SSLContext | None
) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            server.connections += 1
            thread = threading.Thread(
                target=_serve_connection, args=(server, connection, server.connections, tls), daemon=True
            )
            threads.append(thread)
            thread.start()


def _serve_connection(
    server: Server, connection: socket.socket, number: int, tls: ssl.SSLContext | None
) -> None:
    if tls:
        try:
            connection = tls.wrap_socket(connection, server_side=True)
        except OSError:  # the client does not trust it
            connection.close()
            return
    server.serve(connection, number)


def response(body: bytes = b"<ok/>", status: int = 200, **headers: str) -> bytes:
    """Return a response. `Content_Length="7"` sets the header Content-Length, `""` leaves a header out."""
    fields = {"Content-Type": "text/xml", "Content-Length": str(len(body))}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in fields.items() if value)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def then_close(data: bytes) -> Reply:
    return lambda connection: connection.sendall(data)


def then_reset(data: bytes) -> Reply:
    def reply(connection: socket.socket) -> None:
        connection.sendall(data)
        # Closing with a linger of zero sends RST instead of FIN.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RD)

    return reply


def then_silence(data: bytes) -> Reply:
    """Send the data and nothing more, until the client closes the connection."""

    def reply(connection: socket.socket) -> None:
        connection.sendall(data)
        with suppress(OSError):
            while connection.recv(1024):
                pass

    return reply
