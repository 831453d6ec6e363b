"""What the lists of a window gave, against what the source announced: complete, short, or nobody knows.

All of it follows from the manifest, so that a harvest that was killed knows again what came before. What is done
about a list that is short is `pipeline.ladder`; why it is judged like this, docs/decisions/0013.
"""

from __future__ import annotations

from harvest_dagster.errors import IncompleteList
from harvest_dagster.pipeline.sightings import Sightings
from harvest_dagster.pipeline.walks import Tally, Walk
from harvest_dagster.spool import Entry, Stretch
from harvest_dagster.windows import Window, subtract


class Ledger:
    """The walks of a window, in order.

    Args:
        window: all of it.
        sightings: where identifiers are noted.
        parts: how many lists a walk has, None where that is not known.
    """

    def __init__(self, window: Window, sightings: Sightings, parts: int | None = None) -> None:
        self.window = window
        self.walks: list[Walk] = []
        self._sightings = sightings
        self._parts = parts
        self._lists = 0

    @property
    def records(self) -> int:
        """How many came, those counted again that came again."""
        return sum(walk.records for walk in self.walks)

    @property
    def identifiers(self) -> int | None:
        """How many different ones came; None where the harvester gives none."""
        lists = [tally for walk in self.walks for tally in walk.lists.values()]
        if lists and not any(tally.distinct for tally in lists) and self.records:
            return None
        return self._came(lists)

    @property
    def expected(self) -> int | None:
        """The source's own total of the window; None where it gives none, or not of all of it."""
        for walk in reversed(self.walks):
            if walk.window == self.window and walk.total is not None:
                return walk.total
        tiles = self._tiles()
        totals = [walk.total for walk in tiles if walk.total is not None]
        return sum(totals) if tiles and len(totals) == len(tiles) else None

    def begin(self, stretch: Stretch) -> Walk:
        """The walk of a stretch: the one at work, or a new one."""
        if not self.walks or self.walks[-1].stretch != stretch:
            self.walks.append(Walk(stretch))
        return self.walks[-1]

    def add(self, entry: Entry) -> None:
        """Count a page."""
        walk, part = self.begin(entry.stretch), entry.page.cursor.part
        if part not in walk.lists:
            walk.lists[part] = Tally(self._lists)
            self._lists += 1
        new = self._sightings.add(walk.lists[part].number, entry.fingerprints)
        walk.note(entry, new)

    def refuse_shortfall(self, walk: Walk) -> None:
        """Refuse a walk that ended before its totals were reached, by itself and with all others of its time.

        Raises:
            IncompleteList: with both numbers.
        """
        short = [
            (tally.total, came)
            for part, tally in walk.lists.items()
            if tally.total is not None and (came := self._came_within(walk, part)) < tally.total
        ]
        if short:
            announced, came = (sum(numbers) for numbers in zip(*short, strict=True))
            message = (
                f"the source says that {walk.window} holds {announced} records, and gave {came}. Run again; "
                "if its total is known to be wrong, set trust_total: false in harvester_kwargs."
            )
            raise IncompleteList(message, stretch=walk.stretch.number, announced=announced, came=came)

    def refuse_gaps(self) -> None:
        """Refuse a window of which a list that was given up had announced more than came in its place.

        What a later list of the same time, or of more, proved to be all of it takes the older total's place.

        Raises:
            IncompleteList: with both numbers.
        """
        for place, walk in enumerate(self.walks):
            later = self.walks[place + 1 :]
            if not any(other.is_proven and other.window.encloses(walk.window) for other in later):
                self.refuse_shortfall(walk)

    def verdict(self) -> str:
        """`complete` or `unverified`, of a window without shortfalls.

        Complete is what proven walks tile without a gap, and what gave together all that the source had announced
        of the whole window.
        """
        proven = [walk.window for walk in self.walks if walk.is_proven]
        if not any(subtract(self.window, proven)) or any(map(self._is_reached, self.walks)):
            return "complete"
        return "unverified"

    def _is_reached(self, walk: Walk) -> bool:
        """Whether all that was announced of the window came, in this walk or later: of a list that was given up."""
        told = walk.total is not None and (walk.ended or self._parts == len(walk.lists))
        if not told or walk.window != self.window or (walk.is_suspect and walk is self.walks[-1]):
            return False
        return all(
            not tally.unnamed and self._came_within(walk, part) == tally.total
            for part, tally in walk.lists.items()
        )

    def _came_within(self, walk: Walk, part: int) -> int:
        """How many different records of a list came by this walk, and by all others of no more than its time."""
        if walk.ended and walk.lists[part].unnamed:
            return walk.lists[part].came
        within = [other for other in self.walks if walk.window.encloses(other.window)]
        return self._came([other.lists[part] for other in within if part in other.lists])

    def _came(self, lists: list[Tally]) -> int:
        if len(lists) <= 1:
            return sum(tally.came for tally in lists)
        unnamed = sum(tally.unnamed for tally in lists)
        return unnamed + self._sightings.distinct([tally.number for tally in lists])

    def _tiles(self) -> list[Walk]:
        """The walks that ended and lie side by side, the newest of each place, where they fill the window."""
        tiles: list[Walk] = []
        for walk in self.walks:
            if walk.ended:
                tiles = [other for other in tiles if other.window.end <= walk.window.start]
                tiles.append(walk)
        return [] if any(subtract(self.window, [walk.window for walk in tiles])) else tiles
