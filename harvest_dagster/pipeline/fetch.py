"""fetch: the pages of one window, as they come, into the spool.

The spool's manifest is the checkpoint: a harvest that broke goes on after the last whole page. What it may not
go on with is begun anew: pages of another limit, pages that are old, a token the source no longer takes.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from harvest_dagster.errors import IncompleteList, SourceRefused, SpoolError
from harvest_dagster.harvesters.interface import Harvester
from harvest_dagster.pipeline.harvest import Harvest
from harvest_dagster.pipeline.lock import Grip
from harvest_dagster.pipeline.unreadable import are_too_many
from harvest_dagster.records import Page
from harvest_dagster.spool import AttemptSpool, End, Stretch
from harvest_dagster.spool.manifest import Tally
from harvest_dagster.storage import harvest_logs, harvest_states
from harvest_dagster.storage.harvest_logs import HarvestLog
from harvest_dagster.windows import Window

_TOO_OLD = timedelta(days=1)  # a list begun longer ago is begun anew: the source has gone on


def limit_left(harvest: Harvest, window: Window) -> int | None:
    """How many records the run may still collect in this window; None where it has no `limit`."""
    if harvest.parameters.limit is None:
        return None
    with harvest.database.read() as connection:
        logs = harvest_logs.of_run(connection, harvest.runner.run_id)
    others = (log for log in logs if log.status != "SPLIT" and log.window != window)
    return max(0, harvest.parameters.limit - sum(log.counts.records for log in others))


def begin(
    harvest: Harvest, window: Window, grip: Grip, *, parent_id: int | None, limit: int | None
) -> HarvestLog:
    """Mark the window's log STARTED, and decide whether the last attempt's pages are gone on with."""
    now = harvest.clock()
    with harvest.database.read() as connection:
        before = harvest_logs.find(connection, harvest.series, window)
        # A run whose fetch is tried again has gone on to its other windows meanwhile: these do not count.
        own = (harvest.runner.run_id,)
        overtaken = before is not None and harvest_logs.overtaken(connection, before, own)
    goes_on = before is not None and not overtaken and _may_go_on(harvest, before, limit, now)
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
        LeaseLost: another run took over; the page at work does not count.
    """
    there = harvest.attempt(log).page_count()
    try:
        end = _fetch_rest(harvest, harvester, log, grip, check)
    except SourceRefused as error:
        if there == 0 or harvest.attempt(log).page_count() > there:
            raise
        harvest.say(
            f"the window is begun anew, since the source refuses to go on after an earlier run: {error}"
        )
        with grip.begin() as connection:
            log = harvest_states.restart(connection, log.id, harvest.clock())
        end = _fetch_rest(harvest, harvester, log, grip, check)
    with grip.begin() as connection:
        harvest_states.expect(connection, log.id, end.expected)
    _refuse_shortfall(log, end)
    return end


def _may_go_on(harvest: Harvest, before: HarvestLog, limit: int | None, now: datetime) -> bool:
    """Whether this attempt's pages are those that a harvest begun now would get."""
    began = before.attempt_began
    if began is None or before.status == "SUCCEEDED" or before.record_limit != limit:
        return False
    if now - began >= _TOO_OLD or began < before.window.end <= now:
        # Pages from before the window's end lack what the source has published since.
        return False
    if are_too_many(before.counts, harvest.config.quarantine):
        return False  # what cannot be read of these pages is no better for being split again
    try:
        return _is_usable(harvest.attempt(before), before, now)
    except SpoolError as error:
        harvest.say(f"{before.window} is begun anew: {error}")
        return False


def _is_usable(spool: AttemptSpool, before: HarvestLog, now: datetime) -> bool:
    pages, end = spool.page_count(), spool.end()
    if pages < before.pages_stored:
        return False
    if end is not None:
        # That a list was empty or short once is no news of today.
        return pages == end.pages > 0 and end.completeness != "short"
    expires = spool.entry(pages - 1).page.expires if pages else None
    return expires is None or now < expires


def _fetch_rest(
    harvest: Harvest, harvester: Harvester, log: HarvestLog, grip: Grip, check: Callable[[], None]
) -> End:
    spool = harvest.attempt(log)
    if (end := spool.end()) is not None:
        return end
    number, lists = 0, dict[int, Tally]()
    last: Page | None = None
    for entry in spool.entries():
        number, last = number + 1, entry.page
        lists[last.cursor.part] = lists.get(last.cursor.part, Tally()).add(last)
    if number:
        harvest.say(f"{number} pages are there from an earlier run; going on after them")
    if last is None or last.next is not None:
        for page in harvester.pages(log.window, last.next if last else None):
            before = lists.get(page.cursor.part, Tally())
            _doubt_position(harvest, page, before)
            # Confirmed before and in between, or a holder that was frozen at a request would wake and put its page
            # over those of the run that goes on with them.
            grip.confirm()
            spool.write_page(number, page, Stretch(0, log.window), grip.confirm)
            number, lists[page.cursor.part] = number + 1, before.add(page)
            if log.record_limit is not None and _records(lists) >= log.record_limit:
                break
            check()
    end = _end(log, number, list(lists.values()))
    grip.confirm()
    spool.write_end(end)
    return end


def _records(lists: dict[int, Tally]) -> int:
    return sum(tally.records for tally in lists.values())


def _doubt_position(harvest: Harvest, page: Page, before: Tally) -> None:
    """Say where the source counts its list otherwise: a page may be lost, or it counts in a way of its own."""
    if page.position is not None and page.position != before.records:
        harvest.say(
            f"the source puts this page at position {page.position} of its list, after {before.records} records came"
        )


def _end(log: HarvestLog, pages: int, lists: list[Tally]) -> End:
    records, totals = sum(tally.records for tally in lists), [tally.total for tally in lists]
    expected = sum(total or 0 for total in totals) if totals and None not in totals else None
    exact = all(tally.total == tally.records for tally in lists)
    verdict = "complete" if exact and lists and log.record_limit is None else "unverified"
    if log.record_limit is None and any(tally.falls_short for tally in lists):
        verdict = "short"
    return End(pages, records, verdict, expected)


def _refuse_shortfall(log: HarvestLog, end: End) -> None:
    if end.completeness != "short":
        return
    message = (
        f"the source says that {log.window} holds {end.expected} records, and gave {end.records}. Run again; "
        "if its total is known to be wrong, set trust_total: false in harvester_kwargs."
    )
    raise IncompleteList(message)
