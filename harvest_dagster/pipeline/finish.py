"""finish: how a window and a run end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection

from harvest_dagster.errors import SpoolError
from harvest_dagster.pipeline.harvest import Harvest
from harvest_dagster.pipeline.lock import Grip, release
from harvest_dagster.storage import harvest_logs, harvest_states, harvest_tries
from harvest_dagster.storage.harvest_logs import Counts, HarvestLog, Strays

_KEPT = timedelta(days=14)  # pages of a failed window, for whoever looks into it


@dataclass(frozen=True)
class Summary:
    """What a run brought, over all its windows.

    Attributes:
        counts: the logs' counts together.
        strays: the logs' strays together.
        expected: the source's own totals together; None where one is missing.
        identifiers: different ones in each window, together; None where a harvester gives none.
        recoveries: how often a list broke and was gone on with in another way.
        completeness: `complete` if every window was proven to be, `unverified` if one was not, None without any.
        requests: sent to the source.
        bytes: received.
        seconds: from the first window's start to the last one's end.
        seconds_waited: for the rate limit.
    """

    counts: Counts
    strays: Strays
    expected: int | None
    identifiers: int | None
    recoveries: int
    completeness: str | None
    requests: int
    bytes: int
    seconds: float
    seconds_waited: float


def finish_window(harvest: Harvest, log: HarvestLog, grip: Grip) -> HarvestLog:
    """Mark the window SUCCEEDED, and clear its spool."""
    end = harvest.attempt(log).whole_split()
    with grip.begin() as connection:
        _refuse_unstored(harvest_logs.get(connection, log.id), end.pages)
        log = harvest_states.succeed(
            connection,
            log.id,
            now=harvest.clock(),
            completeness=end.completeness,
            settle=harvest.config.settle,
        )
    _tidy(harvest, lambda: harvest.spool.clear(*harvest.spool_of(log.window)))
    return log


def _refuse_unstored(log: HarvestLog, pages: int) -> None:
    if log.pages_stored != pages:
        message = (
            f"{log.pages_stored} of {pages} pages of {log.window} are stored. Start a new run: it goes on."
        )
        raise SpoolError(message)


def _tidy(harvest: Harvest, work: Callable[[], object]) -> None:
    """Clear the spool where that can be done: what is left lies there till it is pruned, and harms no harvest."""
    try:
        work()
    except OSError as error:
        harvest.say(f"the spool could not be cleared: {error}")


def take_up(harvest: Harvest, log_id: int, grip: Grip) -> HarvestLog:
    """A window's log for the next op; this run's own, also where it goes on with what another run left."""
    with grip.begin() as connection:
        log = harvest_logs.get(connection, log_id)
        if log.status == "SUCCEEDED" or (log.status == "STARTED" and log.run_id == harvest.runner.run_id):
            return log
        if _is_overtaken(connection, harvest, log):
            message = (
                f"other windows were harvested since the pages of {log.window} were fetched. "
                "Start a new run in place of going on with this one: it fetches them anew."
            )
            raise SpoolError(message)
        return harvest_states.go_on(connection, log_id, run_id=harvest.runner.run_id, now=harvest.clock())


def _is_overtaken(connection: Connection, harvest: Harvest, log: HarvestLog) -> bool:
    if log.attempt_began is None:
        return False
    # The run that failed at this window went on to others, and this one goes on with those. Pages that even the
    # first of them had found there say nothing of how these windows stood.
    runs = (log.run_id, harvest.runner.run_id)
    but_by = runs if harvest_tries.began(connection, log, runs) else ()
    return harvest_logs.overtaken(connection, log, but_by, harvest.config.settle)


def end_window(harvest: Harvest, log_id: int, grip: Grip, status: str, error: str) -> HarvestLog:
    """Mark a window FAILED or CANCELLED; what it brought stays, and the next run goes on from there.

    Raises:
        LeaseLost: the window is another run's now; nothing was written.
    """
    with grip.begin() as connection:
        log = harvest_logs.get(connection, log_id)
        harvest_states.end(connection, log, status, now=harvest.clock(), error=harvest.redact(error))
    return log


def finish_run(harvest: Harvest, log_ids: Sequence[int], grip: Grip) -> Summary:
    """Sum up, throw away what is old in the spool, give the lease back."""
    with harvest.database.read() as connection:
        summary = summarize([harvest_logs.get(connection, log_id) for log_id in log_ids])
    release(harvest, grip)
    _tidy(harvest, lambda: harvest.spool.prune(harvest.config.label, now=harvest.clock(), older_than=_KEPT))
    return summary


def summarize(logs: Sequence[HarvestLog]) -> Summary:
    """Add the logs of several windows up."""
    counts, strays = Counts(), Strays()
    for log in logs:
        counts += log.counts
        strays += log.strays
    verdicts = {log.completeness for log in logs}
    return Summary(
        counts=counts,
        strays=strays,
        expected=_sum([log.expected for log in logs]),
        identifiers=_sum([log.identifiers for log in logs]),
        recoveries=sum(log.recoveries for log in logs),
        completeness=None if not verdicts else "complete" if verdicts == {"complete"} else "unverified",
        requests=sum(log.requests for log in logs),
        bytes=sum(log.bytes for log in logs),
        seconds=_seconds(logs),
        seconds_waited=sum(log.seconds_waited for log in logs),
    )


def _sum(numbers: Sequence[int | None]) -> int | None:
    """None where there are none, or one is not known."""
    known = [number for number in numbers if number is not None]
    return sum(known) if known and len(known) == len(numbers) else None


def _seconds(logs: Sequence[HarvestLog]) -> float:
    started = [log.date_started for log in logs if log.date_started]
    completed = [log.date_completed for log in logs if log.date_completed]
    return (max(completed) - min(started)).total_seconds() if started and completed else 0.0
