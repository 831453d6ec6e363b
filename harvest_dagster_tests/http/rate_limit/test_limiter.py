"""What responses mean for the budget of a host, and which waits raise RetryLater."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone

import pytest

from harvest_dagster.errors import (
    BotChallenge,
    DeadlineExceeded,
    HttpStatusError,
    MaintenancePage,
    RetryLater,
    WebPage,
)
from harvest_dagster.http.rate_limit.budget import ProcessBudget
from harvest_dagster.http.rate_limit.retry import RetryPolicy
from harvest_dagster.rate_limits import Limit
from harvest_dagster_tests.http.server import response

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=timezone.utc)
ONCE = RetryPolicy(attempts=1)
CHALLENGE = b"<html><head><title>Just a moment...</title></head><body>Checking</body></html>"


@dataclass
class RecordingBudget:
    """A budget that never requires a wait, and records its calls."""

    calls: list[tuple[object, ...]] = field(default_factory=list)

    def seconds_to_wait(self, _host: str, _limit: Limit) -> float:
        return 0.0

    def reserve(self, _host: str, _limit: Limit) -> float:
        return 0.0

    def record_departure(self, _host: str) -> None:
        pass

    def pause(self, _host: str, seconds: float) -> None:
        self.calls.append(("pause", seconds))

    def record_refusal(self, _host: str) -> None:
        self.calls.append(("refusal",))

    def record_success(self, _host: str) -> None:
        self.calls.append(("success",))

    def record_limit(self, _host: str, limit: Limit) -> None:
        self.calls.append(("limit", limit))


@pytest.mark.parametrize(
    ("reply", "calls"),
    [
        (response(), [("success",)]),
        (response(status=404), []),
        (response(status=500), []),
        (response(status=429), [("refusal",)]),
        (response(status=429, Retry_After="7"), [("refusal",), ("pause", 7)]),
        (response(status=503, Retry_After="0"), [("refusal",)]),
        (response(status=503, Retry_After="soon"), [("refusal",)]),
        (
            response(status=429, X_RateLimit_Remaining="0", X_RateLimit_Reset="9"),
            [("refusal",), ("pause", 9)],
        ),
        (
            response(status=429, Retry_After="5", RateLimit_Remaining="0", RateLimit_Reset="9"),
            [("refusal",), ("pause", 9)],
        ),
        (response(RateLimit='"day";r=0;t=600'), [("success",), ("pause", 600)]),
        (response(RateLimit='"day";r=1;t=600'), [("success",)]),
        (response(X_Rate_Limit_Limit="50", X_Rate_Limit_Interval="1s"), [("success",)]),
        (
            response(X_Rate_Limit_Limit="5", X_Rate_Limit_Interval="1s"),
            [("success",), ("limit", Limit(5, 1))],
        ),
    ],
)
def test_a_response_is_recorded_in_the_budget_of_its_host(serve, open_session, reply, calls):
    """A harvester that ignores 429 and the headers before it is banned (docs/failures.md#retry-after)."""
    budget = RecordingBudget()
    session = open_session(Limit(10, 1), budget=budget, retry=ONCE, now=lambda: NOW)
    with suppress(HttpStatusError):
        session.get(serve(reply).url)
    assert budget.calls == calls


def test_a_limit_in_each_response_is_recorded_at_intervals(serve, open_session, clock):
    """A recorded limit holds for ten minutes, and each record costs a transaction."""
    budget = RecordingBudget()
    server = serve(response(X_Rate_Limit_Limit="5", X_Rate_Limit_Interval="1s"))
    session = open_session(Limit(10, 1), budget=budget)
    for _ in range(3):
        session.get(server.url)
    assert budget.calls.count(("limit", Limit(5, 1))) == 1
    clock.now += 400
    session.get(server.url)
    assert budget.calls.count(("limit", Limit(5, 1))) == 2


def test_no_request_is_sent_before_the_reset_if_none_remains(serve, open_session, clock, waits):
    """The source would answer the next request with 429."""
    server = serve(response(X_RateLimit_Remaining="0", X_RateLimit_Reset="30"), response())
    session = open_session()
    session.get(server.url)
    session.get(server.url)
    assert clock.now == 1030
    assert waits[0][0] == 30


def test_a_stricter_limit_of_the_source_holds_for_all_sessions(serve, open_session, clock):
    """A config with a laxer limit would be refused all day."""
    budget = ProcessBudget(clock)
    server = serve(response(RateLimit_Policy='"default";q=1;w=10'), response())
    for _ in range(2):
        open_session(budget=budget).get(server.url)
    assert clock.now == pytest.approx(1010.25)


def test_a_limit_that_a_harvester_found_is_kept_if_it_is_stricter(serve, open_session):
    """The Crawl-delay of robots.txt forbids ten requests at once, also where the config allows fewer on average."""
    budget = RecordingBudget()
    server = serve(response())
    session = open_session(Limit(10, 20), budget=budget)
    session.keep_limit(server.url, Limit(1, 1))
    session.keep_limit(server.url, Limit(1, 1))
    session.keep_limit(server.url, Limit(10, 1))
    assert budget.calls == [("limit", Limit(1, 1))]


@pytest.mark.parametrize("status", [429, 503])
def test_a_long_retry_after_raises_retry_later_without_a_wait(serve, open_session, clock, status):
    """Twelve workers that each sleep for an hour harvest nothing else meanwhile."""
    server = serve(response(status=status, Retry_After="600"))
    session = open_session(max_retry_after=60)
    with pytest.raises(
        RetryLater, match=rf"HTTP {status}.* 600 s to wait, longer than a worker sleeps"
    ) as caught:
        session.get(server.url)
    assert caught.value.transient
    assert caught.value.seconds == 600
    assert clock.now == 1000
    assert session.statistics.requests == 1


def test_a_short_retry_after_is_waited_for(serve, open_session, clock):
    """A later retry costs the start of a worker and the first requests of the harvester again."""
    server = serve(response(status=503, Retry_After="60"), response())
    open_session(max_retry_after=60).get(server.url)
    assert clock.now == 1060


def test_a_long_wait_for_the_budget_raises_retry_later(serve, open_session, clock):
    """Another process may have paused the host."""
    budget = ProcessBudget(clock)
    server = serve(response())
    budget.pause(server.url.split("/")[2], 900)
    session = open_session(budget=budget, max_budget_wait=60)
    with pytest.raises(RetryLater, match="900 s to wait") as caught:
        session.get(server.url)
    assert caught.value.seconds == 900
    assert clock.now == 1000
    assert server.requests == []
    clock.now += 900
    assert session.get(server.url).status == 200


def test_a_request_that_must_not_be_repeated_fails_in_place_of_retry_later(serve, open_session):
    """The later retry would send a single-use token again (docs/failures.md#single-use-token)."""
    server = serve(response(status=503, Retry_After="600"))
    with pytest.raises(HttpStatusError, match="HTTP 503"):
        open_session(max_retry_after=60).get(server.url, repeatable=False)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "body", "page", "text", "remedy"),
    [
        (
            403,
            CHALLENGE,
            BotChallenge,
            "HTTP 403 Forbidden with a bot challenge; the body says 'Just a moment",
            "so that they know who asks.",
        ),
        (429, CHALLENGE, BotChallenge, "with a bot challenge", "so that they know who asks."),
        (503, CHALLENGE, BotChallenge, "with a bot challenge", "so that they know who asks."),
        (503, b"<html><h1>Maintenance</h1></html>", MaintenancePage, "with a maintenance page", "Try later."),
        (404, b"<html><h1>Not Found</h1></html>", WebPage, "HTTP 404 Not Found; the body says", "are right."),
        (
            403,
            b'{"error": "captcha"}',
            None,
            "HTTP 403 Forbidden; the body says",
            "or ask the operator of the source.",
        ),
    ],
)
def test_the_error_names_the_web_page_that_comes_with_an_error_status(  # noqa: PLR0917  # a table
    serve, open_session, status, body, page, text, remedy
):
    """A bot challenge has status 403, but credentials do not help against it (docs/failures.md#bot-protection)."""
    server = serve(response(body, status))
    with pytest.raises(HttpStatusError) as caught:
        open_session(retry=ONCE).get(server.url)
    assert caught.value.page is page
    assert text in str(caught.value)
    assert str(caught.value).endswith(remedy)
    assert caught.value.transient is (status in (429, 503))


class ContendedBudget(RecordingBudget):
    """A budget that has room until a reservation: another process was faster, and the next wait is long."""

    def reserve(self, _host: str, _limit: Limit) -> float:
        self.calls.append(("reserve",))
        return 600.0


def test_a_request_that_was_not_sent_is_not_counted(serve, open_session):
    """It would use up a request of the budget, and be reported as sent."""
    budget = ContendedBudget()
    session = open_session(budget=budget, max_budget_wait=10)
    with pytest.raises(RetryLater):
        session.get(serve(response()).url)
    assert session.statistics.requests == 0
    assert budget.calls == [("reserve",)]


@pytest.mark.parametrize("max_budget_wait", [10, 1000])
def test_a_secret_host_name_is_masked_in_the_reason_of_a_wait(serve, open_session, waits, max_budget_wait):
    """A RetryLater whose text contained a secret was replaced by a failure."""
    budget = ContendedBudget()
    deadline = {"ends_at": 1100} if max_budget_wait > 600 else {}
    session = open_session(
        budget=budget,
        max_budget_wait=max_budget_wait,
        deadline=deadline,
        redact=lambda text: text.replace("127.0.0.1", "***"),
    )
    with pytest.raises((RetryLater, DeadlineExceeded)) as caught:
        session.get(serve(response()).url)
    assert "***" in str(caught.value)
    assert "127.0.0.1" not in str([caught.value, waits])
