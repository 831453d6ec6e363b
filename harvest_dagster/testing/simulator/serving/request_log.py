"""The request log: every request, in memory and as JSON lines in a file.

Nothing is masked, credentials included: tests check what a harvester sends to which server.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from harvest_dagster.testing.simulator.serving.messages import LIST, ListQuery, Request, operation

Arguments = tuple[tuple[str, str], ...]


def _no_query(path: str, arguments: Arguments) -> None:
    """Read nothing: OAI-PMH and the JSON API have their arguments in the request itself."""


class RequestLog:
    """All requests in the order of their arrival. It can be read at any time.

    Args:
        file: receives one line of JSON per request as soon as its response is sent, even if sending failed.
        read_query: returns the query of a request of a plug-in's protocol, from its path and arguments.
    """

    def __init__(
        self, file: Path | None = None, read_query: Callable[[str, Arguments], ListQuery | None] = _no_query
    ) -> None:
        self._lock = threading.Lock()
        self._requests: list[Request] = []
        self._counts: Counter[str] = Counter()
        self._lists = 0
        self._file = file
        self._read_query = read_query

    def add(
        self, method: str, path: str, arguments: tuple[tuple[str, str], ...], headers: Mapping[str, str]
    ) -> Request:
        """Add a request that has arrived and return it with its numbers."""
        query = self._read_query(path, arguments)
        name = LIST if query is not None else operation(path, dict(arguments))
        with self._lock:
            self._counts[name] += 1
            request = Request(
                len(self._requests) + 1,
                datetime.now(timezone.utc),
                method,
                path,
                arguments,
                self._counts[name],
                monotonic=time.monotonic(),
                headers=tuple(headers.items()),
                query=query,
            )
            if request.is_list:
                self._lists += 1
                request = replace(request, list_number=self._lists)
            self._requests.append(request)
        return request

    def set_response(self, request: Request, status: int | None, behaviours: tuple[str, ...]) -> None:
        """Log the status of the response (None if none is sent) and the behaviours that changed it."""
        self._update(request, status=status, behaviours=behaviours)

    def set_bytes_sent(self, request: Request, count: int) -> None:
        """Log the number of bytes that were sent, and write the request to the file."""
        logged = self._update(request, bytes_sent=count)
        if self._file is not None:
            line = json.dumps(as_json(logged), ensure_ascii=False)
            with self._lock, self._file.open("a", encoding="utf-8", errors="surrogateescape") as file:
                file.write(line + "\n")

    def snapshot(self) -> tuple[Request, ...]:
        """Return the requests so far."""
        with self._lock:
            return tuple(self._requests)

    def _update(self, request: Request, **changes: object) -> Request:
        with self._lock:
            updated = replace(self._requests[request.number - 1], **changes)  # type: ignore[arg-type]
            self._requests[request.number - 1] = updated
        return updated


def as_json(request: Request) -> dict[str, object]:
    """Return a request in the form of the log file."""
    return {
        "number": request.number,
        "arrived": request.arrived.isoformat(),
        "monotonic": request.monotonic,
        "method": request.method,
        "path": request.path,
        "query": request.arguments,
        "headers": request.headers,
        "status": request.status,
        "sent": request.bytes_sent,
        "behaviours": request.behaviours,
    }
