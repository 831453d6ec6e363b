"""Sessions whose waits take no time, and a server that sends scripted replies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest

from harvest_dagster.http.rate_limit.budget import ProcessBudget
from harvest_dagster.http.rate_limit.deadline import Deadline
from harvest_dagster.http.session import HttpSession
from harvest_dagster.rate_limits import Limit
from harvest_dagster_tests.http.clock import Clock
from harvest_dagster_tests.http.server import Server, serving

PLENTY = Limit(1_000_000, 1.0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Replaces the sleep of `ratelimit`, which does every wait of a session."""
    clock = Clock()
    monkeypatch.setattr("ratelimit.decorators.time", SimpleNamespace(sleep=clock.sleep))
    return clock


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    with ExitStack() as stack:
        yield lambda *replies, **options: stack.enter_context(serving(*replies, **options))


@pytest.fixture
def waits() -> list[tuple[float, str]]:
    return []


@pytest.fixture
def open_session(
    clock: Clock, waits: list[tuple[float, str]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., HttpSession]]:
    """Opens sessions with a common budget, on the clock of the test. The jitter is always the longest."""
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    budget = ProcessBudget(clock)

    def make(limit: Limit = PLENTY, *, deadline: dict[str, Any] | None = None, **options: Any) -> HttpSession:
        given: dict[str, Any] = {"clock": clock, "on_wait": lambda *wait: waits.append(wait[:2])}
        given |= deadline or {}
        options = {"budget": budget, "draw": lambda: 1.0, **options}
        return stack.enter_context(HttpSession(limit, deadline=Deadline(**given), **options))

    with ExitStack() as stack:
        yield make
