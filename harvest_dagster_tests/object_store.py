"""Observe and disturb the requests of this process to an object store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_EVENT = "before-send.s3"  # of botocore, for each request


@contextmanager
def counted_requests(client: Any) -> Iterator[Counter[str]]:
    """Count the requests by their methods. A GET that lists objects counts as LIST.

    Args:
        client: the file system, from the fixture `object_store`.
    """
    counts: Counter[str] = Counter()

    def count(request: Any, **_: object) -> None:
        counts["LIST" if "list-type=2" in request.url else request.method] += 1

    with _handler(client, count):
        yield counts


@contextmanager
def failing_requests(client: Any, error: Callable[[], Exception | None]) -> Iterator[None]:
    """Raise an exception in place of a request, if `error` returns one."""

    def fail(**_: object) -> None:
        if (raised := error()) is not None:
            raise raised

    with _handler(client, fail):
        yield


@contextmanager
def _handler(client: Any, handler: Callable[..., None]) -> Iterator[None]:
    events = client._s3.meta.events
    events.register(_EVENT, handler)
    try:
        yield
    finally:
        events.unregister(_EVENT, handler)
