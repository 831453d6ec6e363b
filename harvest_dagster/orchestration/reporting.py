"""What people see of a harvest in Dagster: metadata of ops, materializations and observations.

Numbers are numbers, so that the UI plots them over the partitions.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, time
from itertools import islice
from typing import Any

import dagster as dg

from harvest_dagster.http.session import Statistics
from harvest_dagster.orchestration.markdown import MOST_ROWS, cell, table
from harvest_dagster.orchestration.partitions import of_partitions
from harvest_dagster.pipeline.finish import Summary
from harvest_dagster.pipeline.harvest import Harvest
from harvest_dagster.pipeline.launch import DayCounts
from harvest_dagster.pipeline.plan import Plan
from harvest_dagster.pipeline.transform import Outcome
from harvest_dagster.records import Record
from harvest_dagster.spool import End
from harvest_dagster.storage.harvest_logs import Counts, HarvestLog, Strays
from harvest_dagster.windows import Window

SAMPLE = 5
_EXCERPT = 120
_MOST_LISTED = 50
COVERED = {"completeness": "covered"}


def asset_key(kind: str, label: str) -> dg.AssetKey:
    """The key of a source's asset; `kind` is raw or transformed."""
    return dg.AssetKey([kind, label])


def short_name(window: Window) -> str:
    """A window within the names of its ops, `20240301_20240331`: letters, digits and _ only."""
    return "_".join(_digits(instant) for instant in (window.start, window.end))


def _digits(instant: datetime) -> str:
    return f"{instant:%Y%m%d}" if instant.time() == time() else f"{instant:%Y%m%dT%H%M%S%f}"


def tell_plan(context: dg.OpExecutionContext, plan: Plan) -> None:
    """Say in the run's log what is to be done, and what is left out."""
    if plan.covered_by:
        context.log.info(f"left out, since it succeeded before: {_listed(plan.covered_by)}")
    if plan.windows:
        context.log.info(f"to harvest: {_some([str(window) for window in plan.windows])}")
    else:
        context.log.info("nothing is left to do: all of the range is covered")


def _listed(logs: Sequence[HarvestLog]) -> str:
    return _some([f"{log.window} (log {log.id})" for log in logs])


def _some(texts: Sequence[str]) -> str:
    """The first of them; a range of years has thousands, and each line in a run's log costs it 18 ms."""
    left = len(texts) - _MOST_LISTED
    return ", ".join(texts[:_MOST_LISTED]) + (f" and {left} more" if left > 0 else "")


def counts_of(counts: Counts, strays: Strays) -> dict[str, int]:
    """The counts under the names of their columns."""
    return {**asdict(counts), **asdict(strays)}


def fetched(window: Window, end: End, statistics: Statistics) -> dict[str, Any]:
    """Metadata of fetch."""
    return {
        "window": str(window),
        "pages": end.pages,
        "records": end.records,
        **_known(expected=end.expected, identifiers=end.identifiers),
        "completeness": end.completeness,
        "stretches": end.stretches,
        "recoveries": end.recoveries,
        "requests": statistics.requests,
        "bytes": statistics.bytes,
        "seconds_waited": round(statistics.seconds_waited, 3),
    }


def _known(**numbers: int | None) -> dict[str, int]:
    """Those that are known: a gap in a plot is true, a zero is not."""
    return {name: number for name, number in numbers.items() if number is not None}


def sample(harvest: Harvest, log: HarvestLog) -> list[dict[str, str]]:
    """A few of a window's records, for the table on the asset's page."""
    spool = harvest.attempt(log)
    records = (
        record for number in range(spool.split_count()) for record in spool.read_records(number).records
    )
    return [_shown(record) for record in islice(records, SAMPLE)]


def by_day(days: Mapping[date, DayCounts], window: Window) -> dict[str, dict[str, int]]:
    """A window's days as they travel between ops, those without records among them."""
    counts = {day: days.get(day, DayCounts()) for day in window.days}
    return {day.isoformat(): {"records": of.records, "deleted": of.deleted} for day, of in counts.items()}


def materialize_days(context: dg.OpExecutionContext, days: Mapping[date, Mapping[str, Any]]) -> None:
    """Mark partitions that are done while a run goes on: Dagster shows the others as failed if that fails."""
    for day, shown in days.items():
        context.log_event(dg.AssetMaterialization(context.asset_key, partition=str(day), metadata=shown))


def counted(log: HarvestLog, done: Mapping[date, DayCounts | None]) -> dict[date, dict[str, Any]]:
    """What to show of the days that are done with a window: their own counts, where they are known."""
    number = str(log.id)  # text: of a number the UI draws a curve
    return {
        day: {**(asdict(counts) if counts else {}), "harvest_log": number} for day, counts in done.items()
    }


@dataclass(frozen=True)
class Report:
    """What finish has to tell.

    Attributes:
        summary: of all windows.
        windows: what launch gave of each.
        covering: the logs that cover some of the range now.
        is_done: whether all of the range is done; else nothing shows as materialized but days that are.
    """

    summary: Summary
    windows: Sequence[Mapping[str, Any]]
    covering: Sequence[HarvestLog]
    is_done: bool


def report(context: dg.OpExecutionContext, harvest: Harvest, of_run: Report) -> None:
    """Attach a run's metadata: to the asset's materializations, or as an observation where there is none to come.

    Where a run has several partitions, `records` and `deleted` are each partition's own, so that plots are true;
    the numbers of the whole run stand beside them as `run_records` and so on. Where nothing was left to do there
    are no numbers, and the logs that cover the range are named.
    """
    numbers = _numbers(of_run.summary) if of_run.windows else {}
    if not of_partitions(context) or not of_run.is_done:
        observed = asset_key("raw", harvest.config.label)
        context.log_event(dg.AssetObservation(observed, metadata={**numbers, **_metadata(of_run)}))
        if not of_run.is_done:
            context.log.warning(
                "this run leaves some of its partitions unmaterialized: a limit, narrower dates, or `settle` of the "
                "IngestConfig left something out."
            )
    elif len(context.partition_keys) == 1 or not of_run.windows:
        context.add_output_metadata({**numbers, **_metadata(of_run)})
    else:
        run_numbers = {f"run_{name}": number for name, number in numbers.items()}
        _report_days(context, _all_days(of_run.windows), {**run_numbers, **_metadata(of_run)})


def _report_days(
    context: dg.OpExecutionContext, days: Mapping[str, Mapping[str, int]], of_run: Mapping[str, Any]
) -> None:
    """A partition's own numbers, above those of the run; its tables are long, and stand at the last one only."""
    short = {name: value for name, value in of_run.items() if not isinstance(value, dg.MarkdownMetadataValue)}
    asset_context = dg.AssetExecutionContext(context)  # an op's own has no metadata for single partitions
    keys = context.partition_keys  # made anew each time
    for key in keys:
        # Those that an earlier run harvested have none: they were not found empty by this one.
        more = of_run if key == keys[-1] else short
        asset_context.add_asset_metadata({**days.get(key, {}), **more}, partition_key=key)


def report_transformed(context: dg.AssetExecutionContext, outcomes: Mapping[date, Outcome]) -> None:
    """Attach to each partition of a transform asset what was made of its data."""
    for key in context.partition_keys:
        outcome = outcomes.get(date.fromisoformat(key), Outcome())
        context.add_asset_metadata(_outcome_metadata(outcome), partition_key=key)


def _outcome_metadata(outcome: Outcome) -> dict[str, Any]:
    errors = "\n".join(f"- {cell(error)}" for error in outcome.errors)
    return {
        "transformed": outcome.transformed,
        "deleted": outcome.deleted,
        "failed": outcome.failed,
        **({"errors": dg.MetadataValue.md(errors)} if errors else {}),
    }


def _all_days(windows: Sequence[Mapping[str, Any]]) -> dict[str, Counter[str]]:
    """The windows' days together: two windows may share one."""
    days: dict[str, Counter[str]] = {}
    for window in windows:
        for day, counts in window["days"].items():
            days.setdefault(day, Counter()).update(counts)
    return days


def _numbers(summary: Summary) -> dict[str, Any]:
    """What the UI plots."""
    return {
        **counts_of(summary.counts, summary.strays),
        **_known(expected=summary.expected, identifiers=summary.identifiers),
        "recoveries": summary.recoveries,
        "bytes": summary.bytes,
        "requests": summary.requests,
        "seconds": round(summary.seconds, 3),
        "seconds_waited": round(summary.seconds_waited, 3),
    }


def _metadata(of_run: Report) -> dict[str, Any]:
    """What people read."""
    if not of_run.windows:
        return {**COVERED, "covered_by": _listed(of_run.covering)}
    days = [(day, counts["records"]) for day, counts in sorted(_all_days(of_run.windows).items())]
    samples = [row for window in of_run.windows for row in window["sample"]]
    return {
        "completeness": of_run.summary.completeness or "unverified",
        "windows": len(of_run.windows),
        "records_by_day": dg.MetadataValue.md(table(("day", "records"), days[:MOST_ROWS])),
        "sample": dg.MetadataValue.md(_sample_table(samples)),
    }


def _sample_table(rows: Sequence[Mapping[str, str]]) -> str:
    names = ("identifier", "datestamp", "deleted", "begins with")
    return table(names, [tuple(row[name] for name in names) for row in rows[:SAMPLE]])


def _shown(record: Record) -> dict[str, str]:
    return {
        "identifier": record.identifier,
        "datestamp": record.datestamp.isoformat() if record.datestamp else "",
        "deleted": "yes" if record.deleted else "",
        "begins with": _words(record.blob)[:_EXCERPT],
    }


def _words(blob: str) -> str:
    """What a person would read of a blob: of XML the text between the tags."""
    if not blob.startswith("<"):
        return blob
    return " · ".join(text for piece in blob.split("<")[1:] if (text := piece.partition(">")[2].strip()))
