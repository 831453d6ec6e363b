"""The sensors with a real daemon: transforms, gaps and the schedule, each run launched once and successful."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timezone

import dagster as dg
import pytest
from sqlalchemy import func, select

from harvest_dagster.orchestration.build import SENSORS
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log import source_coverage
from harvest_dagster.storage.tables import harvest_log, ingest_log
from harvest_dagster.testing.simulator import Repository
from harvest_dagster.windows import DAY, Window, whole_day
from harvest_dagster_tests.crash.commands import LABEL, TIMEOUT, Deployment
from harvest_dagster_tests.crash.conftest import Deploy
from harvest_dagster_tests.crash.test_daemon import MODULE
from harvest_dagster_tests.daemon import dagster_dev, ticks, wait_until

NO_RUN = ""  # the run id of an event that a sensor reports
SCHEDULE, GAPS, TRANSFORMS = "harvest_by_schedule", "repair_gaps", "transform_pending"


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_sensors_harvest_and_transform_what_is_missing(deploy: Deploy) -> None:
    """Days 1 and 3 of one source are harvested manually, another source has a schedule. Each needs one run."""
    # The repository contains tomorrow, in case midnight passes during the test.
    first = datetime.now(timezone.utc).date() - 5 * DAY
    deployment = deploy(repository=Repository(first_day=first, days=7, records_per_day=5, page_size=5))
    source = deployment.folder / "sources" / "source.yaml"
    daily = source.read_text().replace(f"label: {LABEL}", "label: daily") + 'schedule: "* * * * *"\n'
    source.with_name("daily.yaml").write_text(daily)
    for day in (first, first + 2 * DAY):
        deployment.materialize(day, day).succeed()
    with (
        deployment.instance() as instance,
        Database.open(deployment.database_url) as database,
        dagster_dev(deployment),
    ):
        wait_until(lambda: transformed(database) == 10)
        start(deployment, GAPS)
        wait_until(lambda: transformed(database) == 15)
        start(deployment, SCHEDULE)
        start(deployment, "reconcile_by_schedule")
        wait_until(lambda: transformed(database) >= 15 + 25)
        served = cursor(instance, SCHEDULE)
        wait_until(lambda: cursor(instance, SCHEDULE)["until"] >= served["until"] + 60)
        wait_until(lambda: all(run.is_finished for run in instance.get_runs()))
        sensors = [run.tags.get("dagster/sensor_name") for run in instance.get_runs()]
        assert sensors.count(TRANSFORMS) == 2
        assert sensors.count(GAPS) == 1
        assert 1 <= sensors.count(SCHEDULE) <= 2  # midnight may have passed
        assert all(run.is_success for run in instance.get_runs())
        assert_reported(instance)
        assert_all_ticked(instance)
        with database.read() as connection:
            by_hand, by_schedule = source_coverage.find_source_coverage(connection).values()
            statuses = set(connection.scalars(select(harvest_log.c.status)))
        assert statuses == {"SUCCEEDED", "SPLIT"}
        assert by_hand.windows == (Window(whole_day(first).start, whole_day(first + 2 * DAY).end),)
        assert [window.start.date() for window in by_schedule.windows] == [first]


def assert_reported(instance: dg.DagsterInstance) -> None:
    """The check shows what the runs of a source left. `report_source_status` reports a source without a run."""
    sentences = [sentence for _, sentence in evaluations(instance, LABEL)]
    assert any("1 day is missing" in sentence for sentence in sentences)
    assert "complete up to" in sentences[-1]
    assert evaluations(instance, "daily")[0] == (NO_RUN, "never harvested")


def evaluations(instance: dg.DagsterInstance, label: str) -> list[tuple[str, str]]:
    """Return the run ids and descriptions of the evaluations of a source's check, oldest first."""
    check = dg.AssetCheckKey(dg.AssetKey(["raw", label]), "up_to_date")
    records = instance.event_log_storage.get_asset_check_execution_history(check, limit=100)
    events = [(record.run_id, record.event and record.event.dagster_event) for record in reversed(records)]
    return [
        (run_id, str(event.asset_check_evaluation_data.description))
        for run_id, event in events
        if event and event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ]


def assert_all_ticked(instance: dg.DagsterInstance) -> None:
    """Assert that each sensor ticked without a failure, and that none closed the log of a successful run."""
    all_ticks = {sensor.name: ticks(instance, sensor.name) for sensor in SENSORS}
    assert [name for name, of_sensor in all_ticks.items() if not of_sensor] == []
    assert [(name, tick.error) for name in all_ticks for tick in all_ticks[name] if tick.is_failure] == []
    assert {tick.skip_reason for tick in all_ticks["close_orphaned_logs"]} == {"there is no orphaned log"}


def transformed(database: Database) -> int:
    with database.read() as connection:
        done = select(func.count()).select_from(ingest_log).where(ingest_log.c.status == "SUCCEEDED")
        return int(connection.scalar(done) or 0)


def cursor(instance: dg.DagsterInstance, name: str) -> dict[str, int]:
    """Return the cursor of a sensor. Before its first tick, return one that has served nothing."""
    for state in instance.all_instigator_state():
        if state.instigator_name == name and getattr(state.instigator_data, "cursor", None):
            return dict(json.loads(state.instigator_data.cursor))
    return {"until": 0}


def start(deployment: Deployment, sensor: str) -> None:
    """Switch a sensor on, as the UI does."""
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "sensor", "start", sensor, *MODULE],
        cwd=deployment.folder,
        env=deployment.environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
