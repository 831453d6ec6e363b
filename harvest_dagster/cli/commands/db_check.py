"""`harvest db check`."""

from __future__ import annotations

from dataclasses import asdict

import click

from harvest_dagster.cli.database import unmigrated_database
from harvest_dagster.cli.options import json_option
from harvest_dagster.cli.output import print_json
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log import coverage_changes
from harvest_dagster.storage.maintenance import integrity
from harvest_dagster.storage.maintenance.integrity import Violation
from harvest_dagster.storage.migrations import HEAD


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
@json_option
@click.pass_context
def command(context: click.Context, sample: int, all_data: bool, repair: bool, as_json: bool) -> None:
    r"""Check the rules that the rows of the database must obey. Without --repair, the command changes nothing.

    The command migrates nothing.

    It checks the version of the schema, that all tables and columns exist, that each reference leads to a row, that
    revisions and current contents are consistent, that windows and times of logs make sense, that the table of the
    covered windows agrees with the logs, and that the hash of a datum is that of its content. Each rule is one
    statement over all rows.

    With --json, standard output is {database, revision, expected, hashes, violations: [{rule, rows, examples}]}.
    `hashes` is the number of hashes that were computed; the examples are primary keys. The exit status is 1 if there
    is a violation, or if the schema has another version.

    \b
    Examples:
      harvest db check
      harvest db check --all --json
    """
    with unmigrated_database() as (database, revision):
        if repair and revision == HEAD:
            with database.begin() as connection:
                coverage_changes.compute_all(connection)
        hashes, violations = _check(database, None if all_data else sample) if revision == HEAD else (0, [])
    if as_json:
        listed = [asdict(violation) for violation in violations]
        values = {"database": database.place, "revision": revision, "expected": HEAD, "hashes": hashes}
        print_json({**values, "violations": listed})
    else:
        _print(database, revision, hashes, violations)
    context.exit(1 if violations or revision != HEAD else 0)


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
