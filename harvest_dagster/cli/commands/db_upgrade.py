"""`harvest db upgrade`."""

from __future__ import annotations

import click

from harvest_dagster.cli.database import database_url
from harvest_dagster.cli.options import json_option
from harvest_dagster.cli.output import print_json
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.migrations import HEAD


@click.command("upgrade")
@json_option
def command(as_json: bool) -> None:
    r"""Create the tables of the database, or migrate them to this version.

    Runs, sensors and other commands do the same on first use. With this command, you choose the time: a migration of a
    large database takes minutes. Afterwards, older versions of this package refuse the database. Make a backup first.

    With --json, standard output is {database, before, after}: the revisions of the schema; `before` is null if there
    were no tables.

    \b
    Examples:
      harvest db upgrade
    """
    url = database_url()
    existing = Database.connect(url)
    before = None
    if existing is not None:
        with existing:
            before = existing.revision()
    with Database.open(url) as database:
        place = database.place
    if as_json:
        print_json({"database": place, "before": before, "after": HEAD})
    elif before == HEAD:
        click.echo(f"{place} has revision {HEAD} already")
    else:
        click.echo(f"{place} was migrated from {before or 'nothing'} to revision {HEAD}")
