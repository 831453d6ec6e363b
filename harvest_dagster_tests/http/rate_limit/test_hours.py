"""A session sends no request outside of the hours of its source, and leaves other sources of the host alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import pytest

from harvest_dagster.errors import OutsideHours, RetryLater
from harvest_dagster.http.auth import OAuth2ClientCredentials
from harvest_dagster.http.rate_limit.budget import ProcessBudget
from harvest_dagster.http.session import HttpSession
from harvest_dagster.rate_limits import Limit
from harvest_dagster.request_hours import parse_hours
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.rate_limit.database_budget import DatabaseBudget
from harvest_dagster_tests.http.clock import Clock
from harvest_dagster_tests.http.server import response

NIGHT = parse_hours("21:00-05:00 America/New_York")
OPENING = datetime(2026, 3, 1, 2, 0, 0, tzinfo=timezone.utc)
CLOSING = OPENING + timedelta(hours=8)
Open = Callable[..., HttpSession]


@pytest.fixture
def open_at(open_session: Open, clock: Clock) -> Open:
    """Opens a session with the hours of the night. The clock of the test is at the given time."""

    def make(time: datetime, *args: Limit, **options: object) -> HttpSession:
        start, zero = time, clock.now
        return open_session(
            *args, now=lambda: start + timedelta(seconds=clock.now - zero), **{"hours": NIGHT, **options}
        )

    return make


def test_no_request_is_sent_outside_of_the_hours(serve, open_at: Open, clock: Clock) -> None:
    """NCBI blocks those who send many requests by day. The error says when the hours begin."""
    server = serve(response())
    session = open_at(CLOSING, max_closed_wait=60)
    with pytest.raises(
        OutsideHours, match=r"only in its hours \(21:00-05:00 America/New_York\), and they begin at"
    ) as no:
        session.get(server.url)
    assert isinstance(no.value, RetryLater)  # so that the op is retried then, and nothing has failed
    assert no.value.seconds == 16 * 3600
    assert "2026-03-02T02:00:00Z" in str(no.value)
    assert (clock.now, server.connections, session.statistics.requests) == (1000, 0, 0)
    clock.now += no.value.seconds
    assert session.get(server.url).status == 200


def test_a_short_wait_for_the_hours_is_slept(serve, open_at: Open, clock: Clock, waits) -> None:
    """A retry of the op costs the start of a worker, and the first requests of the harvester again."""
    server = serve(response())
    open_at(OPENING - timedelta(seconds=45), max_closed_wait=60).get(server.url)
    assert clock.now == 1045
    assert [round(seconds) for seconds, _ in waits] == [45]
    assert "only in its hours" in waits[0][1]


def test_a_harvest_whose_time_limit_ends_before_the_hours_begin_has_not_failed(serve, open_at: Open) -> None:
    """DeadlineExceeded would count as a failure of the source."""
    server = serve(response())
    session = open_at(OPENING - timedelta(seconds=45), max_closed_wait=60, deadline={"ends_at": 1030})
    with pytest.raises(OutsideHours):
        session.get(server.url)
    assert server.requests == []


@pytest.mark.parametrize(
    ("reply", "options"),
    [
        (response(status=503, Retry_After="40"), {}),
        (response(status=302, Location="/moved"), {}),
        (
            response(
                json.dumps({"access_token": "abc", "token_type": "Bearer"}).encode(),
                Content_Type="application/json",
            ),
            {"auth": True},
        ),
    ],
    ids=["retry", "redirect", "request after a token"],
)
def test_retries_redirects_and_requests_after_a_token_keep_the_hours(
    serve, open_at: Open, clock: Clock, reply: bytes, options: dict[str, bool]
) -> None:
    """Each of them is a request. The first one is sent ten seconds before the hours end."""

    def answer(connection) -> None:
        clock.now += 20 * ("Retry-After" not in reply.decode())
        connection.sendall(reply)

    server = serve(answer, response())
    auth = OAuth2ClientCredentials(server.url, "client", "s3cret") if options else None
    session = open_at(CLOSING - timedelta(seconds=10), max_closed_wait=60, auth=auth)
    with pytest.raises(OutsideHours):
        session.get(server.url)
    assert len(server.requests) == 1


def test_a_request_for_a_token_keeps_the_hours(serve, open_at: Open) -> None:
    """The token endpoint belongs to the source."""
    server, tokens = serve(response()), serve(response())
    session = open_at(CLOSING, auth=OAuth2ClientCredentials(tokens.url, "client", "s3cret"))
    with pytest.raises(OutsideHours):
        session.get(server.url)
    assert (server.requests, tokens.requests) == ([], [])


def test_no_request_is_reserved_after_a_wait_for_the_budget_that_ends_outside_of_the_hours(
    serve, open_at: Open, clock: Clock
) -> None:
    """The request left as soon as its turn came, after the end of the hours."""
    server = serve(response())
    session = open_at(CLOSING - timedelta(seconds=10), Limit(1, 30), max_closed_wait=60)
    session.get(server.url)
    with pytest.raises(OutsideHours):
        session.get(server.url)
    assert len(server.requests) == 1
    assert clock.now == pytest.approx(1010, abs=1.5)


def test_two_sources_of_one_host_keep_their_own_hours_and_share_the_budget(
    serve, open_at: Open, clock: Clock, database: Database
) -> None:
    """The hours belong to the source, because a mirror or another API of the host may have others."""
    server, limit = serve(response()), Limit(1, 10)
    budget = DatabaseBudget(database, clock=clock)
    at_night, always = (
        open_at(CLOSING - timedelta(seconds=5), limit, budget=budget, hours=hours) for hours in (NIGHT, None)
    )
    at_night.get(server.url)
    began = clock.now
    always.get(server.url)
    assert clock.now - began >= 10  # one budget
    with pytest.raises(OutsideHours):
        at_night.get(server.url)
    always.get(server.url)
    assert clock.now - began >= 20  # the refused request took no place
    assert clock.now - began < 25
    assert len(server.requests) == 3


def test_the_hours_are_asked_again_at_the_reservation(serve, open_at: Open, clock: Clock) -> None:
    """Another process took the place in the budget, and the hours ended during the second wait."""

    @dataclass
    class ContendedBudget(ProcessBudget):
        reserved: int = 0

        def seconds_to_wait(self, _host: str, _limit: Limit) -> float:
            return 0.0

        def reserve(self, _host: str, _limit: Limit) -> float:
            self.reserved += clock.now >= 1020
            return 0.0 if clock.now >= 1020 else 1020 - clock.now

    server, budget = serve(response()), ContendedBudget()
    session = open_at(CLOSING - timedelta(seconds=10), budget=budget, max_closed_wait=60)
    with pytest.raises(OutsideHours):
        session.get(server.url)
    assert (server.requests, budget.reserved) == ([], 0)
