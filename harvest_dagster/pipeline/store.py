"""store: the records of a window into the database, a page and its progress in one transaction (Lesson 6)."""

from __future__ import annotations

from collections.abc import Callable

from harvest_dagster.pipeline.harvest import Harvest
from harvest_dagster.pipeline.lock import Grip
from harvest_dagster.storage import harvest_states, quarantine, raw_data
from harvest_dagster.storage.harvest_logs import Counts, HarvestLog


def store(harvest: Harvest, log: HarvestLog, grip: Grip, check: Callable[[], None]) -> Counts:
    """Store the pages that are not stored yet, in order.

    Args:
        harvest: what is harvested.
        log: the window's log, read anew: `pages_stored` tells where to go on.
        grip: the lease.
        check: called after each page; it raises what ends the harvest.

    Returns:
        what was stored by this call.

    Raises:
        LeaseLost: another run took over; the page at work is not stored.
    """
    spool = harvest.attempt(log)
    stored = Counts()
    for number in range(log.pages_stored, spool.whole_split().pages):
        taken = spool.read_records(number)
        now = harvest.clock()
        with grip.begin() as connection:
            new = raw_data.store(connection, harvest.config_id, taken.records, now)
            quarantine.set_aside(connection, log.id, number, taken.unreadable, now)
            counts = Counts(
                pages=1,
                records=len(taken.records),
                new_identifiers=new.new_identifiers,
                new_data=new.new_data,
                deleted=sum(record.deleted for record in taken.records),
                quarantined=len(taken.unreadable),
            )
            harvest_states.advance(connection, log.id, number, counts)
        stored += counts
        check()
    return stored
