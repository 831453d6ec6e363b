"""The request log: every arrival, exact, in memory and as JSON lines in a file.

Nothing is hidden, credentials included: this is a server for tests, and what a harvester sends where is one
of the things that are tested.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from harvest_dagster.simulator.exchange import Request, operation


class RequestLog:
    """Every request, in the order of arrival; safe to read at any time.

    Args:
        file: gets a line of JSON for each request as soon as its answer has left, however it ended.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._requests: list[Request] = []
        self._counts: Counter[str] = Counter()
        self._lists = 0
        self._file = file

    def arrived(
        self, method: str, path: str, arguments: tuple[tuple[str, str], ...], headers: Mapping[str, str]
    ) -> Request:
        """Note a request, and give it its numbers."""
        asked = operation(path, dict(arguments))
        with self._lock:
            self._counts[asked] += 1
            request = Request(
                len(self._requests) + 1,
                datetime.now(timezone.utc),
                method,
                path,
                arguments,
                self._counts[asked],
                monotonic=time.monotonic(),
                headers=tuple(headers.items()),
            )
            if request.is_list:
                self._lists += 1
                request = replace(request, list_number=self._lists)
            self._requests.append(request)
        return request

    def answered(self, request: Request, status: int | None, behaviours: tuple[str, ...]) -> None:
        """Note the status of its answer, None where it gets none, and what acted on it."""
        self._note(request, status=status, behaviours=behaviours)

    def sent(self, request: Request, count: int) -> None:
        """Note how many bytes of its answer have left."""
        noted = self._note(request, sent=count)
        if self._file is not None:
            line = json.dumps(as_json(noted), ensure_ascii=False)
            with self._lock, self._file.open("a", encoding="utf-8", errors="surrogateescape") as file:
                file.write(line + "\n")

    def snapshot(self) -> tuple[Request, ...]:
        """The requests so far."""
        with self._lock:
            return tuple(self._requests)

    def _note(self, request: Request, **changes: object) -> Request:
        with self._lock:
            noted = replace(self._requests[request.number - 1], **changes)  # type: ignore[arg-type]
            self._requests[request.number - 1] = noted
        return noted


def as_json(request: Request) -> dict[str, object]:
    """One entry of the log, in the form of its file."""
    return {
        "number": request.number,
        "arrived": request.arrived.isoformat(),
        "monotonic": request.monotonic,
        "method": request.method,
        "path": request.path,
        "query": request.arguments,
        "headers": request.headers,
        "status": request.status,
        "sent": request.sent,
        "behaviours": request.behaviours,
    }
