"""Which run may take a lease from another, and how an op keeps it: on both databases."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta

import pytest

from harvest_dagster.errors import DatabaseUnreachable, LeaseHeld, LeaseLost
from harvest_dagster.pipeline import lease_guard, write_guard
from harvest_dagster.pipeline.context import HarvestContext, RunOutcome
from harvest_dagster.processes import Process
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.lease import leases
from harvest_dagster.storage.lease.leases import TTL, LeaseRow
from harvest_dagster_tests.pipeline.world import WINDOW, World

START = timedelta(minutes=15)


def take(harvest: HarvestContext) -> leases.Lease:
    return lease_guard.acquire(harvest, WINDOW, single_process=True)


def held(world: World) -> LeaseRow | None:
    harvest = world.harvest("who asks")
    with world.database.read() as connection:
        return leases.find_lease(connection, harvest.config_id)


@pytest.fixture
def elsewhere() -> Iterator[tuple[subprocess.Popen[bytes], Process]]:
    """Yield another process on this host."""
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


def test_a_live_run_keeps_its_lease_and_the_other_is_rescheduled(world: World) -> None:
    """Otherwise two runs would harvest the same source at once (docs/failures.md#same-source-twice)."""
    take(world.harvest("run 1"))
    with pytest.raises(LeaseHeld, match="run run 1"):
        take(world.harvest("run 2"))
    log = world.logs()[WINDOW]
    assert (log.status, log.run_id) == ("RESCHEDULED", "run 2")
    assert "run run 1" in (log.error or "")
    found = held(world)
    assert found is not None
    assert found.holder.run_id == "run 1"


def test_a_waiting_run_does_not_change_the_log_of_the_running_one(world: World) -> None:
    """A second run overwrote the row of a running one (docs/failures.md#foreign-row-overwritten)."""
    harvest = world.harvest("run 1")
    with lease_guard.hold_lease(harvest) as lease:
        log = world.window(harvest, lease, until="fetch")
        with pytest.raises(LeaseHeld):
            take(world.harvest("run 2"))
    assert world.log(log.id) == log


def test_an_expired_lease_is_taken(world: World) -> None:
    """The machine of the holder may be gone, and nothing else shows that."""
    world.longest_start = START
    first = take(world.harvest("run 1"))
    world.clock.forward(seconds=START.total_seconds() - 1)
    with pytest.raises(LeaseHeld):
        take(world.harvest("run 2"))
    world.clock.forward(seconds=1)
    assert take(world.harvest("run 3")).token == first.token + 1
    assert "took over the lease of run run 1, which is dead or did not renew it" in world.log_lines


@pytest.mark.parametrize("single_process", [True, False])
def test_a_run_keeps_its_lease_between_two_ops_until_a_pod_has_started(
    world: World, single_process: bool
) -> None:
    """The lease lasted a minute, and another run took it while the next pod was pulling its image."""
    world.longest_start = START
    harvest = world.harvest("run 1", single_process=single_process)
    lease_guard.acquire(harvest, WINDOW, single_process=single_process)
    for _ in range(2):
        world.clock.forward(minutes=14)
        with pytest.raises(LeaseHeld):
            take(world.harvest("run 2"))
        with lease_guard.hold_lease(harvest):
            found = held(world)
            assert found is not None
            assert found.expires == world.clock() + TTL
    found = held(world)
    assert found is not None
    assert found.holder.process == (harvest.run.process if single_process else None)
    world.clock.forward(minutes=15)
    take(world.harvest("run 3"))


def test_a_run_whose_op_stalls_loses_its_lease_after_a_minute(world: World) -> None:
    """The fifteen minutes for the start of an op would also protect an op that does nothing."""
    world.longest_start = START
    harvest = world.harvest("late")
    take(harvest)
    with lease_guard.hold_lease(harvest) as lease:
        world.clock.forward(seconds=61)
        take(world.harvest("other"))
        with pytest.raises(LeaseLost, match=r"run late lost its lease .* run other took over"):
            lease.verify_token()


@pytest.mark.parametrize("status", ["FAILED", "CANCELLED"])
def test_the_lease_of_an_ended_run_is_taken_at_once(world: World, status: str) -> None:
    """Otherwise each failure would cost a minute of waiting."""
    take(world.harvest("run 1"))
    world.outcomes["run 1"] = RunOutcome(status, "its run is over")
    take(world.harvest("run 2"))
    assert "took over the lease of run run 1, which has ended" in world.log_lines


def test_the_lease_of_a_killed_process_is_taken_at_once(
    world: World, elsewhere: tuple[subprocess.Popen[bytes], Process]
) -> None:
    """After `kill -9`, Dagster still reports the run as STARTED (docs/failures.md#running-forever)."""
    running, process = elsewhere
    take(world.harvest("run 1", process))
    with pytest.raises(LeaseHeld):
        take(world.harvest("run 2"))
    running.send_signal(signal.SIGKILL)
    running.wait()
    take(world.harvest("run 3"))


def test_the_end_of_a_process_between_two_ops_does_not_end_the_run(
    world: World, elsewhere: tuple[subprocess.Popen[bytes], Process]
) -> None:
    """With the multiprocess executor, each op ends its process, and the run continues."""
    running, process = elsewhere
    harvest = world.harvest("run 1", process, single_process=False)
    lease_guard.acquire(harvest, WINDOW, single_process=False)
    with lease_guard.hold_lease(harvest):
        pass
    running.kill()
    running.wait()
    with pytest.raises(LeaseHeld):
        take(world.harvest("run 2"))


def test_the_ops_of_a_run_share_its_lease_across_processes(
    world: World, elsewhere: tuple[subprocess.Popen[bytes], Process]
) -> None:
    """A run with a new token for each op would lose the lease to itself."""
    token = lease_guard.acquire(world.harvest("run 1"), WINDOW, single_process=False).token
    for process in (None, elsewhere[1]):
        with lease_guard.hold_lease(world.harvest("run 1", process, single_process=False)) as lease:
            assert lease.lease.token == token
            found = held(world)
            assert found is not None
            assert found.holder.process == world.harvest("run 1", process).run.process


def test_a_run_that_lost_its_lease_cannot_take_it_again(world: World) -> None:
    """Its next op, or its retry, would write after the other run."""
    late = world.harvest("late")
    take(late)
    world.clock.forward(minutes=2)
    other = world.harvest("other")
    with lease_guard.hold_lease(other) as lease:
        with pytest.raises(LeaseLost, match="writes nothing more"), lease_guard.hold_lease(late):
            pass
        lease_guard.release(other, lease)
    for way in (take, lambda harvest: lease_guard.hold_lease(harvest).__enter__()):
        with pytest.raises(LeaseLost, match="writes nothing more"):
            way(late)


class Stop:
    """Stands for the event of the renewing thread. It allows so many renewals, without waiting."""

    def __init__(self, world: World, renewals: int) -> None:
        self.world = world
        self.remaining = renewals

    def wait(self, seconds: float) -> bool:
        self.world.clock.forward(seconds=seconds)
        self.remaining -= 1
        return self.remaining < 0


def test_a_long_op_keeps_its_lease(world: World) -> None:
    """A thread renews it before it expires, also during a long COPY."""
    harvest = world.harvest("run 1")
    with lease_guard.hold_lease(harvest) as lease:
        write_guard._renew(harvest, lease, Stop(world, 10))
        assert world.clock() - WINDOW.end > timedelta(hours=12) + 2 * TTL
        with pytest.raises(LeaseHeld):
            take(world.harvest("run 2"))
        with lease.begin():
            pass
        lease.raise_if_lost()


def test_the_renewing_thread_runs_during_an_op_and_ends_with_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that stays would renew a lease that nothing uses."""
    import threading

    before = set(threading.enumerate())  # other tests leave threads
    monkeypatch.setattr(leases, "TTL", timedelta(milliseconds=40))
    renewed = threading.Event()
    monkeypatch.setattr(leases, "renew", lambda *_, **__: renewed.set())
    with lease_guard.hold_lease(world.harvest("run 1")):
        assert renewed.wait(30)
        assert "lease" in {thread.name for thread in set(threading.enumerate()) - before}
    assert "lease" not in {thread.name for thread in set(threading.enumerate()) - before}


def test_a_lost_lease_stops_the_op_after_its_next_page(world: World) -> None:
    """Otherwise it would fetch for hours and could write nothing."""
    harvest = world.harvest("late")
    with lease_guard.hold_lease(harvest) as lease:
        world.clock.forward(minutes=2)
        with lease_guard.hold_lease(world.harvest("other")):
            lease.raise_if_lost()
            write_guard._renew(harvest, lease, Stop(world, 5))
            with pytest.raises(LeaseLost, match="run other took over"):
                lease.raise_if_lost()


def test_a_run_keeps_its_lease_during_a_short_outage_of_the_database(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread must survive an outage of a minute."""
    harvest = world.harvest("run 1")
    with lease_guard.hold_lease(harvest) as lease:
        begin = Database.begin
        away = iter([True, True])

        def sometimes(database: Database):
            if next(away, False):
                raise DatabaseUnreachable("the database is away")
            return begin(database)

        monkeypatch.setattr(Database, "begin", sometimes)
        write_guard._renew(harvest, lease, Stop(world, 3))
        monkeypatch.undo()
        lease.raise_if_lost()
    assert world.log_lines.count("the lease could not be renewed: the database is away") == 2
    found = held(world)
    assert found is not None
    assert found.expires > world.clock()
