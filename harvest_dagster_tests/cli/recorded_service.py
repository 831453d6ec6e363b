"""Serve recorded responses over HTTP: each request gets the response that was recorded for the same query."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from harvest_dagster_tests.recorded import Recording, recordings

_Response = tuple[int, bytes, str]


@contextmanager
def recorded_service(folder: str, path: str) -> Iterator[str]:
    """Yield the URL of a service. Its responses are the first ones of a folder for each query at this path."""
    found: dict[frozenset[tuple[str, str]], Recording] = {}
    for recording in recordings(folder):
        if urlsplit(recording.url).path == path:
            found.setdefault(_query(recording.url), recording)

    def respond(url: str) -> _Response:
        recording = found.get(_query(url))
        if recording is None:
            return 404, b"no response was recorded for this request", "text/plain"
        return recording.status, recording.body, "text/xml"

    with _service(respond) as root:
        yield root + path


@contextmanager
def fixed_service(path: str, body: bytes, content_type: str) -> Iterator[str]:
    """Yield the URL of a service that answers every request with the same body."""
    with _service(lambda _: (200, body, content_type)) as root:
        yield root + path


@contextmanager
def _service(respond: Callable[[str], _Response]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(respond)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def _query(url: str) -> frozenset[tuple[str, str]]:
    return frozenset(parse_qsl(urlsplit(url).query))


def _handler(respond: Callable[[str], _Response]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body, content_type = respond(self.path)
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    return Handler
