"""`harvest add`: write the config of a source from what the source reports about itself."""

from __future__ import annotations

import os
from pathlib import Path

import click

from harvest_dagster.catalog.bundled import BundledCatalog
from harvest_dagster.catalog.loader import SOURCES_VARIABLE, load_catalog
from harvest_dagster.cli.connections import connected
from harvest_dagster.cli.options import json_option
from harvest_dagster.cli.output import print_json, print_message
from harvest_dagster.diagnosis.new_source import (
    describe_source,
    extend_bundled,
    target_directory,
    write_source,
)
from harvest_dagster.windows import utc_now


@click.command("add")
@click.argument("url", metavar="URL|LABEL")
@click.option("--label", help="The label of the source. The default is made of the host of the URL.")
@click.option(
    "--bundled", "is_bundled", is_flag=True, help="Enable the bundled source LABEL. No request is sent."
)
@json_option
def command(url: str, *, label: str | None, is_bundled: bool, as_json: bool) -> None:
    r"""Write the YAML of a source from what an OAI-PMH repository reports about itself.

    The file is LABEL.yaml in the first directory of HARVEST_SOURCES that can be written and is not `bundled`, or else
    in `sources` in the working directory. Comments say where each value comes from. No file is overwritten, and the
    result passes `harvest check`. Afterwards, `harvest doctor LABEL` examines the source further.

    With --bundled, the file enables a bundled source: it has the line `extends: LABEL`. `harvest list --bundled` lists
    them. Add keys to override those of the bundled source.

    \b
    Examples:
      harvest add https://oaipmh.arxiv.org/oai
      harvest add --bundled zenodo
      harvest add https://zenodo.org/oai2d --label zenodo_all --json
    """
    if is_bundled:
        source = extend_bundled(BundledCatalog(), url, label)
    else:
        with connected(url) as connection:
            source = describe_source(connection, label, utc_now())
    directory, is_read = target_directory(os.environ, Path.cwd(), lambda path: os.access(path, os.W_OK))
    path = write_source(source, directory, load_catalog())
    for sentence in source.unknown:
        print_message(f"not known: {sentence}")
    if not is_read:
        print_message(
            f"{SOURCES_VARIABLE} does not name this directory yet: export {SOURCES_VARIABLE}={directory}"
        )
    if as_json:
        print_json({"label": source.label, "file": str(path), "text": source.text, "unknown": source.unknown})
    else:
        click.echo(f"wrote {path}")
        print_message(f"next: harvest doctor {source.label}; harvest fetch {source.label}")
