"""A REST API over HTTP whose lists have only a part of each record, and whose records have a parent."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from harvest_dagster.pipeline import lease_guard
from harvest_dagster.pipeline.run_window import WindowRun, run_window
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.windows import Window
from harvest_dagster_tests.pipeline.world import WINDOW, World

Answer = tuple[int, bytes]


@dataclass
class ListApi:
    """An API with lists of identifiers, and one address for each record.

    Attributes:
        records: the identifiers, in the order of the lists.
        page_size: records of a page.
        answers: responses to the requests for some details, by identifier, in place of the record.
        parents: the records of each parent; the lists of other paths have `records`.
        counted_too_often: parents whose lists announce one record more than they have.
        requests: the requests: the path and the query as they came.
        authorizations: the header Authorization of each request.
    """

    records: list[str]
    page_size: int = 3
    answers: dict[str, Answer] = field(default_factory=dict)
    parents: dict[str, list[str]] = field(default_factory=dict)
    counted_too_often: set[str] = field(default_factory=set)
    requests: list[str] = field(default_factory=list)
    authorizations: set[str | None] = field(default_factory=set)
    url: str = ""

    @property
    def details(self) -> list[str]:
        """The identifiers of the requested details."""
        paths = [urlsplit(request).path for request in self.requests]
        return [unquote(path.removeprefix("/works/")) for path in paths if path.startswith("/works/")]

    @property
    def lists(self) -> list[str]:
        """The requests for pages of lists."""
        return [request for request in self.requests if not request.startswith("/works/")]

    def reply(self, target: str) -> Answer:
        parts = urlsplit(target)
        if parts.path.startswith("/works/"):
            identifier = unquote(parts.path.removeprefix("/works/"))
            whole = {
                "work": {"id": identifier, "title": f"Title of {identifier}", "views": len(self.requests)}
            }
            return self.answers.get(identifier, (200, json.dumps(whole).encode()))
        return 200, json.dumps(self._page(parts.path, parse_qs(parts.query))).encode()

    def _page(self, path: str, query: dict[str, list[str]]) -> Any:
        names = self._names(path)
        at = int(query.get("cursor", ["0"])[0])
        end = at + self.page_size
        following = {"next": str(end)} if end < len(names) else {}
        items = [self._item(name) for name in names[at:end]]
        total = len(names) + any(f"/{quote(parent, safe='')}/" in path for parent in self.counted_too_often)
        return {"items": items, "total": total, **following}

    def _names(self, path: str) -> list[str]:
        if path == "/collections":
            return list(self.parents)
        collection = unquote(path.removeprefix("/collections/").removesuffix("/works"))
        return self.parents.get(collection, self.records)

    def _item(self, name: str) -> Any:
        return {"id": name, "day": f"{WINDOW.start:%Y-%m-%d}T10:00:00Z", "state": f"{name[:4]}"}


@contextmanager
def serving(api: ListApi) -> Iterator[ListApi]:
    """Serve an API on a free port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:  # of the base class
            api.requests.append(self.path)
            api.authorizations.add(self.headers["Authorization"])
            status, body = api.reply(self.path)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        api.url = f"http://127.0.0.1:{server.server_port}"
        yield api
        server.shutdown()


def configure(world: World, api: ListApi, *, path: str = "/list", **changed: Any) -> None:
    """Let the config of the world refer to an API."""
    kwargs = list_kwargs(api, path=path, **changed)
    world.change(harvester="rest", harvester_kwargs=kwargs, rate_limit={"calls": 100_000, "period": 1})


def list_kwargs(api: ListApi, *, path: str = "/list", **changed: Any) -> dict[str, Any]:
    """Return the arguments of the harvester for a list of an API."""
    return {
        "base_url": f"{api.url}{path}",
        "params": {"from": "{from}", "until": "{until}"},
        "granularity": "second",
        "records": "items",
        "identifier": "id",
        "datestamp": "day",
        "total": "total",
        "next": {"by": "cursor", "path": "next", "param": "cursor"},
        **changed,
    }


class Killed(BaseException):
    """The process of a run was killed."""


def kill_after(pages: int) -> Callable[[], None]:
    """Return a check that kills the run after so many pages."""
    left = iter(range(pages - 1))

    def keep_going() -> None:
        if next(left, None) is None:
            raise Killed

    return keep_going


def harvest(
    world: World,
    name: str,
    keep_going: Callable[[], None] | None = None,
    window: Window = WINDOW,
    **parameters: Any,
) -> HarvestLog:
    """Harvest one window with one run, and return its log."""
    context = world.harvest(name, **parameters)
    with lease_guard.hold_lease(context) as lease:
        try:
            log = run_window(WindowRun(context, lease, keep_going=keep_going), window)
        finally:
            lease_guard.release(context, lease)
    assert log is not None
    return log
