"""store: the records of a window into the database, a page and its progress in one transaction (Lesson 6).

What cannot be read is set aside in the same transaction, and cleared by the one that stores a good version of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from harvest_dagster.pipeline import unreadable
from harvest_dagster.pipeline.harvest import Harvest
from harvest_dagster.pipeline.lock import Grip
from harvest_dagster.pipeline.strays import StrayCounter
from harvest_dagster.spool import Taken
from harvest_dagster.storage import harvest_logs, harvest_progress, quarantine, raw_data
from harvest_dagster.storage.harvest_logs import Counts, HarvestLog, Strays

_REMEMBERED = (
    10_000  # identifiers in quarantine, about a megabyte; of more, the database is asked for each page
)


@dataclass(frozen=True)
class Stored:
    """What a call of `store` stored."""

    counts: Counts
    strays: Strays


def store(harvest: Harvest, log: HarvestLog, grip: Grip, check: Callable[[], None]) -> Stored:
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
        TooManyUnreadable: all that can be read is stored nevertheless (docs/decisions/0015).
    """
    spool = harvest.attempt(log)
    held, strays = _Held.of(harvest), StrayCounter(log.window)
    stored = Counts()
    for number in range(log.pages_stored, spool.whole_split().pages):
        taken = spool.read_records(number)
        page_strays = strays.count(taken.records)
        with grip.begin() as connection:
            counts = _store_page(connection, harvest, log, number, taken)
            held.clear(connection, taken)
            harvest_progress.advance(connection, log.id, number, counts, page_strays)
        stored += counts
        strays.add(page_strays)
        if unreadable.are_hopeless(log.counts + stored):
            break
        check()
    if told := str(strays):
        harvest.say(told)
    _judge(harvest, log.id, grip)
    return Stored(stored, strays.counted)


def _store_page(
    connection: Connection, harvest: Harvest, log: HarvestLog, number: int, taken: Taken
) -> Counts:
    now = harvest.clock()
    new = raw_data.store(connection, harvest.config_id, taken.records, now)
    quarantine.set_aside(connection, log, number, taken.unreadable, now)
    return Counts(
        pages=1,
        records=len(taken.records),
        new_identifiers=new.new_identifiers,
        new_data=new.new_data,
        deleted=sum(record.deleted for record in taken.records),
        quarantined=len(taken.unreadable),
    )


def _judge(harvest: Harvest, log_id: int, grip: Grip) -> None:
    """Bring the quarantine up to date with the list that was stored, and fail where too much of it is there."""
    bounds = harvest.config.quarantine
    with grip.begin() as connection:
        log = harvest_logs.get(connection, log_id)
        if not unreadable.are_hopeless(log.counts):
            quarantine.drop_outdated(connection, log)
        culprits = quarantine.of_logs(connection, [log_id], unreadable.NAMED)
    if unreadable.are_too_many(log.counts, bounds):
        raise unreadable.too_many(log, bounds, culprits)


@dataclass
class _Held:
    """What of a config is in quarantine, so that pages without any of it cost no statement.

    Attributes:
        identifiers: None where there are too many to remember.
    """

    config_id: int
    identifiers: set[str] | None

    @classmethod
    def of(cls, harvest: Harvest) -> _Held:
        with harvest.database.read() as connection:
            found = quarantine.identifiers(connection, harvest.config_id, _REMEMBERED)
        return cls(harvest.config_id, found)

    def clear(self, connection: Connection, taken: Taken) -> None:
        """Clear what a page brings a good version of; a record that is both on one page stays set aside, too."""
        bad = {piece.identifier for piece in taken.unreadable if piece.identifier is not None}
        came = {record.identifier for record in taken.records} - bad
        good = came if self.identifiers is None else came & self.identifiers
        if good:
            quarantine.clear(connection, self.config_id, sorted(good))
        if self.identifiers is not None:
            self.identifiers |= bad
            if len(self.identifiers) > _REMEMBERED:
                self.identifiers = None
