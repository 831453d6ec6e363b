"""Build the run requests of the sensors: assets, partitions, run key, priority and tags."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg

from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.coverage.day_range import DayRange
from harvest_dagster.orchestration import sweep_ops
from harvest_dagster.orchestration.asset_keys import KINDS, AssetKeys, Kind, SourceAsset

# With a thousand sources, the daemon takes 2 s to submit a run, and no other sensor runs meanwhile. The next tick
# requests the remaining runs.
RUNS_PER_TICK = 10
# A source with many gaps must not use up the runs of a tick.
RUNS_PER_SOURCE = 2
# A larger number leaves the queue first. Runs that people launch have priority 0, so a daily run does not wait behind
# the fifty runs of a backfill. The runs of the job `reconcile` have a negative priority (`sweep_ops.PRIORITY`).
SCHEDULE, TRANSFORM, REPAIR = 3, 2, 1
# The tag of runs that may take days but are not urgent. dagster.yaml limits how many of them run at the same time.
PAST = "harvest/past"
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
LABEL = "harvest/label"
# The sources of a run that harvests several of them, in place of LABEL.
LABELS = "harvest/labels"


def remaining_runs(requests: int) -> int:
    """Return how many runs a tick may request for the next source, after so many requests for other sources."""
    return min(RUNS_PER_SOURCE, RUNS_PER_TICK - requests)


def harvest_request(
    config: IngestConfig,
    days: DayRange,
    *,
    keys: AssetKeys,
    run_key: str,
    priority: int,
    parameters: Mapping[str, Any] | None = None,
) -> dg.RunRequest:
    """Return the request for one run that harvests some days.

    If the source has a transformer, the same run transforms the days: two runs would need two processes.
    """
    kinds = KINDS if config.transformer is not None else KINDS[:1]
    return run_request(
        config.label, kinds, days, keys=keys, run_key=run_key, priority=priority, parameters=parameters
    )


def run_request(
    label: str,
    kinds: Iterable[Kind],
    days: DayRange,
    *,
    keys: AssetKeys,
    run_key: str,
    priority: int,
    parameters: Mapping[str, Any] | None = None,
) -> dg.RunRequest:
    """Return the request for one run of some days. It has the same tags as a single-run backfill of the UI.

    It selects no asset checks, see `checks.unselected`.

    Args:
        label: the source.
        kinds: the assets of the source: `raw`, `transformed`, or both.
        days: the partitions.
        keys: the keys of the assets.
        run_key: Dagster launches no second run with the same key.
        priority: the priority in the queue.
        parameters: the parameters of the harvest that differ from their defaults.
    """
    tags = {LABEL: label, "dagster/priority": str(priority)}
    if _is_past(days, priority):
        tags[PAST] = "yes"
    assets = [SourceAsset(kind, label) for kind in kinds]
    return _request(assets, days, keys=keys, run_key=run_key, parameters=parameters, tags=tags)


def shared_request(
    configs: Sequence[IngestConfig],
    days: DayRange,
    *,
    keys: AssetKeys,
    run_key: str,
    priority: int,
    parameters: Mapping[str, Any] | None = None,
) -> dg.RunRequest:
    """Return the request for one run that harvests and transforms the same days of several sources.

    Args: see `run_request`. The parameters are those of each source.
    """
    assets = [
        SourceAsset(kind, config.label)
        for config in configs
        for kind in (KINDS if config.transformer is not None else KINDS[:1])
    ]
    labels = ",".join(config.label for config in configs)
    tags = {LABELS: labels, "dagster/priority": str(priority)}
    return _request(assets, days, keys=keys, run_key=run_key, parameters=parameters, tags=tags)


def _request(
    assets: Sequence[SourceAsset],
    days: DayRange,
    *,
    keys: AssetKeys,
    run_key: str,
    parameters: Mapping[str, Any] | None,
    tags: Mapping[str, str],
) -> dg.RunRequest:
    """Return the request for one run of some days of these assets. The parameters are those of each harvest."""
    harvests = [asset.op for asset in assets if asset.kind == "raw"] if parameters else []
    return dg.RunRequest(
        run_key=run_key,
        asset_selection=[keys.key_of(asset.kind, asset.label) for asset in assets],
        asset_check_keys=[],  # the op finish evaluates the checks: their ops would add a sixth of the run's events
        run_config={"ops": {op: {"config": dict(parameters or {})} for op in harvests}} if harvests else {},
        tags={RANGE_START: str(days.first), RANGE_END: str(days.last), **tags},
    )


def sweep_request(label: str, *, run_key: str) -> dg.RunRequest:
    """Return the request for a run of the job `reconcile`. A sweep may take days, so it has the tag PAST."""
    tags = {LABEL: label, "dagster/priority": str(sweep_ops.PRIORITY), PAST: "yes"}
    return dg.RunRequest(run_key=run_key, run_config={"ingest_config": label}, tags=tags)


def _is_past(days: DayRange, priority: int) -> bool:
    """Return whether a run gets the tag PAST.

    Repairs get it because a failing source is slow. Transforms of several days get it because they are a backlog.
    """
    return priority == REPAIR or (priority == TRANSFORM and days.first < days.last)
