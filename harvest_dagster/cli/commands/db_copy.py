"""`harvest db copy`."""

from __future__ import annotations

import click

from harvest_dagster.cli.database import database_url, unmigrated_database
from harvest_dagster.cli.options import json_option
from harvest_dagster.cli.output import print_json, print_message
from harvest_dagster.errors import BadInput
from harvest_dagster.storage.database import Database, parse
from harvest_dagster.storage.maintenance.copy import copy_database


@click.command("copy")
@click.argument("target", metavar="URL", envvar="HARVEST_COPY_TO")
@json_option
def command(target: str, as_json: bool) -> None:
    r"""Copy the whole database to URL, between SQLite and PostgreSQL in either direction.

    The target must be empty; its tables are created. The copy is the state of one instant. It is complete, or the
    target stays empty: the command compares the numbers of rows before it commits. Stop all runs before the copy,
    because it lacks what they write meanwhile. Afterwards, set HARVEST_DATABASE_URL to the target.

    The copy has no recorded requests, so the rate limit of each host starts from zero. No run holds a lease in
    the copy.

    A password in URL is visible to other users of this machine while the command runs. The variable HARVEST_COPY_TO
    may hold the URL instead.

    With --json, standard output is {source, target, rows}: the number of rows by table.

    \b
    Examples:
      harvest db copy postgresql://harvest@localhost/harvest
      HARVEST_DATABASE_URL=postgresql://localhost/harvest harvest db copy sqlite:////srv/harvest.db
    """
    if parse(database_url()) == parse(target):
        raise BadInput("The database cannot be copied to itself. Name another one.")
    with unmigrated_database() as (source, _), Database.open(target) as opened:
        rows = copy_database(source, opened, _report)
    if as_json:
        print_json({"source": source.place, "target": opened.place, "rows": rows})
    else:
        click.echo(f"{sum(rows.values()):,} rows were copied from the {source.place} to the {opened.place}")


def _report(table: str, rows: int) -> None:
    print_message(f"{table}: {rows:,} rows")
