"""The asset check `complete` of each harvest asset: is each partition harvested, why, and what should people look at?

Each partition has its own evaluation. At the end of a run, the op of the check evaluates all partitions of the run. It
can also run alone, at any time. If a window fails, Dagster skips that op; the ops of the harvest then evaluate the
partitions. The check blocks no downstream asset.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from datetime import date
from typing import Any, get_args, get_type_hints

import dagster as dg
from sqlalchemy import Connection

from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.coverage.day_status import DayStatus, SourceIntervals, day_statuses, source_intervals
from harvest_dagster.coverage.intervals import FAILED, MISSING, STATES
from harvest_dagster.coverage.scopes import log_scope
from harvest_dagster.orchestration.asset_keys import AssetKeys
from harvest_dagster.orchestration.op_templates import build_check, catalog_of, stores_of
from harvest_dagster.orchestration.partitions import daily, has_partitions, partition_window
from harvest_dagster.orchestration.reports.error_reporting import report_errors
from harvest_dagster.orchestration.reports.failed_partitions import observe_failed_days
from harvest_dagster.orchestration.reports.markdown import MAX_TABLE_ROWS, table
from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.storage import ingest_configs
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log import queries
from harvest_dagster.storage.harvest_log.queries import HarvestLog, LogScope
from harvest_dagster.texts import first_line
from harvest_dagster.windows import Window, whole_day, whole_days

CHECK = "complete"
_DESCRIPTION = """\
Is each day harvested to its end? The evidence says why the day is complete:

- `total`: the source delivered as many records as it had announced
- `single_response`: the list came whole, in one response
- `reconciled`: a later comparison of all identifiers found the same ones
- `none`: nothing contradicts it, and nothing proves it

The check has one of three results:

- **passed**: harvested, and nothing contradicts the result
- **warning**: harvested, but look at it: records are quarantined, or there is a doubt
- **failed**: the harvest failed, or the day is not harvested to its end
"""
_SENTENCES = {FAILED: "The harvest failed.", MISSING: "Not harvested to its end."}
_EVIDENCE = {
    "total": "the source delivered as many records as it had announced",
    "single_response": "the list came whole, in one response",
    "reconciled": "a later comparison of all identifiers found the same ones",
    "none": "nothing contradicts it, and the source gave no total that proves it",
}
_LONGEST_ERROR = 300
_MOST_QUARANTINED = 10  # rows in the table of a partition; each day of a window has the same table
_MOST_LOGS = 20
_MOST_DOUBTS = 5
_RECORDS_PER_QUERY = 500
# The class that points from an evaluation to a materialization. Dagster 1.13 makes it public only in this hint.
_Target = get_args(get_type_hints(dg.AssetCheckEvaluation)["target_materialization_data"])[0]


def completeness_check(config: IngestConfig, keys: AssetKeys) -> dg.AssetChecksDefinition:
    """Return the check of one source."""
    label, key = config.label, keys.key_of("raw", config.label)

    @report_errors
    def complete(context: dg.AssetCheckExecutionContext) -> dg.Output[None]:
        op_context, config = context.op_execution_context, catalog_of(context).get(label)
        database = stores_of(context).database()
        if has_partitions(op_context):
            _check_partitions(op_context, key, database, config)
        else:
            _log_evaluation(op_context, _source_evaluation(key, _read_source(database, config)))
        return dg.Output(None)

    return build_check(key, CHECK, _DESCRIPTION, complete, daily(config))


# Each function reads everything before it logs: logging ten years takes minutes, and PostgreSQL ends a transaction that
# sends no statement for one minute (`connections.IDLE_IN_TRANSACTION`).


def _check_partitions(
    context: dg.OpExecutionContext, key: dg.AssetKey, database: Database, config: IngestConfig
) -> None:
    window = partition_window(context)
    with database.read() as connection:
        scope = _log_scope(connection, config)
        statuses = day_statuses(connection, scope, window) if scope else None
    if statuses is None:
        statuses = [DayStatus(day, MISSING) for day in window.days]
    _log_days(context, key, statuses)
    counts = Counter(status.state for status in statuses)
    states = ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])
    context.log.debug(f"{len(statuses)} partitions checked: {states}")


def _read_source(database: Database, config: IngestConfig) -> SourceIntervals:
    with database.read() as connection:
        scope = _log_scope(connection, config)
        return source_intervals(connection, scope) if scope else SourceIntervals()


def check_window(context: dg.OpExecutionContext, harvest: HarvestContext, window: Window) -> None:
    """Evaluate the partitions of a window from within a harvest run."""
    if has_partitions(context):
        _log_days(context, context.asset_key, _window_statuses(context, harvest, window))


def check_days(
    context: dg.OpExecutionContext, harvest: HarvestContext, key: dg.AssetKey, days: AbstractSet[date]
) -> None:
    """Evaluate those of some days that are partitions, from within a run of a job without partitions."""
    partitions = set(daily(harvest.config).get_partition_keys())
    wanted = {day for day in days if day.isoformat() in partitions}
    if wanted:
        window = Window(whole_day(min(wanted)).start, whole_day(max(wanted)).end)
        with harvest.run.database.read() as connection:
            found = day_statuses(connection, harvest.scope, window)
        _log_days(context, key, [status for status in found if status.day in wanted])


def check_done_window(context: dg.OpExecutionContext, harvest: HarvestContext, window: Window) -> None:
    """Evaluate a harvested window if another window of the run has failed, because the check's own op is then skipped.

    If no window has failed, do nothing: an event costs 10 ms, and the check's own op evaluates all partitions.
    """
    if has_partitions(context) and _count_failures(harvest):
        check_window(context, harvest, window)


def check_failed_window(context: dg.OpExecutionContext, harvest: HarvestContext, window: Window) -> None:
    """Evaluate a failed window, and show the reason on the pages of its partitions.

    For the first failure of a run, also evaluate the partitions that are harvested.
    """
    if not has_partitions(context):
        return
    is_first = _count_failures(harvest) <= 1
    statuses = _window_statuses(context, harvest, partition_window(context) if is_first else window)
    days = set(window.days)
    evaluated = [status for status in statuses if status.day in days or status.is_harvested]
    _log_days(context, context.asset_key, evaluated)
    observe_failed_days(context, context.asset_key, [status for status in evaluated if status.day in days])


def _count_failures(harvest: HarvestContext) -> int:
    with harvest.run.database.read() as connection:
        return queries.count_failed_windows(connection, harvest.config_id, harvest.run.id)


def _window_statuses(
    context: dg.OpExecutionContext, harvest: HarvestContext, window: Window
) -> list[DayStatus]:
    """Return the statuses of the run's partitions that a window touches, each as a whole day."""
    days = whole_days(window).intersection(partition_window(context))
    if days is None:
        return []
    with harvest.run.database.read() as connection:
        return day_statuses(connection, harvest.scope, days)


def _log_scope(connection: Connection, config: IngestConfig) -> LogScope | None:
    """Return the scope of the source's current logs, or None if it was never harvested."""
    config_id = ingest_configs.find_id(connection, config.label)
    return None if config_id is None else log_scope(config, config_id)


def _log_days(context: dg.OpExecutionContext, key: dg.AssetKey, statuses: Sequence[DayStatus]) -> None:
    targets = _newest_materializations(context, key, [status.day.isoformat() for status in statuses])
    for status in statuses:
        _log_evaluation(context, _day_evaluation(key, status, targets.get(status.day.isoformat())))


def _log_evaluation(context: dg.OpExecutionContext, evaluation: dg.AssetCheckEvaluation) -> None:
    # `log_event` accepts an evaluation, but its annotation does not name it (Dagster 1.13).
    context.log_event(evaluation)  # type: ignore[arg-type]


def _newest_materializations(
    context: dg.OpExecutionContext, key: dg.AssetKey, partitions: Sequence[str]
) -> dict[str, Any]:
    """Return the newest materialization of each partition. The UI shows an evaluation of an older one as missing."""
    kind = dg.DagsterEventType.ASSET_MATERIALIZATION
    newest = context.instance.get_latest_storage_id_by_partition(key, kind, set(partitions))
    ids = sorted(newest.values())
    targets: dict[str, Any] = {}
    for first in range(0, len(ids), _RECORDS_PER_QUERY):
        page = dg.AssetRecordsFilter(key, storage_ids=ids[first : first + _RECORDS_PER_QUERY])
        for record in context.instance.fetch_materializations(page, limit=_RECORDS_PER_QUERY).records:
            target = _Target(storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp)
            targets[str(record.partition_key)] = target
    return targets


def _day_evaluation(key: dg.AssetKey, status: DayStatus, target: Any) -> dg.AssetCheckEvaluation:
    metadata: dict[str, Any] = {
        "completeness": status.state,
        "evidence": ", ".join(status.evidence),
        "quarantined": status.quarantined,
        "harvests": dg.MetadataValue.md(_harvest_table(status.logs)),
    }
    if status.quarantined_records:
        metadata["quarantine"] = dg.MetadataValue.md(_quarantine_table(status))
    return dg.AssetCheckEvaluation(
        asset_key=key,
        check_name=CHECK,
        partition=status.day.isoformat(),
        passed=status.is_uncontradicted,
        target_materialization_data=target,
        severity=_severity(status.is_harvested),
        description=" ".join(_sentences(status)),
        metadata=metadata,
    )


def _sentences(status: DayStatus) -> Iterator[str]:
    if status.is_harvested:
        reasons = "; ".join(f"{_EVIDENCE[kind]} (evidence: {kind})" for kind in status.evidence)
        yield f"Harvested; {reasons}."
    else:
        yield _SENTENCES[status.state]
    if reason := failure_reason(status):
        yield reason
    if status.quarantined:
        yield f"{status.quarantined} invalid records of its window are quarantined."
    yield from map(_doubt_sentence, status.doubts)


def _doubt_sentence(doubt: str) -> str:
    return f"There is a doubt: {doubt.rstrip('.')}."


def failure_reason(status: DayStatus) -> str:
    """Return the first line of the newest error of a failed day; an empty text for other days."""
    failed = [log for log in status.logs if log.error] if status.state == FAILED else []
    return _first_line(max(failed, key=lambda log: log.id).error) if failed else ""


def _source_evaluation(key: dg.AssetKey, source: SourceIntervals) -> dg.AssetCheckEvaluation:
    """Return the evaluation without partitions: for all the time between the first harvest and the last."""
    intervals = source.intervals
    gaps = sum(interval.state in (FAILED, MISSING) for interval in intervals)
    rows = [
        (interval.window, interval.state, ", ".join(map(str, interval.log_ids[:_MOST_LOGS])))
        for interval in intervals
    ]
    description = f"{gaps} gaps between the first harvest and the last." if intervals else "Never harvested."
    if source.quarantined:
        description += f" {source.quarantined} invalid records are quarantined."
    description += "".join(f" {_doubt_sentence(doubt)}" for doubt in source.doubts[:_MOST_DOUBTS])
    return dg.AssetCheckEvaluation(
        asset_key=key,
        check_name=CHECK,
        passed=bool(intervals) and not gaps and not source.quarantined and not source.doubts,
        severity=_severity(bool(intervals) and not gaps),
        description=description,
        metadata={
            "gaps": gaps,
            "quarantined": source.quarantined,
            "doubts": len(source.doubts),
            "coverage": dg.MetadataValue.md(table(("from, until", "state", "logs"), rows[:MAX_TABLE_ROWS])),
        },
    )


def _severity(is_harvested: bool) -> dg.AssetCheckSeverity:
    return dg.AssetCheckSeverity.WARN if is_harvested else dg.AssetCheckSeverity.ERROR


def _harvest_table(logs: Sequence[HarvestLog]) -> str:
    """Return the windows that contain the day, with the source's total and the number of records."""
    names = (
        "window",
        "status",
        "completeness",
        "evidence",
        "expected",
        "records",
        "quarantined",
        "log",
        "error",
    )
    rows = [
        (
            log.window,
            log.status,
            log.completeness or "",
            log.evidence or "",
            "" if log.expected is None else log.expected,
            log.counts.records,
            log.counts.quarantined,
            log.id,
            _first_line(log.error),
        )
        for log in logs[:MAX_TABLE_ROWS]
    ]
    return table(names, rows)


def _quarantine_table(status: DayStatus) -> str:
    rows = [
        (record.identifier or "", record.page, record.error[:_LONGEST_ERROR], record.harvest_log_id)
        for record in status.quarantined_records[:_MOST_QUARANTINED]
    ]
    return table(("identifier", "page", "error", "log"), rows)


def _first_line(error: str | None) -> str:
    return first_line(error or "")[:_LONGEST_ERROR]
