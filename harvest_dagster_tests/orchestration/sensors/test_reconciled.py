"""The check `reconciled`: what the last comparison of a source found, and what a person must do about it."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pytest

from harvest_dagster.orchestration.asset_keys import keys_of
from harvest_dagster.orchestration.checks.reconciled import observation_of, reconciled, report_reconciled
from harvest_dagster.orchestration.resources import Stores
from harvest_dagster.storage import sweeps
from harvest_dagster.storage.harvest_log import transitions
from harvest_dagster.windows import Window, parse_instant
from harvest_dagster_tests.orchestration.sensors.conftest import World, config
from harvest_dagster_tests.orchestration.sweep_rows import add_sweep, hold_deletions

RAW = dg.AssetKey(["raw", "a"])
SENSOR = "report_source_status"
# The other tests execute the same statements on both databases.
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def reported(world: World) -> list[dg.AssetCheckEvaluation]:
    """Return the evaluations of the check that one tick of the sensor reports."""
    events = world.tick(SENSOR).asset_events
    return [
        one for one in events if isinstance(one, dg.AssetCheckEvaluation) and one.check_name == "reconciled"
    ]


def swept(world: World, label: str = "a", **values: Any) -> None:
    key = world.scope(label).ingest_config_id
    with world.database.begin() as connection:
        add_sweep(connection, key, world.clock(), **values)


def test_the_check_says_what_the_last_sweep_found_and_the_sensor_reports_it_once(world: World) -> None:
    """Nobody noticed that a source and its copy had drifted apart: the harvests all succeeded."""
    world.sources(config("a", schedule=None), config("never", schedule=None))
    world.harvested("a", 1, 2)
    assert reported(world) == []
    swept(world, listed=100, known=90, missing=12, changed=3, gone=2, duplicates=1, repaired=15, deleted=2)
    (found,) = reported(world)
    assert (found.asset_key, found.passed) == (RAW, True)
    assert found.description == (
        "The last sweep ended at 2024-05-15T12:00:00Z, complete: 100 listed, 90 stored, 12 missing, 3 changed, 2 gone, "
        "1 duplicates, 15 repaired, 2 deleted."
    )
    assert reported(world) == []
    world.clock.forward(hours=1)
    swept(world, listed=100, known=100)
    (found,) = reported(world)
    assert (found.metadata["listed"].value, found.metadata["missing"].value) == (100, 0)
    rows = str(found.metadata["sweeps"].value).splitlines()
    assert rows[0].startswith(
        "| started | status | completeness | listed | stored | missing | changed | gone"
    )
    assert [row.split(" | ")[3:7] for row in rows[2:]] == [["100", "100", "0", "0"], ["100", "90", "12", "3"]]


def test_held_deletions_fail_the_check_with_numbers_examples_and_the_command(world: World) -> None:
    """A source that lost half of its records deleted half of ours, or we kept it a secret that we did not."""
    world.sources(config("a", schedule=None, deletions={"by": "snapshot", "most": {"count": 2}}))
    world.harvested("a", 1, 2)
    swept(world, listed=97, known=100, gone=3, held=3)
    key = world.scope("a").ingest_config_id
    with world.database.begin() as connection:
        hold_deletions(connection, key, 3, world.clock())
    (found,) = reported(world)
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert str(found.description).startswith(
        "3 deletions are held: 3 live records are absent from the last list, and `deletions.most.count` permits 2. If "
        "the source has really removed them, run `harvest deletions approve a`."
    )
    assert "| held | oai:held:2 |" in str(found.metadata["examples"].value)
    assert found.metadata["held"].value == 3


@ON_SQLITE
@pytest.mark.parametrize(
    ("values", "severity", "words"),
    [
        (
            {"missing": 4, "repaired": 3},
            "ERROR",
            "1 record is still missing or outdated after the last sweep.",
        ),
        ({"status": "FAILED", "error": "no luck\nat line 3"}, "WARN", "The last sweep failed: no luck"),
        ({"status": "CANCELLED"}, "WARN", "The last sweep was cancelled."),
        (
            {"completeness": "unverified", "gone": 1},
            "WARN",
            "Nothing proves that the lists of the last sweep were complete.",
        ),
        (
            {"completeness": "unverified", "doubt": "a list ended at 1,000 records"},
            "WARN",
            "Nothing proves that the lists of the last sweep were complete: a list ended at 1,000 records.",
        ),
        ({"status": "FAILED", "missing": 4}, "WARN", "The last sweep failed: no error is on record"),
    ],
)
def test_a_sweep_that_proves_nothing_is_a_warning_and_missing_records_are_an_error(
    world: World, values: dict[str, Any], severity: str, words: str
) -> None:
    """Alerts select errors. A sweep that failed has not shown that a record is missing."""
    world.sources(config("a", schedule=None))
    swept(world, **values)
    (found,) = reported(world)
    assert (found.passed, found.severity.value) == (False, severity)
    assert words in str(found.description)


@ON_SQLITE
def test_lists_without_totals_that_contain_all_that_is_stored_are_no_problem(world: World) -> None:
    """Many sources give no total. A warning that no sweep can end hides the other warnings."""
    world.sources(config("a", schedule=None))
    swept(world, completeness="unverified", listed=5, known=5)
    (found,) = reported(world)
    assert found.passed
    assert "gives no totals, but its lists contain each stored record" in str(found.description)


@ON_SQLITE
def test_two_scheduled_times_without_a_sweep_are_a_warning(world: World) -> None:
    """The sensor was never switched on, and everybody believed that the source was compared every week."""
    world.sources(config("a", schedule=None, reconcile="0 4 * * *"))
    world.harvested("a", 1, 2)
    assert reported(world) == []
    world.clock.forward(hours=17)
    assert reported(world) == []
    world.clock.forward(hours=24)
    (found,) = reported(world)
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert found.description == "never compared, although two scheduled times have passed."
    world.instance.report_runless_asset_event(found)
    swept(world, status="STARTED", completeness=None)
    assert reported(world)[0].description == "never compared"


@ON_SQLITE
def test_the_value_of_reconcile_counts_from_the_first_harvest_that_saw_it(world: World) -> None:
    """A source of years would be late at once when somebody adds the key."""
    world.sources(config("a", schedule=None))
    world.harvested("a", 1, 2)
    world.clock.forward(days=10)
    world.sources(config("a", schedule=None, reconcile="0 4 * * *"))
    assert reported(world) == []


def test_a_snapshot_is_a_comparison(world: World) -> None:
    """A source that cannot be asked by date needs no sweep: each of its harvests lists everything."""
    source = config("a", schedule=None, selective=False, earliest_date="2024-05-01")
    world.sources(source)
    scope, window = world.scope("a"), Window(*map(parse_instant, ("2024-05-01", "2024-05-15")))
    with world.database.begin() as connection:
        log = transitions.mark_started(connection, scope, window, run_id="past", now=world.clock())
        transitions.begin_attempt(connection, log.id, window.end)
        transitions.mark_succeeded(connection, log.id, now=world.clock(), completeness="complete")
        hold_deletions(connection, scope.ingest_config_id, 1, world.clock())
    (found,) = reported(world)
    assert not found.passed
    assert str(found.description).endswith(
        "The last snapshot ended at 2024-05-15T12:00:00Z, complete: 0 records; 1 stored ones are absent."
    )
    assert "oai:held:0" in str(found.metadata["examples"].value)


@ON_SQLITE
def test_an_op_reports_the_check_and_numbers_that_dagster_plots(world: World) -> None:
    """The drift of months is visible only as a plot, and Dagster plots the numbers of observations."""
    source = config("a", schedule=None)
    world.sources(source)
    swept(world, listed=9, known=10, gone=1, requests=4)

    @dg.op
    def finish(context) -> None:
        report_reconciled(context, world.database, source, RAW)

    @dg.job
    def job() -> None:
        finish()

    assert job.execute_in_process(instance=world.instance).success
    (record,) = world.instance.fetch_observations(RAW, limit=10).records
    assert record.asset_observation is not None
    shown = {name: value.value for name, value in record.asset_observation.metadata.items()}
    zeros = ("missing", "changed", "duplicates", "sets_differ", "repaired", "quarantined", "deleted", "held")
    numbers = {"listed": 9, "known": 10, "gone": 1, "requests": 4, "seconds": 3600.0}
    texts = {"status": "SUCCEEDED", "completeness": "complete", "evidence": "total"}
    expected = dict.fromkeys(zeros, 0) | numbers | texts
    assert shown == {f"sweep_{name}": value for name, value in expected.items()}
    evaluation = world.instance.get_latest_asset_check_evaluation_record(dg.AssetCheckKey(RAW, "reconciled"))
    assert evaluation is not None
    assert reported(world) == []


@ON_SQLITE
def test_the_check_can_be_run_from_the_ui(world: World) -> None:
    """Somebody who looks at a source that was never compared must see an answer, not an error."""
    world.sources(config("a", schedule=None))
    stores = Stores(database_url=world.database.engine.url.render_as_string(hide_password=False))
    result = dg.materialize(
        [reconciled(world.catalog.configs[0], keys_of(world.catalog))],
        instance=world.instance,
        resources={"harvest_stores": stores, "harvest_catalog": world.catalog},
        selection=dg.AssetSelection.all_asset_checks(),
    )
    (evaluation,) = result.get_asset_check_evaluations()
    assert (evaluation.passed, evaluation.description) == (True, "never compared")


@ON_SQLITE
def test_an_observation_of_a_sweep_that_failed_has_its_status(world: World) -> None:
    """Zeros would look like an agreement in the plot."""
    world.sources(config("a", schedule=None))
    swept(world, status="FAILED", completeness=None)
    with world.database.read() as connection:
        last = sweeps.find_last(connection, world.scope("a").ingest_config_id)
    assert last is not None
    metadata = observation_of(RAW, last).metadata
    assert metadata["sweep_status"].value == "FAILED"
    assert "sweep_missing" not in metadata
