"""End runs whose process or host is gone.

Dagster's default launcher has no health check. If a run loses its process together with the code server that started
it, for example with its host, Dagster reports it as STARTED forever, and it keeps its place in the queue and in its
pool (docs/failures.md#crashed-run-keeps-pool-slot). A harvest renews its lease, and a transform reports itself in the
database, so the harvest database shows which runs are at work.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import dagster as dg

from harvest_dagster.orchestration.asset_keys import KINDS
from harvest_dagster.orchestration.ops import EVERY_OP
from harvest_dagster.processes import is_gone
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.lease import leases
from harvest_dagster.storage.lease.leases import LeaseRow
from harvest_dagster.storage.transform_queue import workers
from harvest_dagster.storage.transform_queue.workers import Worker

# Longer than the longest wait between two attempts of the op lock (`RetrySettings.longest`), which logs an event each.
SILENCE = timedelta(minutes=10)
# If the process of one op is gone, the executor reports the failure of the op within seconds, unless it is gone, too.
_SILENCE_AFTER_PROCESS = timedelta(minutes=1)


@dataclass(frozen=True)
class LostRuns:
    """The runs without a process.

    Attributes:
        ended: one sentence for each run that was reported as failed.
        undecided: the other ones, to which something happened within the last minute. The executor may still report
            their end. Their leases and logs must stay until then: only these show that the run is lost.
    """

    ended: list[str]
    undecided: frozenset[str]


@dataclass(frozen=True)
class _Signs:
    """The signs of life of a run.

    Attributes:
        held: the leases that it holds.
        worker: its last report as a transform; None if it never reported.
        silent_since: the time of its last event.
        step: the step of that event; None if it belongs to none.
    """

    held: Collection[LeaseRow]
    worker: Worker | None
    silent_since: datetime
    step: str | None

    def cause_of_death(self, now: datetime) -> str | None:
        """Return why the run is lost; None if it may be alive."""
        silence = now - self.silent_since
        if silence >= _SILENCE_AFTER_PROCESS and self.has_no_process():
            return "its process no longer exists"
        if any(not row.is_expired for row in self.held):
            return None
        if self.worker is not None and self.worker.silence < SILENCE:
            return None
        if silence >= SILENCE and self._is_in_our_op():
            return (
                f"it holds no lease and has reported nothing since {self.silent_since:%Y-%m-%d %H:%M:%S} UTC"
            )
        return None

    def has_no_process(self) -> bool:
        """Return whether a process that worked for the run on this host no longer exists."""
        processes = [row.holder.process for row in self.held] + [self.worker.process if self.worker else None]
        return any(process and is_gone(process) for process in processes)

    def _is_in_our_op(self) -> bool:
        """Return whether the last event is of an op of ours. Ops of users may work for hours without an event."""
        if self.step is None:
            return bool(self.held or self.worker)
        name = self.step.partition("[")[0].rpartition(".")[2]
        return name in EVERY_OP or self.step.startswith(tuple(f"{kind}__" for kind in KINDS))


def end_lost_runs(instance: dg.DagsterInstance, database: Database, now: datetime) -> LostRuns:
    """Report the runs that have lost their process or host as failed.

    Dagster then frees their places in the queue and in pools, and starts a new run if `run_retries` is set. If such a
    run is only suspended, its lease is taken over, and it can write nothing more.

    Args:
        instance: the instance.
        database: the harvest database.
        now: the time, aware, in UTC.
    """
    runs = {
        run.run_id: run for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
    }
    if not runs:
        return LostRuns([], frozenset())
    with database.read() as connection:
        held = leases.find_leases_of_runs(connection, runs)
        working = {run_id: workers.find_worker(connection, run_id) for run_id in runs}
    signs = {run_id: _signs(instance, run_id, held, working[run_id]) for run_id in runs}
    causes = {run_id: of_run.cause_of_death(now) for run_id, of_run in signs.items()}
    ended = [_end(instance, runs[run_id], cause) for run_id, cause in causes.items() if cause is not None]
    undecided = {run_id for run_id in runs if causes[run_id] is None and signs[run_id].has_no_process()}
    return LostRuns(ended, frozenset(undecided))


def _signs(
    instance: dg.DagsterInstance, run_id: str, held: Mapping[str, list[LeaseRow]], worker: Worker | None
) -> _Signs:
    records = instance.get_records_for_run(run_id, limit=1, ascending=False).records
    entry = records[0].event_log_entry if records else None
    since = datetime.fromtimestamp(entry.timestamp if entry else 0, timezone.utc)
    return _Signs(held.get(run_id, ()), worker, since, entry.step_key if entry else None)


def _end(instance: dg.DagsterInstance, run: dg.DagsterRun, cause: str) -> str:
    message = f"Run {run.run_id} is lost: {cause}."
    latest = instance.get_run_by_id(run.run_id)
    if latest is None or latest.is_finished:
        return f"Run {run.run_id} has ended meanwhile."
    instance.report_run_failed(latest, message)
    return message
