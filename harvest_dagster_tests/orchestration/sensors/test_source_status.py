"""The sensor `report_source_status` and the check `up_to_date`, which it evaluates."""

from __future__ import annotations

from datetime import date

import dagster as dg
import pytest

from harvest_dagster.harvesters.oai.harvester import OaiHarvester
from harvest_dagster.orchestration.asset_keys import keys_of
from harvest_dagster.orchestration.checks.up_to_date import up_to_date
from harvest_dagster.orchestration.resources import Stores
from harvest_dagster.storage import record_lags
from harvest_dagster.storage.harvest_log import transitions
from harvest_dagster.windows import whole_day
from harvest_dagster_tests.orchestration.sensors.conftest import World, config

NAME = "report_source_status"


def reported(result: dg.SensorResult) -> dict[str, tuple[bool, str]]:
    """Return whether the check passed, and its description, by source."""
    return {event.asset_key.path[-1]: (event.passed, str(event.description)) for event in result.asset_events}


def test_the_status_of_each_source_is_reported_when_it_changes(world: World) -> None:
    """Nobody noticed for months that sources had stopped: docs/failures.md#report-without-numbers"""
    world.sources(
        config("a"), config("b", schedule=None), config("c", schedule=None), config("d", disabled=True)
    )
    world.harvested("a", 1, 13)
    world.harvested("b", 4, 5)
    assert reported(world.tick(NAME)) == {
        "a": (False, "1 day is missing: 2024-05-14"),
        "b": (True, "complete up to 2024-05-06"),
        "c": (False, "never harvested"),
    }
    assert reported(world.tick(NAME)) == {}
    world.harvested("a", 14, 14)
    assert reported(world.tick(NAME)) == {"a": (True, "complete up to 2024-05-15")}
    world.clock.forward(hours=24)
    assert reported(world.tick(NAME)) == {"a": (False, "1 day is missing: 2024-05-15")}


def test_missing_days_are_an_error_and_a_source_without_a_harvest_is_a_warning(world: World) -> None:
    """Alerts select errors. A new source that has no schedule lacks nothing that was promised."""
    world.sources(config("a"), config("b", schedule=None))
    world.harvested("a", 1, 13)
    severities = {
        event.asset_key.path[-1]: event.severity
        for event in world.tick(NAME).asset_events
        if isinstance(event, dg.AssetCheckEvaluation)
    }
    assert severities == {"a": dg.AssetCheckSeverity.ERROR, "b": dg.AssetCheckSeverity.WARN}


def test_the_check_shows_the_complete_range_and_the_days_before_the_first_harvest(world: World) -> None:
    """Operators need the dates, not only a color."""
    world.sources(config("a", schedule=None))
    world.harvested("a", 3, 5)
    world.harvested("a", 8, 9)
    (event,) = world.tick(NAME).asset_events
    assert isinstance(event, dg.AssetCheckEvaluation)
    shown = {name: value.value for name, value in event.metadata.items() if name != "last_harvest"}
    assert shown == {
        "missing_days": 2,
        "missing": "2024-05-06...2024-05-07",
        "complete_from": "2024-05-03",
        "complete_until": "2024-05-06",
        "harvested_until": "2024-05-10",
        "before_first_harvest": "2024-05-01...2024-05-02",
    }


def test_a_status_that_a_run_reported_is_not_reported_again(world: World) -> None:
    """Each run evaluates the check. With a thousand sources, the sensor would add a thousand events a day."""
    world.sources(config("a"))
    world.harvested("a", 1, 14)
    (event,) = world.tick(NAME).asset_events
    assert isinstance(event, dg.AssetCheckEvaluation)
    world.instance.report_runless_asset_event(event)
    world.cursors[NAME] = "reset"
    assert reported(world.tick(NAME)) == {}
    world.cursors[NAME] = None
    world.harvested("a", 14, 14)
    assert reported(world.tick(NAME)) == {}
    world.clock.forward(hours=24)
    assert reported(world.tick(NAME)) == {"a": (False, "1 day is missing: 2024-05-15")}


def test_a_new_harvester_version_is_reported(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is covered under the new version, but "never harvested" would be wrong."""
    world.sources(config("a", schedule=None))
    world.harvested("a", 1, 14)
    monkeypatch.setattr(OaiHarvester, "VERSION", OaiHarvester.VERSION + 1)
    assert reported(world.tick(NAME)) == {
        "a": (False, f"not yet harvested under version {OaiHarvester.VERSION} of its harvester"),
    }


def test_only_the_long_gap_next_to_a_failed_window_needs_a_backfill(world: World) -> None:
    """The check listed the failed window, too, because it is adjacent to the gap. The sensor repairs that window."""
    world.sources(config("a", schedule=None, earliest_date="2020-01-01"))
    scope, long_ago = world.scope("a"), whole_day(date(2020, 1, 1))
    with world.database.begin() as connection:
        log = transitions.mark_started(connection, scope, long_ago, run_id="past", now=world.clock())
        transitions.begin_attempt(connection, log.id, long_ago.end)
        transitions.mark_succeeded(connection, log.id, now=world.clock(), completeness="complete")
    world.failed("a", 1, 9)
    world.harvested("a", 10, 14)
    (event,) = world.tick(NAME).asset_events
    assert isinstance(event, dg.AssetCheckEvaluation)
    assert event.metadata["missing"].value == "2020-01-02...2024-05-09"
    assert event.metadata["needs_backfill"].value == "2020-01-02...2024-04-30"


def test_days_that_a_restored_database_lacks_are_missing(world: World) -> None:
    """Dagster shows them as done, and they lie before the first harvest and after the last one.

    The source has no schedule, so nothing else reports them. The sensor reports them when the status goes back.
    """
    world.sources(config("a", schedule=None))
    world.harvested("a", 3, 5)
    for day in (1, 2, 3, 8):
        event = dg.AssetMaterialization(dg.AssetKey(["raw", "a"]), partition=f"2024-05-{day:02}")
        world.instance.report_runless_asset_event(event)
    assert reported(world.tick(NAME)) == {
        "a": (False, "3 days are missing: 2024-05-01...2024-05-02, 2024-05-08")
    }
    world.harvested("a", 1, 2)
    assert reported(world.tick(NAME)) == {"a": (False, "1 day is missing: 2024-05-08")}
    world.harvested("a", 6, 8)
    assert reported(world.tick(NAME)) == {"a": (True, "complete up to 2024-05-09")}


def test_the_check_can_be_run_from_the_ui(world: World) -> None:
    """The check shows the same result as the sensor, at once."""
    world.sources(config("a", schedule=None))
    world.harvested("a", 3, 5)
    stores = Stores(database_url=world.database.engine.url.render_as_string(hide_password=False))
    result = dg.materialize(
        [up_to_date(world.catalog.configs[0], keys_of(world.catalog))],
        instance=world.instance,
        resources={"harvest_stores": stores, "harvest_catalog": world.catalog},
        selection=dg.AssetSelection.all_asset_checks(),
    )
    (evaluation,) = result.get_asset_check_evaluations()
    assert (evaluation.passed, evaluation.description) == (True, "complete up to 2024-05-06")


def test_data_of_a_label_that_no_file_defines_are_reported_once(world: World) -> None:
    """After a file was renamed or deleted, its source stopped, and nobody was told that its data are still there."""
    world.sources(config("a", schedule=None), config("renamed"))
    world.harvested("a", 1, 2)
    world.harvested("renamed", 1, 2)
    world.sources(config("a", schedule=None), config("new_name"))
    result = world.tick(NAME)
    (warning,) = [event for event in result.asset_events if isinstance(event, dg.AssetObservation)]
    assert warning.asset_key == dg.AssetKey(["raw", "renamed"])
    assert "no YAML file defines it" in str(warning.description)
    assert "Restore its file, or use the label renamed again" in str(result.skip_message)
    again = world.tick(NAME)
    assert not any(isinstance(event, dg.AssetObservation) for event in again.asset_events)
    assert "renamed" not in str(again.skip_message)
    world.sources(config("a", schedule=None), config("renamed"))
    world.tick(NAME)
    world.sources(config("a", schedule=None))
    assert "Restore its file" in str(world.tick(NAME).skip_message)


def test_the_check_shows_how_late_records_come_and_no_event_is_only_about_it(world: World) -> None:
    """The numbers change with each harvest: an event for each would hide the changes of the status."""
    world.sources(config("a"))
    world.harvested("a", 1, 14)
    key = world.scope("a").ingest_config_id
    with world.database.begin() as connection:
        record_lags.add_lags(connection, key, world.clock().date(), {0: 900, 8: 100})
        record_lags.add_lags(connection, key, date(2024, 1, 1), {0: 2000})
    (event,) = world.tick(NAME).asset_events
    assert isinstance(event, dg.AssetCheckEvaluation)
    shown = {name: str(value.value) for name, value in event.metadata.items()}
    assert "99 % within 8 days" in shown["records_come"]
    assert "come within 8 days since last month" in shown["habit_changed"]
    assert "`lookback: 8d`" in shown["lookback_too_short"]
    world.instance.report_runless_asset_event(event)
    with world.database.begin() as connection:
        record_lags.add_lags(connection, key, world.clock().date(), {0: 10_000})
    world.cursors.clear()
    assert world.tick(NAME).asset_events == []
