"""lock: one run at a time for each IngestConfig, by a lease in the database.

`acquire` takes it, without waiting; `holding` keeps it for the length of one op, whichever process that runs
in, renewed from a thread. All writing of a harvest goes through `Grip.begin`, which checks the fencing token
inside the transaction.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection

from harvest_dagster.errors import DatabaseError, LeaseHeld, LeaseLost
from harvest_dagster.pipeline.harvest import Harvest, Runs
from harvest_dagster.processes import Process, is_gone
from harvest_dagster.storage import harvest_states, leases
from harvest_dagster.storage.engine import Database
from harvest_dagster.storage.leases import Held, Holder, Lease
from harvest_dagster.windows import Window

_RENEWALS = 4  # in the life of a lease: three may fail before it runs out


@dataclass(frozen=True)
class Grip:
    """A lease that this process holds; made by `holding`."""

    database: Database
    lease: Lease
    _lost: threading.Event = field(default_factory=threading.Event, repr=False)

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """One transaction that commits only while the lease is held.

        Raises:
            LeaseLost: another run took over; nothing was written.
        """
        with self.database.begin() as connection:
            leases.check(connection, self.lease)
            yield connection

    def confirm(self) -> None:
        """See to it that the lease is still held.

        Raises:
            LeaseLost: another run took over.
        """
        with self.begin():
            pass

    def outlive(self, pause: timedelta, now: datetime) -> None:
        """Keep the lease over a pause in which no op is at work, and so nobody renews it.

        Raises:
            LeaseLost: another run took over.
        """
        with self.database.begin() as connection:
            leases.renew(connection, self.lease, now, pause=pause)

    def check(self) -> None:
        """Stop where the renewing thread found the lease lost: cheap, for the pauses between two pages.

        Raises:
            LeaseLost: another run took over.
        """
        if self._lost.is_set():
            self.confirm()

    def lost(self) -> None:
        """Note that the lease is gone."""
        self._lost.set()


def acquire(harvest: Harvest, window: Window, *, single_process: bool) -> Lease:
    """Take the lease, at once also from a holder that is dead.

    Args:
        harvest: what is to be harvested.
        window: the range wanted; its log says RESCHEDULED where the lease is not free.
        single_process: whether all ops of this run share a process, so that its end is the run's.

    Raises:
        LeaseHeld: a living run holds it.
        LeaseLost: this run held it before.
    """
    holder = Holder(harvest.runner.run_id, harvest.runner.process if single_process else None)
    try:
        return _adopt(harvest, holder) or _take(harvest, holder)
    except LeaseHeld as held:
        with harvest.database.begin() as connection:
            holder_now = leases.find(connection, harvest.config_id)
            harvest_states.reschedule(
                connection,
                harvest.series,
                window,
                run_id=harvest.runner.run_id,
                holder=holder_now.holder.run_id if holder_now else None,
                error=str(held),
            )
        raise


@contextmanager
def holding(harvest: Harvest) -> Iterator[Grip]:
    """Keep the run's lease while an op is at work; take it where this run goes on with what another left.

    Raises:
        LeaseHeld: another run took it since.
        LeaseLost: this run had it and lost it.
    """
    before = _held_by(harvest)
    holder = Holder(harvest.runner.run_id, harvest.runner.process)
    grip = Grip(harvest.database, _adopt(harvest, holder) or _take(harvest, holder))
    stop = threading.Event()
    renewing = threading.Thread(target=_renew, args=(harvest, grip, stop), name="lease", daemon=True)
    renewing.start()
    try:
        yield grip
    finally:
        stop.set()
        renewing.join()
        if before is None or before.holder.process != harvest.runner.process:
            # The next op has a process of its own: that this one ends says nothing of the run.
            with suppress(DatabaseError):  # whatever ends this op matters more
                _adopt(harvest, Holder(harvest.runner.run_id, None))


def release(harvest: Harvest, grip: Grip) -> None:
    """Give the lease back."""
    with harvest.database.begin() as connection:
        leases.release(connection, grip.lease)


def is_over(held: Held, runs: Runs) -> bool:
    """Whether a holder will never write again though its lease has not run out."""
    process: Process | None = held.holder.process
    return runs.fate(held.holder.run_id) is not None or (process is not None and is_gone(process))


def _held_by(harvest: Harvest) -> Held | None:
    with harvest.database.read() as connection:
        return leases.find(connection, harvest.config_id)


def _adopt(harvest: Harvest, holder: Holder) -> Lease | None:
    with harvest.database.begin() as connection:
        return leases.adopt(connection, harvest.config_id, holder, harvest.clock())


def _take(harvest: Harvest, holder: Holder) -> Lease:
    held = _held_by(harvest)
    # An expiry is left to the statement itself: a renewal in between must count.
    dead_token = held.token if held is not None and is_over(held, harvest.runner.runs) else None
    with harvest.database.begin() as connection:
        lease = leases.acquire(connection, harvest.config_id, holder, harvest.clock(), dead_token)
    if held is not None:
        harvest.say(f"took over from run {held.holder.run_id}, which is dead")
    return lease


def _renew(harvest: Harvest, grip: Grip, stop: threading.Event) -> None:
    interval = leases.TTL.total_seconds() / _RENEWALS
    while not stop.wait(interval):
        try:
            with harvest.database.begin() as connection:
                leases.renew(connection, grip.lease, harvest.clock())
        except LeaseLost:  # noqa: PERF203  # four times a minute
            grip.lost()
            return
        except Exception as error:
            # Whatever it is, it is tried again while there is time; what writes meanwhile checks the token itself.
            with suppress(Exception):
                harvest.say(f"the lease could not be renewed: {error}")
