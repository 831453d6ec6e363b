"""A PostgreSQL server that refuses each connection with an error of one's choice."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_PARAMETERS = "sslmode=disable&gssencmode=disable&connect_timeout=5"


@contextmanager
def refusing_server(sqlstate: str, message: str) -> Iterator[str]:
    """Yield the URL of the server.

    Args:
        sqlstate: the SQLSTATE of the error.
        message: its text, as PostgreSQL writes it.
    """
    fields = (b"SFATAL", b"VFATAL", b"C" + sqlstate.encode(), b"M" + message.encode())
    error = b"".join(field + b"\0" for field in fields) + b"\0"

    class Refusal(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            connection: socket.socket = self.request
            (length,) = struct.unpack("!I", connection.recv(4, socket.MSG_WAITALL))
            connection.recv(length - 4, socket.MSG_WAITALL)  # the startup message
            connection.sendall(b"E" + struct.pack("!I", len(error) + 4) + error)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Refusal) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"postgresql://harvest:hunter2@127.0.0.1:{server.server_address[1]}/harvest?{_PARAMETERS}"
        finally:
            server.shutdown()
            thread.join()
