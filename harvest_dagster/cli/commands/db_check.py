"""`harvest db check`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harvest_dagster.cli.database import unmigrated_database
from harvest_dagster.cli.options import json_option
from harvest_dagster.cli.output import print_json
from harvest_dagster.coverage.day_range import DayRange
from harvest_dagster.errors import BadInput
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log import coverage_changes
from harvest_dagster.storage.maintenance import integrity
from harvest_dagster.storage.maintenance.integrity import Violation
from harvest_dagster.storage.migrations import HEAD
from harvest_dagster.windows import DAY, utc_now

if TYPE_CHECKING:
    from harvest_dagster.orchestration.reports.day_differences import DayDifference

_MOST_SHOWN = 20  # ranges of days of a source; --json has all of them


@click.command("check")
@click.option(
    "--sample", default=10_000, show_default=True, type=click.IntRange(min=0), help="Hashes to compute again."
)
@click.option(
    "--all", "all_data", is_flag=True, help="Compute all hashes again, and read the whole file of SQLite."
)
@click.option(
    "--repair", is_flag=True, help="First compute again from the logs which time each source has harvested."
)
@click.option(
    "--dagster",
    "compares_days",
    is_flag=True,
    help="Also compare the days with those that Dagster shows as materialized.",
)
@click.option(
    "--definitions",
    "module",
    metavar="MODULE",
    default="harvest_dagster.definitions",
    show_default=True,
    help="With --dagster: the Python module of the code location that has the sources.",
)
@json_option
@click.pass_context
def command(
    context: click.Context,
    /,
    *,
    sample: int,
    all_data: bool,
    repair: bool,
    compares_days: bool,
    module: str,
    as_json: bool,
) -> None:
    r"""Check the rules that the rows of the database must obey. Without --repair, the command changes nothing.

    The command migrates nothing.

    It checks the version of the schema, that all tables and columns exist, that each reference leads to a row, that
    revisions and current contents are consistent, that windows and times of logs make sense, that the table of the
    covered windows agrees with the logs, and that the hash of a datum is that of its content. Each rule is one
    statement over all rows.

    With --dagster, it also compares the harvested days with the partitions of raw/LABEL in the Dagster instance of
    DAGSTER_HOME. Use this after one of the two databases was restored from a backup. Days are lost if Dagster shows
    them as materialized and the database has no harvest of them. Harvest them again. Days are unreported if they are
    harvested and Dagster does not show them as materialized. Nothing of them is lost.

    With --json, standard output is {database, revision, expected, hashes, violations: [{rule, rows, examples}],
    differences: [{label, lost: [[from, until]], unreported: [[from, until]]}]}. `hashes` is the number of hashes that
    were computed; the examples are primary keys. `differences` is null without --dagster. The exit status is 1 if there
    is a violation, if days are lost, or if the schema has another version.

    \b
    Examples:
      harvest db check
      harvest db check --all --json
      harvest db check --dagster
    """
    with unmigrated_database() as (database, revision):
        if repair and revision == HEAD:
            with database.begin() as connection:
                coverage_changes.compute_all(connection)
        hashes, violations = _check(database, None if all_data else sample) if revision == HEAD else (0, [])
        differences = _compare(database, module) if compares_days and revision == HEAD else None
    if as_json:
        listed = [asdict(violation) for violation in violations]
        values = {"database": database.place, "revision": revision, "expected": HEAD, "hashes": hashes}
        compared = None if differences is None else [_as_json(one) for one in differences]
        print_json({**values, "violations": listed, "differences": compared})
    else:
        _print(database, revision, hashes, violations)
        _print_differences(differences)
    is_lost = any(difference.lost for difference in differences or ())
    context.exit(1 if violations or is_lost or revision != HEAD else 0)


def _check(database: Database, sample: int | None) -> tuple[int, list[Violation]]:
    with database.read() as connection:
        violations = integrity.check_schema(connection)
        if violations:
            return 0, violations
        if sample is None:
            violations += integrity.check_file(connection)
        violations += integrity.check_rows(connection)
    hashes, wrong = integrity.check_hashes(database, sample)
    return hashes, [*violations, *wrong]


def _print(database: Database, revision: str, hashes: int, violations: list[Violation]) -> None:
    if revision != HEAD:
        click.echo(
            f"{database.place} has revision {revision}; this version needs {HEAD}. Run `harvest db upgrade`."
        )
        return
    for violation in violations:
        click.echo(
            f"violated: {violation.rule}: {violation.rows} rows, such as {', '.join(violation.examples)}"
        )
    if not violations:
        click.echo(
            f"{database.place} has revision {revision}, and violates no rule; {hashes:,} hashes were computed"
        )


def _compare(database: Database, module: str) -> list[DayDifference]:
    """Compare the days of all sources with Dagster.

    Raises:
        BadInput: there is no instance of Dagster, or the code location cannot be loaded.
    """
    # Imported here, because Dagster takes seconds.
    from harvest_dagster.orchestration.reports.day_differences import find_differences  # noqa: PLC0415
    from harvest_dagster.orchestration.runs.code_location import load_code_location  # noqa: PLC0415
    from harvest_dagster.orchestration.runs.local_runs import HOME_VARIABLE, open_instance  # noqa: PLC0415

    if not os.environ.get(HOME_VARIABLE) and not Path(".dagster").is_dir():
        raise BadInput("--dagster needs an instance of Dagster. Set DAGSTER_HOME.")
    catalog = load_code_location(module, Path.cwd()).catalog
    instance, _ = open_instance(Path.cwd())
    with instance:
        return find_differences(instance, catalog, database, utc_now())


def _as_json(difference: DayDifference) -> dict[str, Any]:
    names = ("lost", "unreported")
    ranges = {name: [_bounds(days) for days in getattr(difference, name)] for name in names}
    return {"label": difference.label, **ranges}


def _bounds(days: DayRange) -> list[str]:
    """Return the first day and the day after the last one, as `harvest run` expects them."""
    return [str(days.first), str(days.last + DAY)]


def _print_differences(differences: Sequence[DayDifference] | None) -> None:
    if differences is None:
        return
    for one in differences:
        if one.lost:
            click.echo(
                f"lost: {_count(one.lost)} of {one.label}. Dagster shows them as materialized, and the database has no "
                "harvest of them. Harvest them again:"
            )
            for days in one.lost[:_MOST_SHOWN]:
                start, end = _bounds(days)
                click.echo(f"  harvest run {one.label} --from {start} --until {end}")
            if (more := len(one.lost) - _MOST_SHOWN) > 0:
                click.echo(f"  and {more} more ranges; --json has all of them")
        if one.unreported:
            click.echo(
                f"unreported: {_count(one.unreported)} of {one.label}, from {one.unreported[0].first} to "
                f"{one.unreported[-1].last}. They are harvested. Dagster shows them if you materialize them; the run "
                "sends no request for them."
            )
    if not differences:
        click.echo("Dagster shows the same days as materialized that are harvested")


def _count(ranges: Sequence[DayRange]) -> str:
    days = sum(map(len, ranges))
    return f"{days:,} day{'' if days == 1 else 's'}"
