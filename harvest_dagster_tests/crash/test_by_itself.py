"""The sensors under a real daemon: transforms, gaps and the schedule, each launched once and to its end."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timezone

import dagster as dg
import pytest
from sqlalchemy import func, select

from harvest_dagster.orchestration.automation import SENSORS
from harvest_dagster.simulator import Repository
from harvest_dagster.storage import overview
from harvest_dagster.storage.engine import Database
from harvest_dagster.storage.tables import harvest_log, ingest_log
from harvest_dagster.windows import DAY, Window, whole_day
from harvest_dagster_tests.crash.commands import LABEL, PATIENCE, Deployment
from harvest_dagster_tests.crash.conftest import Deploy
from harvest_dagster_tests.crash.test_daemon import MODULE
from harvest_dagster_tests.daemon import dagster_dev, ticks, wait_until

NO_RUN = ""  # what Dagster has as the run of an event that a sensor told
SCHEDULE, GAPS, TRANSFORMS = "harvest_by_schedule", "repair_gaps", "transform_pending"


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_is_missing_is_harvested_and_transformed_without_anybody(deploy: Deploy) -> None:
    """Days 1 and 3 of one source were harvested by hand, another has a schedule: one run each, then nothing more."""
    # Tomorrow is in it, too, should midnight pass meanwhile.
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
        wait_until(lambda: transformed(database) >= 15 + 25)
        served = cursor(instance, SCHEDULE)
        wait_until(lambda: cursor(instance, SCHEDULE)["until"] >= served["until"] + 60)
        wait_until(lambda: all(run.is_finished for run in instance.get_runs()))
        asked = [run.tags.get("dagster/sensor_name") for run in instance.get_runs()]
        assert asked.count(TRANSFORMS) == 2
        assert asked.count(GAPS) == 1
        assert 1 <= asked.count(SCHEDULE) <= 2  # midnight may have passed
        assert all(run.is_success for run in instance.get_runs())
        assert_told(instance)
        assert_ticked(instance)
        with database.read() as connection:
            by_hand, by_schedule = overview.coverage(connection).values()
            statuses = set(connection.scalars(select(harvest_log.c.status)))
        assert statuses == {"SUCCEEDED", "SPLIT"}
        assert by_hand.windows == (Window(whole_day(first).start, whole_day(first + 2 * DAY).end),)
        assert [window.start.date() for window in by_schedule.windows] == [first]


def assert_told(instance: dg.DagsterInstance) -> None:
    """The check says of each source what its runs left, and `report_standing`, in no run, of one that had none yet."""
    sentences = [sentence for _, sentence in told(instance, LABEL)]
    assert any("1 day is missing" in sentence for sentence in sentences)
    assert "complete up to" in sentences[-1]
    assert told(instance, "daily")[0] == (NO_RUN, "never harvested")


def told(instance: dg.DagsterInstance, label: str) -> list[tuple[str, str]]:
    """The runs and the sentences of a source's check, oldest first."""
    check = dg.AssetCheckKey(dg.AssetKey(["raw", label]), "up_to_date")
    records = instance.event_log_storage.get_asset_check_execution_history(check, limit=100)
    events = [(record.run_id, record.event and record.event.dagster_event) for record in reversed(records)]
    return [
        (run_id, str(event.asset_check_evaluation_data.description))
        for run_id, event in events
        if event and event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ]


def assert_ticked(instance: dg.DagsterInstance) -> None:
    """Each sensor has looked, none has failed, and none has ended a log whose run was well."""
    made = {sensor.name: ticks(instance, sensor.name) for sensor in SENSORS}
    assert [name for name, all_of_it in made.items() if not all_of_it] == []
    assert [(name, tick.error) for name in made for tick in made[name] if tick.is_failure] == []
    assert {tick.skip_reason for tick in made["settle_logs"]} == {"no log was left STARTED"}


def transformed(database: Database) -> int:
    with database.read() as connection:
        done = select(func.count()).select_from(ingest_log).where(ingest_log.c.status == "SUCCEEDED")
        return int(connection.scalar(done) or 0)


def cursor(instance: dg.DagsterInstance, name: str) -> dict[str, int]:
    """A sensor's; as if nothing had been served before its first tick."""
    for state in instance.all_instigator_state():
        if state.instigator_name == name and getattr(state.instigator_data, "cursor", None):
            return dict(json.loads(state.instigator_data.cursor))
    return {"until": 0}


def start(deployment: Deployment, sensor: str) -> None:
    """Switch it on, as the UI does."""
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "sensor", "start", sensor, *MODULE],
        cwd=deployment.folder,
        env=deployment.environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
