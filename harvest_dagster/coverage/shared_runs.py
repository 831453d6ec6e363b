"""Which due sources one run harvests together, so that they share the cost of the start of a run.

The sources of a run work one after the other. So only sources whose last harvest succeeded within a minute share a run:
one that fails, is slow, or was never harvested has a run of its own (docs/decisions/0088).
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.coverage.due_days import DueDays
from harvest_dagster.storage.harvest_log.newest_ends import NewestEnd

# Seconds that the harvest of a source in a shared run may take, by what its last harvest took.
LONGEST_HARVEST = 60.0
# More days are a backlog, or a long lookback.
MOST_DAYS = 31

_Item = TypeVar("_Item")


def may_share_run(config: IngestConfig, due: DueDays, last: NewestEnd | None) -> bool:
    """Return whether a source may share a run with others.

    Args:
        config: the source.
        due: the days to harvest.
        last: the end of its last harvest; None if there is none.
    """
    if not config.selective or config.hours is not None or len(due.days) > MOST_DAYS:
        return False
    return last is not None and last.status == "SUCCEEDED" and _estimate(due, last) <= LONGEST_HARVEST


def _estimate(due: DueDays, last: NewestEnd) -> float:
    """Return how many seconds the harvest takes if each day takes as long as in the last one."""
    if last.date_started is None:
        return float("inf")
    seconds = (last.date_completed - last.date_started).total_seconds()
    days = max(1, last.window.length.days)
    return seconds * max(1.0, len(due.days) / days)


@dataclass
class RunGroups(Generic[_Item]):
    """Divides items into runs of a limited size. Items share a run only if their keys are equal.

    Attributes:
        size: the largest number of items of a run.
        groups: the groups, in the order of their first items.
    """

    size: int
    groups: list[tuple[_Item, ...]] = field(default_factory=list)
    _open: dict[Hashable, int] = field(default_factory=dict)

    def has_place(self, key: Hashable) -> bool:
        """Return whether a group with this key takes another item, so that no new group is needed."""
        return key in self._open

    def add(self, key: Hashable, item: _Item) -> None:
        """Add an item to the group with this key that is not full, or to a new one."""
        if key not in self._open:
            self._open[key] = len(self.groups)
            self.groups.append(())
        place = self._open[key]
        self.groups[place] = (*self.groups[place], item)
        if len(self.groups[place]) >= self.size:
            del self._open[key]
