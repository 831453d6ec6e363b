"""`harvest quarantine`: the group of commands for invalid records."""

from __future__ import annotations

from collections.abc import Mapping

import click

from harvest_dagster.cli.groups import Entry, LazyGroup

COMMANDS: Mapping[str, Entry] = {
    "list": Entry("quarantine_list", "List the quarantined records."),
    "show": Entry("quarantine_show", "Show a quarantined record with its bytes."),
    "retry": Entry("quarantine_retry", "Parse records again, and store those that are valid now."),
    "discard": Entry("quarantine_discard", "Delete quarantined records."),
}


@click.group("quarantine", cls=LazyGroup, entries=COMMANDS)
def command() -> None:
    """Show, retry and discard invalid records.

    A record that cannot be parsed or stored goes to the quarantine, with its bytes and its error. The other records of
    its window are stored. A record leaves the quarantine when a later harvest delivers a valid version of it.
    """
