"""The cursor of a sensor that requests failing days again after growing pauses.

The ledger knows each request, also of a run that the preflight refused and that therefore left no harvest log.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timezone

from harvest_dagster.coverage.day_range import DayRange
from harvest_dagster.pipeline.backoff import is_pause_over


@dataclass(frozen=True)
class RetryEntry:
    """The runs that were requested for some days, and after which the days are still due.

    Attributes:
        days: the days.
        tries: the number of requests.
        last_request: the time of the last one.
    """

    days: DayRange
    tries: int
    last_request: datetime


@dataclass
class RetryLedger:
    """The entries of each source, by label."""

    entries: dict[str, list[RetryEntry]] = field(default_factory=dict)

    @classmethod
    def read(cls, cursor: str | None) -> "RetryLedger":
        """Read a sensor's cursor. Return an empty ledger if there is none or if it has another format."""
        try:
            sources = json.loads(cursor or "{}").items()
            return cls({label: [_entry(*row) for row in rows] for label, rows in sources})
        except (ValueError, TypeError, AttributeError):
            return cls()

    def __str__(self) -> str:
        sources = {
            label: [
                [
                    str(entry.days.first),
                    str(entry.days.last),
                    entry.tries,
                    int(entry.last_request.timestamp()),
                ]
                for entry in entries
            ]
            for label, entries in sorted(self.entries.items())
        }
        return json.dumps(sources, separators=(",", ":"))

    def keep(self, due: Mapping[str, Collection[DayRange]]) -> None:
        """Drop the entries that share no day with the due days of their source."""
        kept = {
            label: [
                entry for entry in entries if any(entry.days.overlaps(days) for days in due.get(label, ()))
            ]
            for label, entries in self.entries.items()
        }
        self.entries = {label: entries for label, entries in kept.items() if entries}

    def may_request(self, label: str, days: DayRange, now: datetime, since: datetime | None = None) -> bool:
        """Return whether the pause after the last request for these days is over. Ignore requests before `since`."""
        entry = self._find(label, days, since)
        return entry is None or is_pause_over(now, entry.tries, entry.last_request)

    def record(self, label: str, days: DayRange, now: datetime, since: datetime | None = None) -> int:
        """Record a request and return its number, from 1. Requests before `since` do not count."""
        entry = self._find(label, days, since)
        tries = entry.tries + 1 if entry else 1
        others = [other for other in self.entries.get(label, ()) if not other.days.overlaps(days)]
        self.entries[label] = [*others, RetryEntry(days, tries, now)]
        return tries

    def _find(self, label: str, days: DayRange, since: datetime | None) -> RetryEntry | None:
        """Return the entry with the most tries among those that share a day with these days."""
        entries = [
            entry
            for entry in self.entries.get(label, ())
            if entry.days.overlaps(days) and (since is None or entry.last_request >= since)
        ]
        return max(entries, key=lambda entry: (entry.tries, entry.last_request), default=None)


def _entry(first: str, last: str, tries: int, last_request: int) -> RetryEntry:
    days = DayRange(date.fromisoformat(first), date.fromisoformat(last))
    return RetryEntry(days, int(tries), datetime.fromtimestamp(last_request, timezone.utc))
