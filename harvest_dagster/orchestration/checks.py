"""The asset check `complete` of each harvest asset: is every partition harvested, is that proven, what is set aside?

It is evaluated for each partition by itself: by the check's own op at the end of a run, or alone at any time; and
by the ops of the harvest where a run may never come to its end, since a window of it failed. It blocks nothing.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, get_args, get_type_hints

import dagster as dg
from sqlalchemy import Connection

from harvest_dagster import plugins
from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.orchestration.failures import told
from harvest_dagster.orchestration.markdown import MOST_ROWS, table
from harvest_dagster.orchestration.partitions import chosen_window, daily, of_partitions
from harvest_dagster.orchestration.reporting import asset_key
from harvest_dagster.orchestration.resources import Stores
from harvest_dagster.pipeline.harvest import Harvest
from harvest_dagster.pipeline.verdicts import DayVerdict, Whole, verdicts, whole
from harvest_dagster.storage import harvest_logs, ingest_configs
from harvest_dagster.storage.engine import Database
from harvest_dagster.storage.harvest_logs import HarvestLog, Series
from harvest_dagster.storage.tiling import COMPLETE, FAILED, MISSING, STATES, UNVERIFIED
from harvest_dagster.windows import Window, whole_days

CHECK = "complete"
_DESCRIPTION = """\
Is each day harvested to its end, and is that proven?

- **passed**: as many records came as the source itself had announced, and all of them could be read
- **warning**: harvested, but the source gives no total to hold that against, or some records are in quarantine
- **failed**: its harvest failed, or it is not harvested to its end
"""
_MEANS = {
    COMPLETE: "All records came that the source had announced.",
    UNVERIFIED: "Harvested; the source gives no total that would prove that nothing is missing.",
    FAILED: "Its harvest failed.",
    MISSING: "Not harvested to its end.",
}
_LONGEST_ERROR = 300
_MOST_CULPRITS = 10  # in a partition's table, which each day of the window has
_MOST_LOGS = 20
_AT_ONCE = 500  # records of Dagster
# The pointer from an evaluation to a materialization. Dagster has no public name for it (1.13), but this hint.
_Target = get_args(get_type_hints(dg.AssetCheckEvaluation)["target_materialization_data"])[0]


def completeness_check(config: IngestConfig) -> dg.AssetChecksDefinition:
    """The check of one source."""
    label = config.label

    @dg.asset_check(  # type: ignore[arg-type]  # it tells by events, a partition each
        asset=asset_key("raw", label),
        name=CHECK,
        description=_DESCRIPTION,
        partitions_def=daily(config),
    )
    @told
    def complete(
        context: dg.AssetCheckExecutionContext, stores: Stores, catalog: dg.ResourceParam[Catalog]
    ) -> None:
        op_context, config = context.op_execution_context, catalog.get(label)
        if of_partitions(op_context):
            _check_chosen(op_context, stores.database(), config)
        else:
            _tell(op_context, _of_all(label, _read_all(stores.database(), config)))

    made: dg.AssetChecksDefinition = complete
    return made


# Everything is read before anything is told: telling of ten years takes minutes, and PostgreSQL ends a transaction
# in which nothing was asked for one (`connections.IDLE_IN_TRANSACTION`).


def _check_chosen(context: dg.OpExecutionContext, database: Database, config: IngestConfig) -> None:
    window = chosen_window(context)
    with database.read() as connection:
        series = _series(connection, config)
        found = verdicts(connection, series, window) if series else None
    if found is None:
        found = [DayVerdict(day, MISSING) for day in window.days]
    _log(context, config.label, found)
    states = Counter(verdict.state for verdict in found)
    counted = ", ".join(f"{states[state]} {state}" for state in STATES if states[state])
    context.log.info(f"of {len(found)} partitions checked: {counted}")


def _read_all(database: Database, config: IngestConfig) -> Whole:
    with database.read() as connection:
        series = _series(connection, config)
        return whole(connection, series) if series else Whole()


def check_window(context: dg.OpExecutionContext, harvest: Harvest, window: Window) -> None:
    """Evaluate the days of a window in the middle of a run, whose end may never come."""
    if of_partitions(context):
        _log(context, harvest.config.label, _verdicts(context, harvest, window))


def check_done_window(context: dg.OpExecutionContext, harvest: Harvest, window: Window) -> None:
    """The same for a window that is done after another of its run has failed; else the check's own op comes yet.

    Each event costs the run some 10 ms: a range of years is not told twice where all goes well.
    """
    if of_partitions(context) and _failures(harvest):
        check_window(context, harvest, window)


def check_failed_window(context: dg.OpExecutionContext, harvest: Harvest, window: Window) -> None:
    """The same for a window that failed; with the first of a run also what is done: the end will not come."""
    if not of_partitions(context):
        return
    if _failures(harvest) > 1:
        check_window(context, harvest, window)
        return
    days = set(window.days)
    chosen = _verdicts(context, harvest, chosen_window(context))
    _log(context, harvest.config.label, [one for one in chosen if one.day in days or one.is_done])


def _failures(harvest: Harvest) -> int:
    with harvest.database.read() as connection:
        return harvest_logs.failures_of_run(connection, harvest.runner.run_id)


def _verdicts(context: dg.OpExecutionContext, harvest: Harvest, window: Window) -> list[DayVerdict]:
    """On the partitions chosen that a window touches, each as a whole day."""
    days = whole_days(window).intersection(chosen_window(context))
    if days is None:
        return []
    with harvest.database.read() as connection:
        return verdicts(connection, harvest.series, days)


def _series(connection: Connection, config: IngestConfig) -> Series | None:
    """The logs that count for a source; None where it was never harvested."""
    config_id = ingest_configs.find_id(connection, config.label)
    version = plugins.load(plugins.HARVESTERS, config.harvester).VERSION
    return None if config_id is None else Series(config_id, version)


def _log(context: dg.OpExecutionContext, label: str, found: Sequence[DayVerdict]) -> None:
    targets = _targets(context, label, [verdict.day.isoformat() for verdict in found])
    for verdict in found:
        _tell(context, _of_day(label, verdict, targets.get(verdict.day.isoformat())))


def _tell(context: dg.OpExecutionContext, evaluation: dg.AssetCheckEvaluation) -> None:
    # It takes an evaluation, though its annotation does not name it yet (dagster 1.13).
    context.log_event(evaluation)  # type: ignore[arg-type]


def _targets(context: dg.OpExecutionContext, label: str, partitions: Sequence[str]) -> dict[str, Any]:
    """The newest materializations: beside one that it does not point to, Dagster shows a check as missing."""
    kind = dg.DagsterEventType.ASSET_MATERIALIZATION
    newest = context.instance.get_latest_storage_id_by_partition(
        asset_key("raw", label), kind, set(partitions)
    )
    ids = sorted(newest.values())
    found: dict[str, Any] = {}
    for first in range(0, len(ids), _AT_ONCE):
        some = dg.AssetRecordsFilter(asset_key("raw", label), storage_ids=ids[first : first + _AT_ONCE])
        for record in context.instance.fetch_materializations(some, limit=_AT_ONCE).records:
            target = _Target(storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp)
            found[str(record.partition_key)] = target
    return found


def _of_day(label: str, verdict: DayVerdict, target: Any) -> dg.AssetCheckEvaluation:
    aside = f" {verdict.quarantined} records of its window cannot be read." if verdict.quarantined else ""
    failed = [log for log in verdict.logs if log.error] if verdict.state == FAILED else []
    why = f" {_first_line(max(failed, key=lambda log: log.id).error)}" if failed else ""
    return dg.AssetCheckEvaluation(
        asset_key=asset_key("raw", label),
        check_name=CHECK,
        partition=verdict.day.isoformat(),
        passed=verdict.is_good,
        target_materialization_data=target,
        severity=_severity(verdict.is_done),
        description=_MEANS[verdict.state] + why + aside,
        metadata={
            "completeness": verdict.state,
            "quarantined": verdict.quarantined,
            "harvests": dg.MetadataValue.md(_harvests(verdict.logs)),
            **({"quarantine": dg.MetadataValue.md(_quarantine(verdict))} if verdict.culprits else {}),
        },
    )


def _of_all(label: str, found: Whole) -> dg.AssetCheckEvaluation:
    """Where no partitions are chosen: of all the time between the first harvest and the last."""
    parts = found.parts
    states = {part.state for part in parts}
    gaps = sum(part.state in (FAILED, MISSING) for part in parts)
    rows = [(part.window, part.state, ", ".join(map(str, part.log_ids[:_MOST_LOGS]))) for part in parts]
    aside = f" {found.quarantined} records cannot be read." if found.quarantined else ""
    described = f"{gaps} gaps between the first harvest and the last." if parts else "Never harvested."
    return dg.AssetCheckEvaluation(
        asset_key=asset_key("raw", label),
        check_name=CHECK,
        passed=states == {COMPLETE} and not found.quarantined,
        severity=_severity(bool(parts) and not gaps),
        description=described + aside,
        metadata={
            "gaps": gaps,
            "quarantined": found.quarantined,
            "coverage": dg.MetadataValue.md(table(("from, until", "state", "logs"), rows[:MOST_ROWS])),
        },
    )


def _severity(is_done: bool) -> dg.AssetCheckSeverity:
    return dg.AssetCheckSeverity.WARN if is_done else dg.AssetCheckSeverity.ERROR


def _harvests(logs: Sequence[HarvestLog]) -> str:
    """The windows that the day lies in, with the source's total and what came."""
    names = ("window", "status", "completeness", "expected", "records", "quarantined", "log", "error")
    rows = [
        (
            log.window,
            log.status,
            log.completeness or "",
            "" if log.expected is None else log.expected,
            log.counts.records,
            log.counts.quarantined,
            log.id,
            _first_line(log.error),
        )
        for log in logs[:MOST_ROWS]
    ]
    return table(names, rows)


def _quarantine(verdict: DayVerdict) -> str:
    rows = [
        (culprit.identifier or "", culprit.page, culprit.error[:_LONGEST_ERROR], culprit.harvest_log_id)
        for culprit in verdict.culprits[:_MOST_CULPRITS]
    ]
    return table(("identifier", "page", "error", "log"), rows)


def _first_line(error: str | None) -> str:
    return (error or "").strip().partition("\n")[0][:_LONGEST_ERROR]
