"""What is asked next: the stretch after the last one, or, where a list broke, the next rung of the ladder.

The rungs, from the cheapest to the dearest: the same page once more; a new list from the last safe datestamp; the
stretch halved; its records one by one; the window from its start, once. What came stays: it is stored in the order in
which it came, so that the newest list has the last word. Nothing here asks the source for a page (`pipeline.walker`
does) or counts records (`pipeline.completeness`). Why these rungs, and what bounds them: docs/decisions/0013.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from itertools import pairwise

from harvest_dagster.errors import CursorRefused, IncompleteList, SourceError
from harvest_dagster.harvesters.interface import Harvester
from harvest_dagster.pipeline.breaks import is_permanent, may_be_one_record, may_pass
from harvest_dagster.pipeline.completeness import Ledger
from harvest_dagster.pipeline.walks import Walk
from harvest_dagster.records import Cursor
from harvest_dagster.spool import Stretch
from harvest_dagster.windows import Window

MOST_RECOVERIES = 100  # by one run, for one window
_MOST_IN_A_ROW = 4  # without a page in between; then the source is down, or every page is bad
_CUT = 0.9  # of its total: a list with less was cut off, one with more lost something on its way
_ROUND = 1_000  # a short list of round length was cut off, too
_ROOM = 4  # a stretch of so many times fewer records than broke a list may be followed by one twice as long
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Ask:
    """What is to be asked of the source.

    Attributes:
        stretch: of the window.
        cursor: where its list goes on; None for its first page.
        singly: its records are asked for one by one.
        why: what it does about a list that broke, for people.
    """

    stretch: Stretch
    cursor: Cursor | None = None
    singly: bool = False
    why: str = ""


_Rung = Callable[[Walk], Ask | None]


class Ladder:
    """The way through one window, for one run.

    Args:
        harvester: says what its source can be asked.
        ledger: of what came; it may hold the pages of an earlier run.
        safe_datestamp: of a walk that broke: from which datestamp on a new list leaves no gap, None for none.
    """

    def __init__(
        self, harvester: Harvester, ledger: Ledger, safe_datestamp: Callable[[Walk], datetime | None]
    ) -> None:
        self._harvester = harvester
        self._ledger = ledger
        self._safe_datestamp = safe_datestamp
        self._now = self._first()
        self._recoveries = 0
        self._in_a_row = 0
        self._came = False  # whether a page has come in this run
        self._repeated = False  # whether the page at work was asked for again
        self._anew = False  # whether the window was begun anew
        self._cap: int | None = None  # where the source cut a list
        self._slipped: list[IncompleteList] = []  # of lists that were not cut
        self._is_ordered = True  # as far as is known: lists that seemed so lacked nothing in the end
        self.broken_by: SourceError | None = None  # the last one; for people

    @property
    def now(self) -> Ask:
        """What is to be asked now; of a run that begins, where the last one broke off."""
        return self._now

    @property
    def is_repeated(self) -> bool:
        """Whether the page that is due was asked for before, and did not come."""
        return self._repeated

    def advance(self) -> Ask | None:
        """What follows a stretch that is done; None after the window's end."""
        window, walk = self._ledger.window, self._ledger.walks[-1]
        start = walk.window.end
        if start >= window.end:
            return None
        length = walk.window.length * (2 if self._has_room(walk) else 1)
        end = max(self._floor(start + length), self._floor(start) + self._harvester.smallest)
        return self._ask(Window(start, min(end, window.end)))

    def page_came(self) -> None:
        """The source goes on: patience begins anew."""
        self._came, self._repeated, self._in_a_row = True, False, 0

    def recover(self, error: SourceError) -> Ask:
        """The next rung, after the list at work broke.

        Raises:
            SourceError: the same; it is of no use, or no rung is left.
        """
        walk = self._ledger.walks[-1]
        self.broken_by = error
        self._recoveries += 1
        self._in_a_row += 1
        if self._recoveries > MOST_RECOVERIES or is_permanent(error, deep=walk.pages > 0):
            raise error
        rungs = (
            self._after_shortfall(error) if isinstance(error, IncompleteList) else self._after_break(error)
        )
        for rung in rungs:
            # A rung may ask the source what it can tell apart (`smallest`). If it does not say, the list broke all
            # the same for the first reason, and the next rung may do without.
            with suppress(SourceError):
                if (ask := rung(walk)) is not None:
                    return ask
        raise error

    def doubt(self, walk: Walk) -> Ask | None:
        """What to ask where a list ended at a length at which sources cut them; None where nothing shorter is left."""
        self._recoveries += 1
        if self._recoveries > MOST_RECOVERIES:
            return None
        return self._from_last_datestamp(walk) or self._half(walk)

    def _after_break(self, error: SourceError) -> Iterator[_Rung]:
        if self._in_a_row <= _MOST_IN_A_ROW:
            if may_pass(error):
                yield self._same_page
            yield self._from_last_datestamp
            if isinstance(error, CursorRefused) and not self._came:
                # It expired between two runs, which says nothing of the list's length.
                yield self._same_stretch
            if not self._anew:
                yield self._half
        if may_be_one_record(error):
            yield self._one_by_one
        if self._in_a_row <= _MOST_IN_A_ROW:
            yield self._from_start

    def _after_shortfall(self, error: IncompleteList) -> Iterator[_Rung]:
        """Of a list that was cut off, the rest. Of another one all of it again; if that differs, halves; then no more.

        A total that is simply wrong thus costs two harvests and a half.
        """
        if error.stretch == self._now.stretch.number and self._is_cut(error):
            # What came may be of several lists; the shortest that was cut tells where they are.
            self._cap = min(error.came, self._cap or error.came)
            yield self._from_last_datestamp
            yield self._half
            return
        if error.stretch != self._now.stretch.number:
            # What is missing may lie before the datestamp from which a new list was begun.
            self._is_ordered = False
        self._slipped.append(error)
        if len(self._slipped) == 1:
            yield self._same_stretch_as(error)
        first, last = self._slipped[0], self._slipped[-1]
        if len(self._slipped) == 2 and (first.announced, first.came) != (last.announced, last.came):  # noqa: PLR2004
            yield self._half

    def _same_stretch_as(self, error: IncompleteList) -> _Rung:
        """What fell short may be an earlier stretch than the one at work."""
        short = next(walk for walk in self._ledger.walks if walk.stretch.number == error.stretch)
        return lambda _: self._same_stretch(short)

    def _is_cut(self, error: IncompleteList) -> bool:
        if self._cap is not None and error.came < _CUT * self._cap:
            return False
        if error.came == self._cap:
            return True  # that its total is just above the cap is chance
        return error.came < _CUT * error.announced or (error.came > 0 and error.came % _ROUND == 0)

    def _same_page(self, walk: Walk) -> Ask | None:
        is_first = walk.next is None or walk.next.token is None
        if self._repeated or not (is_first or self._harvester.repeatable):
            return None
        self._repeated = True
        self._now = replace(self._now, cursor=walk.next, why="the same page is asked for once more")
        return self._now

    def _from_last_datestamp(self, walk: Walk) -> Ask | None:
        # Of several lists, those that follow the broken one would lack what lies before the datestamp.
        if self._harvester.parts != 1 or not self._is_ordered or walk.pages == 0:
            return None
        if (safe := self._safe_datestamp(walk)) is None:
            return None
        start = self._floor(safe)
        if not walk.window.start < start < walk.window.end:
            return None
        return self._ask(Window(start, walk.window.end), "a new list from the last safe datestamp on")

    def _half(self, walk: Walk) -> Ask | None:
        start, end = walk.window.start, walk.window.end
        middle = self._floor(start + walk.window.length / 2)
        if middle <= start:
            middle = self._floor(start) + self._harvester.smallest
        return self._ask(Window(start, middle), "the first half of it") if middle < end else None

    def _one_by_one(self, walk: Walk) -> Ask | None:
        if self._now.singly or self._harvester.one_by_one(walk.window) is None:
            return None
        return self._ask(walk.window, "its records one by one", singly=True)

    def _same_stretch(self, walk: Walk) -> Ask | None:
        return self._ask(walk.window, "a new list of all of it")

    def _from_start(self, walk: Walk) -> Ask | None:
        if self._anew or (walk.pages == 0 and walk.window == self._ledger.window):
            return None
        self._anew = True
        return self._ask(self._ledger.window, "all of the window, from its start")

    def _first(self) -> Ask:
        if not self._ledger.walks:
            return Ask(Stretch(0, self._ledger.window))
        walk = self._ledger.walks[-1]
        return Ask(walk.stretch, walk.next, singly=walk.next is not None and walk.next.singly)

    def _ask(self, window: Window, why: str = "", *, singly: bool = False) -> Ask:
        number = self._ledger.walks[-1].stretch.number + 1
        self._now = Ask(Stretch(number, window), None, singly, f"{why}: {window}" if why else "")
        self._repeated = False
        return self._now

    def _has_room(self, walk: Walk) -> bool:
        """Whether the next stretch may be longer: this one gave far fewer records than those that broke."""
        walks = self._ledger.walks
        broken = [
            before.records for before, after in pairwise(walks) if after.window.start < before.window.end
        ]
        return all(walk.records * _ROOM <= records for records in broken)

    def _floor(self, instant: datetime) -> datetime:
        """On the grid of what the source can tell apart."""
        unit = self._harvester.smallest
        return _EPOCH + (instant - _EPOCH) // unit * unit
