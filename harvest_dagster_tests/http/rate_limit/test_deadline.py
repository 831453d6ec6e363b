"""How long a session waits, what it reports, and what ends a wait."""

from __future__ import annotations

import re
from datetime import datetime, timezone

import pytest

from harvest_dagster.errors import DeadlineExceeded, HttpStatusError, LeaseLost
from harvest_dagster.http.rate_limit.budget import ProcessBudget
from harvest_dagster.http.rate_limit.retry import RetryPolicy
from harvest_dagster.rate_limits import Limit
from harvest_dagster_tests.http.server import response

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize("value", ["30", "Sun, 01 Mar 2026 12:00:30 GMT"])
def test_retry_after_pauses_the_host_for_all_sessions(serve, open_session, clock, waits, value):
    """One session receives the header, and all of them wait. The wait is reported with its reason."""
    budget = ProcessBudget(clock)
    server = serve(response(status=503, Retry_After=value), response())
    session = open_session(budget=budget, now=lambda: NOW, retry=RetryPolicy(attempts=1))
    with pytest.raises(HttpStatusError):
        session.get(server.url)
    other = open_session(budget=budget)
    assert other.get(server.url).status == 200
    assert clock.now == 1030
    assert other.statistics.seconds_waited == 30
    [(seconds, reason)] = waits
    assert seconds == 30
    assert reason.startswith("127.0.0.1:")


def test_the_wait_before_a_retry_is_reported_with_reason_and_length(serve, open_session, clock, waits):
    """A run that sleeps for half an hour without a log line looks dead (docs/failures.md#report-without-numbers)."""
    server = serve(response(status=429, Retry_After="30"), response())
    session = open_session()
    session.get(server.url)
    assert clock.now == 1030
    [(seconds, reason)] = waits
    assert seconds == 30
    assert "attempt 2 of 5 (the source asks for 30 s), after:" in reason
    assert "HTTP 429 Too Many Requests" in reason
    assert session.statistics.seconds_waited == 30


def test_retry_after_zero_does_not_use_up_all_attempts_at_once(serve, open_session, clock):
    """dlt#4036 (docs/failures.md#retry-after)."""
    server = serve(response(status=429, Retry_After="0"))
    with pytest.raises(HttpStatusError):
        open_session(draw=lambda: 0.0).get(server.url)
    assert clock.now == pytest.approx(1000 + 4 * RetryPolicy.min_backoff)


def test_an_absurd_retry_after_ends_the_attempts_without_a_wait(serve, open_session, clock):
    """A worker must not wait a year for a source (docs/failures.md#retry-after)."""
    server = serve(response(status=503, Retry_After="31536000"))
    with pytest.raises(HttpStatusError) as caught:
        open_session().get(server.url)
    assert caught.value.transient
    assert clock.now == 1000
    assert len(server.requests) == 1


def test_retry_after_with_a_success_is_ignored(serve, open_session, clock):
    """Zenodo sends the header with every response."""
    server = serve(response(Retry_After="60"))
    session = open_session()
    session.get(server.url)
    session.get(server.url)
    assert clock.now == 1000


@pytest.mark.parametrize("reply", [response(), response(status=503, Retry_After="500")])
def test_a_wait_beyond_the_deadline_is_not_begun(serve, open_session, clock, reply):
    """A worker would sleep for minutes and then fail."""
    server = serve(reply)
    session = open_session(Limit(1, 600), deadline={"ends_at": 1300})
    with pytest.raises(DeadlineExceeded, match=r"[^.]; \d+ s to wait, and 300 s remain"):
        _ = [session.get(server.url) for _ in range(2)]
    assert clock.now == 1000
    assert len(server.requests) == 1


def test_no_request_is_sent_after_the_deadline(serve, open_session, clock):
    """`timeout: {harvest: …}` ends the harvest, not only its waits."""
    server = serve(response())
    session = open_session(deadline={"ends_at": 1300})
    clock.now = 1300
    with pytest.raises(DeadlineExceeded, match=re.escape("timeout: {harvest: …}")):
        session.get(server.url)
    assert server.requests == []


def test_a_wait_ends_within_a_second_of_a_lost_lease(serve, open_session, clock):
    """A cancelled run that continues to sleep stays in "running" (docs/failures.md#running-forever)."""
    server = serve(response(status=503, Retry_After="600"))

    def keep_going() -> None:
        if clock.now >= 1010:
            raise LeaseLost

    with pytest.raises(LeaseLost):
        open_session(deadline={"keep_going": keep_going}).get(server.url)
    assert clock.now == 1010
    assert max(clock.slept) <= 1
