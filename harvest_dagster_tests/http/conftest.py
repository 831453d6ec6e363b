"""A session whose waits take no time, against a server that says what it is told to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import SimpleNamespace

import pytest

from harvest_dagster.http.budget import ProcessBudget
from harvest_dagster.http.session import HttpSession
from harvest_dagster.http.waiting import Watch
from harvest_dagster.limits import Limit
from harvest_dagster_tests.http.clock import Clock
from harvest_dagster_tests.http.server import Server, serving

PLENTY = Limit(1_000_000, 1.0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Takes the place of time in `ratelimit`, which sleeps for all of the session."""
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
    """Sessions with a budget of their own, on the test's clock; the jitter is always the longest."""
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    budget = ProcessBudget(clock)

    def make(limit: Limit = PLENTY, *, watch: dict | None = None, **options) -> HttpSession:
        handed = {"clock": clock, "on_wait": lambda *told: waits.append(told), **(watch or {})}
        options = {"budget": budget, "draw": lambda: 1.0, **options}
        return stack.enter_context(HttpSession(limit, watch=Watch(**handed), **options))

    with ExitStack() as stack:
        yield make
