"""The state of the comparison of a source with the stored records: when it ran, what differs, and what is a problem.

The comparison is a sweep (the job `reconcile`), or the last snapshot of a source with `selective: false`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

from harvest_dagster.catalog.cron import last_scheduled_time, next_scheduled_time
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.storage.deletions.absences import NO_ABSENCES, AbsenceCounts
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.storage.sweeps import Findings, Sweep
from harvest_dagster.texts import NO_ERROR, first_line
from harvest_dagster.windows import format_instant

# The levels of problems, the most severe one first.
ERROR, WARNING, NONE = "error", "warning", "none"
# A sweep that waits in the queue, or in which a repair takes its time, is not late.
_LATE_TIMES = 2


@dataclass(frozen=True)
class SweepStatus:
    """The state of the comparison of one source.

    Attributes:
        config: the source.
        config_id: its primary key; 0 if it was never harvested.
        last: the newest sweep that has ended; None if there was none.
        active: the newest sweep, if it has not ended.
        snapshot: the log of the newest snapshot; None if the source can be asked by date, or was never harvested.
        counts: its absent records and held deletions.
        next_time: the next scheduled time of a sweep; None without `reconcile`.
        is_late: whether two scheduled times have passed without a sweep.
    """

    config: IngestConfig
    config_id: int = 0
    last: Sweep | None = None
    active: Sweep | None = None
    snapshot: HarvestLog | None = None
    counts: AbsenceCounts = NO_ABSENCES
    next_time: datetime | None = None
    is_late: bool = False

    @property
    def was_compared(self) -> bool:
        """Whether a sweep has ended, or a snapshot has succeeded."""
        return self.last is not None or self.snapshot is not None

    @property
    def last_list(self) -> Sweep | HarvestLog | None:
        """The newer one of the last sweep and the last snapshot."""
        if self.last is None or self.snapshot is None:
            return self.last or self.snapshot
        snapshot_ended = self.snapshot.date_completed
        return self.snapshot if snapshot_ended and snapshot_ended > _end_of(self.last) else self.last

    @property
    def last_time(self) -> datetime | None:
        """When the last sweep or snapshot ended."""
        last = self.last_list
        return _end_of(last) if isinstance(last, Sweep) else last.date_completed if last else None

    @property
    def unrepaired(self) -> int:
        """The number of records that the last sweep found missing or changed and did not correct, if it succeeded."""
        if self.last is None or self.last.status != "SUCCEEDED":
            return 0
        found = self.last.findings
        return max(0, found.missing + found.changed - found.repaired)

    @property
    def problem(self) -> str:
        """ERROR if deletions are held or records are missing; WARNING if nothing proves the opposite; or NONE."""
        if self.counts.held or self.unrepaired:
            return ERROR
        return WARNING if self.is_late or not (self.last is None or _is_conclusive(self.last)) else NONE

    @property
    def differs(self) -> bool:
        """Whether deletions are held, or records are missing after the last sweep."""
        return self.problem == ERROR

    @property
    def result(self) -> str | None:
        """The result of the last sweep or snapshot in a few words; None if there was none."""
        last = self.last_list
        if last is None:
            return None
        if isinstance(last, Sweep) and last.status != "SUCCEEDED":
            return last.status.lower()
        if last.completeness != "complete":
            return "unverified"
        return f"{self.unrepaired} missing" if isinstance(last, Sweep) and self.unrepaired else "complete"


def find_sweep_status(
    config: IngestConfig,
    now: datetime,
    *,
    config_id: int = 0,
    last: Sweep | None = None,
    active: Sweep | None = None,
    snapshot: HarvestLog | None = None,
    counts: AbsenceCounts = NO_ABSENCES,
    configured_since: datetime | None = None,
) -> SweepStatus:
    """Return the state of the comparison of a source.

    Args:
        config: the source.
        now: the time.
        config_id: its primary key.
        last: its newest sweep that has ended.
        active: its newest sweep that has not ended.
        snapshot: the log of its newest snapshot that has succeeded.
        counts: its absent records and held deletions.
        configured_since: since when the database knows the present value of `reconcile`; None if it does not.
    """
    status = SweepStatus(config, config_id, last, active, snapshot, counts)
    if config.reconcile is None or config.disabled:
        return status
    next_time = next_scheduled_time(config.reconcile, now)
    starts = [time for time in (configured_since, last.date_started if last else None) if time is not None]
    since = max(starts, default=None)
    is_late = (
        active is None and since is not None and _times_since(config.reconcile, since, now) >= _LATE_TIMES
    )
    return replace(status, next_time=next_time, is_late=is_late)


def describe_sweep(status: SweepStatus) -> str:
    """Return what is wrong, and what the last comparison found, in one or more sentences."""
    sentences = [*sweep_problems(status), *sweep_findings(status)]
    return " ".join(sentences) if sentences else "never compared"


def sweep_problems(status: SweepStatus) -> Iterator[str]:
    """Yield a sentence for each problem."""
    last = status.last
    if status.counts.held:
        yield _held_sentence(status)
    if status.unrepaired:
        yield f"{_records(status.unrepaired)} still missing or outdated after the last sweep."
    if last is not None and last.status == "FAILED":
        yield f"The last sweep failed: {first_line(last.error or '') or NO_ERROR}"
    if last is not None and last.status == "CANCELLED":
        yield "The last sweep was cancelled. The next one continues there."
    if last is not None and last.status == "SUCCEEDED" and not _is_conclusive(last):
        doubt = f": {last.doubt}" if last.doubt else ""
        yield f"Nothing proves that the lists of the last sweep were complete{doubt}."
    if status.is_late:
        begin = f"no sweep since {_shown(last.date_started)}" if last else "never compared"
        yield f"{begin}, although two scheduled times have passed."


def _held_sentence(status: SweepStatus) -> str:
    held, absent, most = status.counts.held, status.counts.absent, status.config.deletions.most
    bound = (
        f"`deletions.most.count` permits {most.count:,}"
        if absent > most.count
        else f"`deletions.most.share` permits {most.share:.3g} of the current ones"
    )
    deletions = "1 deletion is" if held == 1 else f"{held:,} deletions are"
    records = "record is" if absent == 1 else "records are"
    return (
        f"{deletions} held: {absent:,} live {records} absent from the last list, and {bound}. If the source has really "
        f"removed them, run `harvest deletions approve {status.config.label}`."
    )


def sweep_findings(status: SweepStatus) -> Iterator[str]:
    """Yield what the last sweep or snapshot found, in one sentence; nothing if there was none, or if it failed."""
    last, time = status.last_list, status.last_time
    if last is None or time is None:
        return
    if isinstance(last, Sweep):
        if last.status == "SUCCEEDED":
            yield f"The last sweep ended at {_shown(time)}, {last.completeness}: {_counts(last.findings)}."
            if not last.is_complete and last.has_all_stored:
                yield "The source gives no totals, but its lists contain each stored record."
            if not last.lists_everything:
                yield "The source lists only its newest records, so a sweep cannot show which ones it has removed."
    else:
        yield (
            f"The last snapshot ended at {_shown(time)}, {last.completeness}: {last.counts.records:,} records; "
            f"{status.counts.absent:,} stored ones are absent."
        )


def _counts(found: Findings) -> str:
    counts = {
        "listed": found.listed,
        "stored": found.known,
        "missing": found.missing,
        "changed": found.changed,
        "gone": found.gone,
        "duplicates": found.duplicates,
        "with other sets": found.sets_differ,
        "repaired": found.repaired,
        "quarantined": found.quarantined,
        "deleted": found.deleted,
        "held": found.held,
    }
    always = ("listed", "stored", "missing", "changed", "gone")
    return ", ".join(f"{number:,} {name}" for name, number in counts.items() if number or name in always)


def _is_conclusive(last: Sweep) -> bool:
    """Return whether nothing is open after a sweep: its lists are proven, or they contain each stored record."""
    return last.status == "SUCCEEDED" and (last.is_complete or last.has_all_stored)


def _shown(time: datetime) -> str:
    return format_instant(time.replace(microsecond=0))


def _records(number: int) -> str:
    return "1 record is" if number == 1 else f"{number:,} records are"


def _end_of(sweep: Sweep) -> datetime:
    return sweep.date_completed or sweep.date_started


def _times_since(expression: str, since: datetime, now: datetime) -> int:
    """Return the number of scheduled times since an instant, at most two."""
    last = last_scheduled_time(expression, now)
    times = (last, last_scheduled_time(expression, last - datetime.resolution))
    return sum(time > since for time in islice(times, _LATE_TIMES))
