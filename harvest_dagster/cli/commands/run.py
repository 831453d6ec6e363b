"""`harvest run`: harvest a source as its asset does, and show the progress."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.cli.contexts import transform_other_days
from harvest_dagster.cli.options import (
    from_option,
    json_option,
    label_argument,
    raise_if_reversed,
    until_option,
)
from harvest_dagster.cli.output import print_json, print_message
from harvest_dagster.cli.run_execution import (
    Outcome,
    definitions_option,
    execute,
    force_option,
    ignore_disabled_option,
    raise_if_disabled,
    raise_if_of_component,
)
from harvest_dagster.coverage.due_days import days_on_request
from harvest_dagster.coverage.source_overview import SourceOverview
from harvest_dagster.errors import BadInput
from harvest_dagster.orchestration.runs.code_location import (
    CodeLocation,
    load_code_location,
)
from harvest_dagster.orchestration.runs.local_runs import (
    LocalRun,
    build_run,
    open_instance,
    partition_days,
)
from harvest_dagster.orchestration.runs.run_results import RunResult, read_result
from harvest_dagster.pipeline.lease_guard import release_of_runs
from harvest_dagster.storage.database import Database
from harvest_dagster.windows import Window, utc_now, whole_day


@click.command("run")
@label_argument
@from_option
@until_option
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    help="Collect at most this many records. This never counts as coverage.",
)
@click.option(
    "--superfluous", is_flag=True, help="Repeat what has succeeded: covered days, existing transforms."
)
@click.option("--no-split", is_flag=True, help="Use one window, regardless of its length.")
@click.option(
    "--no-optimize", is_flag=True, help="Harvest covered days again; transform only what has changed."
)
@force_option
@ignore_disabled_option
@click.option(
    "--no-transform", is_flag=True, help="Store raw records only; leave the asset transformed/LABEL alone."
)
@definitions_option
@json_option
@click.pass_context
def command(
    context: click.Context,
    /,
    *,
    label: str,
    start: datetime | None,
    end: datetime | None,
    limit: int | None,
    module: str,
    as_json: bool,
    **flags: bool,
) -> None:
    r"""Harvest a source into the database, as its asset does in Dagster.

    The run has a record in the Dagster instance of DAGSTER_HOME, acquires the lease of the source, writes harvest logs
    and materializes the partitions of raw/LABEL and transformed/LABEL. If DAGSTER_HOME is not set, the instance is
    `.dagster` in the working directory, where the harvest database is by default.

    Without --from, the days that are due are harvested: the days since the last harvest that are not complete, at least
    those of the last 30 days, and the days of `lookback`. --until is excluded, and is the end of yesterday by default.
    For instants inside a day, the run uses the job `harvest`, which materializes no partition.

    A Dagster project of your own may give the assets other keys. Name its module with --definitions. The run then has
    the sources, the keys and the database of that project, and Dagster shows its partitions there.

    Ctrl-C stops the run after the current page; the next run continues there. A second Ctrl-C stops it at once.
    The exit status is 1 if a window failed, or if a part of the range is not complete afterwards (except with --limit).

    \b
    Examples:
      harvest run arxiv_cs
      harvest run arxiv_cs --from 2025-03-01 --until 2025-03-08
      harvest run arxiv_cs --from 2025-03-04T12:00 --until 2025-03-04T18:00
      harvest run arxiv_cs --from 2025-03-04 --limit 100 --no-transform --json
      harvest run arxiv_cs --definitions my_project.definitions
    """
    raise_if_reversed(start, end)
    began, now = time.monotonic(), utc_now()
    location = load_code_location(module, Path.cwd())
    config = location.catalog.get(label)
    raise_if_of_component(location, config.label)
    raise_if_disabled(config, flags)
    instance, message = open_instance(Path.cwd())
    if message:
        print_message(message)
    parameters = _parameters(flags, limit)
    with location.database() as database, instance:
        requests = _requests(location, config, database, (start, end), parameters, now=now)
        outcome = execute(requests, instance)
        release_of_runs(database, config.label, outcome.run_ids)
        result = read_result(database, config, outcome.run_ids, [request.window for request in requests])
        if outcome.status == "SUCCESS" and not flags["no_transform"] and not config.selective:
            # A snapshot of yesterday also has new, changed and removed records of all earlier days.
            transform_other_days(database, config, "run")
    _print_result(config, requests, outcome, result, time.monotonic() - began, as_json=as_json)
    is_whole = not result.uncovered or limit is not None
    context.exit(0 if outcome.status == "SUCCESS" and not result.failed and is_whole else 1)


def _parameters(flags: Mapping[str, bool], limit: int | None) -> dict[str, Any]:
    """Return the parameters of the harvest that differ from their defaults."""
    parameters: dict[str, Any] = {
        name: True for name in ("superfluous", "no_split", "force", "ignore_disabled") if flags[name]
    }
    parameters |= {name: False for name in ("optimize", "transform") if flags[f"no_{name}"]}
    return parameters | ({} if limit is None else {"limit": limit})


def _requests(
    location: CodeLocation,
    config: IngestConfig,
    database: Database,
    bounds: tuple[datetime | None, datetime | None],
    parameters: dict[str, Any],
    *,
    now: datetime,
) -> list[LocalRun]:
    """Return the runs: one for a range, one for each group of consecutive due days without a range."""
    start, end = bounds
    if start is None:
        with database.read() as connection:
            sources = SourceOverview.read_coverage(connection, now, [config.label])
            sources = sources.with_lags(connection, [config.label])
        due = days_on_request(config, sources.covered_windows(config), now, sources.lags_of(config))
        return [
            build_run(
                location,
                config,
                Window(days.days.window.start, min(days.days.window.end, end or days.days.window.end)),
                {**parameters, **({"optimize": False} if days.superfluous else {})},
                now=now,
            )
            for days in due
            if end is None or days.days.window.start < end
        ]
    if end is None:
        _, last = partition_days(config, now)
        end = whole_day(last).end
    if end <= start:
        message = f"--from is not before {end.date()}, the end of the last partition (yesterday). Give --until, too."
        raise BadInput(message)
    return [build_run(location, config, Window(start, end), parameters, now=now)]


def _print_result(
    config: IngestConfig,
    requests: Sequence[LocalRun],
    outcome: Outcome,
    result: RunResult,
    seconds: float,
    *,
    as_json: bool,
) -> None:
    for problem in _problems(config, outcome, result):
        print_message(problem)
    leaves_pending = config.selective and any(request.leaves_pending(config) for request in requests)
    if result.counts.new_data and leaves_pending:
        print_message(
            "the new data is PENDING: the sensor transform_pending transforms it, or a run over the whole day"
        )
    if as_json:
        print_json(_as_json(config, requests, outcome, result, seconds))
    else:
        click.echo(_line(config, requests, result, seconds))


def _problems(config: IngestConfig, outcome: Outcome, result: RunResult) -> Iterator[str]:
    """Yield one line for each problem, and how to continue."""
    yield from (f"error: {text}" for text in outcome.errors)
    if outcome.status == "CANCELED":
        yield f"stopped. To continue after the last page, run the same command again: harvest run {config.label} …"
    elif outcome.status == "SUCCESS" and result.uncovered:
        ranges = ", ".join(str(window) for window in result.uncovered)
        yield (
            f"not complete: {ranges}. A range does not count if --limit cut it off, or if its harvest began before its "
            "end plus `settle`."
        )


def _line(config: IngestConfig, requests: Sequence[LocalRun], result: RunResult, seconds: float) -> str:
    counts = result.counts
    if not requests:
        return f"{config.label}: nothing is due. Use --from to harvest other days."
    if result.completeness is None:
        end = (
            f"{len(result.failed)} of {result.windows} windows failed"
            if result.failed
            else "nothing was harvested"
        )
    else:
        evidence = ", ".join(result.evidence)
        end = f"{result.completeness}, evidence: {evidence}"
        end += f"; {len(result.failed)} of {result.windows} windows failed" if result.failed else ""
    invalid = f", {counts.quarantined} invalid" if counts.quarantined else ""
    return (
        f"{config.label}: {counts.records} records, {counts.new_identifiers} new, {counts.changed} changed, "
        f"{counts.deleted} deleted{invalid}; {end}; {seconds:.1f} s"
    )


def _as_json(
    config: IngestConfig, requests: Sequence[LocalRun], outcome: Outcome, result: RunResult, seconds: float
) -> dict[str, Any]:
    counts = result.counts
    return {
        "label": config.label,
        "records": counts.records,
        "new": counts.new_identifiers,
        "changed": counts.changed,
        "deleted": counts.deleted,
        "invalid": counts.quarantined,
        "completeness": result.completeness,
        "evidence": result.evidence[-1] if result.evidence else None,
        "status": outcome.status,
        "run_id": outcome.run_ids[-1] if outcome.run_ids else None,
        "run_ids": outcome.run_ids,
        "requested": [[request.window.start, request.window.end] for request in requests],
        "uncovered": [[window.start, window.end] for window in result.uncovered],
        "windows": result.windows,
        "failed": [
            {"start": window.start, "end": window.end, "error": text} for window, text in result.failed
        ],
        "errors": outcome.errors,
        "pages": counts.pages,
        "requests": counts.requests,
        "bytes": counts.bytes,
        "seconds": round(seconds, 3),
        "home": os.environ.get("DAGSTER_HOME"),
    }
