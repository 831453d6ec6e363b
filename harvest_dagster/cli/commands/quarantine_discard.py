"""`harvest quarantine discard`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from harvest_dagster.catalog.loader import load_catalog
from harvest_dagster.cli.database import required_database
from harvest_dagster.cli.options import Label, json_option
from harvest_dagster.cli.output import print_json, print_message
from harvest_dagster.storage.harvest_log.quarantine import find_rows, remove_rows

_AT_A_TIME = 5000


@click.command("discard")
@click.argument("keys", metavar="[ID]...", type=int, nargs=-1)
@click.option("--label", type=Label(), help="All records of this source.")
@json_option
@click.pass_context
def command(context: click.Context, keys: Sequence[int], label: str | None, as_json: bool) -> None:
    r"""Delete quarantined records, by their ids or all of a source. Their bytes are lost.

    The records stay at the source. If the source delivers one again and it is still invalid, it is quarantined again.

    With --json, standard output is {discarded}: the number of deleted records.

    \b
    Examples:
      harvest quarantine discard 17 18
      harvest quarantine discard --label arxiv_cs
    """
    if bool(keys) == (label is not None):
        raise click.UsageError("Give either ids or --label.")
    if label is not None:
        load_catalog().get(label)
    discarded = _discard(list(keys) or None, label)
    if as_json:
        print_json({"discarded": discarded})
    else:
        click.echo(f"{discarded} records discarded")
    if keys and discarded < len(set(keys)):
        print_message(f"{len(set(keys)) - discarded} of these ids are not in the quarantine")
        context.exit(1)


def _discard(keys: list[int] | None, label: str | None) -> int:
    discarded = 0
    with required_database() as database:
        while True:
            with database.begin() as connection:
                rows = find_rows(connection, ids=keys, label=label, most=_AT_A_TIME)
                discarded += remove_rows(connection, [row.id for row in rows]) if rows else 0
            if len(rows) < _AT_A_TIME:
                return discarded
