"""The asset checks of a run that selects none, as the runs of the sensors do."""

from __future__ import annotations

from collections import Counter
from datetime import date

import dagster as dg

from harvest_dagster.coverage.day_range import DayRange
from harvest_dagster.orchestration.asset_keys import keys_of
from harvest_dagster.orchestration.sensors.run_requests import SCHEDULE, harvest_request
from harvest_dagster.testing.simulator import Repository, Server
from harvest_dagster_tests.orchestration.conftest import Deploy
from harvest_dagster_tests.orchestration.deployment import DAYS, RAW, TRANSFORMED, Deployment

# Half of the 87 events, and of the 142 kB in the storage, that one day of one source once had.
MOST_EVENTS = 49


def run_of_sensor(deployment: Deployment, *days: str) -> dg.ExecuteInProcessResult:
    """Run what a sensor requests for days, as the daemon does."""
    config = deployment.catalog.get("demo")
    request = harvest_request(
        config,
        DayRange(date.fromisoformat(days[0]), date.fromisoformat(days[-1])),
        keys=keys_of(deployment.catalog),
        run_key="key",
        priority=SCHEDULE,
    )
    assert request.asset_check_keys is not None
    job = deployment.defs.resolve_implicit_global_asset_job_def().get_subset(
        asset_selection=set(request.asset_selection or ()),
        asset_check_selection=set(request.asset_check_keys),
    )
    return job.execute_in_process(instance=deployment.instance, tags=dict(request.tags), raise_on_error=False)


def evaluations(deployment: Deployment, run_id: str) -> list[dg.AssetCheckEvaluation]:
    entries = deployment.instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    return [entry.dagster_event.asset_check_evaluation_data for entry in entries if entry.dagster_event]


def test_a_run_of_a_sensor_evaluates_the_checks_without_their_ops(source: Server, on_sqlite: Deploy) -> None:
    """Days would have no result of the check `complete`, and `up_to_date` would show yesterday's result."""
    deployment = on_sqlite(source.url)
    result = run_of_sensor(deployment, *DAYS[:2])
    assert result.success
    found = evaluations(deployment, result.run_id)
    assert [(one.check_name, one.partition, one.passed) for one in found] == [
        ("complete", DAYS[0], True),
        ("complete", DAYS[1], True),
        ("up_to_date", None, True),
    ]
    by_hand = deployment.materialize(*DAYS[:2], assets=(RAW, TRANSFORMED))
    again = {(one.check_name, one.partition): one for one in evaluations(deployment, by_hand.run_id)}
    assert set(again) == {(one.check_name, one.partition) for one in found} | {("reconciled", None)}
    for one in found:
        assert one.description == again[one.check_name, one.partition].description


def test_a_snapshot_of_a_sensor_evaluates_the_comparison(on_sqlite: Deploy) -> None:
    """A snapshot compares all identifiers, so its result is news."""
    with Server(Repository(days=4, records_per_day=6)) as source:
        deployment = on_sqlite(source.url, selective=False)
        result = run_of_sensor(deployment, DAYS[0])
    assert result.success
    checks = [one.check_name for one in evaluations(deployment, result.run_id)]
    assert checks == ["complete", "up_to_date", "reconciled"]


def test_a_day_of_a_source_has_few_events(source: Server, on_sqlite: Deploy) -> None:
    """A thousand sources wrote 142 MB of events each day. Each value that an op passes to another is six events."""
    deployment = on_sqlite(source.url)
    result = run_of_sensor(deployment, DAYS[0])
    assert result.success
    entries = deployment.instance.all_logs(result.run_id)
    kinds = Counter(entry.dagster_event.event_type_value for entry in entries if entry.dagster_event)
    assert kinds.total() <= MOST_EVENTS, kinds
    assert kinds["LOADED_INPUT"] == kinds["HANDLED_OUTPUT"] == kinds["STEP_INPUT"] == 1
