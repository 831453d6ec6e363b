"""The right of a run to work on a sweep. It does not need the lease of the source until the lists are compared.

`begin_sweep` creates a sweep, or takes over the sweep of a dead run with its pages. `hold_sweep` holds it during one
op, and a thread renews it. Every write uses the transactions of `SweepGuard`, which verify the owner.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from harvest_dagster.errors import DatabaseError, LeaseHeld, LeaseLost
from harvest_dagster.pipeline.context import HarvestContext, RunHistory
from harvest_dagster.pipeline.write_guard import WriteGuard, renewing
from harvest_dagster.processes import Process, is_gone
from harvest_dagster.storage import sweeps
from harvest_dagster.storage.sweeps import Sweep
from harvest_dagster.windows import format_instant

# An older sweep begins again. One whose lists are compared does so sooner: the source may have changed since.
_TOO_OLD = timedelta(days=7)
COMPARED_TOO_OLD = timedelta(days=1)


@dataclass(frozen=True)
class SweepGuard(WriteGuard):
    """A sweep that this process owns. `hold_sweep` creates it.

    Attributes:
        sweep_id: the sweep.
        run_id: this run.
        process: this process.
    """

    sweep_id: int
    run_id: str
    process: Process

    def verify(self, connection: Connection) -> None:
        """Verify that this run owns the sweep, and keep it so until this transaction ends.

        Raises:
            LeaseLost: another run has taken it over, or it has ended.
        """
        sweeps.verify_owner(connection, self.sweep_id, self.run_id)

    def extend(self, pause: timedelta) -> None:
        """Keep the sweep during a pause in which no op works.

        Raises:
            LeaseLost: another run has taken it over, or it has ended.
        """
        self._keep(self.process, pause)

    def leave(self, process: Process | None, duration: timedelta) -> None:
        """Keep the sweep until the next op of the run works.

        Args:
            process: the process whose end will be the end of the run; None if each op has a process of its own.
            duration: until the sweep expires without a renewal.

        Raises:
            LeaseLost: another run has taken it over, or it has ended.
        """
        self._keep(process, duration)

    def _keep(self, process: Process | None, pause: timedelta) -> None:
        with self.database.begin() as connection:
            sweeps.renew(connection, self.sweep_id, self.run_id, process=process, pause=pause)

    def read(self) -> Sweep:
        """Return the sweep as it is now."""
        with self.database.read() as connection:
            return sweeps.get_sweep(connection, self.sweep_id)


def begin_sweep(harvest: HarvestContext, *, single_process: bool) -> Sweep:
    """Return the sweep of this run: a new one, or one that it continues.

    A run continues the newest sweep if that has not succeeded, asked with the same arguments, and began less than a
    week ago, or less than a day ago if its lists were compared. An op that is tried again continues the sweep of its
    own run.

    Args:
        harvest: the harvest.
        single_process: whether all ops of this run share one process. Then the end of the process ends the run.

    Raises:
        LeaseHeld: another live run compares this source.
    """
    now, run = harvest.run.clock(), harvest.run
    with run.database.read() as connection:
        last = sweeps.find_last(connection, harvest.config_id)
    _raise_if_active(harvest, last)
    process = run.process if single_process else None
    with run.database.begin() as connection:
        if last is not None and _may_continue(harvest, last, now):
            found = sweeps.take_over(connection, last, run_id=run.id, process=process, now=now)
        else:
            found = sweeps.begin(
                connection,
                harvest.config_id,
                run_id=run.id,
                process=process,
                now=now,
                arguments_digest=arguments_digest(harvest),
                last=last,
            )
    if last is not None and found.id == last.id and last.run_id != run.id:
        harvest.logger.info(f"continuing the sweep that run {last.run_id} began or continued")
    return found


def arguments_digest(harvest: HarvestContext) -> str:
    """Return a digest of all that decides the requests of a sweep. With another one, a sweep is not continued."""
    return f"{harvest.source.request_digest}-{harvest.scope.arguments_digest}"[:64]


@contextmanager
def hold_sweep(harvest: HarvestContext, sweep_id: int) -> Iterator[SweepGuard]:
    """Hold the sweep of this run during an op, and renew it.

    A run that is executed again from a failed op takes over the sweep of the failed run here.

    Raises:
        LeaseLost: another run has taken it over.
    """
    run = harvest.run
    guard = SweepGuard(run.database, sweep_id, run.id, run.process)
    before = guard.read()
    is_left = before.status in sweeps.UNFINISHED and (before.run_id, before.status) != (run.id, "STARTED")
    if is_left and before.run_id in run.all_ids:
        with run.database.begin() as connection:
            before = sweeps.take_over(connection, before, run_id=run.id, process=None, now=run.clock())
    guard.renew()
    try:
        with renewing(harvest, guard):
            yield guard
    finally:
        with suppress(DatabaseError, LeaseLost):  # it would hide the error of the op
            guard.leave(run.process if run.single_process else None, run.longest_start)


def is_dead(sweep: Sweep, runs: RunHistory) -> bool:
    """Return whether the run of a sweep has ended, or its process is gone."""
    is_process_gone = sweep.process is not None and is_gone(sweep.process)
    return is_process_gone or runs.outcome(sweep.run_id) is not None


def _raise_if_active(harvest: HarvestContext, last: Sweep | None) -> None:
    if last is None or last.status != "STARTED" or last.run_id == harvest.run.id:
        return
    with harvest.run.database.read() as connection:
        has_expired = sweeps.has_expired(connection, last.id)
    if not has_expired and not is_dead(last, harvest.run.history):
        since = format_instant(last.run_began.replace(microsecond=0))
        raise LeaseHeld(f"run {last.run_id} has been comparing this source since {since}.")


def _may_continue(harvest: HarvestContext, last: Sweep, now: datetime) -> bool:
    if last.status not in sweeps.UNFINISHED or last.arguments_digest != arguments_digest(harvest):
        return False
    longest = COMPARED_TOO_OLD if last.is_compared else _TOO_OLD
    return last.run_id == harvest.run.id or now - last.date_started < longest
