"""Decide whether the evidence suffices to delete a record, and whether a list shows too many as removed.

The functions are pure. docs/deletions.md explains the rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from harvest_dagster.catalog.schema import Deletions, MostDeletions

ListKind = Literal["snapshot", "sweep"]


@dataclass(frozen=True)
class Requirement:
    """What suffices to delete a record that a complete list does not contain.

    Attributes:
        evidence: the evidence that the lists give: `absent_once` or `absent_twice`.
        until: records that are absent since this instant or earlier have it.
        may_ask: whether the source's own answer that a record does not exist suffices, too.
    """

    evidence: str
    until: datetime
    may_ask: bool


def find_requirement(deletions: Deletions, kind: ListKind, began: datetime) -> Requirement | None:
    """Return what suffices after a complete list; None if nothing is concluded from lists.

    Args:
        deletions: the settings of the source.
        kind: a snapshot, or a sweep.
        began: when the list began.
    """
    if deletions.by == "protocol":
        return None
    if deletions.by == "snapshot" and not deletions.wait:
        return Requirement("absent_once", began, may_ask=False)
    # Without a wait, `reconcile` still needs a second list, or the answer of the source.
    wait = max(deletions.wait, timedelta.resolution)
    return Requirement("absent_twice", began - wait, deletions.by == "reconcile" and kind == "sweep")


def find_exceeded_bound(absent: int, live: int, most: MostDeletions) -> str | None:
    """Return the bound that a list exceeds, as a clause; None if it exceeds none.

    Args:
        absent: number of live records that the list does not contain.
        live: number of live records that were stored before the list began, with these.
        most: the bounds of the source.
    """
    if absent > most.count:
        return f"more than {most.count:,} (`deletions.most.count`)"
    if absent > most.share * live:
        return f"more than {most.share:.3g} of {live:,} current records (`deletions.most.share`)"
    return None
