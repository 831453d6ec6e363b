"""The metadata that the UI shows of a harvest: of ops, materializations and observations.

Counts are numbers, not texts, so that the UI plots them over the partitions.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timezone
from typing import Any

import dagster as dg

from harvest_dagster.http.session import Statistics
from harvest_dagster.orchestration.asset_keys import Kind
from harvest_dagster.orchestration.partitions import has_partitions
from harvest_dagster.orchestration.reports.columns import column_schema, table_name
from harvest_dagster.orchestration.reports.markdown import MAX_TABLE_ROWS, escape_markdown, table
from harvest_dagster.pipeline.completed_days import DayCounts
from harvest_dagster.pipeline.samples import Sample
from harvest_dagster.pipeline.steps.finish import Summary
from harvest_dagster.pipeline.steps.plan import Plan
from harvest_dagster.pipeline.transform import TransformOutcome
from harvest_dagster.spool import FetchSummary
from harvest_dagster.storage.counts import as_numbers
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.windows import Window, whole_day

ROW_COUNT = "dagster/row_count"
MOST_SAMPLES_OF_RUN = 5
# The columns are 2.3 kB of an event of 4.3 kB. On each day of ten years they would be 8 MB for each source.
_MOST_PARTITIONS_WITH_COLUMNS = 31
_MOST_LISTED = 50
_DAY, _INSTANT = "%Y%m%d", "%Y%m%dT%H%M%S%f"
COVERED_METADATA = {"completeness": "covered"}


def short_name(window: Window) -> str:
    """Return the name of a window for mapping keys, such as `20240301_20240331`: letters, digits and _ only."""
    return "_".join(_digits(instant) for instant in (window.start, window.end))


def parse_short_name(name: str) -> Window:
    """Return the window of a name from `short_name`.

    Raises:
        ValueError: it is no such name.
    """
    start, end = name.split("_")
    return Window(_instant(start), _instant(end))


def _digits(instant: datetime) -> str:
    return f"{instant:{_DAY}}" if instant.time() == time() else f"{instant:{_INSTANT}}"


def _instant(digits: str) -> datetime:
    return datetime.strptime(digits, _INSTANT if "T" in digits else _DAY).replace(tzinfo=timezone.utc)


def log_plan(context: dg.OpExecutionContext, plan: Plan) -> None:
    """Log which windows the run harvests and which it skips."""
    if plan.covered_by:
        context.log.debug(f"skipped, because these logs cover it: {_list_logs(plan.covered_by)}")
    if plan.windows:
        context.log.debug(f"to harvest: {list_windows(plan.windows)}")
    else:
        context.log.debug("nothing to do: the whole range is covered")


def list_windows(windows: Sequence[Window]) -> str:
    """Return the first windows as a text, with the number of the others."""
    return _list_first([str(window) for window in windows])


def _list_logs(logs: Sequence[HarvestLog]) -> str:
    return _list_first([f"{log.window} (log {log.id})" for log in logs])


def _list_first(texts: Sequence[str]) -> str:
    """Return the first texts and the number of the others. A range of years has thousands of windows."""
    more = len(texts) - _MOST_LISTED
    return ", ".join(texts[:_MOST_LISTED]) + (f" and {more} more" if more > 0 else "")


def fetch_metadata(window: Window, summary: FetchSummary, statistics: Statistics) -> dict[str, Any]:
    """Return the metadata of the op fetch."""
    return {
        "window": str(window),
        "pages": summary.pages,
        "records": summary.records,
        **_known(expected=summary.expected, identifiers=summary.identifiers),
        "completeness": summary.completeness,
        "evidence": summary.evidence,
        **({} if summary.doubt is None else {"doubt": summary.doubt}),
        **({} if summary.clock_offset is None else {"source_clock_offset": round(summary.clock_offset, 1)}),
        "sub_windows": summary.sub_windows,
        "recoveries": summary.recoveries,
        "requests": statistics.requests,
        "bytes": statistics.bytes,
        "seconds_waited": round(statistics.seconds_waited, 3),
    }


def _known(**numbers: int | None) -> dict[str, int]:
    """Return the numbers that are known. In a plot, a gap is correct for an unknown number and a zero is not."""
    return {name: number for name, number in numbers.items() if number is not None}


def counts_by_day(days: Mapping[date, DayCounts], window: Window) -> dict[str, dict[str, int]]:
    """Return the counts of each day of a window, also of days without records, in the form that ops pass on."""
    counts = {day: days.get(day, DayCounts()) for day in window.days}
    return {
        day.isoformat(): {"records": count.records, "deleted": count.deleted} for day, count in counts.items()
    }


def day_metadata(log: HarvestLog, counts: DayCounts | None) -> dict[str, Any]:
    """Return the metadata of a day that a window completed: its counts, if they are known, and the log of the window.

    If the window is the day, the counts of the window belong to the day. What a run has counted beside the records,
    such as requests, is in the observation of the run.
    """
    more: dict[str, Any] = {}
    if log.window == whole_day(log.window.start.date()):
        more = {"records_changed": log.counts.changed, "records_new": log.counts.new_identifiers}
    return {
        **(count_metadata(counts) if counts else {}),
        **more,
        "completeness": log.completeness or "unverified",
        "harvest_log": str(log.id),  # a text, because the UI would plot a number
        **_sample_metadata(counts.samples if counts else ()),
    }


def count_metadata(counts: DayCounts) -> dict[str, Any]:
    """Return the counts of a day.

    The UI plots numbers in the order of their names. No name of ours comes before `records`.
    """
    return {"records": counts.records, ROW_COUNT: counts.records, "records_deleted": counts.deleted}


def covered_metadata(counts: DayCounts | None) -> dict[str, Any]:
    """Return the metadata of a day that was found to be covered."""
    return {**(count_metadata(counts) if counts else {}), **COVERED_METADATA}


def table_metadata(kind: Kind, database: Database, *, partitions: int) -> dict[str, Any]:
    """Return the database and the table that contain the data, without secrets.

    Args:
        kind: the asset.
        database: the harvest database.
        partitions: how many the run has. For many, the columns are only on the definition of the asset.
    """
    place = {"dagster/table_name": table_name(kind), "dagster/uri": database.public_url}
    columns = {"dagster/column_schema": column_schema(kind)}
    return place | columns if partitions <= _MOST_PARTITIONS_WITH_COLUMNS else place


def _sample_metadata(samples: Sequence[Sample]) -> dict[str, Any]:
    if not samples:
        return {}
    return {"sample": dg.MetadataValue.md(_sample_table([one.as_row() for one in samples]))}


@dataclass(frozen=True)
class RunReport:
    """The result of a run.

    Attributes:
        summary: the sums of all windows.
        windows: the output of launch for each window.
        covering: the logs that cover the range, if the run had nothing to do.
        is_complete: whether the whole range is harvested.
        snapshot: what the snapshot of the run serves, as a sentence; empty if the run took none.
    """

    summary: Summary
    windows: Sequence[Mapping[str, Any]]
    covering: Sequence[HarvestLog]
    is_complete: bool
    snapshot: str = ""


def observe_run(context: dg.OpExecutionContext, observed: dg.AssetKey, report: RunReport) -> None:
    """Attach the metadata of a run to its asset, as an observation.

    The counts have the prefix `run_` if the run harvested partitions: the UI plots them apart from those of the
    partitions. If the run had nothing to do, there are no counts, and `covered_by` names the logs that
    cover the range.
    """
    of_days = has_partitions(context) and report.is_complete
    numbers = _run_counts(report.summary) if report.windows else {}
    shown = {f"run_{name}" if of_days else name: number for name, number in numbers.items()}
    context.log_event(dg.AssetObservation(observed, metadata={**shown, **_run_texts(report)}))


def outcome_metadata(outcome: TransformOutcome, documents: int) -> dict[str, Any]:
    """Return the counts, errors and samples of a partition of a transform asset.

    Args:
        outcome: of this run.
        documents: how many data of the partition are transformed, by any run.
    """
    errors = "\n".join(f"- {escape_markdown(error)}" for error in outcome.errors)
    return {
        "records": documents,
        ROW_COUNT: documents,
        "transformed": outcome.transformed,
        "records_deleted": outcome.deleted,
        "records_failed": outcome.failed,
        **({"transformers": outcome.choice} if outcome.chosen else {}),
        **({"errors": dg.MetadataValue.md(errors)} if errors else {}),
        **_sample_metadata(outcome.samples),
    }


def _sum_days(windows: Sequence[Mapping[str, Any]]) -> dict[str, Counter[str]]:
    """Return the counts of each day, summed over windows. Two windows may share a day."""
    days: dict[str, Counter[str]] = {}
    for window in windows:
        for day, counts in window["days"].items():
            days.setdefault(day, Counter()).update(counts)
    return days


def _run_counts(summary: Summary) -> dict[str, Any]:
    """Return the counts of a run, which the UI plots."""
    return {
        **as_numbers(summary.counts),
        **_known(expected=summary.expected, identifiers=summary.identifiers),
        "seconds": round(summary.seconds, 3),
    }


def _run_texts(report: RunReport) -> dict[str, Any]:
    """Return the texts and tables of a run."""
    if not report.windows:
        return {**COVERED_METADATA, "covered_by": _list_logs(report.covering)}
    days = [(day, counts["records"]) for day, counts in sorted(_sum_days(report.windows).items())]
    samples = [row for window in report.windows for row in window["sample"]]
    return {
        "completeness": report.summary.completeness or "unverified",
        "windows": len(report.windows),
        **({"snapshot": report.snapshot} if report.snapshot else {}),
        "records_by_day": dg.MetadataValue.md(table(("day", "records"), days[:MAX_TABLE_ROWS])),
        "sample": dg.MetadataValue.md(_sample_table(samples)),
    }


def _sample_table(rows: Sequence[Mapping[str, str]]) -> str:
    names = ("identifier", "datestamp", "deleted", "excerpt")
    return table(names, [tuple(row[name] for name in names) for row in rows[:MOST_SAMPLES_OF_RUN]])
