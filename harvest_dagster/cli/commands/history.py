"""`harvest history`: the harvests and the sweeps of a source, joined with the runs of Dagster."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from harvest_dagster.catalog.loader import load_catalog
from harvest_dagster.cli.database import existing_database, report_if_missing
from harvest_dagster.cli.options import json_option, label_argument
from harvest_dagster.cli.output import print_json, print_message, print_table
from harvest_dagster.errors import HarvestError
from harvest_dagster.status.source_json import pairs
from harvest_dagster.status.source_state import read_states
from harvest_dagster.status.sweep_json import sweep_as_json
from harvest_dagster.storage import ingest_configs, sweeps
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log.run_attempts import HistoryEntry, find_history
from harvest_dagster.storage.sweeps import Sweep
from harvest_dagster.texts import first_line, shorten
from harvest_dagster.windows import format_bounds, utc_now

if TYPE_CHECKING:
    from harvest_dagster.orchestration.runs.dagster_runs import DagsterRunInfo

_COLUMNS = (
    "started",
    "from",
    "until",
    "status",
    "records",
    "new",
    "changed",
    "deleted",
    "evidence",
    "run",
    "error",
)
# The names of the columns of sweeps are the keys of their JSON.
_SWEEP_COLUMNS = (
    *(
        "started",
        "ended",
        "status",
        "listed",
        "known",
        "missing",
        "changed",
        "gone",
        "repaired",
        "deleted",
        "held",
    ),
    *("evidence", "run_id", "error"),
)
_DAGSTER = "in Dagster"
_LONGEST_ERROR = 80  # characters in the table; --json has the whole line
_RUN_ID = 8  # characters in the table, as in Dagster's UI; --json has the whole id


@click.command("history")
@label_argument
@click.option("--limit", default=50, show_default=True, type=click.IntRange(min=1), help="Number of entries.")
@json_option
def command(label: str, limit: int, as_json: bool) -> None:
    r"""Show the harvests and the sweeps of a source, the newest first: one line for the work of one run on one window.

    The counts are those of the last run that worked on a window; they are empty for earlier runs. If DAGSTER_HOME is
    set, each run has its status in Dagster, which is null for a run that Dagster does not know any more.

    A sweep compares all identifiers of the source with the stored ones (`harvest reconcile`).

    With --json, standard output is an object {label, complete: [[from, until]], gaps: [[from, until]], history,
    sweeps}. `history` is a list of {window: [from, until], run_id, status, started, ended, error, records, new,
    changed, deleted, quarantined, requests, completeness, evidence, dagster: {status, job, started, ended}}.
    `sweeps` is a list of objects as in `harvest reconcile --json`, with the same key `dagster`.

    \b
    Examples:
      harvest history arxiv_cs
      harvest history arxiv_cs --limit 1000 --json | jq '.history[] | select(.error)'
    """
    config, now = load_catalog().get(label), utc_now()
    with existing_database() as database:
        report_if_missing(database)
        (state,) = read_states([config], database, now)
        entries, swept = _history(database, label, limit)
    runs = _dagster_runs({entry.attempt.run_id for entry in entries} | {sweep.run_id for sweep in swept})
    if as_json:
        print_json(
            {
                "label": label,
                "complete": pairs(state.complete),
                "gaps": pairs(state.gaps),
                "history": [_entry(entry, runs) for entry in entries],
                "sweeps": [{**sweep_as_json(one), "dagster": _dagster(one.run_id, runs)} for one in swept],
            }
        )
    else:
        columns = _COLUMNS if runs is None else (*_COLUMNS[:-1], _DAGSTER, _COLUMNS[-1])
        print_table(columns, [_cells(entry, runs) for entry in entries])
        if swept:
            click.echo("\nsweeps")
            print_table(_SWEEP_COLUMNS, [_sweep_cells(sweep) for sweep in swept])


def _history(
    database: Database | None, label: str, limit: int
) -> tuple[Sequence[HistoryEntry], Sequence[Sweep]]:
    if database is None:
        return [], []
    with database.read() as connection:
        config_id = ingest_configs.find_id(connection, label)
        if config_id is None:
            return [], []
        return find_history(connection, config_id, limit), sweeps.find_recent(connection, config_id, limit)


def _dagster_runs(run_ids: Collection[str]) -> Mapping[str, DagsterRunInfo] | None:
    """Return what Dagster knows about the runs; None without DAGSTER_HOME, or if its instance cannot be opened."""
    if not os.environ.get("DAGSTER_HOME") or not run_ids:
        return None
    from harvest_dagster.orchestration.runs.dagster_runs import find_dagster_runs  # noqa: PLC0415 - takes seconds

    try:
        return find_dagster_runs(run_ids)
    except HarvestError as error:
        print_message(str(error))
        return None


def _entry(entry: HistoryEntry, runs: Mapping[str, DagsterRunInfo] | None) -> dict[str, Any]:
    log, attempt = entry.log, entry.attempt
    counts = log.counts if entry.is_last else None
    return {
        "window": format_bounds(log.window),
        "run_id": attempt.run_id,
        "status": attempt.status,
        "started": attempt.date_started,
        "ended": attempt.date_completed,
        "error": first_line(attempt.error) if attempt.error else None,
        "records": counts and counts.records,
        "new": counts and counts.new_identifiers,
        "changed": counts and counts.changed,
        "deleted": counts and counts.deleted,
        "quarantined": counts and counts.quarantined,
        "requests": counts and counts.requests,
        "completeness": log.completeness if entry.is_last else None,
        "evidence": log.evidence if entry.is_last else None,
        "dagster": _dagster(attempt.run_id, runs),
    }


def _dagster(run_id: str | None, runs: Mapping[str, DagsterRunInfo] | None) -> dict[str, Any] | None:
    run = runs.get(run_id) if runs and run_id else None
    if run is None:
        return None
    return {"status": run.status, "job": run.job, "started": run.started, "ended": run.ended}


def _cells(entry: HistoryEntry, runs: Mapping[str, DagsterRunInfo] | None) -> tuple[object, ...]:
    values = _entry(entry, runs)
    error = shorten(values["error"], _LONGEST_ERROR) if values["error"] else None
    dagster = () if runs is None else (values["dagster"]["status"] if values["dagster"] else "unknown",)
    names = ("status", "records", "new", "changed", "deleted", "evidence")
    counts = (values[name] for name in names)
    return (values["started"], *values["window"], *counts, _short_id(values["run_id"]), *dagster, error)


def _sweep_cells(sweep: Sweep) -> tuple[object, ...]:
    values = sweep_as_json(sweep)
    values["run_id"] = _short_id(sweep.run_id)
    values["error"] = shorten(values["error"], _LONGEST_ERROR) if values["error"] else None
    return tuple(values[name] for name in _SWEEP_COLUMNS)


def _short_id(run_id: str | None) -> str | None:
    """Return the beginning of the id of a run of Dagster, and the whole id of a command, which names the command."""
    return run_id if run_id is None or " " in run_id else run_id[:_RUN_ID]
