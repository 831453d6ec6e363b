"""`harvest documents`: print the current documents of a source."""

from __future__ import annotations

from datetime import datetime

import click

from harvest_dagster.cli.options import json_option, label_argument
from harvest_dagster.cli.row_options import row_options
from harvest_dagster.cli.row_output import print_rows
from harvest_dagster.data.rows import documents


@click.command("documents")
@label_argument
@row_options
@json_option
def command(
    *,
    label: str,
    since: datetime | None,
    identifiers: tuple[str, ...],
    limit: int | None,
    as_json: bool,  # noqa: ARG001  # JSON Lines are printed anyway
) -> None:
    r"""Print the current documents of a source as JSON Lines: one JSON object on each line.

    There is one row for each identifier, its newest revision, in the order of the changes. The keys are the columns of
    the view current_document. The row of a deleted record has `deleted` true. --json changes nothing, because the
    output is always JSON.

    \b
    Examples:
      harvest documents arxiv_cs --limit 3
      harvest documents arxiv_cs --id oai:arXiv.org:0706.0001
      harvest documents arxiv_cs --since 2026-01-31T04:00:00Z | jq .identifier
    """
    rows = documents(label, since, identifiers=identifiers, limit=limit)
    print_rows(rows, label, identifiers[0] if len(identifiers) == 1 and since is None else None)
