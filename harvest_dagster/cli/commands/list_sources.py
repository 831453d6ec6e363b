"""`harvest list`: one line for each source."""

from __future__ import annotations

from dataclasses import asdict

import click

from harvest_dagster.catalog.loader import Catalog, load_catalog
from harvest_dagster.cli.database import existing_database, report_if_missing
from harvest_dagster.cli.options import json_option
from harvest_dagster.cli.output import print_json, print_message, print_table
from harvest_dagster.status.source_list import SourceLine, SourceList, list_sources
from harvest_dagster.texts import shorten
from harvest_dagster.windows import utc_now

_COLUMNS = ("label", "harvester", "host", "schedule", "complete up to", "missing days", "last error")
_LONGEST_ERROR = 100  # characters in the table; --json has the whole line


@click.command("list")
@json_option
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    r"""List the sources of the catalog. The command sends no request, and changes no data.

    The columns "complete up to" and "missing days" follow the same rule as the asset check up_to_date: up to that
    instant, nothing is missing since the first harvest of the source. "last error" is the error of the newest window
    that failed and is not harvested since. Without a database, these columns are empty. The exit status is 1 if a
    source of the catalog did not load.

    With --json, standard output is a list of {label, harvester, host, schedule, disabled, complete_up_to, missing_days,
    is_late, last_error}. A value that is not known is null.

    \b
    Examples:
      harvest list
      HARVEST_SOURCES=sources harvest list
      harvest list --json | jq -r '.[] | select(.last_error) | .label'
    """
    catalog = load_catalog()
    with existing_database() as database:
        report_if_missing(database)
        found = list_sources(catalog.configs, database, utc_now())
    if as_json:
        print_json([asdict(line) for line in found.lines])
    else:
        print_table(_COLUMNS, [_cells(line) for line in found.lines])
    _print_messages(catalog, found)
    context.exit(1 if catalog.problems else 0)


def _cells(line: SourceLine) -> tuple[object, ...]:
    schedule = "disabled" if line.disabled else line.schedule
    error = shorten(line.last_error, _LONGEST_ERROR) if line.last_error else None
    complete = line.complete_up_to
    return line.label, line.harvester, line.host, schedule, complete, line.missing_days or None, error


def _print_messages(catalog: Catalog, found: SourceList) -> None:
    if catalog.problems:
        print_message(
            f"problems in the files of the sources: {len(catalog.problems)}; `harvest check` shows them"
        )
    if found.undefined:
        print_message(f"no file defines these labels, which have data: {', '.join(found.undefined)}")
