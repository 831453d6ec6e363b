"""A run stops early if the host cannot be reached, or if its windows fail one after the other."""

from __future__ import annotations

import socket
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import dagster as dg
import pytest

from harvest_dagster.http import session
from harvest_dagster.http.rate_limit.retry import RetryPolicy
from harvest_dagster.storage import tables
from harvest_dagster.testing.simulator import HttpErrorStatus, Server
from harvest_dagster_tests.orchestration.conftest import Deploy
from harvest_dagster_tests.orchestration.deployment import (
    DAYS,
    REPOSITORY,
    Deployment,
    asked_day,
    messages,
    reason,
    reasons,
)

TEN_YEARS = {"ingest_config": "demo", "start_date": "2014-01-01", "end_date": "2024-01-01"}
WINDOWS = 122  # of 30 days
ATTEMPTS = RetryPolicy().attempts


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry requests at once, so that a test does not wait for a dead source."""
    monkeypatch.setattr(session, "RetryPolicy", partial(RetryPolicy, base=0.0, min_backoff=0.0))


@pytest.fixture
def dead_url() -> str:
    """The URL of a host that refuses connections."""
    with Server(REPOSITORY) as source:
        return source.url


def requests_sent(deployment: Deployment) -> int:
    return sum(row.requests for row in deployment.rows(tables.harvest_log))


def steps(result: dg.ExecuteInProcessResult, kind: str) -> list[str]:
    """Return the names of the ops with such an event."""
    found = [event.step_key or "" for event in result.all_events if event.event_type_value == kind]
    return [key.rpartition(".")[2] for key in found]


def test_ten_years_of_a_host_that_refuses_connections_cost_one_request_with_its_retries(
    on_sqlite: Deploy, dead_url: str
) -> None:
    """One run sent 364 requests to a dead source in 17 minutes. Ten years would have sent 13,000."""
    deployment = on_sqlite(dead_url)
    result = deployment.harvest(**TEN_YEARS)
    assert not result.success
    assert requests_sent(deployment) == ATTEMPTS
    assert [status for _, _, status, _ in deployment.logs()] == ["SPLIT", "FAILED"]
    stopped = (
        f"The run stops, because the host of the source cannot be reached. It did not try {WINDOWS - 1} windows: "
        "[2014-01-31, 2024-01-01). The next run plans them again."
    )
    assert reason(result).strip().endswith(stopped)
    assert "the host refuses connections" in reason(result)
    assert stopped in messages(result, deployment.instance)
    assert "1 of 1 window failed; the run stops early" in messages(result, deployment.instance)
    assert len(steps(result, "STEP_FAILURE")) == 1


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://no-such-host.example/oai", "no-such-host.example"),
        ("https://127.0.0.1:{port}/oai", "TLS"),
    ],
    ids=["DNS", "TLS"],
)
def test_a_run_stops_after_the_first_window_if_no_request_can_be_sent(
    source: Server, on_sqlite: Deploy, monkeypatch: pytest.MonkeyPatch, url: str, problem: str
) -> None:
    """A misspelt host name and an expired certificate are the same for each window."""

    def unknown_host(host: str, *args: Any, **options: Any) -> Any:
        if host == "no-such-host.example":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve(host, *args, **options)

    resolve = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", unknown_host)
    deployment = on_sqlite(url.format(port=urlsplit(source.url).port), max_window="1d")
    result = deployment.materialize(*DAYS[::3])
    assert [status for _, _, status, _ in deployment.logs()].count("FAILED") == 1
    assert problem in reason(result)
    assert (
        "The run stops, because the host of the source cannot be reached. It did not try 3 windows"
        in reason(result)
    )


def test_ten_years_of_a_source_that_always_answers_500_stop_after_failure_threshold_windows(
    on_sqlite: Deploy,
) -> None:
    """The first windows are tried, because a single window may fail for a reason of its own."""
    with Server(REPOSITORY, behaviours=[HttpErrorStatus(500, when=lambda _: True)]) as source:
        deployment = on_sqlite(source.url, failure_threshold=3)
        result = deployment.harvest(**TEN_YEARS)
        assert len(source.requests) <= 3 * 40
    assert not result.success
    assert [status for _, _, status, _ in deployment.logs()].count("FAILED") == 3
    errors = [
        event.step_failure_data.error.to_string()
        for event in result.all_events
        if event.is_step_failure and event.step_failure_data.error
    ]
    assert "did not try" not in errors[0]
    assert "its last windows failed one after the other (failure_threshold: 3)" in errors[-1]
    assert f"It did not try {WINDOWS - 3} windows" in errors[-1]
    assert "3 of 3 windows failed" in messages(result, deployment.instance)


def test_the_next_run_continues_with_the_windows_that_were_not_tried(
    on_sqlite: Deploy, dead_url: str, source: Server
) -> None:
    """A window that was skipped must not count as done, and the days of the run that failed must turn green."""
    deployment = on_sqlite(dead_url, max_window="1d")
    assert not deployment.materialize(*DAYS[::3]).success
    assert deployment.materialized() == set()
    shown = reasons(deployment)
    assert shown.keys() == {*DAYS}
    assert shown[DAYS[0]].startswith("The harvest failed. SourceUnreachable: ")
    stopped = "The run stops, because the host of the source cannot be reached."
    assert all(shown[day].startswith(f"This day was not requested. {stopped}") for day in DAYS[1:])
    deployment = on_sqlite(source.url, max_window="1d")
    assert deployment.materialize(*DAYS[::3]).success
    assert deployment.materialized() == set(DAYS)
    assert len(deployment.rows(tables.raw_datum)) == REPOSITORY.size


def test_a_window_that_succeeds_restarts_the_count(on_sqlite: Deploy) -> None:
    """Two days that fail for good would otherwise stop every backfill, although all others succeed."""
    two_days = HttpErrorStatus(404, when=lambda request: asked_day(request) in (DAYS[0], DAYS[2]))
    with Server(REPOSITORY, behaviours=[two_days]) as source:
        deployment = on_sqlite(source.url, max_window="1d", failure_threshold=2)
        assert not deployment.materialize(*DAYS[::3]).success
    assert deployment.materialized() == {DAYS[1], DAYS[3]}


def test_one_successful_probe_lifts_the_refusal(on_sqlite: Deploy, dead_url: str, source: Server) -> None:
    """A source that works again must not be refused until somebody repairs each of its old failures."""
    deployment = on_sqlite(dead_url, failure_threshold=2)
    for _ in range(2):
        assert not deployment.materialize(*DAYS[:2]).success
    deployment = on_sqlite(source.url, failure_threshold=2)
    refused = deployment.materialize(DAYS[3])
    assert "the last 2 harvests of demo failed" in reason(refused)
    assert deployment.materialize(DAYS[3], force=True).success
    assert deployment.materialize(*DAYS[:3:2]).success
    assert deployment.materialized() == set(DAYS)
