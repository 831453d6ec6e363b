"""The server: a repository, its edits, its request log and its behaviours, at a URL on loopback.

`Server` maps each path to a protocol; another API needs another entry in its table. The content of responses comes from
`protocols`, the faults from `behaviours`, and `http_connection` sends the bytes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType

from harvest_dagster.testing.simulator.behaviours.base import Behaviour, Handler
from harvest_dagster.testing.simulator.protocols import oai, rest
from harvest_dagster.testing.simulator.protocols import renderer as plugin_protocol
from harvest_dagster.testing.simulator.protocols.renderer import Renderer
from harvest_dagster.testing.simulator.repository.edits import Edits
from harvest_dagster.testing.simulator.repository.history import History
from harvest_dagster.testing.simulator.repository.lists import RepositorySnapshot
from harvest_dagster.testing.simulator.repository.repository import Repository
from harvest_dagster.testing.simulator.serving.http_connection import LOOPBACK, HttpServer, LoggedResponse
from harvest_dagster.testing.simulator.serving.messages import REDIRECT_PREFIX, ListQuery, Request, Response
from harvest_dagster.testing.simulator.serving.request_log import Arguments, RequestLog
from harvest_dagster.testing.simulator.truth import Truth, true_records

_LIST_PATH = "/list"


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)


class Server:
    """Serves a repository during a `with` block. A server can be started once.

    Args:
        repository: the repository to serve.
        behaviours: the faults, the outermost first.
        edits: the edits of an earlier server of the same repository; none by default.
        port: the port; 0 selects a free one.
        clock: returns the current time, aware, for `responseDate` and the expiry of tokens.
        paging: how the list of the JSON API is paged: see `protocols.rest`.
        log: a file that receives every request as one line of JSON.
        renderer: the protocol of a plug-in, for the list at `list_url`.
        history: what happens to the records while the clock advances. `edits` apply on top of it.

    Attributes:
        repository: the repository.
        edits: change them to change the repository while the server runs.
    """

    def __init__(
        self,
        repository: Repository | None = None,
        *,
        behaviours: Sequence[Behaviour] = (),
        edits: Edits | None = None,
        port: int = 0,
        clock: Callable[[], datetime] = _utc_now,
        paging: rest.Paging = "cursor",
        log: Path | None = None,
        renderer: Renderer | None = None,
        history: History | None = None,
    ) -> None:
        self._history = history or History(repository or Repository())
        self.repository = self._history.repository
        if repository not in (None, self.repository):
            raise ValueError("the history belongs to another repository; pass the repository of the history")
        self.edits = edits or Edits(self.repository)
        self._behaviours = tuple(behaviours)
        self._port = port
        self._clock = clock
        self._renderer = renderer
        self._log = RequestLog(log, self._read_query)
        self._paging = paging
        self._routes: dict[str, Handler] = {"/oai": self._handle_oai, "/api/records": self._handle_json}
        if renderer is not None:
            self._routes[_LIST_PATH] = self._handle_list
        self._http: HttpServer | None = None
        self._thread = threading.Thread(target=self._serve, name="simulator")

    def __enter__(self) -> Server:
        self._http = HttpServer(self._port, self._log, self._respond)
        for behaviour in self._behaviours:
            behaviour.open(self.edits)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for behaviour in self._behaviours:
            behaviour.close()
        self._running.shutdown()
        self._thread.join()
        self._running.close_connections()
        self._running.server_close()

    @property
    def url(self) -> str:
        """The base URL of the OAI-PMH repository."""
        return f"{self.root}/oai"

    @property
    def json_url(self) -> str:
        """The URL of the list of the JSON API."""
        return f"{self.root}/api/records"

    @property
    def list_url(self) -> str:
        """The URL of the list of the plug-in's protocol."""
        return f"{self.root}{_LIST_PATH}"

    @property
    def root(self) -> str:
        """The scheme, address and port, without a slash at the end."""
        return f"http://{LOOPBACK}:{self._running.server_port}"

    @property
    def requests(self) -> tuple[Request, ...]:
        """All requests so far, in the order of their arrival."""
        return self._log.snapshot()

    @property
    def truth(self) -> Truth:
        """The records that the source really has now, whatever it answers."""
        now = self._clock()
        edits = {**self._history.true_edits_at(now), **self.edits.current}
        return true_records(self.repository, edits, self._history.removals_at(now), now)

    @property
    def _running(self) -> HttpServer:
        if self._http is None:
            raise RuntimeError("the server is not running; use it in a `with` block")
        return self._http

    def _serve(self) -> None:
        # A server stops within one poll interval.
        self._running.serve_forever(poll_interval=0.02)

    def _respond(self, request: Request) -> LoggedResponse:
        labels: list[str] = []
        handler: Handler = self._handle
        for behaviour in reversed(self._behaviours):
            if behaviour.when(request):
                handler = _with_behaviour(behaviour, handler, labels)
        return handler(request), tuple(reversed(labels))

    def _handle(self, request: Request) -> Response:
        # The path of a single record of the JSON API has the identifier as its fourth part.
        path = request.path.removeprefix(REDIRECT_PREFIX)
        route = self._routes.get("/".join(path.split("/")[:3]))
        if route is None:
            return Response(b"Not found\n", 404, {"Content-Type": "text/plain"})
        return route(request)

    def _handle_oai(self, request: Request) -> Response:
        return oai.respond(self._snapshot(self.url, request), request.arguments)

    def _handle_json(self, request: Request) -> Response:
        return rest.respond(self._snapshot(self.json_url, request), request, self._paging)

    def _handle_list(self, request: Request) -> Response:
        assert self._renderer is not None  # noqa: S101 - without a renderer, there is no such route
        return plugin_protocol.respond(self._snapshot(self.list_url, request), request, self._renderer)

    def _read_query(self, path: str, arguments: Arguments) -> ListQuery | None:
        """Return the query of a request of the plug-in's protocol; None for a request of another protocol."""
        if self._renderer is None or path.removeprefix(REDIRECT_PREFIX) != _LIST_PATH:
            return None
        return plugin_protocol.read_query(self._renderer, arguments)

    def _snapshot(self, url: str, request: Request) -> RepositorySnapshot:
        now = self._clock()
        edits = {**self._history.answered_edits_at(now), **self.edits.current}
        snapshot = RepositorySnapshot(
            self.repository, edits, url, now, is_empty=self._history.has_outage_at(now)
        )
        # The innermost behaviour is the nearest to the repository.
        for view in reversed(request.views):
            snapshot = view(snapshot)
        return snapshot


def _with_behaviour(behaviour: Behaviour, handler: Handler, labels: list[str]) -> Handler:
    """Return a handler that applies a behaviour, and appends its label to `labels` if it changes the response."""

    def handle(request: Request) -> Response:
        unchanged: list[Response] = []

        def inner(inner_request: Request) -> Response:
            response = handler(inner_request)
            if inner_request == request:
                unchanged.append(response)
            return response

        response = behaviour.apply(request, inner)
        if not any(response is each for each in unchanged):
            labels.append(behaviour.label)
        return response

    return handle
