"""What is refused before anything is touched, and what dead runs left: on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from harvest_dagster.errors import ConfigDisabled, SourceUnreachable, TooManyFailures, UnknownPlugin
from harvest_dagster.pipeline import lock, preflight
from harvest_dagster.pipeline.harvest import Fate
from harvest_dagster.pipeline.preflight import pause
from harvest_dagster.pipeline.settle import settle
from harvest_dagster.processes import Process, this_process
from harvest_dagster.storage.harvest_logs import HarvestLog
from harvest_dagster.windows import DAY, Window
from harvest_dagster_tests.pipeline.world import WINDOW, World, records


def day(number: int) -> Window:
    return Window(WINDOW.start - number * DAY, WINDOW.end - number * DAY)


def check(world: World, run: str = "the run that asks", **parameters: bool) -> None:
    preflight.check(world.harvest(run, **parameters))


def fail(world: World, times: int, *, first: int = 0) -> None:
    """So many runs that fail, each at another day; refusals do not stop them."""
    world.source.breaks_at = 0
    for number in range(first, first + times):
        with pytest.raises(SourceUnreachable):
            world.run(f"failed {number}", day(number), force=True)
    world.source.breaks_at = None


def leave_started(
    world: World, run: str = "dead", process: Process | None = None, window: Window = WINDOW
) -> HarvestLog:
    """A log that a run left STARTED, and the lease it held."""
    harvest = world.harvest(run, process)
    lock.acquire(harvest, WINDOW, single_process=True)
    with lock.holding(harvest) as grip:
        return world.window(harvest, grip, window, until="fetch")


def test_a_disabled_config_is_refused_and_says_how_to_run_it(world: World) -> None:
    """Nothing is touched: no log, no settling."""
    world.change(disabled=True)
    with pytest.raises(ConfigDisabled, match=r"fake is disabled.*ignore_disabled: true"):
        check(world)
    check(world, ignore_disabled=True)
    check(world, force=True)
    assert world.logs() == {}


def test_a_plugin_that_cannot_be_loaded_is_refused(world: World) -> None:
    """Found here, not hours later when the first page is to be transformed."""
    world.change(transformer="nobody_has_it")
    with pytest.raises(UnknownPlugin, match="nobody_has_it"):
        check(world)


def test_repeated_failure_is_refused_with_the_logs_and_their_errors(world: World) -> None:
    """Lesson 31: whoever reads the refusal needs no database. It writes no log, so that it cannot feed itself."""
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
    assert "One probe is let through at 2024-05-01T13:00:00Z" in text
    assert text.endswith("run with force: true.")
    check(world, force=True)
    with pytest.raises(TooManyFailures):
        check(world, ignore_disabled=True)
    assert world.logs() == before


def test_after_a_pause_that_doubles_one_probe_is_let_through(world: World) -> None:
    """A source that is down for a week is asked a few times, and harvested without a hand when it is back."""
    world.change(failure_threshold=3)
    fail(world, 3)
    for number, hours in enumerate((1, 2, 4)):
        world.clock.forward(hours=hours, seconds=-1)
        with pytest.raises(TooManyFailures):
            check(world)
        world.clock.forward(seconds=1)
        check(world)
        assert world.said[-1] == "the last 3 harvests failed: this run is the probe after the pause"
        fail(world, 1, first=3 + number)
    world.clock.forward(hours=8)
    world.source.items = records(1)
    world.run("it works again")
    check(world)


def test_the_pause_is_an_hour_doubled_and_a_day_at_most() -> None:
    """DESIGN.md, section 6."""
    hours = [pause(probes) / timedelta(hours=1) for probes in (0, 1, 2, 3, 4, 5, 50, 10**6)]
    assert hours == [1, 2, 4, 8, 16, 24, 24, 24]


@pytest.mark.parametrize("status", ["CANCELLED", "RESCHEDULED"])
def test_what_was_cancelled_or_waited_counts_neither_way(world: World, status: str) -> None:
    """A cancelled run between failures is no sign that the source works."""
    world.change(failure_threshold=2)
    fail(world, 2)
    if status == "CANCELLED":
        leave_started(world, window=day(9))
        world.fates["dead"] = Fate("CANCELLED", "somebody stopped it")
    else:
        with lock.holding(world.harvest("holder")) as grip:
            with pytest.raises(lock.LeaseHeld):
                lock.acquire(world.harvest("waits"), day(9), single_process=True)
            lock.release(world.harvest("holder"), grip)
    with pytest.raises(TooManyFailures):
        check(world)
    assert status in {log.status for log in world.logs().values()}


def test_windows_whose_runs_were_killed_count_neither_way(world: World) -> None:
    """Five kills at five windows, and the sixth run was refused for what its source never did."""
    world.change(failure_threshold=2)
    for number in range(3):
        leave_started(world, f"dead {number}", window=day(number))
        world.fates[f"dead {number}"] = Fate("FAILED", "its worker was killed")
        check(world)
    assert {log.status for log in world.logs().values()} == {"FAILED"}
    fail(world, 2, first=5)
    with pytest.raises(TooManyFailures):
        check(world)


def test_another_version_of_the_harvester_starts_with_a_clean_sheet(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mended harvester would be refused for what the old one did."""
    world.change(failure_threshold=1)
    fail(world, 1)
    monkeypatch.setattr("harvest_dagster_tests.pipeline.fakes.FakeHarvester.VERSION", 2)
    check(world)


@pytest.mark.parametrize("status", ["FAILED", "CANCELLED"])
def test_the_log_of_a_run_that_is_over_is_settled_with_its_reason(world: World, status: str) -> None:
    """Lesson 13: jobs stuck in "running" for ever."""
    log = leave_started(world)
    world.fates["dead"] = Fate(status, "somebody pulled the plug")
    check(world)
    settled = world.log(log.id)
    assert (settled.status, settled.error) == (status, "run dead: somebody pulled the plug")
    assert settled.date_completed == world.clock()
    assert any("was left STARTED by run dead: somebody pulled the plug" in said for said in world.said)


def test_the_log_of_a_process_that_is_gone_is_settled_though_its_run_is_said_to_go_on(world: World) -> None:
    """After `kill -9` Dagster still says STARTED."""
    me = this_process()
    log = leave_started(world, process=Process(me.host, me.id, "another start"))
    check(world)
    assert (world.log(log.id).status, world.log(log.id).error) == (
        "FAILED",
        "run dead: dead was never heard of again",
    )


def test_the_log_of_a_run_whose_lease_ran_out_is_settled(world: World) -> None:
    """Its machine is gone, and its run is on no record here."""
    log = leave_started(world)
    check(world)
    assert world.log(log.id).status == "STARTED"
    world.clock.forward(minutes=2)
    check(world)
    assert world.log(log.id).status == "FAILED"


def test_the_log_of_a_living_run_is_left_alone(world: World) -> None:
    """Lesson 12: a run that settles another's log has it fail while it works."""
    log = leave_started(world, "alive")
    check(world)
    check(world, "alive")
    world.clock.forward(minutes=2)
    check(world, "alive")
    assert world.log(log.id) == log


def test_a_sensor_settles_the_logs_of_all_sources(world: World) -> None:
    """A source that nobody harvests any more has a preflight no more either."""
    logs = []
    for label in ("one", "other"):
        world.config = world.config.model_copy(update={"label": label})
        logs.append(leave_started(world, f"dead {label}"))
    world.fates["dead one"] = Fate("FAILED", "its run failed")
    settled = settle(world.database, world.runs, world.clock)
    assert [one.log.id for one in settled] == [logs[0].id]
    assert [world.log(log.id).status for log in logs] == ["FAILED", "STARTED"]
    assert settle(world.database, world.runs, world.clock) == []
