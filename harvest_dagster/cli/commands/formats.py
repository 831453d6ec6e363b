"""`harvest formats`: the metadata formats of an OAI-PMH repository."""

from __future__ import annotations

import click

from harvest_dagster.cli.connections import connected
from harvest_dagster.cli.options import json_option, url_argument
from harvest_dagster.cli.output import print_json, print_message, print_table
from harvest_dagster.diagnosis.repository import list_formats


@click.command("formats")
@url_argument
@json_option
def command(url: str, *, as_json: bool) -> None:
    r"""List the metadata formats of an OAI-PMH repository (ListMetadataFormats).

    URL is the base URL, or the label of a source. The prefix is the value of `metadata_prefix`. The repository does not
    say which records it has in a format.

    \b
    Examples:
      harvest formats https://oaipmh.arxiv.org/oai
      harvest formats arxiv_cs --json
    """
    with connected(url) as connection:
        formats = list_formats(connection)
    if as_json:
        print_json(
            [{"prefix": one.prefix, "schema": one.schema, "namespace": one.namespace} for one in formats]
        )
        return
    print_table(
        ("prefix", "namespace", "schema"), [(one.prefix, one.namespace, one.schema) for one in formats]
    )
    if "oai_dc" not in {one.prefix for one in formats}:
        print_message("oai_dc is missing, although every repository must offer it (OAI-PMH, section 3.4)")
