"""fetch: the pages of one window, as they come, into the spool.

The spool's manifest is the checkpoint: a harvest that broke goes on after the last whole page. What it may not
go on with is begun anew: pages of another limit, pages that are old, a token the source no longer takes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from harvest_dagster.errors import CursorRefused, IncompleteList
from harvest_dagster.harvesters.interface import Harvester
from harvest_dagster.pipeline.harvest import Harvest
from harvest_dagster.pipeline.lock import Grip
from harvest_dagster.spool import AttemptSpool, End
from harvest_dagster.storage import harvest_logs, harvest_states
from harvest_dagster.storage.harvest_logs import HarvestLog
from harvest_dagster.windows import Window

_TOO_OLD = timedelta(days=1)  # a list begun longer ago is begun anew: the source has gone on


@dataclass(frozen=True)
class Tally:
    """What the source gave of a window.

    Attributes:
        pages: how many.
        records: on them, those that cannot be read included.
        expected: the source's own total, over all its lists; None where one of them gives none.
    """

    pages: int
    records: int
    expected: int | None


def limit_left(harvest: Harvest) -> int | None:
    """How many records the run may still collect; None where it has no `limit`."""
    if harvest.parameters.limit is None:
        return None
    with harvest.database.read() as connection:
        logs = harvest_logs.of_run(connection, harvest.runner.run_id)
    return max(0, harvest.parameters.limit - sum(log.counts.records for log in logs if log.status != "SPLIT"))


def begin(
    harvest: Harvest, window: Window, grip: Grip, *, parent_id: int | None, limit: int | None
) -> HarvestLog:
    """Mark the window's log STARTED, and decide whether the last attempt's pages are gone on with."""
    now = harvest.clock()
    with grip.begin() as connection:
        before = harvest_logs.find(connection, harvest.series, window)
        if before is not None and before.status == "STARTED" and before.run_id != harvest.runner.run_id:
            harvest.say(f"log {before.id} of {window} says STARTED by run {before.run_id}: it is taken up")
        log = harvest_states.start(
            connection,
            harvest.series,
            window,
            run_id=harvest.runner.run_id,
            now=now,
            parent_id=parent_id,
            record_limit=limit,
        )
        if before is None or not _may_go_on(harvest, before, limit, now):
            log = harvest_states.restart(connection, log.id, now)
    return log


def fetch(
    harvest: Harvest, harvester: Harvester, log: HarvestLog, grip: Grip, check: Callable[[], None]
) -> Tally:
    """Fetch what the spool does not hold yet, to the end of the list.

    Args:
        harvest: what is harvested.
        harvester: the way to the source.
        log: the window's log, from `begin`.
        grip: the lease.
        check: called after each page; it raises what ends the harvest.

    Raises:
        SourceError: the list breaks; the pages fetched so far stay for the next run.
        IncompleteList: the source's own total was not reached.
        DeadlineExceeded: `timeout.harvest` is over.
        LeaseLost: another run took over; the page at work is not spooled.
    """
    gone_on = harvest.attempt(log).page_count() > 0
    try:
        _fetch_rest(harvest, harvester, log, grip, check)
    except CursorRefused as error:
        if not gone_on:
            raise
        harvest.say(
            f"the window is begun anew, since the source takes an earlier run's token no longer: {error}"
        )
        with grip.begin() as connection:
            log = harvest_states.restart(connection, log.id, harvest.clock())
        _fetch_rest(harvest, harvester, log, grip, check)
    tally = count(harvest.attempt(log))
    with grip.begin() as connection:
        harvest_states.expect(connection, log.id, tally.expected)
    _refuse_shortfall(log, tally)
    return tally


def count(spool: AttemptSpool) -> Tally:
    """Add up what the manifest says."""
    pages = records = 0
    totals: dict[int, int | None] = {}
    for entry in spool.entries():
        pages += 1
        records += entry.page.count
        part = entry.page.cursor.part
        totals[part] = entry.page.total if totals.get(part) is None else totals[part]
    known = [total for total in totals.values() if total is not None]
    return Tally(pages, records, sum(known) if known and len(known) == len(totals) else None)


def _may_go_on(harvest: Harvest, before: HarvestLog, limit: int | None, now: datetime) -> bool:
    """Whether this attempt's pages are those that a harvest begun now would get."""
    spool = harvest.attempt(before)
    pages = spool.page_count()
    began = before.attempt_began
    if (
        began is None
        or before.status == "SUCCEEDED"
        or before.record_limit != limit
        or pages < before.pages_stored
    ):
        return False
    if spool.end() is not None and (pages == 0 or _falls_short(count(spool))):
        # That a list was empty or short once is no news of today.
        return False
    # Pages from before the window's end lack what the source has published since.
    return now - began < _TOO_OLD and (began >= before.window.end or now < before.window.end)


def _fetch_rest(
    harvest: Harvest, harvester: Harvester, log: HarvestLog, grip: Grip, check: Callable[[], None]
) -> None:
    spool = harvest.attempt(log)
    if spool.end() is not None:
        return
    number = spool.page_count()
    records = count(spool).records
    cursor = spool.entry(number - 1).page.next if number else None
    if number:
        harvest.say(f"{number} pages are there from an earlier run; going on after them")
    if cursor is not None or not number:
        for page in harvester.pages(log.window, cursor):
            # In a transaction of the lease, or a holder that was frozen at a request would wake and put its page
            # between those of the run that goes on with them.
            with grip.begin():
                spool.write_page(number, page)
            number, records = number + 1, records + page.count
            if log.record_limit is not None and records >= log.record_limit:
                break
            check()
    with grip.begin():
        spool.write_end(End(number))


def _falls_short(tally: Tally) -> bool:
    return tally.expected is not None and tally.records < tally.expected


def _refuse_shortfall(log: HarvestLog, tally: Tally) -> None:
    if log.record_limit is not None or not _falls_short(tally):
        return
    message = (
        f"the source says that {log.window} holds {tally.expected} records, and gave {tally.records}. Run again; "
        "if its total is known to be wrong, set trust_total: false in harvester_kwargs."
    )
    raise IncompleteList(message)
