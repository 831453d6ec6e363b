"""The cursor of a sensor that serves the scheduled times of many sources: no time is lost, and none is served twice."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timezone

from harvest_dagster.catalog.cron import last_scheduled_time
from harvest_dagster.orchestration.sensors.cursor_digest import digest, join_digests, split_digests


@dataclass(frozen=True)
class ScheduleCursor:
    """The cursor of a sensor that works at scheduled times: which times it has served.

    If the cursor does not contain a source, the last scheduled time of the source is unserved. So a new source, a
    source that was disabled, and a source whose plug-in could not be loaded are served late, not never.

    Attributes:
        until: the time of the last tick.
        served: digests of the labels of the sources that had no unserved time at `until`.
        requested: by label of a source that is partly served: the scheduled time, and the oldest day that was
            requested for it. The newest days are requested first.
    """

    until: datetime
    served: frozenset[str] = frozenset()
    requested: Mapping[str, tuple[datetime, date]] = field(default_factory=dict)

    @classmethod
    def read(cls, cursor: str | None, now: datetime) -> "ScheduleCursor":
        """Parse a sensor's cursor. If it is missing or has another format, return a cursor without served sources."""
        try:
            fields = json.loads(cursor or "")
            requested = {
                label: (_instant(time), date.fromisoformat(oldest))
                for label, (time, oldest) in fields["left"].items()
            }
            parsed = cls(_instant(fields["until"]), split_digests(fields["served"]), requested)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
            return cls(now)
        # If the clock was ahead at the last tick, `until` is in the future. The schedule must not stop until then. Run
        # keys prevent that the same days are requested twice.
        return parsed if parsed.until <= now else cls(now)

    def __str__(self) -> str:
        fields = {
            "until": int(self.until.timestamp()),
            "served": join_digests(self.served),
            # The name that the first release gave to `requested`.
            "left": {
                label: [int(time.timestamp()), str(oldest)]
                for label, (time, oldest) in sorted(self.requested.items())
            },
        }
        return json.dumps(fields, separators=(",", ":"))

    def unserved_time(self, label: str, expression: str, now: datetime) -> datetime | None:
        """Return the last scheduled time of a source if it is not served, else None.

        Args:
            label: the source.
            expression: its cron expression.
            now: the time of the tick.

        Raises:
            ValueError: the expression is not valid.
        """
        last = last_scheduled_time(expression, now)
        is_served = digest(label) in self.served and last <= self.until
        return None if is_served else last

    def advance(self, now: datetime, times: Mapping[str, datetime | None]) -> "ScheduleCursor":
        """Return the cursor for a tick.

        Args:
            now: the time of the tick.
            times: by label, the unserved time of each source; None if the source has none.
        """
        requested = {label: found for label, found in self.requested.items() if found[0] == times.get(label)}
        return ScheduleCursor(now, frozenset(digest(label) for label in times if not times[label]), requested)

    def add_request(self, label: str, time: datetime, oldest: date) -> "ScheduleCursor":
        """Return the cursor after a request for the days of a source from `oldest` on."""
        return replace(self, requested={**self.requested, label: (time, oldest)})

    def add_served(self, label: str) -> "ScheduleCursor":
        """Return the cursor after the scheduled time of a source was served."""
        requested = {other: found for other, found in self.requested.items() if other != label}
        return replace(self, served=self.served | {digest(label)}, requested=requested)


def _instant(timestamp: int) -> datetime:
    return datetime.fromtimestamp(timestamp, timezone.utc)
