"""Who may take a lease from whom, and how an op keeps it: on both databases."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta

import pytest

from harvest_dagster.errors import DatabaseUnreachable, LeaseHeld, LeaseLost
from harvest_dagster.pipeline import lock
from harvest_dagster.pipeline.harvest import Fate, Harvest
from harvest_dagster.processes import Process
from harvest_dagster.storage import leases
from harvest_dagster.storage.engine import Database
from harvest_dagster.storage.leases import TTL, Held
from harvest_dagster_tests.pipeline.world import WINDOW, World


def take(harvest: Harvest) -> leases.Lease:
    return lock.acquire(harvest, WINDOW, single_process=True)


def held(world: World) -> Held | None:
    harvest = world.harvest("who asks")
    with world.database.read() as connection:
        return leases.find(connection, harvest.config_id)


@pytest.fixture
def elsewhere() -> Iterator[tuple[subprocess.Popen[bytes], Process]]:
    """Another process on this host."""
    program = (
        "from harvest_dagster.processes import this_process as this; import sys; p = this();"
        "print(p.host, p.id, p.started, sep='\\n', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        host, number, started = (running.stdout.readline().decode().strip() for _ in range(3))
        yield running, Process(host, int(number), started)
        running.kill()


def test_a_living_run_keeps_its_lease_and_the_other_is_rescheduled(world: World) -> None:
    """Lessons 12 and 17: the same source harvested twice at once."""
    take(world.harvest("run 1"))
    with pytest.raises(LeaseHeld, match="run run 1"):
        take(world.harvest("run 2"))
    log = world.logs()[WINDOW]
    assert (log.status, log.run_id) == ("RESCHEDULED", "run 2")
    assert "run run 1" in (log.error or "")
    found = held(world)
    assert found is not None
    assert found.holder.run_id == "run 1"


def test_a_run_that_waits_never_writes_the_row_of_the_running_one(world: World) -> None:
    """Lesson 12: a second run overwrote the row of the first, which was running."""
    harvest = world.harvest("run 1")
    with lock.holding(harvest) as grip:
        log = world.window(harvest, grip, until="fetch")
        with pytest.raises(LeaseHeld):
            take(world.harvest("run 2"))
    assert world.log(log.id) == log


def test_a_lease_that_ran_out_is_taken_over(world: World) -> None:
    """Its machine is gone: nobody else can tell."""
    first = take(world.harvest("run 1"))
    world.clock.forward(seconds=TTL.total_seconds() - 1)
    with pytest.raises(LeaseHeld):
        take(world.harvest("run 2"))
    world.clock.forward(seconds=1)
    assert take(world.harvest("run 3")).token == first.token + 1
    assert "took over from run run 1, which is dead" in world.said


@pytest.mark.parametrize("status", ["FAILED", "CANCELLED"])
def test_the_lease_of_a_run_that_is_over_is_taken_at_once(world: World, status: str) -> None:
    """A minute's wait after every failure."""
    take(world.harvest("run 1"))
    world.fates["run 1"] = Fate(status, "its run is over")
    take(world.harvest("run 2"))


def test_the_lease_of_a_killed_process_is_taken_at_once(
    world: World, elsewhere: tuple[subprocess.Popen[bytes], Process]
) -> None:
    """Lesson 13: after `kill -9` Dagster still says STARTED."""
    running, process = elsewhere
    take(world.harvest("run 1", process))
    with pytest.raises(LeaseHeld):
        take(world.harvest("run 2"))
    running.send_signal(signal.SIGKILL)
    running.wait()
    take(world.harvest("run 3"))


def test_a_process_that_ended_between_two_ops_says_nothing_of_its_run(
    world: World, elsewhere: tuple[subprocess.Popen[bytes], Process]
) -> None:
    """With the multiprocess executor every op ends its process; the run goes on."""
    running, process = elsewhere
    harvest = world.harvest("run 1", process)
    lock.acquire(harvest, WINDOW, single_process=False)
    with lock.holding(harvest):
        pass
    running.kill()
    running.wait()
    with pytest.raises(LeaseHeld):
        take(world.harvest("run 2"))


def test_the_ops_of_a_run_share_its_lease_over_processes(
    world: World, elsewhere: tuple[subprocess.Popen[bytes], Process]
) -> None:
    """One token for the run: another for each op would lose the lease to itself."""
    token = lock.acquire(world.harvest("run 1"), WINDOW, single_process=False).token
    for process in (None, elsewhere[1]):
        with lock.holding(world.harvest("run 1", process)) as grip:
            assert grip.lease.token == token
            found = held(world)
            assert found is not None
            assert found.holder.process == world.harvest("run 1", process).runner.process


def test_a_run_that_lost_its_lease_gets_it_back_by_no_way(world: World) -> None:
    """Its next op, or its retry, would write after what the other run wrote."""
    late = world.harvest("late")
    take(late)
    world.clock.forward(minutes=2)
    other = world.harvest("other")
    with lock.holding(other) as grip:
        with pytest.raises(LeaseLost, match="writes nothing more"), lock.holding(late):
            pass
        lock.release(other, grip)
    for way in (take, lambda harvest: lock.holding(harvest).__enter__()):
        with pytest.raises(LeaseLost, match="writes nothing more"):
            way(late)


class Stop:
    """Stands for the event the renewing thread waits on: lets it renew so often, in no time."""

    def __init__(self, world: World, renewals: int) -> None:
        self.world = world
        self.left = renewals

    def wait(self, seconds: float) -> bool:
        self.world.clock.forward(seconds=seconds)
        self.left -= 1
        return self.left < 0


def test_a_long_op_keeps_its_lease(world: World) -> None:
    """Renewed before it runs out, by a thread that a long COPY does not starve."""
    harvest = world.harvest("run 1")
    with lock.holding(harvest) as grip:
        lock._renew(harvest, grip, Stop(world, 10))
        assert world.clock() - WINDOW.end > timedelta(hours=12) + 2 * TTL
        with pytest.raises(LeaseHeld):
            take(world.harvest("run 2"))
        with grip.begin():
            pass
        grip.check()


def test_the_renewing_thread_runs_while_an_op_is_at_work_and_ends_with_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that is left behind keeps a lease alive that nobody uses."""
    import threading

    monkeypatch.setattr(leases, "TTL", timedelta(milliseconds=40))
    renewed = threading.Event()
    monkeypatch.setattr(leases, "renew", lambda *_: renewed.set())
    with lock.holding(world.harvest("run 1")):
        assert renewed.wait(30)
    assert "lease" not in {thread.name for thread in threading.enumerate()}


def test_a_lease_that_was_lost_stops_the_op_at_its_next_pause(world: World) -> None:
    """Lesson 11: it would fetch on for hours, and be allowed to write none of it."""
    harvest = world.harvest("late")
    with lock.holding(harvest) as grip:
        world.clock.forward(minutes=2)
        with lock.holding(world.harvest("other")):
            grip.check()
            lock._renew(harvest, grip, Stop(world, 5))
            with pytest.raises(LeaseLost, match="run other took over"):
                grip.check()


def test_a_database_that_is_away_for_a_moment_costs_no_lease(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database gone for a minute: the thread must not die of it."""
    harvest = world.harvest("run 1")
    with lock.holding(harvest) as grip:
        begin = Database.begin
        away = iter([True, True])

        def sometimes(database: Database):
            if next(away, False):
                raise DatabaseUnreachable("the database is away")
            return begin(database)

        monkeypatch.setattr(Database, "begin", sometimes)
        lock._renew(harvest, grip, Stop(world, 3))
        monkeypatch.undo()
        grip.check()
    assert world.said.count("the lease could not be renewed: the database is away") == 2
    found = held(world)
    assert found is not None
    assert found.expires > world.clock()
