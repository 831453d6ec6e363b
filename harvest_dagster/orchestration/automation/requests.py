"""Runs that sensors ask for, and those that are under way."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import dagster as dg

from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.orchestration.reporting import asset_key
from harvest_dagster.pipeline.calendar import Days
from harvest_dagster.windows import DAY

# With a thousand sources the daemon takes 2 s to submit a run, and the other sensors wait; the rest comes with the
# next tick.
RUNS_PER_TICK = 10
# Above what people launch (0): a backfill of ten years in fifty runs keeps no daily run waiting in the queue.
SCHEDULE, TRANSFORM, REPAIR = 3, 2, 1
# The tag of what may take days and can wait: dagster.yaml keeps it from having all places in the queue.
PAST = "harvest/past"

_UNFINISHED = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)
_FIRST, _LAST = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
_PARTITION, _SENSOR = "dagster/partition", "dagster/sensor_name"
# The last day of all has no end.
_ALWAYS = Days(date.min, date.max - DAY)
# The job of all assets; those of other code locations have other names.
_ASSET_JOB = "__ASSET_JOB"
# A source with many stretches that fail leaves room for the others.
RUNS_OF_A_SOURCE = 2


def room(asked: Sequence[dg.RunRequest]) -> int:
    """How many runs of one source a tick may ask for, after these."""
    return min(RUNS_OF_A_SOURCE, RUNS_PER_TICK - len(asked))


def harvest(
    source: IngestConfig, days: Days, *, key: str, priority: int, config: Mapping[str, Any] | None = None
) -> dg.RunRequest:
    """A harvest of some days, and their transform beside it where there is one: one process, not two."""
    kinds = ["raw"] if source.transformer is None else ["raw", "transformed"]
    return request(source.label, kinds, days, key=key, priority=priority, config=config)


def request(
    label: str,
    kinds: Iterable[str],
    days: Days,
    *,
    key: str,
    priority: int,
    config: Mapping[str, Any] | None = None,
) -> dg.RunRequest:
    """One run of some days of a source, as the UI launches a backfill in a single run.

    Args:
        label: of the source.
        kinds: which of its assets, raw or transformed.
        days: its partitions.
        key: no second run is launched for it.
        priority: in the queue.
        config: parameters of the harvest.
    """
    return dg.RunRequest(
        run_key=key,
        asset_selection=[asset_key(kind, label) for kind in kinds],
        run_config={"ops": {f"raw__{label}": {"config": dict(config)}}} if config else {},
        tags={
            _FIRST: str(days.first),
            _LAST: str(days.last),
            "harvest/label": label,
            "dagster/priority": str(priority),
            **({PAST: "yes"} if _is_past(days, priority) else {}),
        },
    )


def _is_past(days: Days, priority: int) -> bool:
    """Repairs, even of a day: a source that keeps failing is slow. And the transforms of a backlog."""
    return priority == REPAIR or (priority == TRANSFORM and days.first < days.last)


@dataclass
class UnderWay:
    """The runs that wait or are at work.

    Attributes:
        days: theirs, by kind and label of the asset; `None` stands for runs of all assets.
        sensors: by which sensor the runs of a source were asked for.
    """

    days: dict[tuple[str, str] | None, list[Days]] = field(default_factory=dict)
    sensors: set[tuple[str, str]] = field(default_factory=set)

    @classmethod
    def look(cls, instance: dg.DagsterInstance) -> "UnderWay":
        """In one query, however many there are."""
        found = cls()
        for run in instance.get_runs(dg.RunsFilter(statuses=list(_UNFINISHED))):
            found._add(run)
        return found

    def _add(self, run: dg.DagsterRun) -> None:
        days = _days_of(run.tags)
        for key in run.asset_selection or ():
            kind, label = key.path[0], key.path[-1]
            self.days.setdefault((kind, label), []).append(days or _ALWAYS)
            if sensor := run.tags.get(_SENSOR):
                self.sensors.add((sensor, label))
        if days is not None and _is_of_all_assets(run):
            self.days.setdefault(None, []).append(days)

    def of(self, kind: str, label: str) -> list[Days]:
        """The days of an asset that some run wants or has at work."""
        return [*self.days.get((kind, label), ()), *self.days.get(None, ())]

    def is_at_work(self, sensor: str, label: str) -> bool:
        """Whether a run of this source, asked for by this sensor, is not over."""
        return (sensor, label) in self.sensors


def _is_of_all_assets(run: dg.DagsterRun) -> bool:
    """Not one of checks only, nor another job's whose partitions are days, too."""
    is_part = run.asset_selection or run.asset_check_selection
    return run.job_name.startswith(_ASSET_JOB) and not is_part


def _days_of(tags: Mapping[str, str]) -> Days | None:
    """A run's partitions; None where it has none, or ones that are no days."""
    first = tags.get(_FIRST) or tags.get(_PARTITION)
    last = tags.get(_LAST) or tags.get(_PARTITION)
    try:
        return Days(date.fromisoformat(first or ""), date.fromisoformat(last or ""))
    except ValueError:
        return None
