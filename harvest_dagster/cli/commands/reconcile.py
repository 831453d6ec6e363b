"""`harvest reconcile`: compare all identifiers of a source with the stored ones, and show the progress."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from harvest_dagster.cli.contexts import transform_other_days
from harvest_dagster.cli.options import json_option, label_argument
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
from harvest_dagster.coverage.sweep_overview import SweepOverview
from harvest_dagster.coverage.sweep_status import NONE, SweepStatus, sweep_problems
from harvest_dagster.orchestration.runs.code_location import load_code_location
from harvest_dagster.orchestration.runs.local_runs import open_instance
from harvest_dagster.orchestration.runs.local_sweeps import LocalSweep
from harvest_dagster.pipeline.lease_guard import release_of_runs
from harvest_dagster.status.sweep_json import sweep_as_json
from harvest_dagster.storage.sweeps import Sweep
from harvest_dagster.texts import escape_controls
from harvest_dagster.windows import utc_now

_MOST_EXAMPLES = 5  # of each difference; --json has all that are stored


@click.command("reconcile")
@label_argument
@click.option(
    "--approve-deletions",
    is_flag=True,
    help="Delete also if the source no longer lists more records than `deletions.most` permits.",
)
@force_option
@ignore_disabled_option
@definitions_option
@json_option
@click.pass_context
def command(context: click.Context, /, *, label: str, module: str, as_json: bool, **flags: bool) -> None:
    r"""Compare all identifiers of a source with the stored ones, and harvest what is missing.

    The command runs the job `reconcile` in this process. The run has a record in the Dagster instance of DAGSTER_HOME,
    as the runs of `harvest run` have, and evaluates the asset check `reconciled` of raw/LABEL.

    While the identifiers are listed, harvests of the source go on. If a run harvests the source, the list waits for it.
    Missing and changed records are harvested again. Records that the source no longer lists are deleted only if
    `deletions` in the YAML of the source permits it. At the end, all pending data of the source are transformed.

    Ctrl-C stops the run after the current page. The next one continues there if it begins within seven days. The exit
    status is 1 if the check does not pass: the sweep failed, its lists lack stored records and are not proven to be
    complete, records are still missing, or deletions are held.

    With --json, standard output is an object {label, started, ended, status, run_id, error, completeness, evidence,
    pages, requests, bytes, listed, known, missing, changed, gone, duplicates, sets_differ, repaired, quarantined,
    deleted, held, reconciled_days, examples, unrepaired, held_deletions, passed, run_status, errors, seconds, home}.
    `known` is the number of stored live records. `examples` has a few identifiers of each difference, by its name. What
    the comparison finds is null before it.

    \b
    Examples:
      harvest reconcile arxiv_cs
      harvest reconcile arxiv_cs --json | jq .examples
      harvest reconcile arxiv_cs --approve-deletions
    """
    began, location = time.monotonic(), load_code_location(module, Path.cwd())
    config = location.catalog.get(label)
    raise_if_of_component(location, config.label)
    raise_if_disabled(config, flags)
    instance, message = open_instance(Path.cwd())
    if message:
        print_message(message)
    request = LocalSweep(location, config.label, {name: True for name, value in flags.items() if value})
    with location.database() as database, instance:
        outcome = execute([request], instance, unit="identifiers")
        release_of_runs(database, config.label, outcome.run_ids)
        if outcome.status == "SUCCESS":
            transform_other_days(database, config, "reconcile")
        with database.read() as connection:
            status = SweepOverview.read(connection, utc_now(), [config]).status_of(config)
    sweep = _sweep_of(status, outcome)
    passed = outcome.status == "SUCCESS" and status.problem == NONE
    for problem in _problems(status, outcome, sweep):
        print_message(problem)
    if as_json:
        print_json(_as_json(status, outcome, sweep, time.monotonic() - began, passed=passed))
    elif sweep is not None and sweep.is_compared:
        _print_sweep(config.label, sweep)
    context.exit(0 if passed else 1)


def _sweep_of(status: SweepStatus, outcome: Outcome) -> Sweep | None:
    """Return the sweep of the run; None if the run was refused before it began one."""
    found = (one for one in (status.active, status.last) if one is not None)
    return next((one for one in found if one.run_id in outcome.run_ids), None)


def _problems(status: SweepStatus, outcome: Outcome, sweep: Sweep | None) -> Iterator[str]:
    """Yield one line for each problem, and how to continue."""
    yield from (f"error: {text}" for text in outcome.errors)
    if outcome.status == "CANCELED":
        label = status.config.label
        yield f"stopped. To continue after the last page, run the same command again: harvest reconcile {label}"
    elif outcome.status == "SUCCESS" and sweep is not None and status.problem != NONE:
        yield from sweep_problems(status)


def _print_sweep(label: str, sweep: Sweep) -> None:
    found = sweep.findings
    proof = f"{sweep.completeness or 'unverified'}, evidence: {sweep.evidence or 'none'}"
    click.echo(
        f"{label}: {found.listed:,} listed, {found.known:,} stored; {found.missing:,} missing, {found.changed:,} "
        f"changed, {found.gone:,} gone, {found.duplicates:,} duplicates, {found.sets_differ:,} with other sets; "
        f"{found.repaired:,} repaired, {found.quarantined:,} quarantined, {found.deleted:,} deleted, "
        f"{found.held:,} held; {proof}; "
        f"{found.reconciled_days:,} days agree"
    )
    for difference, identifiers in found.examples.items():
        shown = ", ".join(escape_controls(identifier) for identifier in identifiers[:_MOST_EXAMPLES])
        if shown:
            click.echo(f"  {difference}: {shown}")


def _as_json(
    status: SweepStatus, outcome: Outcome, sweep: Sweep | None, seconds: float, *, passed: bool
) -> dict[str, Any]:
    return {
        "label": status.config.label,
        **sweep_as_json(sweep),
        "unrepaired": status.unrepaired,
        "held_deletions": status.counts.held,
        "passed": passed,
        "run_status": outcome.status,
        "run_id": outcome.run_ids[-1] if outcome.run_ids else None,
        "errors": outcome.errors,
        "seconds": round(seconds, 3),
        "home": os.environ.get("DAGSTER_HOME"),
    }
