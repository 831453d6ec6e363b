"""The runs that are queued or in progress, by the assets and days that they process."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import dagster as dg

from harvest_dagster.coverage.day_range import DayRange
from harvest_dagster.orchestration.asset_keys import KINDS, AssetKeys, Kind, SourceAsset
from harvest_dagster.orchestration.ops import EVERY_OP
from harvest_dagster.orchestration.sensors.run_requests import LABEL, RANGE_END, RANGE_START
from harvest_dagster.orchestration.sweep_ops import JOB as SWEEP_JOB
from harvest_dagster.windows import DAY

_UNFINISHED = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)
_PARTITION, _SENSOR = "dagster/partition", "dagster/sensor_name"
# `date.max` itself has no end that a datetime can hold.
_ALL_DAYS = DayRange(date.min, date.max - DAY)
# Dagster's job of all assets. The jobs of other code locations have other names.
_ASSET_JOB = "__ASSET_JOB"


_STEP_ENDS = {
    dg.DagsterEventType.STEP_SUCCESS,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.STEP_SKIPPED,
}


@dataclass
class ActiveRuns:
    """The runs that are queued or in progress.

    Attributes:
        days: the days that they process, by asset. The key None stands for runs of all assets.
        sensors: pairs of a sensor's name and a source's label. The sensor has requested a run of the source.
        swept: the labels of the sources that a run of the job `reconcile` compares.
    """

    days: dict[SourceAsset | None, list[DayRange]] = field(default_factory=dict)
    sensors: set[tuple[str, str]] = field(default_factory=set)
    swept: set[str] = field(default_factory=set)

    @classmethod
    def read(
        cls, instance: dg.DagsterInstance, keys: AssetKeys, repository: dg.RepositoryDefinition | None = None
    ) -> "ActiveRuns":
        """Read all of them in one query.

        Args:
            instance: the instance.
            keys: the keys of the assets of sources.
            repository: the definitions, for runs of jobs that users define over the assets.
        """
        active = cls()
        for run in instance.get_runs(dg.RunsFilter(statuses=list(_UNFINISHED))):
            if run.job_name == SWEEP_JOB and (label := label_of_sweep(run)):
                active.swept.add(label)
            selected = run.asset_selection or _assets_of_job(run, repository)
            assets = [asset for key in selected if (asset := keys.find_source(key))]
            active._add(run, _without_ended(instance, run, assets))
        return active

    def _add(self, run: dg.DagsterRun, assets: Iterable[SourceAsset]) -> None:
        days = days_of_run(run.tags)
        for asset in assets:
            self.days.setdefault(asset, []).append(days or _ALL_DAYS)
            if sensor := run.tags.get(_SENSOR):
                self.sensors.add((sensor, asset.label))
        if days is not None and _selects_all_assets(run):
            self.days.setdefault(None, []).append(days)

    def days_of(self, kind: Kind, label: str) -> list[DayRange]:
        """Return the days of an asset that an active run processes or will process."""
        return [*self.days.get(SourceAsset(kind, label), ()), *self.days.get(None, ())]

    def has_any_run(self, label: str) -> bool:
        """Return whether a run of this source is active, for any days and of any kind."""
        return label in self.swept or any(self.days_of(kind, label) for kind in KINDS)

    def has_run_of(self, sensor: str, label: str) -> bool:
        """Return whether a run of this source that this sensor requested is active."""
        return (sensor, label) in self.sensors


def _without_ended(
    instance: dg.DagsterInstance, run: dg.DagsterRun, assets: Sequence[SourceAsset]
) -> Sequence[SourceAsset]:
    """Leave out the sources with which a run of several sources is done. The others may take hours."""
    if run.status != dg.DagsterRunStatus.STARTED or len({asset.label for asset in assets}) == 1:
        return assets
    ended = {entry.step_key for entry in instance.all_logs(run.run_id, of_type=_STEP_ENDS)}
    return [asset for asset in assets if not ended.intersection((asset.op, f"{asset.op}.{EVERY_OP[-1]}"))]


def label_of_sweep(run: dg.DagsterRun) -> str | None:
    """Return the source of a run of the job `reconcile`. A run that waits in the queue has no tag of our ops yet."""
    label = run.tags.get(LABEL) or run.run_config.get("ingest_config")
    return label if isinstance(label, str) else None


def _assets_of_job(run: dg.DagsterRun, repository: dg.RepositoryDefinition | None) -> Collection[dg.AssetKey]:
    """Return the assets of a job of `define_asset_job`. Dagster records no selection for a run of it."""
    if repository is None or run.asset_check_selection or run.job_name.startswith(_ASSET_JOB):
        return ()
    if not repository.has_job(run.job_name):
        return ()  # a job of another code location
    return repository.get_job(run.job_name).asset_layer.selected_asset_keys


def _selects_all_assets(run: dg.DagsterRun) -> bool:
    """Return whether a run processes all assets. A run of checks only, or of a job with daily partitions, does not."""
    has_selection = run.asset_selection or run.asset_check_selection
    return run.job_name.startswith(_ASSET_JOB) and not has_selection


def days_of_run(tags: Mapping[str, str]) -> DayRange | None:
    """Return the partitions of a run, or None if it has none or if they are not days."""
    first = tags.get(RANGE_START) or tags.get(_PARTITION)
    last = tags.get(RANGE_END) or tags.get(_PARTITION)
    try:
        return DayRange(date.fromisoformat(first or ""), date.fromisoformat(last or ""))
    except ValueError:
        return None
