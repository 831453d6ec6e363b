"""The server: a repository, its edits, its request log and the chain of behaviours, at a URL.

A path is served by an entry of the table in `Server`; another API is another entry. What the answers say is
the business of `oai`, what spoils them that of `behaviours`, how they travel that of `wire`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType

from harvest_dagster.simulator import json_list, oai
from harvest_dagster.simulator.behaviours.base import Answer, Behaviour
from harvest_dagster.simulator.edits import Edits
from harvest_dagster.simulator.exchange import MOVED, Request, Response
from harvest_dagster.simulator.lists import Holdings
from harvest_dagster.simulator.log import RequestLog
from harvest_dagster.simulator.repository import Repository
from harvest_dagster.simulator.wire import LOOPBACK, Answered, HttpServer


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)


class Server:
    """Serves a repository for as long as its `with` block lasts, once.

    Args:
        repository: what to serve.
        behaviours: what to do to the answers, the outermost first.
        edits: those of an earlier server of the same repository; by default none.
        port: 0 takes a free one.
        clock: gives the moment of a response (`responseDate`, the expiry of tokens), aware.
        paging: how the list of the JSON API goes on: see `json_list`.
        log: a file that gets each request as a line of JSON.

    Attributes:
        repository: what it serves.
        edits: what to change while it runs.
    """

    def __init__(
        self,
        repository: Repository | None = None,
        *,
        behaviours: Sequence[Behaviour] = (),
        edits: Edits | None = None,
        port: int = 0,
        clock: Callable[[], datetime] = _utc_now,
        paging: json_list.Paging = "cursor",
        log: Path | None = None,
    ) -> None:
        self.repository = repository or Repository()
        self.edits = edits or Edits(self.repository)
        self._behaviours = tuple(behaviours)
        self._port = port
        self._clock = clock
        self._log = RequestLog(log)
        self._paging = paging
        self._routes: dict[str, Answer] = {"/oai": self._oai, "/api/records": self._json}
        self._http: HttpServer | None = None
        self._thread = threading.Thread(target=self._serve, name="simulator")

    def __enter__(self) -> Server:
        self._http = HttpServer(self._port, self._log, self._answer)
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
        self._running.hang_up()
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
    def root(self) -> str:
        """Scheme, address and port, without a slash at the end."""
        return f"http://{LOOPBACK}:{self._running.server_port}"

    @property
    def requests(self) -> tuple[Request, ...]:
        """All requests so far, in the order of their arrival."""
        return self._log.snapshot()

    @property
    def _running(self) -> HttpServer:
        if self._http is None:
            raise RuntimeError("the server is not running; use it in a `with` block")
        return self._http

    def _serve(self) -> None:
        # A server stops within one interval.
        self._running.serve_forever(poll_interval=0.02)

    def _answer(self, request: Request) -> Answered:
        acted: list[str] = []
        answer: Answer = self._route
        for behaviour in reversed(self._behaviours):
            if behaviour.when(request):
                answer = _noted(behaviour, answer, acted)
        return answer(request), tuple(reversed(acted))

    def _route(self, request: Request) -> Response:
        # A record of the JSON API has its identifier below the path of the list.
        path = request.path.removeprefix(MOVED)
        route = self._routes.get("/".join(path.split("/")[:3]))
        if route is None:
            return Response(b"Not found\n", 404, {"Content-Type": "text/plain"})
        return route(request)

    def _oai(self, request: Request) -> Response:
        return oai.answer(self._holdings(self.url), request.arguments)

    def _json(self, request: Request) -> Response:
        return json_list.answer(self._holdings(self.json_url), request, self._paging)

    def _holdings(self, url: str) -> Holdings:
        return Holdings(self.repository, self.edits.current, url, self._clock())


def _noted(behaviour: Behaviour, answer: Answer, acted: list[str]) -> Answer:
    """The answer that a behaviour makes of another; `acted` gets its name if it makes a difference."""

    def noted(request: Request) -> Response:
        same: list[Response] = []

        def inner(asked: Request) -> Response:
            response = answer(asked)
            if asked == request:
                same.append(response)
            return response

        response = behaviour.apply(request, inner)
        if not any(response is each for each in same):
            acted.append(behaviour.label)
        return response

    return noted
