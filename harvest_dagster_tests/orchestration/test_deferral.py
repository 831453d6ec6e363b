"""A source that asks to wait longer than an op sleeps: Dagster retries the op later, and nothing fails."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from harvest_dagster.errors import OutsideHours, RetryLater
from harvest_dagster.orchestration import op_context
from harvest_dagster.orchestration.resources import RetrySettings
from harvest_dagster.orchestration.runs import run_history
from harvest_dagster.orchestration.runs.monitoring import use_monitor
from harvest_dagster.orchestration.runs.run_history import window_run_records
from harvest_dagster.pipeline.monitor import Monitor
from harvest_dagster.storage import tables
from harvest_dagster.storage.database import Database
from harvest_dagster.testing.simulator import HttpErrorStatus, Request, Server
from harvest_dagster_tests.orchestration.conftest import Deploy
from harvest_dagster_tests.orchestration.deployment import DAYS, RAW, REPOSITORY, messages, reason

LATER = {"Retry-After": "1"}
FAST = {"calls": 1000, "period": 0.05}  # a wait of one second is long in comparison


def retries(result: dg.ExecuteInProcessResult) -> int:
    """Return how many ops of a run were deferred."""
    return sum(event.event_type_value == "STEP_UP_FOR_RETRY" for event in result.all_events)


@pytest.fixture(autouse=True)
def _no_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(op_context.random, "random", lambda: 0.0)


def test_a_long_wait_ends_the_op_and_resumes_after_the_last_complete_page(on_sqlite: Deploy) -> None:
    """Twelve workers slept for an hour each, and nothing else was harvested: docs/failures.md#retry-after"""
    with Server(
        REPOSITORY, behaviours=[HttpErrorStatus(503, LATER, when=lambda request: request.number == 4)]
    ) as source:
        deployment = replace(
            on_sqlite(source.url, max_window="2d", rate_limit=FAST), waiting=RetrySettings(longest_sleep=0.2)
        )
        result = deployment.materialize(*DAYS[::3])
        lists = [request.parameters for request in source.requests if request.verb == "ListRecords"]
    assert result.success
    # The second window is deferred as well, if its host is still paused when it begins.
    retried = [event for event in result.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"]
    assert 1 <= len(retried) <= 2
    log = messages(result, deployment.instance)
    assert "HTTP 503 Service Unavailable" in log
    assert "Deferred until 2" in log
    assert "nothing has failed" in log
    tokens = [parameters.get("resumptionToken") for parameters in lists]
    assert tokens.count(None) == 2  # each window began its list once
    assert deployment.logs() == [
        ("03-01T00", "03-03T00", "SUCCEEDED", 12),
        ("03-01T00", "03-05T00", "SPLIT", 0),
        ("03-03T00", "03-05T00", "SUCCEEDED", 12),
    ]
    assert deployment.materialized(RAW) == set(DAYS)
    with Database.open(deployment.database_url) as database:
        runs = window_run_records(database, deployment.instance, run_id=result.run_id)
    assert {run.status for run in runs} == {"SUCCEEDED"}


def test_a_source_that_only_asks_to_wait_fails_after_longest_silence(on_sqlite: Deploy) -> None:
    """The loop of 503 responses had no end: docs/failures.md#retry-after"""

    def lists(request: Request) -> bool:
        return request.verb == "ListRecords"

    with Server(REPOSITORY, behaviours=[HttpErrorStatus(503, LATER, when=lists)]) as source:
        waiting = RetrySettings(longest_sleep=0.2, longest_silence=0.5)
        deployment = replace(on_sqlite(source.url, rate_limit=FAST), waiting=waiting)
        result = deployment.materialize(*DAYS[::3])
        requests = [request for request in source.requests if lists(request)]
    assert not result.success
    assert len(requests) == 2
    assert "only requests to wait" in reason(result)
    assert "HTTP 503" in reason(result)
    (log,) = deployment.rows(tables.harvest_log)
    assert log.status == "FAILED"
    assert log.error.startswith("SourceUnreachable: no page arrived for ")


@dataclass
class HoursClock(Monitor):
    """A clock that stands still, and jumps to the end of each deferral."""

    now: datetime

    def defer(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


BEFORE_NINE = datetime(2026, 3, 1, 20, 59, 59, tzinfo=timezone.utc)


@pytest.fixture
def hours_clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[HoursClock]:
    """The clock of the runs shows 20:59:59."""
    clock = HoursClock(BEFORE_NINE)
    monkeypatch.setattr(run_history, "utc_now", lambda: clock.now)
    with use_monitor(clock):
        yield clock


def test_a_run_outside_of_the_hours_continues_when_they_begin(
    on_sqlite: Deploy, source: Server, hours_clock: HoursClock
) -> None:
    """The op ends meanwhile, and nothing has failed."""
    deployment = on_sqlite(source.url, rate_limit=FAST, hours="21:00-05:00", failure_threshold=1)
    result = replace(deployment, waiting=RetrySettings(longest_sleep=0.1)).materialize(*DAYS[::3])
    assert result.success
    assert (retries(result), hours_clock.now) == (1, BEFORE_NINE + timedelta(seconds=1))
    log = messages(result, deployment.instance)
    assert (
        "the source is asked only in its hours (21:00-05:00), and they begin at 2026-03-01T21:00:00Z" in log
    )
    assert "nothing has failed" in log
    assert [status for _, _, status, _ in deployment.logs()] == ["SUCCEEDED"]


def test_a_run_that_reaches_the_end_of_the_hours_continues_at_that_page(
    on_sqlite: Deploy, hours_clock: HoursClock
) -> None:
    """The list of the first window is at its second page when the hours end. It does not begin again."""
    hours_clock.now -= timedelta(minutes=2)

    def end_hours(request: Request) -> bool:
        if request.number == 4:
            hours_clock.now = BEFORE_NINE
        return False

    with Server(REPOSITORY, behaviours=[HttpErrorStatus(503, when=end_hours)]) as source:
        hours = ["00:00-20:59", "21:00-24:00"]
        deployment = on_sqlite(source.url, max_window="2d", rate_limit=FAST, hours=hours, failure_threshold=1)
        result = replace(deployment, waiting=RetrySettings(longest_sleep=0.1)).materialize(*DAYS[::3])
        lists = [request.parameters for request in source.requests if request.verb == "ListRecords"]
    assert result.success
    assert (retries(result), hours_clock.now) == (1, BEFORE_NINE + timedelta(seconds=1))
    assert [parameters.get("resumptionToken") for parameters in lists].count(None) == 2
    assert [(status, records) for _, _, status, records in deployment.logs()] == [
        ("SUCCEEDED", 12),
        ("SPLIT", 0),
        ("SUCCEEDED", 12),
    ]
    assert deployment.materialized(RAW) == set(DAYS)


@pytest.mark.parametrize(
    ("error", "longest"),
    [(RetryLater("wait.", seconds=3600), 3961), (OutsideHours("wait.", seconds=57_600), 57_660)],
)
def test_a_retry_in_the_hours_is_at_most_a_minute_late(
    monkeypatch: pytest.MonkeyPatch, error: RetryLater, longest: float
) -> None:
    """A tenth of sixteen hours is an hour and a half, of the eight hours in which the source may be asked."""
    monkeypatch.setattr(op_context.random, "random", lambda: 1.0)
    context: Any = SimpleNamespace(log=logging.getLogger("test"), retry_number=0)
    with pytest.raises(dg.RetryRequested) as caught, op_context.retry_later(context):
        raise error
    assert caught.value.seconds_to_wait == longest
