"""The sensor `repair_gaps`, and what the check `up_to_date` tells of them."""

from __future__ import annotations

from datetime import date

import dagster as dg
import pytest

from harvest_dagster.harvesters.oai import OaiHarvester
from harvest_dagster.orchestration.automation.requests import UnderWay
from harvest_dagster.storage import harvest_states
from harvest_dagster.windows import whole_day
from harvest_dagster_tests.orchestration.automation.conftest import World, asked, config

REPAIR, REPORT = "repair_gaps", "report_standing"


def test_lesson_4_a_failed_window_is_tried_again_after_growing_pauses(world: World) -> None:
    """Lesson 4: 364 days were missing, nothing was scheduled."""
    world.sources(config("a", schedule=None))
    world.harvested("a", 5, 14)
    world.failed("a", 2, 3)
    assert world.tick(REPAIR).run_requests == []
    world.clock.forward(minutes=60)
    (run,) = (result := world.tick(REPAIR)).run_requests or ()
    assert asked(result) == [("a", "05-02", "05-03")]
    assert (run.tags["dagster/priority"], run.tags["harvest/past"]) == ("1", "yes")
    world.failed("a", 2, 3, run="again")
    world.clock.forward(minutes=60)
    assert world.tick(REPAIR).run_requests == []
    world.clock.forward(minutes=60)
    assert asked(world.tick(REPAIR)) == [("a", "05-02", "05-03")]


def test_a_refused_run_leaves_no_log_and_is_not_asked_for_at_every_tick(world: World) -> None:
    """The preflight refuses before anything is touched: only the cursor knows of the try."""
    world.sources(config("a", schedule=None))
    world.harvested("a", 1, 2)
    world.harvested("a", 5, 14)
    assert asked(world.tick(REPAIR)) == [("a", "05-03", "05-04")]
    assert world.tick(REPAIR).run_requests == []
    world.clock.forward(hours=1)
    assert asked(world.tick(REPAIR)) == [("a", "05-03", "05-04")]
    world.clock.forward(hours=1)
    assert world.tick(REPAIR).run_requests == []


def test_what_a_run_has_at_work_is_left_to_it(world: World) -> None:
    """Such as the backfill that somebody has just started."""
    world.sources(config("a", schedule=None))
    world.harvested("a", 1, 2)
    world.harvested("a", 9, 14)
    world.run("a", 4, 6)
    assert asked(world.tick(REPAIR)) == [("a", "05-03", "05-03"), ("a", "05-07", "05-08")]


def test_nothing_is_repaired_of_what_nobody_asked_for(world: World) -> None:
    """A source that was never harvested, one that is disabled, one whose harvester is gone."""
    world.sources(
        config("a"), config("b", disabled=True), config("c", harvester="gone"), config("d", schedule=None)
    )
    world.failed("b", 1, 2)
    world.harvested("d", 9, 9)
    world.clock.forward(hours=2)
    result = world.tick(REPAIR)
    assert (result.run_requests, result.skip_message) == ([], "no source has a gap to repair")


def test_lesson_15_a_source_whose_gaps_cannot_be_told_holds_up_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lesson 15, for repairs; and one with many gaps leaves room for the others."""
    world.sources(*(config(label, schedule=None) for label in "abc"))
    for label in "abc":
        for day in (1, 3, 5, 7):
            world.harvested(label, day, day)
    of = UnderWay.of
    monkeypatch.setattr(
        UnderWay, "of", lambda self, kind, label: [1 / 0] if label == "a" else of(self, kind, label)
    )
    assert [label for label, _, _ in asked(world.tick(REPAIR))] == ["b", "b", "c", "c"]
    assert [label for label, _, _ in asked(world.tick(REPAIR))] == ["b", "c"]


def told(result: dg.SensorResult) -> dict[str, tuple[bool, str]]:
    """Passed or not, and the sentence: by source."""
    return {event.asset_key.path[-1]: (event.passed, str(event.description)) for event in result.asset_events}


def test_the_standing_of_each_source_is_told_when_it_changes(world: World) -> None:
    """Lesson 31: dead sources went unnoticed for months."""
    world.sources(
        config("a"), config("b", schedule=None), config("c", schedule=None), config("d", disabled=True)
    )
    world.harvested("a", 1, 13)
    world.harvested("b", 4, 5)
    assert told(world.tick(REPORT)) == {
        "a": (False, "1 day is missing: 2024-05-14"),
        "b": (True, "complete up to 2024-05-06"),
        "c": (False, "never harvested"),
    }
    assert told(world.tick(REPORT)) == {}
    world.harvested("a", 14, 14)
    assert told(world.tick(REPORT)) == {"a": (True, "complete up to 2024-05-15")}
    world.clock.forward(hours=24)
    assert told(world.tick(REPORT)) == {"a": (False, "1 day is missing: 2024-05-15")}


def test_it_tells_from_when_to_when_and_what_nobody_asked_for(world: World) -> None:
    """Freshness is more than a colour."""
    world.sources(config("a", schedule=None))
    world.harvested("a", 3, 5)
    world.harvested("a", 8, 9)
    (event,) = world.tick(REPORT).asset_events
    assert isinstance(event, dg.AssetCheckEvaluation)
    shown = {name: value.value for name, value in event.metadata.items() if name != "last_asked"}
    assert shown == {
        "missing_days": 2,
        "missing": "2024-05-06...2024-05-07",
        "complete_from": "2024-05-03",
        "complete_until": "2024-05-06",
        "harvested_until": "2024-05-10",
        "never asked for": "2024-05-01...2024-05-02",
    }


def test_what_a_run_has_told_itself_is_not_told_again(world: World) -> None:
    """Each run evaluates the check: a thousand sources a day would have a thousand events more."""
    world.sources(config("a"))
    world.harvested("a", 1, 14)
    (event,) = world.tick(REPORT).asset_events
    assert isinstance(event, dg.AssetCheckEvaluation)
    world.instance.report_runless_asset_event(event)
    world.cursors[REPORT] = "reset"
    assert told(world.tick(REPORT)) == {}
    world.cursors[REPORT] = None
    world.harvested("a", 14, 14)
    assert told(world.tick(REPORT)) == {}
    world.clock.forward(hours=24)
    assert told(world.tick(REPORT)) == {"a": (False, "1 day is missing: 2024-05-15")}


def test_a_harvester_version_that_was_raised_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is covered then: "never harvested" would be a lie, and a green check another."""
    world.sources(config("a", schedule=None))
    world.harvested("a", 1, 14)
    monkeypatch.setattr(OaiHarvester, "VERSION", 2)
    assert told(world.tick(REPORT)) == {
        "a": (False, "not yet harvested under version 2 of its harvester"),
    }


def test_a_failed_stretch_beside_a_long_hole_is_not_left_to_a_backfill(world: World) -> None:
    """Only the hole is: they were one stretch, and all of it was said to be."""
    world.sources(config("a", schedule=None, earliest_date="2020-01-01"))
    series, long_ago = world.series("a"), whole_day(date(2020, 1, 1))
    with world.database.begin() as connection:
        log = harvest_states.start(connection, series, long_ago, run_id="past", now=world.clock())
        harvest_states.restart(connection, log.id, long_ago.end)
        harvest_states.succeed(connection, log.id, now=world.clock(), completeness="complete")
    world.failed("a", 1, 9)
    world.harvested("a", 10, 14)
    (event,) = world.tick(REPORT).asset_events
    assert isinstance(event, dg.AssetCheckEvaluation)
    assert event.metadata["missing"].value == "2020-01-02...2024-05-09"
    assert event.metadata["left to a backfill"].value == "2020-01-02...2024-04-30"


def test_the_check_can_be_run_from_the_ui(world: World) -> None:
    """It says the same at once."""
    from harvest_dagster.orchestration.automation.standing import up_to_date
    from harvest_dagster.orchestration.resources import Stores

    world.sources(config("a", schedule=None))
    world.harvested("a", 3, 5)
    stores = Stores(database_url=world.database.engine.url.render_as_string(hide_password=False))
    result = dg.materialize(
        [up_to_date(world.catalog.configs[0])],
        instance=world.instance,
        resources={"stores": stores, "catalog": world.catalog},
        selection=dg.AssetSelection.all_asset_checks(),
    )
    (evaluation,) = result.get_asset_check_evaluations()
    assert (evaluation.passed, evaluation.description) == (True, "complete up to 2024-05-06")
