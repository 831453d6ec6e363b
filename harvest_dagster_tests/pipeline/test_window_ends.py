"""Windows of single days over HTTP, from sources that leave out an end: nothing is lost, and little is asked twice."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import select

from harvest_dagster.errors import IncompleteList
from harvest_dagster.pipeline import lease_guard
from harvest_dagster.pipeline.run_window import WindowRun, run_window
from harvest_dagster.storage.tables import source_observation
from harvest_dagster.testing.simulator import Repository
from harvest_dagster.testing.simulator.behaviours.registry import REGISTRY
from harvest_dagster.testing.simulator.scenario import parse_behaviour
from harvest_dagster.windows import whole_day
from harvest_dagster_tests.pipeline.served import harvest_window, serving
from harvest_dagster_tests.pipeline.world import World

BY_DAY = Repository(first_day=date(2024, 4, 26), days=4, records_per_day=12, granularity="day")
BY_SECOND = Repository(first_day=date(2024, 4, 26), days=4, records_per_day=12)
DAYS = [whole_day(date(2024, 4, day)) for day in (26, 27, 28, 29)]


@pytest.mark.parametrize("repository", [BY_DAY, BY_SECOND], ids=["days", "seconds"])
@pytest.mark.parametrize(
    "name", ["until-exclusive", "from-exclusive", "single-day-refused", "from-too-early"]
)
def test_each_day_has_its_records_whatever_the_source_makes_of_the_ends(
    small_world: World, repository: Repository, name: str
) -> None:
    """Each day of such a source was empty and complete, or failed (docs/failures.md#until-as-midnight)."""
    with serving(small_world, repository, REGISTRY[name]()):
        logs = [harvest_window(small_world, f"run {number}", day) for number, day in enumerate(DAYS)]
    assert [(log.status, log.counts.records, log.counts.outside_window) for log in logs] == [
        ("SUCCEEDED", 12, 0)
    ] * 4
    assert len(small_world.stored()) == 48


def test_what_a_source_makes_of_the_ends_is_kept_with_the_source(small_world: World) -> None:
    """Otherwise each window asks again, or loses its last day."""
    with serving(small_world, BY_DAY, REGISTRY["until-exclusive"]()) as server:
        harvest_window(small_world, "run 1", DAYS[0])
        asked = len(server.requests)
        assert harvest_window(small_world, "run 2", DAYS[1]).counts.requests == 2  # Identify and one list
        last = server.requests[-1].parameters
    assert asked == 5
    assert (last["from"], last["until"]) == ("2024-04-27", "2024-04-28")
    with small_world.database.read() as connection:
        found = dict(
            connection.execute(select(source_observation.c.name, source_observation.c.value)).tuples().all()
        )
    assert found["window_ends"] == {
        "granularity": "YYYY-MM-DD",
        "from_is_whole": True,
        "until_is_whole": False,
        "one_unit": False,
        "days": ["2024-04-26"],
    }
    assert any("One day more is requested" in line for line in small_world.log_lines)


def test_an_exact_source_is_asked_for_its_days_alone_from_the_second_window_on(small_world: World) -> None:
    """Otherwise every source pays for the few that are not exact."""
    with serving(small_world, BY_DAY) as server:
        for number, day in enumerate(DAYS):
            harvest_window(small_world, f"run {number}", day)
        lists = [request.parameters for request in server.requests if request.is_list]
    assert [(asked["from"][-2:], asked["until"][-2:]) for asked in lists] == [
        ("25", "27"),
        ("26", "26"),
        ("27", "27"),
        ("28", "28"),
        ("29", "29"),
    ]


def test_the_records_of_neighbouring_days_do_not_use_up_the_limit(small_world: World) -> None:
    """Otherwise a trial run with a limit gets nothing: the list begins with the day before."""
    with serving(small_world, Repository(**{**vars(BY_DAY), "page_size": 4})):
        harvest = small_world.harvest("run 1", limit=5)
        with lease_guard.hold_lease(harvest) as lease:
            run_window(WindowRun(harvest, lease), DAYS[1])
    assert len(small_world.stored()) == 5


def test_the_total_of_a_window_does_not_contain_its_neighbours(small_world: World) -> None:
    """Otherwise 36 records seem to be expected, and 24 of them to be missing."""
    with serving(
        small_world, Repository(first_day=date(2024, 4, 26), days=4, records_per_day=12, page_size=5)
    ):
        log = harvest_window(small_world, "run 1", DAYS[1])
    assert (log.counts.records, log.expected, log.identifiers, log.completeness) == (12, 12, 12, "complete")


def test_the_numbers_of_a_short_window_do_not_contain_its_neighbours(small_world: World) -> None:
    """The record of the additional second counted as delivered after a second list, but not as announced."""
    repository = Repository(first_day=date(2024, 4, 26), days=4, records_per_day=6, page_size=4, deleted=0)
    message = r"^6 of 15 records of \[2024-04-26, 2024-04-27\) were delivered\. Run again\."
    with serving(small_world, repository, parse_behaviour("total-higher:by=9")):
        with pytest.raises(IncompleteList, match=message):
            harvest_window(small_world, "run 1", DAYS[0])
        (log,) = small_world.logs().values()
    assert (log.expected, log.identifiers) == (15, 6)


def test_an_empty_day_with_a_wrong_code_succeeds_after_a_day_with_records(small_world: World) -> None:
    """Each empty day of such a source failed (docs/failures.md#wrong-code-for-empty)."""
    with serving(small_world, BY_DAY, REGISTRY["wrong-code-for-empty"]()):
        harvest_window(small_world, "run 1", DAYS[0])
        log = harvest_window(small_world, "run 2", whole_day(date(2024, 4, 10)))
    assert (log.status, log.counts.records, log.completeness) == ("SUCCEEDED", 0, "unverified")


def test_a_window_before_earliest_datestamp_is_not_requested_and_the_log_says_so(small_world: World) -> None:
    """Otherwise a backfill asks for years in which the source had nothing, or fails in each of them."""
    with serving(small_world, BY_DAY, REGISTRY["from-too-early"]()) as server:
        harvest_window(small_world, "run 1", whole_day(date(2024, 4, 10)))
        before = len([request for request in server.requests if request.is_list])
        log = harvest_window(small_world, "run 2", whole_day(date(2024, 4, 11)))
        after = len([request for request in server.requests if request.is_list])
    assert (log.status, log.counts.records, log.completeness) == ("SUCCEEDED", 0, "unverified")
    assert (before, after) == (1, 1)
    assert any("was not requested: the earliestDatestamp" in line for line in small_world.log_lines)
