"""A REST API over HTTP that lists what has changed since an instant, up to now."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from harvest_dagster.windows import parse_instant
from harvest_dagster_tests.pipeline.world import World


@dataclass
class ChangesApi:
    """The API.

    Attributes:
        items: identifiers and datestamps, in the order of its lists.
        page_size: records on a page.
        has_total: whether it counts its lists.
        missing: how many records it counts and does not deliver.
        cap: how many records of a list it delivers; it refuses the rest of a longer list.
        is_silent: whether it sends an empty page in place of that refusal.
        fails_at: the offset at which it answers with half a page, as often as `failures` says.
        failures: how often.
        requests: `since` and offset of each request.
    """

    items: list[tuple[str, datetime]]
    page_size: int = 3
    has_total: bool = True
    missing: int = 0
    cap: int | None = None
    is_silent: bool = False
    fails_at: int | None = None
    failures: int = 0
    requests: list[tuple[str, int]] = field(default_factory=list)

    def answer(self, since: str, offset: int) -> tuple[int, Any]:
        self.requests.append((since, offset))
        if offset == self.fails_at and self.failures:
            self.failures -= 1
            return 200, None
        if self.cap is not None and offset >= self.cap and not self.is_silent:
            return 400, {"message": "Cannot page beyond the limit. Narrow the query."}
        listed = [(name, changed) for name, changed in self.items if changed >= parse_instant(since)]
        page = listed[offset : min(offset + self.page_size, self.cap or len(listed))]
        total = {"total": len(listed) + self.missing} if self.has_total else {}
        return 200, {
            "items": [{"id": name, "changed": changed.isoformat()} for name, changed in page],
            **total,
        }

    @property
    def lists(self) -> list[str]:
        """The first instant of each list that was requested."""
        return [since for since, offset in self.requests if offset == 0]


@contextmanager
def serving(world: World, api: ChangesApi, **kwargs: Any) -> Iterator[None]:
    """Serve an API. The config of the world refers to it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # headers and body in one packet: two take 40 ms

        def do_GET(self) -> None:  # of the base class
            query = dict(parse_qsl(urlsplit(self.path).query))
            status, answer = api.answer(query["since"], int(query["offset"]))
            body = b'{"items": [' if answer is None else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        world.change(
            harvester="rest",
            harvester_kwargs={
                "base_url": f"http://127.0.0.1:{server.server_address[1]}/changes",
                "params": {"since": "{from}", "limit": api.page_size},
                "records": "items",
                "identifier": "id",
                "datestamp": "changed",
                "total": "total",
                "next": {"by": "offset", "param": "offset"},
                **({} if api.has_total else {"total": None}),
                **kwargs,
            },
            rate_limit={"calls": 100_000, "period": 1},
            max_window="1d",
        )
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
