"""What the budget is told of a source's answers, and which waits are not slept through."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone

import pytest

from harvest_dagster.errors import (
    BotWall,
    DeadlineExceeded,
    HttpStatusError,
    MaintenancePage,
    WaitTooLong,
    WebPage,
)
from harvest_dagster.http.budget import ProcessBudget
from harvest_dagster.http.retry import RetryPolicy
from harvest_dagster.limits import Limit
from harvest_dagster_tests.http.server import response

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=timezone.utc)
ONCE = RetryPolicy(attempts=1)
WALL = b"<html><head><title>Just a moment...</title></head><body>Checking</body></html>"


@dataclass
class Heard:
    """A budget that never makes anybody wait, and notes what it is told."""

    told: list[tuple[object, ...]] = field(default_factory=list)

    def wait(self, _host: str, _limit: Limit) -> float:
        return 0.0

    def reserve(self, _host: str, _limit: Limit) -> float:
        return 0.0

    def left(self, _host: str) -> None:
        pass

    def pause(self, _host: str, seconds: float) -> None:
        self.told.append(("pause", seconds))

    def refused(self, _host: str) -> None:
        self.told.append(("refused",))

    def answered(self, _host: str) -> None:
        self.told.append(("answered",))

    def observed(self, _host: str, limit: Limit) -> None:
        self.told.append(("observed", limit))


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (response(), [("answered",)]),
        (response(status=404), []),
        (response(status=500), []),
        (response(status=429), [("refused",)]),
        (response(status=429, Retry_After="7"), [("refused",), ("pause", 7)]),
        (response(status=503, Retry_After="0"), [("refused",)]),
        (response(status=503, Retry_After="soon"), [("refused",)]),
        (
            response(status=429, X_RateLimit_Remaining="0", X_RateLimit_Reset="9"),
            [("refused",), ("pause", 9)],
        ),
        (
            response(status=429, Retry_After="5", RateLimit_Remaining="0", RateLimit_Reset="9"),
            [("refused",), ("pause", 9)],
        ),
        (response(RateLimit='"day";r=0;t=600'), [("answered",), ("pause", 600)]),
        (response(RateLimit='"day";r=1;t=600'), [("answered",)]),
        (response(X_Rate_Limit_Limit="50", X_Rate_Limit_Interval="1s"), [("answered",)]),
        (
            response(X_Rate_Limit_Limit="5", X_Rate_Limit_Interval="1s"),
            [("answered",), ("observed", Limit(5, 1))],
        ),
    ],
)
def test_what_an_answer_means_for_the_host_is_told_to_its_budget(serve, open_session, reply, told):
    """Lesson 20: who does not listen to 429 and to the headers before it is banned, with all who share the host."""
    heard = Heard()
    session = open_session(Limit(10, 1), budget=heard, retry=ONCE, now=lambda: NOW)
    with suppress(HttpStatusError):
        session.get(serve(reply).url)
    assert heard.told == told


def test_a_limit_that_comes_with_each_answer_is_told_now_and_then(serve, open_session, clock):
    """It holds for ten minutes once it is told, and telling costs a transaction."""
    heard = Heard()
    server = serve(response(X_Rate_Limit_Limit="5", X_Rate_Limit_Interval="1s"))
    session = open_session(Limit(10, 1), budget=heard)
    for _ in range(3):
        session.get(server.url)
    assert heard.told.count(("observed", Limit(5, 1))) == 1
    clock.now += 400
    session.get(server.url)
    assert heard.told.count(("observed", Limit(5, 1))) == 2


def test_where_nothing_remains_the_host_is_left_alone_until_the_reset(serve, open_session, clock, waits):
    """The next request would be the 429 that the header was there to spare both sides."""
    server = serve(response(X_RateLimit_Remaining="0", X_RateLimit_Reset="30"), response())
    session = open_session()
    session.get(server.url)
    session.get(server.url)
    assert clock.now == 1030
    assert waits[0][0] == 30


def test_a_stricter_limit_of_the_source_holds_for_all_its_sessions(serve, open_session, clock):
    """A config that asks for more than the source gives would be refused all day."""
    budget = ProcessBudget(clock)
    server = serve(response(RateLimit_Policy='"default";q=1;w=10'), response())
    for _ in range(2):
        open_session(budget=budget).get(server.url)
    assert clock.now == pytest.approx(1010.25)


@pytest.mark.parametrize("status", [429, 503])
def test_a_source_that_asks_for_more_than_a_worker_sleeps_is_not_slept_for(
    serve, open_session, clock, status
):
    """Twelve workers asleep for an hour each harvest nothing else meanwhile."""
    server = serve(response(status=status, Retry_After="600"))
    session = open_session(longest_wait=60)
    with pytest.raises(
        WaitTooLong, match=rf"HTTP {status}.* 600 s to wait, longer than a worker sleeps"
    ) as caught:
        session.get(server.url)
    assert caught.value.transient
    assert caught.value.seconds == 600
    assert clock.now == 1000
    assert session.statistics.requests == 1


def test_what_it_asks_for_within_that_is_slept_for(serve, open_session, clock):
    """Coming back costs a worker's start and the harvester's first requests anew."""
    server = serve(response(status=503, Retry_After="60"), response())
    open_session(longest_wait=60).get(server.url)
    assert clock.now == 1060


def test_a_turn_that_is_too_far_away_is_not_slept_for(serve, open_session, clock):
    """The host is paused by what another process was told."""
    budget = ProcessBudget(clock)
    server = serve(response())
    budget.pause(server.url.split("/")[2], 900)
    session = open_session(budget=budget, longest_turn=60)
    with pytest.raises(WaitTooLong, match="900 s to wait") as caught:
        session.get(server.url)
    assert caught.value.seconds == 900
    assert clock.now == 1000
    assert server.requests == []
    clock.now += 900
    assert session.get(server.url).status == 200


def test_a_request_that_must_not_be_repeated_is_refused_and_not_put_off(serve, open_session):
    """Lesson 23: the retry would send a token a second time that may be used up."""
    server = serve(response(status=503, Retry_After="600"))
    with pytest.raises(HttpStatusError, match="HTTP 503"):
        open_session(longest_wait=60).get(server.url, repeatable=False)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "body", "page", "said", "remedy"),
    [
        (
            403,
            WALL,
            BotWall,
            "HTTP 403 Forbidden with a bot wall; it says: 'Just a moment",
            "so that they know who asks.",
        ),
        (429, WALL, BotWall, "with a bot wall", "so that they know who asks."),
        (503, WALL, BotWall, "with a bot wall", "so that they know who asks."),
        (503, b"<html><h1>Maintenance</h1></html>", MaintenancePage, "with a maintenance page", "Try later."),
        (404, b"<html><h1>Not Found</h1></html>", WebPage, "HTTP 404 Not Found; it says", "are right."),
        (403, b'{"error": "captcha"}', None, "HTTP 403 Forbidden; it says", "or ask its operator."),
    ],
)
def test_a_web_page_that_comes_with_an_error_status_is_named(  # noqa: PLR0917  # a table
    serve, open_session, status, body, page, said, remedy
):
    """Lesson 33: bot walls answer 403 to harvesters, and credentials are not what is missing."""
    server = serve(response(body, status))
    with pytest.raises(HttpStatusError) as caught:
        open_session(retry=ONCE).get(server.url)
    assert caught.value.page is page
    assert said in str(caught.value)
    assert str(caught.value).endswith(remedy)
    assert caught.value.transient is (status in (429, 503))


class Taken(Heard):
    """A host with room, until one takes it: another process was faster, and it is long until there is more."""

    def reserve(self, _host: str, _limit: Limit) -> float:
        self.told.append(("asked",))
        return 600.0


def test_a_request_that_never_left_is_not_counted(serve, open_session):
    """It would take a slot from those who may leave, and be reported as sent."""
    budget = Taken()
    session = open_session(budget=budget, longest_turn=10)
    with pytest.raises(WaitTooLong):
        session.get(serve(response()).url)
    assert session.statistics.requests == 0
    assert budget.told == [("asked",)]


@pytest.mark.parametrize("longest_turn", [10, 1000])
def test_the_name_of_a_host_that_is_a_secret_stands_in_no_reason(serve, open_session, waits, longest_turn):
    """Put off became failed: what holds a secret goes no further as it is."""
    budget = Taken()
    watch = {"deadline": 1100} if longest_turn > 600 else {}
    session = open_session(
        budget=budget,
        longest_turn=longest_turn,
        watch=watch,
        redact=lambda text: text.replace("127.0.0.1", "***"),
    )
    with pytest.raises((WaitTooLong, DeadlineExceeded)) as caught:
        session.get(serve(response()).url)
    assert "***" in str(caught.value)
    assert "127.0.0.1" not in str([caught.value, waits])
