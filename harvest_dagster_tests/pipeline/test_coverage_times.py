"""When a window counts as done: by what was asked, by the clock of the source, and by the arguments.

docs/failures.md#coverage-too-early
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from sqlalchemy import delete, insert, select, update

from harvest_dagster.pipeline.completed_days import is_covered
from harvest_dagster.storage.harvest_log import value_digests
from harvest_dagster.storage.harvest_log.queries import HarvestLog, LogScope
from harvest_dagster.storage.harvest_log.source_coverage import find_source_coverage
from harvest_dagster.storage.tables import digest_key, harvest_log, metadata
from harvest_dagster.testing.simulator import Behaviour, Repository, Server
from harvest_dagster.testing.simulator.behaviours.base import Handler
from harvest_dagster.testing.simulator.behaviours.conditions import RequestPredicate, every_request
from harvest_dagster.testing.simulator.serving.messages import Request, Response
from harvest_dagster.windows import DAY, Window
from harvest_dagster_tests.pipeline.fakes import Clock
from harvest_dagster_tests.pipeline.served import harvest_window, lists, serving
from harvest_dagster_tests.pipeline.world import MIDNIGHT, WINDOW, World, records

HOUR = timedelta(hours=1)
SECONDS = Repository(first_day=WINDOW.start.date(), days=1, records_per_day=6)
DAYS = Repository(first_day=WINDOW.start.date(), days=1, records_per_day=6, granularity="day")
MORNING = Window(WINDOW.start, WINDOW.start + 12 * HOUR)


def is_done(world: World, log: HarvestLog) -> bool:
    return is_covered(world.harvest("reader"), log.window)


def warnings(world: World) -> list[str]:
    return [line for line in world.log_lines if "does not count as done" in line]


def test_a_part_of_a_day_is_not_done_before_the_day_ends_if_whole_days_are_asked(world: World) -> None:
    """All 12 records of the day had its date. 7 came after noon, and no run asked for that morning again."""
    world.clock.now = MORNING.end + HOUR
    with serving(world, DAYS):
        log = harvest_window(world, "run 1", MORNING)
        assert (log.status, is_done(world, log)) == ("SUCCEEDED", False)
        assert "the source was asked until 2024-05-01" in warnings(world)[0]
        world.clock.now = MIDNIGHT + HOUR
        assert is_done(world, harvest_window(world, "run 2", MORNING))


def test_a_part_of_a_day_is_done_early_if_the_source_knows_seconds(world: World) -> None:
    """Otherwise hourly harvests of an exact source would count only on the next day."""
    world.clock.now = MORNING.end + HOUR
    with serving(world, SECONDS):
        assert is_done(world, harvest_window(world, "run 1", MORNING))
    assert warnings(world) == []


def test_a_source_whose_clock_is_behind_does_not_mark_a_day_done_too_early(world: World) -> None:
    """The day of a source three hours behind had three hours left: 6 of 48 records were lost."""
    world.clock.now, clock = MIDNIGHT + 2 * HOUR, Clock(MIDNIGHT - HOUR)
    with serving(world, SECONDS, clock=clock):
        log = harvest_window(world, "run 1", WINDOW)
        assert (log.status, is_done(world, log)) == ("SUCCEEDED", False)
        assert "2024-04-30T23:00:00Z by that of the source" in warnings(world)[0]
        world.clock.now, clock.now = MIDNIGHT + 3 * HOUR, MIDNIGHT
        assert is_done(world, harvest_window(world, "run 2", WINDOW))


def test_a_source_whose_clock_is_ahead_changes_nothing(world: World) -> None:
    """Our clock is the earlier one. By the other clock, a day would be done before it ended."""
    world.clock.now = MIDNIGHT - HOUR
    with serving(world, SECONDS, clock=Clock(MIDNIGHT + 2 * HOUR)):
        assert not is_done(world, harvest_window(world, "run 1", WINDOW))


@dataclass(frozen=True)
class RepeatedAnswer(Behaviour):
    """A cache that repeats the first answer to a list request, up to a number of times."""

    times: int = 100
    when: RequestPredicate = every_request
    _cached: list[Response] = field(default_factory=list)
    _repeated: list[None] = field(default_factory=list)

    def apply(self, request: Request, handler: Handler) -> Response:
        if request.verb != "ListRecords":
            return handler(request)
        if not self._cached:
            self._cached.append(handler(request))
        elif len(self._repeated) < self.times:
            self._repeated.append(None)
        else:
            return handler(request)
        return self._cached[0]


def test_a_list_from_a_cache_does_not_mark_a_day_done(world: World) -> None:
    """The cache repeated the list of the afternoon after midnight, and 28 of 48 records were lost."""
    world.clock.now = MORNING.end
    with serving(world, SECONDS, RepeatedAnswer()) as server:
        harvest_window(world, "run 1", WINDOW)
        world.clock.now = MIDNIGHT + 12 * HOUR
        log = harvest_window(world, "run 2", WINDOW)
        assert (log.status, is_done(world, log)) == ("SUCCEEDED", False)
        assert "whose answer is from a cache" in warnings(world)[-1]
        assert len(lists(server)) == 3  # the second run asked twice


def test_an_old_answer_is_requested_again(world: World) -> None:
    """Identify is newer than the list, so the list is from a cache. Often the second answer is not."""
    world.clock.now = MORNING.end
    with serving(world, SECONDS, RepeatedAnswer(times=1)) as server:
        harvest_window(world, "run 1", WINDOW)
        world.clock.now = MIDNIGHT + 12 * HOUR
        assert is_done(world, harvest_window(world, "run 2", WINDOW))
        assert len(lists(server)) == 3


def test_caches_are_asked_to_ask_the_source(world: World) -> None:
    """Without the header, a cache may repeat a list as long as it likes (RFC 9111, section 5.2.1.4)."""
    with serving(world, SECONDS) as server:
        harvest_window(world, "run 1", WINDOW)
        assert _headers(server, "cache-control") == {"no-cache"}
        assert _headers(server, "pragma") == {"no-cache"}


def _headers(server: Server, name: str) -> set[str | None]:
    return {{key.lower(): value for key, value in r.headers}.get(name) for r in server.requests}


@pytest.mark.parametrize(
    ("changed", "difference"),
    [
        ({"set": "b"}, 'set changed from "a" to "b"'),
        ({"base_url": "https://two.test"}, 'base_url changed from "https://one.test" to "https://two.test"'),
        ({"set": None}, 'set changed from "a" to its default'),
    ],
)
def test_coverage_of_other_arguments_does_not_count(
    world: World, changed: dict[str, str | None], difference: str
) -> None:
    """After a change of the set, the run sent no request, and the records of the new set were missing."""
    before = {"base_url": "https://one.test", "set": "a"}
    world.source.items = records(3)
    world.change(harvester_kwargs=before)
    world.run("run 1")
    now = {key: value for key, value in {**before, **changed}.items() if value is not None}
    world.change(harvester_kwargs=now)
    assert [log.status for log in world.run("run 2")] == ["SUCCEEDED"]
    message = f"older coverage of 1 days was for other arguments: {difference}. It does not count."
    assert world.log_lines.count(message) == 1
    assert world.run("run 3") == []
    assert world.log_lines.count(message) == 1


def test_a_value_that_changed_behind_a_placeholder_ends_the_coverage(world: World) -> None:
    """The next run sent no request, and the records of the new set were missing, green."""
    world.source.items = records(3)
    world.change(harvester_kwargs={"set": "${SET}", "prefix": "${PREFIX}"})
    world.environ = {"SET": "physics", "PREFIX": "marc"}
    world.run("run 1")
    world.environ["SET"] = "chemistry"
    assert [log.status for log in world.run("run 2")] == ["SUCCEEDED"]
    message = (
        "older coverage of 1 days was for other arguments: the value of ${SET} changed. It does not count."
    )
    assert message in world.log_lines
    assert world.run("run 3") == []


def test_days_that_the_new_value_was_not_asked_for_are_not_covered(world: World) -> None:
    """The readers of the coverage do not know the value: the run that finds it tells them. Then it changes back."""
    before = Window(WINDOW.start - DAY, WINDOW.start)
    world.source.items = records(3)
    world.change(harvester_kwargs={"set": "${SET}"})
    world.environ = {"SET": "physics"}
    world.run("run 1", Window(before.start, WINDOW.end))
    world.environ = {"SET": "chemistry"}
    world.run("run 2", WINDOW)
    world.environ = {}
    reader = world.harvest("reader")
    assert (is_covered(reader, before), is_covered(reader, WINDOW)) == (False, True)
    with world.database.read() as connection:
        (found,) = find_source_coverage(connection).values()
    assert found.windows == (WINDOW,)
    world.environ = {"SET": "physics"}
    world.run("run 3", WINDOW)
    reader = world.harvest("reader")
    assert (is_covered(reader, before), is_covered(reader, WINDOW)) == (True, True)


def test_pages_that_were_asked_with_another_value_are_not_continued(world: World) -> None:
    """The list would begin with records of the old set and end with records of the new one."""
    world.source.items = records(30)
    world.change(harvester_kwargs={"set": "${SET}"})
    world.environ = {"SET": "physics"}
    world.source.breaks_at = 1
    with pytest.raises(Exception, match="the connection broke"):
        world.run("run 1")
    world.source.breaks_at = None
    world.environ = {"SET": "chemistry"}
    (log,) = world.run("run 2")
    assert (log.status, log.attempt) == ("SUCCEEDED", 2)


def test_coverage_from_before_the_upgrade_counts_for_the_present_values(world: World) -> None:
    """The upgrade would harvest ten years again. A row without a digest has the values of today."""
    world.source.items = records(3)
    world.change(harvester_kwargs={"set": "${SET}"})
    world.environ = {"SET": "physics"}
    world.run("run 1")
    with world.database.begin() as connection:
        connection.execute(update(harvest_log).values(values_digest=None))
    assert world.run("run 2") == []
    world.environ = {"SET": "chemistry"}
    assert len(world.run("run 3")) == 1


def test_a_new_key_of_an_api_keeps_the_coverage(world: World) -> None:
    """A key gives access and selects nothing. Ten years would be harvested again each time it changes."""
    address = "https://${USER}:${PASSWORD}@one.test/?api_key=${SECRET}"
    world.change(harvester_kwargs={"base_url": address, "token": "${FIRST}", "set": "${API_TOKEN}"})
    names = ("USER", "PASSWORD", "SECRET", "FIRST", "API_TOKEN")
    world.environ = dict.fromkeys(names, "before")
    world.source.items = records(3)
    world.run("run 1")
    world.environ = dict.fromkeys(names, "after")
    assert world.run("run 2") == []


def test_no_row_has_a_value_and_its_digest_is_short_and_keyed(world: World) -> None:
    """A value may be a secret. A whole digest would let a reader of the database find any password of a dictionary."""
    world.change(harvester_kwargs={"set": "${SET}"})
    world.environ = {"SET": "physics"}
    world.source.items = records(3)
    (log,) = world.run("run 1")
    assert re.fullmatch("SET=[0-9a-f]{4}", log.values_digest or "")
    with world.database.begin() as connection:
        tables = {table.name: connection.execute(select(table)).all() for table in metadata.sorted_tables}
        assert "physics" not in repr(tables)
        first = value_digests.mark_logs_of_other_values(connection, LogScope(1, 1), {"SET": "physics"})
        connection.execute(delete(digest_key))
        others = set()
        for number in range(3):
            connection.execute(insert(digest_key).values(id=1, key=f"{number:064x}"))
            others.add(
                value_digests.mark_logs_of_other_values(connection, LogScope(1, 1), {"SET": "physics"})
            )
            connection.execute(delete(digest_key))
    assert len(others - {first}) >= 2  # the random key decides


def test_a_failure_with_other_arguments_does_not_bring_the_old_coverage_back(world: World) -> None:
    """The day would be green with the records of the old set."""
    world.source.items = records(3)
    world.change(harvester_kwargs={"set": "a"})
    world.run("run 1")
    world.change(harvester_kwargs={"set": "b"})
    world.source.breaks_at = 0
    with pytest.raises(Exception, match="the connection broke"):
        world.run("run 2")
    assert not is_covered(world.harvest("reader"), WINDOW)


def test_a_change_that_is_not_asked_of_the_source_keeps_the_coverage(world: World) -> None:
    """Another contact, pace or size of a window must not cost a new harvest of ten years."""
    world.source.items = records(3)
    world.run("run 1")
    world.change(
        contact="someone@example.org",
        rate_limit={"calls": 9, "period": 1},
        max_window="1d",
        failure_threshold=9,
    )
    assert world.run("run 2") == []


def test_a_range_that_was_settled_before_is_not_restored_for_other_arguments(world: World) -> None:
    """The log of a whole range became SUCCEEDED again although its coverage was of another set."""
    wanted = Window(WINDOW.start - DAY, WINDOW.end)
    world.source.items = records(3)
    world.change(harvester_kwargs={"set": "a"})
    world.run("run 1", wanted)
    world.change(harvester_kwargs={"set": "b"})
    assert len(world.run("run 2", wanted)) == 1


def test_the_first_harvest_reports_the_granularity_and_the_clock_of_a_source(world: World) -> None:
    """Nobody knew that a day of this source ends three hours later than ours, until records were missing."""
    world.change(settle="1h")
    behind = Clock(world.clock() - 3 * HOUR)
    with serving(world, DAYS, clock=behind):
        harvest_window(world, "run 1", WINDOW)
        harvest_window(world, "run 2", WINDOW)
    (line,) = [line for line in world.log_lines if "the source knows only days" in line]
    assert "Its clock is 3.0 h behind ours" in line


def test_a_source_with_seconds_and_an_exact_clock_is_reported_once(world: World) -> None:
    """The line must not come with each window of a healthy source."""
    with serving(world, SECONDS):
        harvest_window(world, "run 1", WINDOW)
        harvest_window(world, "run 2", WINDOW)
    lines = [line for line in world.log_lines if "the source knows seconds" in line]
    assert len(lines) == 1
    assert "Its clock agrees with ours. `settle` is 0:00:00." in lines[0]
