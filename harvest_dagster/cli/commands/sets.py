"""`harvest sets`: the sets of an OAI-PMH repository."""

from __future__ import annotations

import click

from harvest_dagster.cli.connections import connected
from harvest_dagster.cli.options import json_option, url_argument
from harvest_dagster.cli.output import print_json, print_message, print_table
from harvest_dagster.diagnosis.repository import list_sets


@click.command("sets")
@url_argument
@json_option
@click.pass_context
def command(context: click.Context, /, *, url: str, as_json: bool) -> None:
    r"""List the sets of an OAI-PMH repository (ListSets), all pages of the list.

    URL is the base URL, or the label of a source. The exit status is 1 if the list breaks; the sets before that are
    shown. A repository without sets is no problem.

    \b
    Examples:
      harvest sets https://oaipmh.arxiv.org/oai
      harvest sets arxiv_cs --json
    """
    with connected(url) as connection:
        found = list_sets(connection)
    if as_json:
        print_json([{"spec": one.spec, "name": one.name} for one in found.sets])
    elif found.sets:
        print_table(("set", "name"), [(one.spec, one.name) for one in found.sets])
    if found.problem:
        print_message(found.problem)
    context.exit(1 if found.problem and found.has_sets else 0)
