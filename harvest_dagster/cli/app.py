"""The command `harvest` and the list of its subcommands.

Exit status: 0 if the command finished without a problem; 1 if there is a problem or a failure, reported in one line; 2
if the command line itself is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping

import click

from harvest_dagster import __version__
from harvest_dagster.cli.groups import Entry, LazyGroup

COMMANDS: Mapping[str, Entry] = {
    "check": Entry("check", "Validate the YAML files of sources."),
    "records": Entry("records", "Print the current records of a source as JSON Lines."),
    "documents": Entry("documents", "Print the current documents of a source as JSON Lines."),
    "export": Entry("export", "Export records or documents to Parquet, JSON Lines or CSV."),
    "list": Entry("list_sources", "List the sources: up to when they are complete, and their last error."),
    "status": Entry(
        "status", "Show what is harvested of a source, what is missing, and which runs are active."
    ),
    "history": Entry("history", "Show the harvests of a source and their runs."),
    "run": Entry("run", "Harvest a source into the database, as its asset does."),
    "reconcile": Entry("reconcile", "Compare all identifiers of a source with the stored ones."),
    "fetch": Entry("fetch", "Show records of a source, and store nothing."),
    "identify": Entry("identify", "Show what an OAI-PMH repository reports about itself."),
    "sets": Entry("sets", "List the sets of an OAI-PMH repository."),
    "formats": Entry("formats", "List the metadata formats of an OAI-PMH repository."),
    "doctor": Entry("doctor", "Examine a source, and name the lines of its config to change."),
    "add": Entry("add", "Write the YAML of a source from what the source reports about itself."),
    "plan": Entry("plan", "Estimate the requests, the time and the disk space of a backfill."),
    "quarantine": Entry("quarantine", "Show, retry and discard invalid records."),
    "deletions": Entry("deletions", "List, approve and undo the deletions that were concluded from lists."),
    "replay": Entry("replay", "Transform the stored data of a source again, without a request."),
    "report": Entry("report", "Write one HTML page about all sources."),
    "metrics": Entry("metrics", "Print or serve the state of all sources as metrics for Prometheus."),
    "db": Entry("db", "Upgrade, check, measure, prune and copy the database."),
}


@click.group(cls=LazyGroup, entries=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="harvest")
def harvest() -> None:
    """Harvest metadata records from remote sources, and read them.

    The sources are the YAML files in the directories of HARVEST_SOURCES, which may also name the defs.yaml of a Dagster
    component. The records are in the database of HARVEST_DATABASE_URL. `harvest COMMAND --help` describes a command and
    shows examples.
    """
