"""`harvest quarantine show`."""

from __future__ import annotations

import click

from harvest_dagster.cli.commands.quarantine_list import row_as_json
from harvest_dagster.cli.database import required_database
from harvest_dagster.cli.options import json_option
from harvest_dagster.cli.output import print_json
from harvest_dagster.storage.harvest_log.quarantine import find_bytes, find_rows
from harvest_dagster.texts import escape_controls


@click.command("show")
@click.argument("key", metavar="ID", type=int)
@click.option("--raw", is_flag=True, help="Print only the bytes, unchanged.")
@json_option
def command(key: int, raw: bool, as_json: bool) -> None:
    r"""Show a quarantined record: its place, its error and its bytes.

    Control characters of the record are printed as escapes, so that a terminal does not interpret them. Use --raw to
    save the bytes as the source sent them.

    With --json, standard output is an object with the keys of `quarantine list` and `datum`: the bytes as text in
    UTF-8, with a replacement character for each byte that is not valid.

    \b
    Examples:
      harvest quarantine show 17
      harvest quarantine show 17 --raw > record.xml
    """
    if raw and as_json:
        raise click.UsageError("--raw and --json exclude each other.")
    with required_database() as database, database.read() as connection:
        rows, found = find_rows(connection, ids=[key]), find_bytes(connection, [key])
    if not rows:
        raise click.ClickException(
            f"no quarantined record has the id {key}. `harvest quarantine list` shows all."
        )
    datum, row = found[key], rows[0]
    if raw:
        click.echo(datum, nl=False)
        return
    text = datum.decode("utf-8", "replace")
    if as_json:
        print_json({**row_as_json(row), "datum": text})
        return
    for name, value in row_as_json(row).items():
        if name not in {"window", "error"}:
            click.echo(f"{name:<15}{'' if value is None else escape_controls(str(value))}")
    click.echo(
        f"{'window':<15}{row.window}\n{'error':<15}{escape_controls(row.error)}\n\n{escape_controls(text)}"
    )
