"""fetch: the pages of one window, as they come, into the spool.

The spool's manifest is the checkpoint: a harvest that broke goes on after the last whole page. What it may not
go on with is begun anew: pages of another limit, pages that are old, a list that fell short. The way through the
window is `pipeline.walker`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from harvest_dagster.errors import IncompleteList, SpoolError
from harvest_dagster.harvesters.interface import Harvester
from harvest_dagster.pipeline.completeness import Ledger
from harvest_dagster.pipeline.harvest import Harvest
from harvest_dagster.pipeline.lock import Grip
from harvest_dagster.pipeline.sightings import Sightings
from harvest_dagster.pipeline.unreadable import are_too_many
from harvest_dagster.pipeline.walker import Walker
from harvest_dagster.spool import AttemptSpool, End
from harvest_dagster.storage import harvest_logs, harvest_progress, harvest_states, harvest_tries
from harvest_dagster.storage.harvest_logs import HarvestLog
from harvest_dagster.windows import Window

_TOO_OLD = timedelta(days=1)  # a list begun longer ago is begun anew: the source has gone on


def limit_left(harvest: Harvest, window: Window) -> int | None:
    """How many records the run may still collect in this window; None where it has no `limit`.

    Windows that were put off count with what they have in the spool: the run comes back to them.
    """
    if harvest.parameters.limit is None:
        return None
    with harvest.database.read() as connection:
        logs = harvest_logs.of_run(connection, harvest.runner.run_id)
    others = (log for log in logs if log.status != "SPLIT" and log.window != window)
    return max(0, harvest.parameters.limit - sum(_collected(harvest, log) for log in others))


def is_put_off(harvest: Harvest, window: Window) -> bool:
    """Whether this run has begun the window already, and comes back to it: the log must be brought to an end."""
    with harvest.database.read() as connection:
        log = harvest_logs.find(connection, harvest.series, window)
    return log is not None and log.status == "STARTED" and log.run_id == harvest.runner.run_id


def begin(
    harvest: Harvest, window: Window, grip: Grip, *, parent_id: int | None, limit: int | None
) -> HarvestLog:
    """Mark the window's log STARTED, and decide whether the last attempt's pages are gone on with."""
    now = harvest.clock()
    with harvest.database.read() as connection:
        before = harvest_logs.find(connection, harvest.series, window)
    goes_on = before is not None and _may_go_on(harvest, before, limit, now)
    with grip.begin() as connection:
        log = harvest_states.start(
            connection,
            harvest.series,
            window,
            run_id=harvest.runner.run_id,
            now=now,
            parent_id=parent_id,
            record_limit=limit,
        )
        if not goes_on:
            log = harvest_states.restart(connection, log.id, now)
    if before is not None and before.status == "STARTED" and before.run_id != harvest.runner.run_id:
        harvest.say(f"log {before.id} of {window} said STARTED by run {before.run_id}: it is taken up")
    return log


def fetch(
    harvest: Harvest, harvester: Harvester, log: HarvestLog, grip: Grip, check: Callable[[], None]
) -> End:
    """Fetch what the spool does not hold yet, to the window's end.

    Args:
        harvest: what is harvested.
        harvester: the way to the source.
        log: the window's log, from `begin`.
        grip: the lease.
        check: called after each page; it raises what ends the harvest.

    Raises:
        SourceError: a list broke, and nothing that could be done about it helped; the pages fetched so far stay
            for the next run.
        IncompleteList: less came than the source had announced; the next run begins anew.
        DeadlineExceeded: `timeout.harvest` is over.
        LeaseLost: another run took over; the page at work does not count.
    """
    spool = harvest.attempt(log)
    if (end := spool.end()) is not None:
        _note_end(harvest, log, grip, end)
        return end
    with Sightings() as sightings:
        ledger = Ledger(log.window, sightings, harvester.parts)
        walker = Walker(harvest, harvester, log, grip, check, ledger)
        try:
            walker.walk()
        except IncompleteList:
            _note_end(harvest, log, grip, _end(harvest, log, ledger, "short"))
            raise
        end = _end(harvest, log, ledger, ledger.verdict() if log.record_limit is None else "unverified")
    _note_end(harvest, log, grip, end)
    return end


def _end(harvest: Harvest, log: HarvestLog, ledger: Ledger, completeness: str) -> End:
    with harvest.database.read() as connection:
        recoveries = harvest_logs.get(connection, log.id).recoveries
    return End(
        pages=harvest.attempt(log).page_count(),
        records=ledger.records,
        completeness=completeness,
        expected=ledger.expected,
        identifiers=ledger.identifiers,
        stretches=len(ledger.walks),
        recoveries=recoveries,
    )


def _note_end(harvest: Harvest, log: HarvestLog, grip: Grip, end: End) -> None:
    grip.confirm()
    harvest.attempt(log).write_end(end)
    with grip.begin() as connection:
        harvest_progress.expect(connection, log.id, end.expected, end.identifiers)


def _collected(harvest: Harvest, log: HarvestLog) -> int:
    """How much of the run's `limit` a window has used up."""
    if log.status != "STARTED":
        return log.counts.records
    try:
        spooled = sum(entry.page.count for entry in harvest.attempt(log).entries())
    except SpoolError:
        return log.counts.records  # it will be begun anew, with what is left then
    return min(spooled, log.record_limit or 0)


def _may_go_on(harvest: Harvest, before: HarvestLog, limit: int | None, now: datetime) -> bool:
    """Whether this attempt's pages are those that a harvest begun now would get."""
    began = before.attempt_began
    if began is None or before.status == "SUCCEEDED" or not _is_fresh(harvest, before, limit, now):
        return False
    if began < before.window.end + harvest.config.settle <= now:
        # Pages from before the window had settled lack what the source has published since, and would not cover it.
        return False
    if are_too_many(before.counts, harvest.config.quarantine):
        return False  # what cannot be read of these pages is no better for being split again
    try:
        return _is_usable(harvest.attempt(before), before)
    except SpoolError as error:
        harvest.say(f"{before.window} is begun anew: {error}")
        return False


def _is_fresh(harvest: Harvest, before: HarvestLog, limit: int | None, now: datetime) -> bool:
    """Whether an attempt is neither too old, nor overtaken by other windows, nor of another limit."""
    assert before.attempt_began is not None  # noqa: S101  # the caller has looked
    run = (harvest.runner.run_id,)
    is_held = before.status == "STARTED" and before.run_id in run
    with harvest.database.read() as connection:
        # Where this run began the list itself, was put off, and has gone on to other windows meanwhile. By a quota
        # for each hour that may go on for days; it comes to the list's end all the same.
        is_own = is_held and harvest_tries.began(connection, before, run)
        if harvest_logs.overtaken(connection, before, run if is_own else (), harvest.config.settle):
            return False
    if not is_own:
        return before.record_limit == limit and now - before.attempt_began < _TOO_OLD
    # The other windows may have used up some of what was left for this one; nothing of it is split yet.
    return limit == before.record_limit or (limit is not None and limit <= (before.record_limit or 0))


def _is_usable(spool: AttemptSpool, before: HarvestLog) -> bool:
    pages, end = spool.page_count(), spool.end()
    if pages < before.pages_stored:
        return False
    # That a list was empty or short once is no news of today.
    if end is not None and (pages != end.pages or pages == 0 or end.completeness == "short"):
        return False
    spool.verify()
    return True
