"""What a sensor has asked for already: its cursor, so that what goes on failing is asked for later and later."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timezone

from harvest_dagster.pipeline.calendar import Days
from harvest_dagster.pipeline.preflight import pause


@dataclass(frozen=True)
class Asked:
    """A run that was asked for.

    Attributes:
        days: of these days.
        tries: so many were, this one included, without any of it being done.
        at: when.
    """

    days: Days
    tries: int
    at: datetime


@dataclass
class Ledger:
    """What was asked for of each source and is not known to be done, by its label."""

    asked: dict[str, list[Asked]] = field(default_factory=dict)

    @classmethod
    def read(cls, cursor: str | None) -> "Ledger":
        """From a sensor's cursor; an empty one where there is none, or somebody set it to something else."""
        try:
            entries = json.loads(cursor or "{}").items()
            return cls({label: [_asked(*row) for row in rows] for label, rows in entries})
        except (ValueError, TypeError, AttributeError):
            return cls()

    def __str__(self) -> str:
        rows = {
            label: [
                [str(one.days.first), str(one.days.last), one.tries, int(one.at.timestamp())]
                for one in entries
            ]
            for label, entries in sorted(self.asked.items())
        }
        return json.dumps(rows, separators=(",", ":"))

    def keep(self, wanted: Mapping[str, Collection[Days]]) -> None:
        """Forget what is done: whatever shares no day with what is wanted."""
        kept = {
            label: [one for one in entries if any(one.days.overlaps(days) for days in wanted.get(label, ()))]
            for label, entries in self.asked.items()
        }
        self.asked = {label: entries for label, entries in kept.items() if entries}

    def find(self, label: str, days: Days, since: datetime | None = None) -> Asked | None:
        """What was asked for of these days, the most tries; what was asked before `since` left out."""
        found = [
            one
            for one in self.asked.get(label, ())
            if one.days.overlaps(days) and (since is None or one.at >= since)
        ]
        return max(found, key=lambda one: (one.tries, one.at), default=None)

    def note(self, label: str, asked: Asked) -> None:
        """Note a request, in place of earlier ones of the same days."""
        others = [one for one in self.asked.get(label, ()) if not one.days.overlaps(asked.days)]
        self.asked[label] = [*others, asked]


def may_ask(now: datetime, tries: Iterable[tuple[int, datetime]]) -> bool:
    """Whether the pause after these tries is over: an hour, doubled by each, a day at most.

    Args:
        now: the time.
        tries: how many there were, and when the last was; from several records, each of which must allow it.
    """
    return all(count == 0 or now >= last + pause(count - 1) for count, last in tries)


def _asked(first: str, last: str, tries: int, at: int) -> Asked:
    days = Days(date.fromisoformat(first), date.fromisoformat(last))
    return Asked(days, int(tries), datetime.fromtimestamp(at, timezone.utc))
