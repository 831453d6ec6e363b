"""`harvest report`: one HTML page about all sources."""

from __future__ import annotations

from pathlib import Path

import click

from harvest_dagster.catalog.loader import load_catalog
from harvest_dagster.cli.database import existing_database
from harvest_dagster.cli.options import json_option
from harvest_dagster.cli.output import print_json
from harvest_dagster.status.report import build_report, render, write_report
from harvest_dagster.windows import utc_now


@click.command("report")
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
@json_option
def command(path: Path, as_json: bool) -> None:
    r"""Write one HTML page about all sources to PATH. The page loads nothing, so it can be sent or served as it is.

    It shows for each source: up to when it is complete, a calendar of the last 53 weeks, missing days, failed windows
    with their reasons, quarantined records, data that wait for a transform, and waits; and for each host, how much of
    its request budget was used on the last day. Its columns can be sorted, and it fits a phone.

    The sensor write_report keeps the page up to date if the variable HARVEST_REPORT names its path.

    With --json, standard output is {path, bytes, sources, conditions}: the numbers of sources, in all and by condition.

    \b
    Examples:
      harvest report report.html
      harvest report /srv/www/harvest.html --json
    """
    catalog = load_catalog()
    with existing_database() as database:
        report = build_report(catalog.configs, database, utc_now(), catalog.problems)
    size = write_report(path, render(report))
    if as_json:
        numbers = {"sources": len(report.sources), "conditions": report.conditions}
        print_json({"path": str(path), "bytes": size, **numbers})
    else:
        sources = len(report.sources)
        click.echo(f"{path}: {sources} source{'s' if sources != 1 else ''}, {size:,} bytes")
