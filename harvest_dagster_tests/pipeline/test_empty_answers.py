"""An empty answer proves nothing: when a window is requested again, and what its log says.

docs/failures.md#empty-answer
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from harvest_dagster.errors import IncompleteList
from harvest_dagster.pipeline.completed_days import is_covered
from harvest_dagster.pipeline.source_access import WaitLimits
from harvest_dagster.storage.harvest_log import overview
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.testing.simulator import Behaviour, Repository, Server
from harvest_dagster.testing.simulator.behaviours.base import Handler
from harvest_dagster.testing.simulator.behaviours.conditions import RequestPredicate, every_request
from harvest_dagster.testing.simulator.behaviours.lists.totals import ListLengthLimit
from harvest_dagster.testing.simulator.serving.messages import Request, Response
from harvest_dagster.windows import DAY, Window
from harvest_dagster_tests.pipeline.served import harvest_window, lists, serving
from harvest_dagster_tests.pipeline.world import MIDNIGHT, World, records

FIRST, SECOND, THIRD = (Window(MIDNIGHT - n * DAY, MIDNIGHT - (n - 1) * DAY) for n in (3, 2, 1))
REPOSITORY = Repository(first_day=FIRST.start.date(), days=3, records_per_day=20, page_size=10, totals=False)
_EMPTY = b'<error code="noRecordsMatch">no records</error>'


@dataclass(frozen=True)
class EmptyAnswers(Behaviour):
    """Answers noRecordsMatch, or another content without records, to the first selected requests."""

    times: int = 1
    when: RequestPredicate = every_request
    content: bytes = _EMPTY
    _sent: list[None] = field(default_factory=list)

    def apply(self, request: Request, handler: Handler) -> Response:
        response = handler(request)
        if len(self._sent) >= self.times:
            return response
        self._sent.append(None)
        body = re.sub(
            rb"(</request>).*(</OAI-PMH>)", rb"\1%b\2" % self.content, response.body, flags=re.DOTALL
        )
        return replace(response, body=body)


def of_day(day: Window) -> RequestPredicate:
    """Select list requests for the noon of a day: the ends of a request may be one unit before and after the day."""
    noon = f"{day.start:%Y-%m-%d}T12"

    def is_of_day(request: Request) -> bool:
        start, end = (request.parameters.get(name, "") for name in ("from", "until"))
        return request.verb == "ListRecords" and start < noon < end

    return is_of_day


def with_token(request: Request) -> bool:
    return request.verb == "ListRecords" and request.token is not None


@dataclass(frozen=True)
class ErrorThenEmptyAnswer(Behaviour):
    """Answers the first request with a token with 500, and the second one with noRecordsMatch."""

    empty: EmptyAnswers = field(default_factory=lambda: EmptyAnswers(1, with_token))
    when: RequestPredicate = with_token
    _sent: list[None] = field(default_factory=list)

    def apply(self, request: Request, handler: Handler) -> Response:
        if not self._sent:
            self._sent.append(None)
            return Response(500, b"try later")
        return self.empty.apply(request, handler)


@contextmanager
def source(world: World, *behaviours: Behaviour, **kwargs: Any) -> Iterator[Server]:
    with serving(world, REPOSITORY, *behaviours, **kwargs) as server:
        yield server


def summary(log: HarvestLog) -> tuple[str, str | None, str | None, int]:
    return log.status, log.completeness, log.evidence, log.counts.records


def is_done(world: World, window: Window) -> bool:
    return is_covered(world.harvest("reader"), window)


def test_a_transient_empty_answer_between_full_days_is_requested_again(small_world: World) -> None:
    """One transient noRecordsMatch made a window complete forever."""
    with source(small_world, EmptyAnswers(1, of_day(SECOND))):
        harvest_window(small_world, "run 1", FIRST)
        log = harvest_window(small_world, "run 2", SECOND)
    assert (log.status, log.counts.records, log.doubt) == ("SUCCEEDED", 20, None)
    assert any("is empty, but the window next to it has 20 records" in line for line in small_world.log_lines)


def test_an_empty_day_between_full_days_is_not_done_before_a_second_harvest(small_world: World) -> None:
    """The second list may be wrong, too. Two harvests with an hour between them are believed, with a doubt."""
    with source(small_world, EmptyAnswers(99, of_day(SECOND))) as server:
        harvest_window(small_world, "run 1", FIRST)
        log = harvest_window(small_world, "run 2", SECOND)
        assert summary(log) == ("SUCCEEDED", "unverified", "none", 0)
        assert log.doubt is not None
        assert not is_done(small_world, SECOND)
        small_world.clock.forward(minutes=59)
        harvest_window(small_world, "run 3", SECOND)
        assert not is_done(small_world, SECOND)
        small_world.clock.forward(minutes=1)
        log = harvest_window(small_world, "run 4", SECOND)
        assert is_done(small_world, SECOND)
        assert log.doubt is not None
    assert len(lists(server)) == 3 + 3 * 2


def test_an_empty_first_window_is_requested_again_and_believed(small_world: World) -> None:
    """Nothing can speak against it yet. It costs one more request, once for each source."""
    with source(small_world, EmptyAnswers(9, of_day(FIRST))) as server:
        log = harvest_window(small_world, "run 1", FIRST)
        assert summary(log) == ("SUCCEEDED", "unverified", "none", 0)
        assert (log.doubt, len(lists(server)), is_done(small_world, FIRST)) == (None, 2, True)


def test_an_empty_first_window_is_doubted_when_the_window_after_it_is_full(small_world: World) -> None:
    """It was asked twice within seconds, and never again: a source that builds its index lacked its first day."""
    with source(small_world, EmptyAnswers(2, of_day(FIRST))):
        harvest_window(small_world, "run 1", FIRST)
        harvest_window(small_world, "run 2", SECOND)
        assert not is_done(small_world, FIRST)
        with small_world.database.read() as connection:
            (failed,) = overview.find_failed_windows(connection)[
                replace(small_world.harvest().scope, arguments_digest=None)
            ]
        assert failed.window == FIRST
        log = harvest_window(small_world, "run 3", FIRST)
    assert (log.counts.records, log.doubt, is_done(small_world, FIRST)) == (20, None, True)


def test_an_empty_first_window_is_doubted_once(small_world: World) -> None:
    """It may be empty, so that a second harvest must end the question."""
    with source(small_world, EmptyAnswers(99, of_day(FIRST))) as server:
        harvest_window(small_world, "run 1", FIRST)
        harvest_window(small_world, "run 2", SECOND)
        small_world.clock.forward(hours=1)
        harvest_window(small_world, "run 3", FIRST)
        assert is_done(small_world, FIRST)
        harvest_window(small_world, "run 4", SECOND)
        assert is_done(small_world, FIRST)
    assert len(lists(server)) == 2 + 3 + 2 + 3


def test_a_transient_empty_answer_to_the_first_window_is_requested_again(small_world: World) -> None:
    """A source that was building its index answered noRecordsMatch once, and its first window stayed empty."""
    with source(small_world, EmptyAnswers(1, of_day(FIRST))):
        assert harvest_window(small_world, "run 1", FIRST).counts.records == 20


def test_an_empty_day_of_a_source_with_empty_days_is_believed(small_world: World) -> None:
    """Otherwise a source that is quiet at weekends would be asked twice for each Saturday."""
    with source(small_world, EmptyAnswers(4, of_day(FIRST)), EmptyAnswers(1, of_day(THIRD))):
        harvest_window(small_world, "run 1", FIRST)
        harvest_window(small_world, "run 2", SECOND)
        small_world.clock.forward(hours=1)
        harvest_window(small_world, "run 3", FIRST)
        log = harvest_window(small_world, "run 4", THIRD)
    assert (log.counts.records, log.doubt, is_done(small_world, THIRD)) == (0, None, True)


def test_an_empty_day_of_a_source_with_few_records_is_believed(small_world: World) -> None:
    """A source with one record a day has days without a record."""
    few = Repository(first_day=FIRST.start.date(), days=3, records_per_day=1)
    with serving(small_world, few, EmptyAnswers(1, of_day(SECOND))) as server:
        harvest_window(small_world, "run 1", FIRST)
        assert harvest_window(small_world, "run 2", SECOND).doubt is None
    assert len(lists(server)) == 2


def test_a_window_that_had_records_fails_if_the_source_still_has_them(small_world: World) -> None:
    """The list lies: GetRecord returns a record with a datestamp in the window."""
    harvested: list[bool] = []
    with source(small_world, EmptyAnswers(99, lambda request: bool(harvested) and of_day(SECOND)(request))):
        harvest_window(small_world, "run 1", SECOND)
        harvested.append(True)
        with pytest.raises(
            IncompleteList, match=r"the source still has record .* with a datestamp in this window"
        ):
            harvest_window(small_world, "run 2", SECOND)
    (log,) = small_world.logs().values()
    assert (log.status, is_done(small_world, SECOND)) == ("FAILED", True)


def test_a_window_whose_records_have_moved_may_become_empty(small_world: World) -> None:
    """In OAI-PMH, a change gives a record a new datestamp, so it leaves its old window. That is no failure."""
    with source(small_world) as server:
        harvest_window(small_world, "run 1", FIRST)
        for number in range(20):
            server.edits.set_datestamp(REPOSITORY.identifier(number), REPOSITORY.newest)
        log = harvest_window(small_world, "run 2", FIRST)
    assert (log.status, log.counts.records, log.doubt) == ("SUCCEEDED", 0, None)


def test_an_empty_window_of_a_deleted_set_is_doubtful(small_world: World) -> None:
    """A repository that deletes a set answers noRecordsMatch forever, and each day was green."""
    with source(small_world, set="gone") as server:
        log = harvest_window(small_world, "run 1", FIRST)
    assert summary(log) == ("SUCCEEDED", "unverified", "none", 0)
    assert log.doubt == "ListSets has no gone"
    assert len(lists(server)) == 2


@pytest.mark.parametrize("content", [_EMPTY, b"<ListRecords/>"])
def test_a_transient_answer_without_records_to_a_token_does_not_end_a_list(
    small_world: World, content: bytes
) -> None:
    """A noRecordsMatch in reply to a token ended a list at 30 of 60 records."""
    with source(small_world, EmptyAnswers(1, with_token, content)):
        log = harvest_window(small_world, "run 1", FIRST)
    assert (log.status, log.counts.records, log.doubt) == ("SUCCEEDED", 20, None)


def test_another_error_before_an_answer_without_records_does_not_confirm_it(small_world: World) -> None:
    """The repetition after status 500 counted as the second look at the end of the list. Half of it was missing."""
    with source(small_world, ErrorThenEmptyAnswer()):
        log = harvest_window(small_world, "run 1", FIRST)
    assert (log.status, log.counts.records, log.doubt) == ("SUCCEEDED", 20, None)


@pytest.mark.parametrize("content", [_EMPTY, b"<ListRecords/>"])
def test_a_list_that_ends_without_records_after_a_full_page_is_doubtful(
    small_world: World, content: bytes
) -> None:
    """commons.mla.org ends each list so. After a full page, it cannot be told from a list that was cut off."""
    with source(small_world, EmptyAnswers(99, with_token, content)):
        log = harvest_window(small_world, "run 1", FIRST)
        assert summary(log) == ("SUCCEEDED", "unverified", "none", 10)
        assert log.doubt == "a list ended with an answer without records, although more seemed to follow"
        assert not is_done(small_world, FIRST)


def test_a_transient_empty_answer_for_a_part_of_a_window_is_requested_again(small_world: World) -> None:
    """A list that was too long was halved. One empty answer for a half lost its records."""

    def is_first_half(request: Request) -> bool:
        start, end = (request.parameters.get(name, "") for name in ("from", "until"))
        return (
            request.verb == "ListRecords"
            and start < f"{FIRST.start:%Y-%m-%d}T06" < end < f"{FIRST.start:%Y-%m-%d}T18"
        )

    behaviours = (EmptyAnswers(1, is_first_half), ListLengthLimit(limit=15, status=413))
    with serving(small_world, replace(REPOSITORY, totals=True), *behaviours):
        log = harvest_window(small_world, "run 1", FIRST)
    assert (log.status, log.counts.new_identifiers, log.doubt) == ("SUCCEEDED", 20, None)
    assert any("a part of" in line and "is empty" in line for line in small_world.log_lines)


def test_a_window_with_one_deleted_set_among_others_is_doubtful(small_world: World) -> None:
    """The other sets had records, so nothing was said about the set that ListSets no longer has."""
    with source(small_world, set=["science", "gone"]):
        log = harvest_window(small_world, "run 1", FIRST)
    assert log.counts.records > 0
    assert log.doubt == "ListSets has no gone"
    assert not is_done(small_world, FIRST)


def test_a_list_that_ends_with_an_error_is_continued_if_its_total_is_not_reached(small_world: World) -> None:
    """With a total, there is no doubt: records are missing, and other requests bring them."""
    with serving(small_world, replace(REPOSITORY, totals=True), EmptyAnswers(9, with_token)):
        log = harvest_window(small_world, "run 1", FIRST)
    assert (log.status, log.counts.new_identifiers, log.doubt) == ("SUCCEEDED", 20, None)


def test_an_empty_page_of_a_source_without_single_records_is_doubtful(small_world: World) -> None:
    """One empty JSON page made a window complete forever. Nobody can ask this source for a single record."""
    small_world.source.items = records(3)
    small_world.run("run 1")
    small_world.source.items = []
    (log,) = small_world.run("run 2", superfluous=True)
    assert summary(log) == ("SUCCEEDED", "unverified", "none", 0)
    assert log.doubt == "the window had 3 records before"
    (log,) = small_world.run("run 3", superfluous=True)
    assert log.doubt == "the window had 3 records before"


def test_a_harvest_with_a_limit_asks_once(small_world: World) -> None:
    """A trial covers nothing, so there is nothing to confirm."""
    small_world.source.items = records(3)
    small_world.run("run 1")
    small_world.source.items = []
    small_world.source.asked.clear()
    (log,) = small_world.run("run 2", superfluous=True, limit=5)
    assert (log.doubt, small_world.source.asked) == (None, [0])


def test_the_pause_before_the_second_request_is_short() -> None:
    """The worker waits for it."""
    assert 0 < WaitLimits().before_second_list <= 10
