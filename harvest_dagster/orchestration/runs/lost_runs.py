"""End runs whose process or host is gone.

Dagster's default launcher has no health check. If a run loses its process together with the code server that started
it, for example with its host, Dagster reports it as STARTED forever, and it keeps its place in the queue and in its
pool (docs/failures.md#crashed-run-keeps-pool-slot). A process that works for a run reports that in the harvest database
(`life_signs`), so the database shows which runs are at work. docs/decisions/0075 has the reasons for the times.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta

import dagster as dg

from harvest_dagster.orchestration.asset_keys import KINDS
from harvest_dagster.orchestration.ops import EVERY_OP
from harvest_dagster.orchestration.sweep_ops import EVERY_OP as SWEEP_OPS
from harvest_dagster.processes import is_gone
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.lease import leases
from harvest_dagster.storage.lease.leases import LeaseRow
from harvest_dagster.storage.transform_queue import workers
from harvest_dagster.storage.transform_queue.workers import Worker

# A process that works for a run reports itself every 15 seconds.
SILENCE = timedelta(minutes=2)
# A run that seems lost is ended if it still does after this time. After an outage of the database, all runs seem lost
# until they report themselves again.
CONFIRMATION = timedelta(minutes=1)
# If the process of one op is gone, the executor reports the failure of the op within seconds, unless it is gone, too.
_SILENCE_AFTER_PROCESS = timedelta(minutes=1)
# The executor logs these after the process of an op was killed and before another one has started. It is alive then.
_BETWEEN_PROCESSES = (
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.STEP_SKIPPED,
    dg.DagsterEventType.STEP_WORKER_STARTING,
    dg.DagsterEventType.STEP_WORKER_STARTED,
    dg.DagsterEventType.ENGINE_EVENT,
)
_START_OF_OP = (dg.DagsterEventType.STEP_START, dg.DagsterEventType.STEP_RESTARTED)


@dataclass(frozen=True)
class Sighting:
    """What the last look found about a run. Only the clock of the daemon made these instants.

    Attributes:
        event_id: the last event of the run.
        since: when that event was first seen, in seconds since 1970.
        lost_since: since when the run seems lost; None if it does not.
    """

    event_id: int
    since: float
    lost_since: float | None = None

    def judged(self, now: datetime, *, is_lost: bool) -> "Sighting":
        """Return a copy that records whether the run seems lost now."""
        since = now.timestamp() if self.lost_since is None else self.lost_since
        return replace(self, lost_since=since if is_lost else None)

    def is_confirmed(self, now: datetime) -> bool:
        """Return whether the run has seemed lost in each look for long enough."""
        return (
            self.lost_since is not None and now.timestamp() - self.lost_since >= CONFIRMATION.total_seconds()
        )


def read_sightings(cursor: str | None) -> dict[str, Sighting]:
    """Return the sightings of a cursor, by run."""
    return {run_id: Sighting(**found) for run_id, found in json.loads(cursor or "{}").items()}


def write_sightings(sightings: Mapping[str, Sighting]) -> str:
    """Return the cursor for the next look."""
    return json.dumps({run_id: asdict(found) for run_id, found in sightings.items()})


@dataclass(frozen=True)
class LostRuns:
    """The runs without a process.

    Attributes:
        ended: one sentence for each run that was reported as failed.
        undecided: other runs that may be lost. The executor may still report their end. Their leases and logs must stay
            until then: only these show that the run is lost.
        sightings: what this look found, for the next one.
    """

    ended: list[str]
    undecided: frozenset[str]
    sightings: Mapping[str, Sighting] = field(default_factory=dict)


@dataclass(frozen=True)
class _Signs:
    """The signs of life of a run.

    Attributes:
        silence: the time since its last event, as the daemon has seen it.
        event: the type of that event; None if it is a message.
        step: the step of that event; None if it belongs to none.
        wait: how long the step waits for its retry.
        held: the leases that it holds.
        worker: the last report of its process; None if none works for it.
    """

    silence: timedelta
    event: dg.DagsterEventType | None
    step: str | None
    wait: timedelta = timedelta()
    held: Collection[LeaseRow] = ()
    worker: Worker | None = None

    def cause_of_death(self, longest_start: timedelta) -> str | None:
        """Return why the run seems lost; None if it may be alive."""
        is_reported = self.worker is not None and self.worker.silence < SILENCE
        if is_reported or not self._is_in_our_op():
            return None
        if self.worker is not None and self.event not in _BETWEEN_PROCESSES:
            return f"its process has reported nothing {_for(self.worker.silence)}"
        return self._cause_between_processes(longest_start)

    def _cause_between_processes(self, longest_start: timedelta) -> str | None:
        if any(not row.is_expired for row in self.held):
            return None
        if self.worker is None and self.event in _START_OF_OP and self.silence >= SILENCE:
            return f"the process of its op has reported nothing {_for(self.silence)}"
        if self.silence >= longest_start + self.wait:
            return f"it holds no lease, and nothing was reported {_for(self.silence)}"
        return None

    def is_process_gone(self) -> bool:
        """Return whether a process that worked for the run on this host no longer exists, and nothing else happened."""
        return self.silence >= _SILENCE_AFTER_PROCESS and self.has_no_process()

    def has_no_process(self) -> bool:
        """Return whether a process that worked for the run on this host no longer exists."""
        processes = [row.holder.process for row in self.held] + [self.worker.process if self.worker else None]
        return any(process and is_gone(process) for process in processes)

    def _is_in_our_op(self) -> bool:
        """Return whether the last event is of an op of ours. Ops of users may work for hours without an event."""
        if self.step is None:
            return bool(self.held or self.worker)
        name = self.step.partition("[")[0].rpartition(".")[2]
        return name in {*EVERY_OP, *SWEEP_OPS} or self.step.startswith(tuple(f"{kind}__" for kind in KINDS))


def end_lost_runs(
    instance: dg.DagsterInstance,
    database: Database,
    now: datetime,
    sightings: Mapping[str, Sighting],
    longest_start: timedelta,
) -> LostRuns:
    """Report the runs that have lost their process or host as failed.

    Dagster then frees their places in the queue and in pools, and starts a new run if `run_retries` is set. If such a
    run is only suspended, its lease is taken over, and it can write nothing more.

    Args:
        instance: the instance.
        database: the harvest database.
        now: the time, aware, in UTC.
        sightings: what the look before this one found.
        longest_start: how long the next op of a run may take to start.
    """
    runs = {
        run.run_id: run for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
    }
    if not runs:
        return LostRuns([], frozenset())
    # A transaction that writes: while another process has the only write lock of SQLite, no run can report itself.
    with database.begin() as connection:
        held = leases.find_leases_of_runs(connection, runs)
        working = {run_id: workers.find_worker(connection, run_id) for run_id in runs}
    ended, undecided, found = [], set(), {}
    for run_id, run in runs.items():
        sighting, signs = _look(instance, run_id, now, sightings.get(run_id))
        signs = replace(signs, held=held.get(run_id, ()), worker=working[run_id])
        cause = (
            "its process no longer exists" if signs.is_process_gone() else signs.cause_of_death(longest_start)
        )
        sighting = sighting.judged(now, is_lost=cause is not None)
        if cause is not None and (signs.is_process_gone() or sighting.is_confirmed(now)):
            ended.append(_end(instance, run, cause))
            continue
        found[run_id] = sighting
        if cause is not None or signs.has_no_process():
            undecided.add(run_id)
    return LostRuns(ended, frozenset(undecided), found)


def _look(
    instance: dg.DagsterInstance, run_id: str, now: datetime, before: Sighting | None
) -> tuple[Sighting, _Signs]:
    """Return what Dagster shows of a run. The time of an event does not count: another machine's clock made it."""
    records = instance.get_records_for_run(run_id, limit=1, ascending=False).records
    entry, event_id = (records[0].event_log_entry, records[0].storage_id) if records else (None, 0)
    if before is None or before.event_id != event_id:
        before = Sighting(event_id, now.timestamp())
    event = entry.dagster_event if entry else None
    wait = event.step_retry_data.seconds_to_wait if event and event.is_step_up_for_retry else None
    signs = _Signs(
        silence=timedelta(seconds=now.timestamp() - before.since),
        event=event.event_type if event else None,
        step=entry.step_key if entry else None,
        wait=timedelta(seconds=float(wait or 0)),
    )
    return before, signs


def _for(silence: timedelta) -> str:
    return f"for {silence.total_seconds():.0f} s"


def _end(instance: dg.DagsterInstance, run: dg.DagsterRun, cause: str) -> str:
    message = f"Run {run.run_id} is lost: {cause}."
    latest = instance.get_run_by_id(run.run_id)
    if latest is None or latest.is_finished:
        return f"Run {run.run_id} has ended meanwhile."
    instance.report_run_failed(latest, message)
    return message
