"""What a session waits for, how long, and what ends it."""

from __future__ import annotations

import re
from datetime import datetime, timezone

import pytest

from harvest_dagster.errors import DeadlineExceeded, HttpStatusError, LeaseLost
from harvest_dagster.http.budget import ProcessBudget
from harvest_dagster.http.retry import RetryPolicy
from harvest_dagster.limits import Limit
from harvest_dagster_tests.http.server import response

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize("value", ["30", "Sun, 01 Mar 2026 12:00:30 GMT"])
def test_retry_after_stops_the_whole_host(serve, open_session, clock, waits, value):
    """One session is told, all of them keep quiet; and whoever watches sees what is waited for."""
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


def test_the_wait_for_a_retry_says_why_and_how_long(serve, open_session, clock, waits):
    """Lesson 31: a run that sleeps for half an hour without a word looks dead."""
    server = serve(response(status=429, Retry_After="30"), response())
    session = open_session()
    session.get(server.url)
    assert clock.now == 1030
    [(seconds, reason)] = waits
    assert seconds == 30
    assert "attempt 2 of 5 (it asks for 30 s), after:" in reason
    assert "HTTP 429 Too Many Requests" in reason
    assert session.statistics.seconds_waited == 30


def test_retry_after_zero_does_not_burn_all_attempts_at_once(serve, open_session, clock):
    """Lesson 20: dlt#4036."""
    server = serve(response(status=429, Retry_After="0"))
    with pytest.raises(HttpStatusError):
        open_session(draw=lambda: 0.0).get(server.url)
    assert clock.now == pytest.approx(1000 + 4 * RetryPolicy.shortest)


def test_an_absurd_retry_after_ends_the_attempts_and_not_the_patience_of_the_worker(
    serve, open_session, clock
):
    """Lesson 20: a source that asks for a year must not be waited for."""
    server = serve(response(status=503, Retry_After="31536000"))
    with pytest.raises(HttpStatusError) as caught:
        open_session().get(server.url)
    assert caught.value.transient
    assert clock.now == 1000
    assert len(server.requests) == 1


def test_retry_after_on_a_good_answer_means_nothing(serve, open_session, clock):
    """Zenodo sends it with every response."""
    server = serve(response(Retry_After="60"))
    session = open_session()
    session.get(server.url)
    session.get(server.url)
    assert clock.now == 1000


@pytest.mark.parametrize("reply", [response(), response(status=503, Retry_After="500")])
def test_a_wait_that_the_deadline_does_not_allow_is_not_begun(serve, open_session, clock, reply):
    """A worker would sleep for minutes only to fail then."""
    server = serve(reply)
    session = open_session(Limit(1, 600), watch={"deadline": 1300})
    with pytest.raises(DeadlineExceeded, match=r"[^.]; \d+ s to wait, and 300 s remain"):
        _ = [session.get(server.url) for _ in range(2)]
    assert clock.now == 1000
    assert len(server.requests) == 1


def test_nothing_leaves_after_the_deadline(serve, open_session, clock):
    """`timeout: {harvest: …}` is the end of the harvest, not of its patience."""
    server = serve(response())
    session = open_session(watch={"deadline": 1300})
    clock.now = 1300
    with pytest.raises(DeadlineExceeded, match=re.escape("timeout: {harvest: …}")):
        session.get(server.url)
    assert server.requests == []


def test_a_wait_ends_within_a_second_of_a_lost_lease(serve, open_session, clock):
    """Lesson 13: a cancelled run that sleeps on is stuck in "running"."""
    server = serve(response(status=503, Retry_After="600"))

    def check() -> None:
        if clock.now >= 1010:
            raise LeaseLost

    with pytest.raises(LeaseLost):
        open_session(watch={"check": check}).get(server.url)
    assert clock.now == 1010
    assert max(clock.slept) <= 1
