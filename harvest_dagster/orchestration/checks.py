"""The asset check `complete` of each harvest asset: is every partition harvested, is that proven, what is set aside?

It is evaluated for each partition by itself: by the check's own op at the end of a run, or alone at any time; and
by the ops of the harvest where a run may never come to its end, since a window of it failed. It blocks nothing.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import date
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
from harvest_dagster.pipeline.verdicts import Verdict, harvested, verdicts
from harvest_dagster.storage import harvest_logs, ingest_configs
from harvest_dagster.storage.coverage import COMPLETE, FAILED, MISSING, STATES, UNVERIFIED, Part
from harvest_dagster.storage.harvest_logs import HarvestLog, Series
from harvest_dagster.windows import Window

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
_MOST_CULPRITS = 50  # in a partition's table
_MOST_LOGS = 20
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
        op_context = context.op_execution_context
        with stores.database().read() as connection:
            series = _series(connection, catalog.get(label))
            if of_partitions(op_context):
                _check_chosen(op_context, connection, label, series)
            else:
                _tell(op_context, _of_all(label, harvested(connection, series) if series else []))

    made: dg.AssetChecksDefinition = complete
    return made


def _check_chosen(
    context: dg.OpExecutionContext, connection: Connection, label: str, series: Series | None
) -> None:
    window = chosen_window(context)
    nothing = [Verdict(day, MISSING) for day in window.days]
    found = nothing if series is None else verdicts(connection, series, window)
    _log(context, label, found)
    states = Counter(verdict.state for verdict in found)
    counted = ", ".join(f"{states[state]} {state}" for state in STATES if states[state])
    context.log.info(f"of {len(found)} partitions checked: {counted}")


def check_window(context: dg.OpExecutionContext, harvest: Harvest, window: Window) -> None:
    """Evaluate the days of a window in the middle of a run, whose end may never come."""
    if of_partitions(context):
        days = set(window.days)
        _log(context, harvest.config.label, [one for one in _chosen(context, harvest) if one.day in days])


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
    is_first = _failures(harvest) == 1
    days = set(window.days)
    found = [one for one in _chosen(context, harvest) if one.day in days or (is_first and one.is_done)]
    _log(context, harvest.config.label, found)


def _failures(harvest: Harvest) -> int:
    with harvest.database.read() as connection:
        logs = harvest_logs.of_run(connection, harvest.runner.run_id)
    return sum(log.status == "FAILED" for log in logs)


def _chosen(context: dg.OpExecutionContext, harvest: Harvest) -> list[Verdict]:
    with harvest.database.read() as connection:
        return verdicts(connection, harvest.series, chosen_window(context))


def _series(connection: Connection, config: IngestConfig) -> Series | None:
    """The logs that count for a source; None where it was never harvested."""
    config_id = ingest_configs.find_id(connection, config.label)
    version = plugins.load(plugins.HARVESTERS, config.harvester).VERSION
    return None if config_id is None else Series(config_id, version)


def _log(context: dg.OpExecutionContext, label: str, found: Sequence[Verdict]) -> None:
    for verdict in found:
        _tell(context, _of_day(label, verdict, _target(context, label, verdict.day)))


def _tell(context: dg.OpExecutionContext, evaluation: dg.AssetCheckEvaluation) -> None:
    # It takes an evaluation, though its annotation does not name it yet (dagster 1.13).
    context.log_event(evaluation)  # type: ignore[arg-type]


def _target(context: dg.OpExecutionContext, label: str, day: date) -> Any:
    """The newest materialization of a day: beside one that it does not point to, Dagster shows a check as missing."""
    of_day = dg.AssetRecordsFilter(asset_key("raw", label), asset_partitions=[day.isoformat()])
    for record in context.instance.fetch_materializations(of_day, limit=1).records:
        return _Target(storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp)
    return None


def _of_day(label: str, verdict: Verdict, target: Any) -> dg.AssetCheckEvaluation:
    aside = f" {verdict.quarantined} records of its window cannot be read." if verdict.quarantined else ""
    return dg.AssetCheckEvaluation(
        asset_key=asset_key("raw", label),
        check_name=CHECK,
        partition=verdict.day.isoformat(),
        passed=verdict.is_good,
        target_materialization_data=target,
        severity=_severity(verdict.is_done),
        description=_MEANS[verdict.state] + aside,
        metadata={
            "completeness": verdict.state,
            "quarantined": verdict.quarantined,
            "harvests": dg.MetadataValue.md(_harvests(verdict.logs)),
            **({"quarantine": dg.MetadataValue.md(_quarantine(verdict))} if verdict.culprits else {}),
        },
    )


def _of_all(label: str, parts: Sequence[Part]) -> dg.AssetCheckEvaluation:
    """Where no partitions are chosen: of all the time between the first harvest and the last."""
    states = {part.state for part in parts}
    gaps = sum(part.state in (FAILED, MISSING) for part in parts)
    rows = [(part.window, part.state, ", ".join(map(str, part.log_ids[:_MOST_LOGS]))) for part in parts]
    return dg.AssetCheckEvaluation(
        asset_key=asset_key("raw", label),
        check_name=CHECK,
        passed=states == {COMPLETE},
        severity=_severity(bool(parts) and not gaps),
        description=f"{gaps} gaps between the first harvest and the last." if parts else "Never harvested.",
        metadata={
            "gaps": gaps,
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


def _quarantine(verdict: Verdict) -> str:
    rows = [
        (culprit.identifier or "", culprit.page, culprit.error[:_LONGEST_ERROR], culprit.harvest_log_id)
        for culprit in verdict.culprits[:_MOST_CULPRITS]
    ]
    return table(("identifier", "page", "error", "log"), rows)


def _first_line(error: str | None) -> str:
    return (error or "").strip().partition("\n")[0][:_LONGEST_ERROR]
