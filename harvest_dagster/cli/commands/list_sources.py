"""`harvest list`: one line for each source."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from harvest_dagster.catalog.bundled import BundledCatalog
from harvest_dagster.catalog.bundled_list import list_bundled
from harvest_dagster.catalog.loader import Catalog, load_catalog
from harvest_dagster.cli.options import json_option
from harvest_dagster.cli.output import print_json, print_message, print_table
from harvest_dagster.texts import shorten
from harvest_dagster.windows import utc_now

if TYPE_CHECKING:
    from harvest_dagster.status.source_list import SourceLine, SourceList

BUNDLED = BundledCatalog()
_BUNDLED_COLUMNS = ("label", "name", "harvester", "host", "format", "unverified since", "terms")
_COLUMNS = (
    "label",
    "harvester",
    "host",
    "schedule",
    "complete up to",
    "missing days",
    "last sweep",
    "result",
    "held deletions",
    "next sweep",
    "last error",
)
_LONGEST_ERROR = 100  # characters in the table; --json has the whole line


@click.command("list")
@click.argument("text", required=False)
@click.option(
    "--bundled", "is_bundled", is_flag=True, help="List the bundled sources, which `extends` can take over."
)
@json_option
@click.pass_context
def command(context: click.Context, /, *, text: str | None, is_bundled: bool, as_json: bool) -> None:
    r"""List the sources of the catalog. The command sends no request, and changes no data.

    The columns "complete up to" and "missing days" follow the same rule as the asset check up_to_date: up to that
    instant, nothing is missing since the first harvest of the source. "last error" is the error of the newest window
    that failed and is not harvested since. "last sweep" is when all identifiers of the source were last compared with
    the stored ones, or when its last snapshot ended. "held deletions" wait for `harvest deletions approve LABEL`.
    Without a database, these columns are empty. The exit status is 1 if a source of the catalog did not load.

    With --json, standard output is a list of {label, harvester, host, schedule, disabled, complete_up_to, missing_days,
    is_late, last_error, last_sweep, sweep_result, held_deletions, next_sweep}. A value that is not known is null.

    With --bundled, the command lists the sources of the package: the format of their records, since when nobody has
    compared their facts with the source, and what the operator asks of harvesters. TEXT selects those that have it in
    their label, name, host, home page, format or description.

    \b
    Examples:
      harvest list
      HARVEST_SOURCES=sources harvest list
      harvest list --json | jq -r '.[] | select(.last_error) | .label'
      harvest list --bundled physics
    """
    if is_bundled:
        _list_bundled(text or "", as_json=as_json)
        return
    if text is not None:
        raise click.UsageError("TEXT needs --bundled.")
    # They take a third of the time of `harvest list --bundled`.
    from harvest_dagster.cli.database import existing_database, report_if_missing  # noqa: PLC0415
    from harvest_dagster.status.source_list import list_sources  # noqa: PLC0415

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


def _list_bundled(text: str, *, as_json: bool) -> None:
    lines = list(list_bundled(BUNDLED, text))
    if as_json:
        print_json([asdict(line) for line in lines])
        return
    rows = [
        (one.label, one.name, one.harvester, one.host, one.format, one.unverified_since, one.terms)
        for one in lines
    ]
    print_table(_BUNDLED_COLUMNS, rows)
    print_message(f"bundled sources: {len(lines)}; to enable one: harvest add --bundled LABEL")


def _cells(line: SourceLine) -> tuple[object, ...]:
    schedule = "disabled" if line.disabled else line.schedule
    error = shorten(line.last_error, _LONGEST_ERROR) if line.last_error else None
    complete = line.complete_up_to
    return (
        *(line.label, line.harvester, line.host, schedule, complete, line.missing_days or None),
        *(line.last_sweep, line.sweep_result, line.held_deletions or None, line.next_sweep, error),
    )


def _print_messages(catalog: Catalog, found: SourceList) -> None:
    if catalog.problems:
        print_message(
            f"problems in the files of the sources: {len(catalog.problems)}; `harvest check` shows them"
        )
    if found.undefined:
        print_message(f"no file defines these labels, which have data: {', '.join(found.undefined)}")
