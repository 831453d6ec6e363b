"""How well the days of a source are harvested, and what of them is set aside. Reads, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timezone

from sqlalchemy import Connection

from harvest_dagster.storage import harvest_logs, quarantine
from harvest_dagster.storage.harvest_logs import HarvestLog, Series
from harvest_dagster.storage.quarantine import Quarantined
from harvest_dagster.storage.tiling import COMPLETE, FAILED, MISSING, Part, by_day, claims, tile
from harvest_dagster.windows import Window

_ALWAYS = Window(datetime(1, 1, 2, tzinfo=timezone.utc), datetime(9999, 12, 30, tzinfo=timezone.utc))
_MOST_CULPRITS = 400  # of all days together


@dataclass(frozen=True)
class DayVerdict:
    """What is known of one day.

    Attributes:
        day: in UTC.
        state: `storage.tiling.STATES`; that of its worst hour.
        logs: all that share something with the day.
        quarantined: how much is set aside of their windows.
        culprits: the first of that.
    """

    day: date
    state: str
    logs: tuple[HarvestLog, ...] = ()
    quarantined: int = 0
    culprits: tuple[Quarantined, ...] = ()

    @property
    def is_good(self) -> bool:
        """Whether all that the source has of the day is proven to be stored."""
        return self.state == COMPLETE and not self.quarantined

    @property
    def is_done(self) -> bool:
        """Whether the day is harvested, proven or not."""
        return self.state not in (FAILED, MISSING)


def verdicts(connection: Connection, series: Series, window: Window) -> list[DayVerdict]:
    """A verdict on each day that `window` touches, in order."""
    logs = harvest_logs.overlapping(connection, series, window)
    aside = quarantine.count_by_log(connection, [log.id for log in logs])
    of_log = _culprits_by_log(connection, list(aside))
    of_day = _logs_by_day(logs, window)
    return [
        _verdict(day, part.state, of_day.get(day, ()), aside, of_log)
        for day, part in by_day(tile(window, claims(logs))).items()
    ]


def _culprits_by_log(connection: Connection, log_ids: Sequence[int]) -> dict[int, list[Quarantined]]:
    found: dict[int, list[Quarantined]] = {}
    for culprit in quarantine.of_logs(connection, log_ids, _MOST_CULPRITS) if log_ids else ():
        found.setdefault(culprit.harvest_log_id, []).append(culprit)
    return found


def _verdict(
    day: date,
    state: str,
    logs: Sequence[HarvestLog],
    aside: Mapping[int, int],
    of_log: Mapping[int, Sequence[Quarantined]],
) -> DayVerdict:
    return DayVerdict(
        day,
        state,
        tuple(logs),
        quarantined=sum(aside.get(log.id, 0) for log in logs),
        culprits=tuple(culprit for log in logs for culprit in of_log.get(log.id, ())),
    )


@dataclass(frozen=True)
class Whole:
    """What is known of a source over all of the time that was ever asked for.

    Attributes:
        parts: of the time between the first harvest and the last; none where there was no harvest.
        quarantined: how much is set aside of all its windows.
    """

    parts: tuple[Part, ...] = ()
    quarantined: int = 0


def whole(connection: Connection, series: Series) -> Whole:
    """The states of all the time between the first harvest and the last, and what is set aside of it."""
    logs = harvest_logs.overlapping(connection, series, _ALWAYS)
    said = claims(logs)
    if not said:
        return Whole()
    hull = Window(min(one.window.start for one in said), max(one.window.end for one in said))
    return Whole(tuple(tile(hull, said)), quarantine.count(connection, series))


def _logs_by_day(logs: Iterable[HarvestLog], window: Window) -> dict[date, list[HarvestLog]]:
    found: dict[date, list[HarvestLog]] = {}
    for log in logs:
        shared = log.window.intersection(window)
        for day in shared.days if shared is not None else ():
            found.setdefault(day, []).append(log)
    return found
