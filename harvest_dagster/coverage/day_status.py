"""The state of each day of a source, with its logs and its quarantined records. It only reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timezone

from sqlalchemy import Connection

from harvest_dagster.coverage.intervals import (
    FAILED,
    MISSING,
    UNVERIFIED,
    CoverageInterval,
    coverage_intervals,
    intervals_by_day,
    log_intervals,
)
from harvest_dagster.storage.harvest_log import quarantine, queries
from harvest_dagster.storage.harvest_log.quarantine import QuarantinedRecord
from harvest_dagster.storage.harvest_log.queries import HarvestLog, LogScope
from harvest_dagster.storage.tables import EVIDENCE
from harvest_dagster.windows import Window

_ALL_TIME = Window(datetime(1, 1, 2, tzinfo=timezone.utc), datetime(9999, 12, 30, tzinfo=timezone.utc))
_MOST_QUARANTINED_RECORDS = 400  # of all days together


@dataclass(frozen=True)
class DayStatus:
    """What is known about one day.

    Attributes:
        day: the day in UTC.
        state: one of `coverage.intervals.STATES`: the worst state of the day.
        logs: all logs whose windows touch the day.
        covering: those of them that cause the state.
        quarantined: the number of quarantined records of those logs.
        quarantined_records: the first of them.
    """

    day: date
    state: str
    logs: tuple[HarvestLog, ...] = ()
    covering: tuple[HarvestLog, ...] = ()
    quarantined: int = 0
    quarantined_records: tuple[QuarantinedRecord, ...] = ()

    @property
    def is_harvested(self) -> bool:
        """Whether the day is harvested, proven or not."""
        return self.state not in (FAILED, MISSING)

    @property
    def evidence(self) -> tuple[str, ...]:
        """Why the day is complete, one of `tables.EVIDENCE` for each window; empty if it is not harvested."""
        found = {log.evidence or "none" for log in self.covering} if self.is_harvested else set()
        return tuple(kind for kind in EVIDENCE if kind in found)

    @property
    def doubts(self) -> tuple[str, ...]:
        """What a person should look at, or why a harvest that succeeded does not count yet."""
        logs = self.covering if self.is_harvested else self.logs
        return _doubts(logs)

    @property
    def is_uncontradicted(self) -> bool:
        """Whether the day is harvested and there is nothing to look at."""
        return self.is_harvested and not self.quarantined and not self.doubts


def day_statuses(connection: Connection, scope: LogScope, window: Window) -> list[DayStatus]:
    """Return the status of each day that `window` touches, in order."""
    logs, digest = queries.find_overlapping(connection, scope, window), scope.arguments_digest
    quarantined = quarantine.count_by_log(connection, [log.id for log in logs])
    records = _quarantined_records_by_log(connection, list(quarantined))
    by_day = _logs_by_day(logs, window)
    return [
        _day_status(day, interval, by_day.get(day, ()), quarantined, records)
        for day, interval in intervals_by_day(coverage_intervals(window, log_intervals(logs, digest))).items()
    ]


def _quarantined_records_by_log(
    connection: Connection, log_ids: Sequence[int]
) -> dict[int, list[QuarantinedRecord]]:
    found: dict[int, list[QuarantinedRecord]] = {}
    if log_ids:
        for record in quarantine.find_by_logs(connection, log_ids, _MOST_QUARANTINED_RECORDS):
            found.setdefault(record.harvest_log_id, []).append(record)
    return found


def _day_status(
    day: date,
    interval: CoverageInterval,
    logs: Sequence[HarvestLog],
    quarantined: Mapping[int, int],
    records: Mapping[int, Sequence[QuarantinedRecord]],
) -> DayStatus:
    return DayStatus(
        day,
        interval.state,
        tuple(logs),
        tuple(log for log in logs if log.id in interval.log_ids),
        quarantined=sum(quarantined.get(log.id, 0) for log in logs),
        quarantined_records=tuple(record for log in logs for record in records.get(log.id, ())),
    )


def _logs_by_day(logs: Iterable[HarvestLog], window: Window) -> dict[date, list[HarvestLog]]:
    found: dict[date, list[HarvestLog]] = {}
    for log in logs:
        shared = log.window.intersection(window)
        for day in shared.days if shared is not None else ():
            found.setdefault(day, []).append(log)
    return found


@dataclass(frozen=True)
class SourceIntervals:
    """The coverage of a source from the start of its first harvest to the end of its last.

    Attributes:
        intervals: they cover that time exactly; none without a harvest.
        quarantined: the number of quarantined records of the source.
        doubts: what a person should look at although the windows are harvested.
    """

    intervals: tuple[CoverageInterval, ...] = ()
    quarantined: int = 0
    doubts: tuple[str, ...] = ()


def source_intervals(connection: Connection, scope: LogScope) -> SourceIntervals:
    """Return the coverage of a source from its first harvest to its last."""
    logs = queries.find_overlapping(connection, scope, _ALL_TIME)
    intervals = log_intervals(logs, scope.arguments_digest)
    if not intervals:
        return SourceIntervals()
    start = min(interval.window.start for interval in intervals)
    end = max(interval.window.end for interval in intervals)
    covered = coverage_intervals(Window(start, end), intervals)
    covering = {log_id for interval in covered if interval.state == UNVERIFIED for log_id in interval.log_ids}
    doubts = _doubts(log for log in logs if log.id in covering)
    return SourceIntervals(tuple(covered), quarantine.count_records(connection, scope), doubts)


def _doubts(logs: Iterable[HarvestLog]) -> tuple[str, ...]:
    """Return the doubts of the logs that have one, including those about recovered lists."""
    return tuple(doubt for log in logs if (doubt := log.doubt or _recovery_doubt(log)))


def _recovery_doubt(log: HarvestLog) -> str | None:
    """Return the doubt about a list that broke and was continued in another way, unless the evidence settles it."""
    if log.status != "SUCCEEDED" or not log.counts.recoveries or log.evidence != "none":
        return None
    return f"a list of {log.window} broke and was continued in another way, and no total proves the result"
