"""The way through one window: asking the source, stretch by stretch, and keeping what comes in the spool.

What is asked next is the ladder's business (`pipeline.ladder`), what it proves the ledger's
(`pipeline.completeness`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from harvest_dagster.errors import CursorRefused, DeadlineExceeded, ProtocolError, SourceError
from harvest_dagster.harvesters.interface import Harvester
from harvest_dagster.pipeline.completeness import Ledger
from harvest_dagster.pipeline.harvest import Harvest
from harvest_dagster.pipeline.ladder import Ask, Ladder
from harvest_dagster.pipeline.lock import Grip
from harvest_dagster.pipeline.walks import Walk
from harvest_dagster.records import Page, Record
from harvest_dagster.spool import AttemptSpool
from harvest_dagster.storage import harvest_progress
from harvest_dagster.storage.harvest_logs import HarvestLog

# So many different datestamps, one after the other, are taken for an order: eight of them come like that by chance in
# one list of 40,000. Where the source gives a total that would show what is missing, two are enough.
_ORDERED, _SURELY_ORDERED = 2, 8


@dataclass(frozen=True)
class Walker:
    """One run at one window.

    Attributes:
        harvest: what is harvested.
        harvester: the way to the source.
        log: the window's log.
        grip: the lease.
        check: called after each page; it raises what ends the harvest.
        ledger: of what came, also by earlier runs.
    """

    harvest: Harvest
    harvester: Harvester
    log: HarvestLog
    grip: Grip
    check: Callable[[], None]
    ledger: Ledger

    def walk(self) -> None:
        """To the window's end, or to the limit.

        Raises:
            SourceError: a list broke, and no rung of the ladder is left.
            DeadlineExceeded: `timeout.harvest` is over.
            LeaseLost: another run took over; the page at work does not count.
        """
        pages = self._recall()
        if self._is_enough():
            return
        ladder = Ladder(self.harvester, self.ledger, self._safe_datestamp)
        try:
            self._climb(ladder, pages)
        except DeadlineExceeded as error:
            if ladder.broken_by is None:
                raise
            message = f"after: {ladder.broken_by} {error}"
            raise DeadlineExceeded(message) from error

    def _climb(self, ladder: Ladder, pages: int) -> None:
        """Stretch by stretch, and rung by rung; so many pages are there already."""
        ask: Ask | None = ladder.now
        while ask is not None:
            walk = self.ledger.begin(ask.stretch)
            try:
                for page in self._pages(walk, ask):
                    self._doubt_position(walk, page, is_repeated=ladder.is_repeated)
                    self._keep(pages, page, ask)
                    pages += 1
                    if self._is_enough():
                        return
                    ladder.page_came()
                    walk.refuse_standstill()
                    self.check()
                walk.end()
                self.ledger.refuse_shortfall(walk)
                ask = self._beyond(ladder, walk)
            except SourceError as error:
                ask = ladder.recover(error)
                self._tell(ask, f"a list broke off after {walk.pages} pages: {error}")

    def _recall(self) -> int:
        """What an earlier run left."""
        count = 0
        for entry in self.spool.entries():
            self.ledger.add(entry)
            count += 1
        if count:
            self.harvest.say(f"{count} pages are there from an earlier run; going on after them")
        return count

    def _pages(self, walk: Walk, ask: Ask) -> Iterator[Page]:
        if walk.ended:
            return iter(())
        if ask.cursor is not None and walk.last is not None and self._is_over(walk.last):
            message = f"the cursor was good until {walk.last.expires}. The list must be begun again."
            raise CursorRefused(message, code="expired")
        singly = self.harvester.one_by_one(walk.window) if ask.singly and ask.cursor is None else None
        return singly if singly is not None else self.harvester.pages(walk.window, ask.cursor)

    def _is_over(self, page: Page) -> bool:
        """Whether the source says that it takes the page's cursor no longer; its clock may not be ours (Lesson 25)."""
        if page.expires is None:
            return False
        ahead = page.source_time - page.received if page.source_time is not None else timedelta()
        return page.received + ahead < page.expires <= self.harvest.clock() + ahead

    def _keep(self, number: int, page: Page, ask: Ask) -> None:
        # Confirmed before and in between, or a holder that was frozen at a request would wake and put its page
        # over those of the run that goes on with them.
        self.grip.confirm()
        self.ledger.add(self.spool.write_page(number, page, ask.stretch, self.grip.confirm))

    def _is_enough(self) -> bool:
        limit = self.log.record_limit
        return limit is not None and self.ledger.records >= limit

    def _beyond(self, ladder: Ladder, walk: Walk) -> Ask | None:
        """What follows a stretch that ended well; at the window's end all must be there."""
        if walk.is_suspect:
            seen = (
                f"a list of {walk.window} ended after {walk.records} records, where sources cut their lists"
            )
            if (ask := ladder.doubt(walk)) is not None:
                self._tell(ask, f"{seen}.")
                return ask
            self.harvest.say(f"{seen}; there may be more, and nothing shorter can be asked for")
        if (ask := ladder.advance()) is None:
            self.ledger.refuse_gaps()
        return ask

    def _tell(self, ask: Ask, what: str) -> None:
        """Say and count a rung of the ladder."""
        self.harvest.say(f"{what} Going on: {ask.why}")
        with self.grip.begin() as connection:
            harvest_progress.recover(connection, self.log.id)

    def _doubt_position(self, walk: Walk, page: Page, *, is_repeated: bool) -> None:
        """Say where the source counts its list otherwise: a page may be lost, or it counts in a way of its own.

        Raises:
            ProtocolError: it had counted as we do, until a page was asked for again: the answer is the page after.
        """
        tally = walk.lists.get(page.cursor.part)
        before = tally.records if tally is not None else 0
        if page.position is None or page.position == before:
            return
        place = f"position {page.position} of its list, after {before} records came"
        if is_repeated and walk.in_step and page.position > before:
            message = (
                f"{page.request.url}: asked again, the source goes on at {place}: its cursors can be used once. "
                "Say so in harvester_kwargs, if the harvester has a word for it."
            )
            raise ProtocolError(message)
        if walk.in_step:  # once, not for each page that follows
            self.harvest.say(f"the source puts this page at {place}")

    def _safe_datestamp(self, walk: Walk) -> datetime | None:
        """The last record's, where all that came of the walk was in the order of its datestamps; else None."""
        steps, last = 0, None
        for stamp in self._datestamps(walk):
            if stamp is None or stamp not in walk.window or (last is not None and stamp < last):
                return None
            steps, last = steps + (stamp != last), stamp
        return last if steps >= (_ORDERED if walk.total is not None else _SURELY_ORDERED) else None

    def _datestamps(self, walk: Walk) -> Iterator[datetime | None]:
        """Of all that came of a walk, in order; None for what has none or cannot be read."""
        for number in walk.entries:
            page = self.spool.read_page(number)
            for piece in self.harvester.records(page, walk.window):
                yield piece.datestamp if isinstance(piece, Record) else None
            self.check()

    @property
    def spool(self) -> AttemptSpool:
        """Where the window's pages are."""
        return self.harvest.attempt(self.log)
