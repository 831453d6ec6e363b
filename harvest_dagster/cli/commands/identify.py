"""`harvest identify`: what an OAI-PMH repository reports about itself."""

from __future__ import annotations

import click

from harvest_dagster.cli.connections import connected
from harvest_dagster.cli.options import json_option, url_argument
from harvest_dagster.cli.output import print_json, print_message, print_table
from harvest_dagster.diagnosis.repository import identify


@click.command("identify")
@url_argument
@json_option
def command(url: str, *, as_json: bool) -> None:
    r"""Show what an OAI-PMH repository reports about itself (Identify).

    URL is the base URL, or the label of a source. Missing or invalid statements are listed.

    \b
    Examples:
      harvest identify https://oaipmh.arxiv.org/oai
      harvest identify arxiv_cs --json
    """
    with connected(url) as connection:
        report = identify(connection)
    found = report.identity
    values = {
        "repository_name": found.repository_name or None,
        "base_url": found.base_url or None,
        "protocol_version": found.protocol_version or None,
        "earliest_datestamp": found.earliest_datestamp,
        "deleted_record": found.deleted_record or None,
        "granularity": found.granularity.value,
        "admin_emails": list(found.admin_emails),
    }
    if as_json:
        print_json({**values, "unknown": report.unknown})
        return
    rows = [(name, ", ".join(value) if isinstance(value, list) else value) for name, value in values.items()]
    print_table(("statement", "value"), rows)
    for sentence in report.unknown:
        print_message(f"not known: {sentence}")
