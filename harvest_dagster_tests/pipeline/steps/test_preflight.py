"""What preflight refuses before anything is touched, and how it closes the logs of dead runs: on both databases."""

from __future__ import annotations

import pytest

from harvest_dagster.errors import ConfigDisabled, SourceUnreachable, TooManyFailures, UnknownPlugin
from harvest_dagster.pipeline import lease_guard
from harvest_dagster.pipeline.context import RunOutcome
from harvest_dagster.pipeline.orphaned_logs import close_logs_of_dead_runs
from harvest_dagster.pipeline.steps import preflight
from harvest_dagster.processes import Process, this_process
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.windows import DAY, Window
from harvest_dagster_tests.pipeline.world import WINDOW, World, records


def day(number: int) -> Window:
    return Window(WINDOW.start - number * DAY, WINDOW.end - number * DAY)


def check(world: World, run: str = "the run that asks", **parameters: bool) -> None:
    preflight.validate_preconditions(world.harvest(run, **parameters))


def fail(world: World, times: int, *, first: int = 0) -> None:
    """Let so many runs fail, each at another day. `force` avoids refusals."""
    world.source.breaks_at = 0
    for number in range(first, first + times):
        with pytest.raises(SourceUnreachable):
            world.run(f"failed {number}", day(number), force=True)
    world.source.breaks_at = None


def leave_started(
    world: World, run: str = "dead", process: Process | None = None, window: Window = WINDOW
) -> HarvestLog:
    """Let a run leave its log STARTED, and keep its lease."""
    harvest = world.harvest(run, process)
    lease_guard.acquire(harvest, WINDOW, single_process=True)
    with lease_guard.hold_lease(harvest) as lease:
        return world.window(harvest, lease, window, until="fetch")


def test_a_disabled_config_is_refused_and_says_how_to_run_it(world: World) -> None:
    """Nothing is touched: no log is written or closed."""
    world.change(disabled=True)
    with pytest.raises(ConfigDisabled, match=r"fake is disabled.*ignore_disabled: true"):
        check(world)
    check(world, ignore_disabled=True)
    check(world, force=True)
    assert world.logs() == {}


def test_a_plugin_that_cannot_be_loaded_is_refused(world: World) -> None:
    """It must be found here, not hours later with the first transform."""
    world.change(transformer="nobody_has_it")
    with pytest.raises(UnknownPlugin, match="nobody_has_it"):
        check(world)


def test_repeated_failure_is_refused_with_the_logs_and_their_errors(world: World) -> None:
    """A reader of the refusal needs no database. It writes no log, so that it does not count as a failure."""
    world.change(failure_threshold=3)
    fail(world, 2)
    check(world)
    fail(world, 1, first=2)
    before = world.logs()
    with pytest.raises(TooManyFailures) as refused:
        check(world)
    text = str(refused.value)
    for log in before.values():
        assert f"log {log.id}, {log.window}: SourceUnreachable: the connection broke" in text
    assert "One probe may run at 2024-05-01T13:00:00Z" in text
    assert text.endswith("run with force: true.")
    check(world, force=True)
    with pytest.raises(TooManyFailures):
        check(world, ignore_disabled=True)
    assert world.logs() == before


def test_after_a_growing_pause_one_probe_may_run(world: World) -> None:
    """A source that is down for a week gets a few requests, and is harvested without help when it works again."""
    world.change(failure_threshold=3)
    fail(world, 3)
    for number, hours in enumerate((1, 2, 4)):
        world.clock.forward(hours=hours, seconds=-1)
        with pytest.raises(TooManyFailures):
            check(world)
        world.clock.forward(seconds=1)
        check(world)
        assert world.log_lines[-1] == "the last 3 harvests failed: this run is the probe after the pause"
        fail(world, 1, first=3 + number)
    world.clock.forward(hours=8)
    world.source.items = records(1)
    world.run("it works again")
    check(world)


@pytest.mark.parametrize("status", ["CANCELLED", "RESCHEDULED"])
def test_cancelled_and_rescheduled_runs_count_neither_as_failure_nor_as_success(
    world: World, status: str
) -> None:
    """A cancelled run between failures does not show that the source works."""
    world.change(failure_threshold=2)
    fail(world, 2)
    if status == "CANCELLED":
        leave_started(world, window=day(9))
        world.outcomes["dead"] = RunOutcome("CANCELLED", "somebody stopped it")
    else:
        with lease_guard.hold_lease(world.harvest("holder")) as lease:
            with pytest.raises(lease_guard.LeaseHeld):
                lease_guard.acquire(world.harvest("waits"), day(9), single_process=True)
            lease_guard.release(world.harvest("holder"), lease)
    with pytest.raises(TooManyFailures):
        check(world)
    assert status in {log.status for log in world.logs().values()}


def test_windows_of_killed_runs_count_neither_as_failure_nor_as_success(world: World) -> None:
    """After five kills at five windows, the sixth run was refused although the source had not failed."""
    world.change(failure_threshold=2)
    for number in range(3):
        leave_started(world, f"dead {number}", window=day(number))
        world.outcomes[f"dead {number}"] = RunOutcome("FAILED", "its worker was killed")
        check(world)
    assert {log.status for log in world.logs().values()} == {"FAILED"}
    fail(world, 2, first=5)
    with pytest.raises(TooManyFailures):
        check(world)


def test_failures_of_another_harvester_version_do_not_count(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repaired harvester would be refused because of the old one."""
    world.change(failure_threshold=1)
    fail(world, 1)
    monkeypatch.setattr("harvest_dagster_tests.pipeline.fakes.FakeHarvester.VERSION", 2)
    check(world)


@pytest.mark.parametrize("status", ["FAILED", "CANCELLED"])
def test_the_log_of_an_ended_run_is_closed_with_the_reason(world: World, status: str) -> None:
    """Otherwise it would be STARTED forever (docs/failures.md#running-forever)."""
    log = leave_started(world)
    world.outcomes["dead"] = RunOutcome(status, "somebody pulled the plug")
    check(world)
    closed = world.log(log.id)
    assert (closed.status, closed.error) == (status, "run dead: somebody pulled the plug")
    assert closed.date_completed == world.clock()
    assert any(
        f"run dead left log {log.id} of {log.window} STARTED: somebody pulled the plug" in line
        for line in world.log_lines
    )


def test_the_log_of_a_killed_process_is_closed_even_if_dagster_reports_its_run_as_active(
    world: World,
) -> None:
    """After `kill -9`, Dagster still reports the run as STARTED."""
    me = this_process()
    log = leave_started(world, process=Process(me.host, me.id, "another start"))
    check(world)
    assert (world.log(log.id).status, world.log(log.id).error) == (
        "FAILED",
        "run dead: dead was never heard of again",
    )


def test_the_log_of_a_run_whose_lease_expired_is_closed(world: World) -> None:
    """Its machine is gone, and this Dagster has no record of the run."""
    log = leave_started(world)
    check(world)
    assert world.log(log.id).status == "STARTED"
    world.clock.forward(minutes=2)
    check(world)
    assert world.log(log.id).status == "FAILED"


def test_the_log_of_a_live_run_stays_as_it_is(world: World) -> None:
    """A run that closes the log of a live run makes it fail (docs/failures.md#foreign-row-overwritten)."""
    log = leave_started(world, "alive")
    check(world)
    check(world, "alive")
    world.clock.forward(minutes=2)
    check(world, "alive")
    assert world.log(log.id) == log


def test_a_sensor_closes_the_orphaned_logs_of_all_sources(world: World) -> None:
    """A source that is no longer harvested has no preflight."""
    logs = []
    for label in ("one", "other"):
        world.config = world.config.model_copy(update={"label": label})
        logs.append(leave_started(world, f"dead {label}"))
    world.outcomes["dead one"] = RunOutcome("FAILED", "its run failed")
    closed = close_logs_of_dead_runs(world.database, world.runs, world.clock)
    assert [one.log.id for one in closed] == [logs[0].id]
    assert [world.log(log.id).status for log in logs] == ["FAILED", "STARTED"]
    assert close_logs_of_dead_runs(world.database, world.runs, world.clock) == []
