"""`harvest db size`."""

from __future__ import annotations

from dataclasses import asdict

import click

from harvest_dagster.cli.database import required_database
from harvest_dagster.cli.options import json_option
from harvest_dagster.cli.output import print_json, print_table
from harvest_dagster.storage.maintenance.sizes import label_sizes, table_sizes

_TABLE_COLUMNS = ("table", "rows", "bytes")
_LABEL_COLUMNS = ("label", "identifiers", "data", "bytes", "documents", "bytes", "quarantined", "logs")


@click.command("size")
@json_option
def command(as_json: bool) -> None:
    r"""Show rows and bytes of each table, and of each source. This reads all data once.

    The bytes of a table include its indexes. The bytes of a source are those of its contents and documents as text;
    PostgreSQL stores them compressed.

    With --json, standard output is {database, tables: [{table, rows, bytes}], labels: [{label, identifiers, data,
    data_bytes, documents, document_bytes, quarantined, harvest_logs}]}. `bytes` is null if SQLite cannot tell.

    \b
    Examples:
      harvest db size
      harvest db size --json | jq '.labels | max_by(.data_bytes)'
    """
    with required_database() as database, database.read() as connection:
        tables, labels = table_sizes(connection), label_sizes(connection)
    if as_json:
        place = database.place
        print_json(
            {
                "database": place,
                "tables": [asdict(one) for one in tables],
                "labels": [asdict(one) for one in labels],
            }
        )
        return
    print_table(_TABLE_COLUMNS, [tuple(asdict(one).values()) for one in tables])
    click.echo()
    print_table(_LABEL_COLUMNS, [tuple(asdict(one).values()) for one in labels])
