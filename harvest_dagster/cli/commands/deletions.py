"""`harvest deletions`: the group of commands for records that a source no longer lists."""

from __future__ import annotations

from collections.abc import Mapping

import click

from harvest_dagster.cli.groups import Entry, LazyGroup

COMMANDS: Mapping[str, Entry] = {
    "list": Entry("deletions_list", "List the deletions that wait for an approval."),
    "approve": Entry("deletions_approve", "Mark these records as deleted."),
    "undo": Entry("deletions_undo", "Make the records of the last decision live again."),
}


@click.group("deletions", cls=LazyGroup, entries=COMMANDS)
def command() -> None:
    """List, approve and undo the deletions that were concluded from lists.

    If a source does not mark removed records as deleted, `deletions.by` in its YAML permits to conclude from complete
    lists which records it has removed. If a list shows more of them than `deletions.most`, the deletions wait for an
    approval.
    """
