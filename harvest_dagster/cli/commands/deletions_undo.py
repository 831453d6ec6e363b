"""`harvest deletions undo`."""

from __future__ import annotations

from dataclasses import asdict

import click

from harvest_dagster.cli.contexts import held_source, report_pending_documents
from harvest_dagster.cli.database import required_database
from harvest_dagster.cli.options import json_option, label_argument
from harvest_dagster.cli.output import print_json, print_message
from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.pipeline.deletions.decisions import undo_decision
from harvest_dagster.storage.deletions import decisions
from harvest_dagster.storage.deletions.decisions import Decision


@click.command("undo")
@label_argument
@click.option(
    "--decision", "decision_id", type=int, metavar="ID", help="This decision instead of the last one."
)
@json_option
@click.pass_context
def command(context: click.Context, label: str, decision_id: int | None, as_json: bool) -> None:
    r"""Undo the last decision to delete records of LABEL. It may have been approved, or made by a run.

    All its records are live again, with the content that they had. A record that has changed since stays as it is.
    Their `deletions.wait` begins again with the next complete list. With a `wait` of 0, that list deletes them again,
    unless it contains them or `deletions.by` is `protocol`. The command holds the lease of the source meanwhile.

    The exit status is 1 if there is no decision to undo, or if the content of a record was pruned.

    With --json, standard output is {decision, restored, unchanged, lost}: the id of the decision, and numbers of
    records.

    \b
    Examples:
      harvest deletions undo example
      harvest deletions undo example --decision 7
    """
    with required_database() as database, held_source(database, label, "deletions undo") as (harvest, lease):
        decision = _find(harvest, decision_id)
        undoing = undo_decision(harvest, lease, decision)
    report_pending_documents(harvest.config, undoing.restored)
    if as_json:
        print_json({"decision": decision.id, **asdict(undoing)})
    else:
        click.echo(f"decision {decision.id}: {undoing.restored:,} records are live again")
        if undoing.unchanged:
            click.echo(f"{undoing.unchanged:,} records have changed since, and stay as they are")
    if undoing.lost:
        print_message(
            f"the content of {undoing.lost:,} records was pruned: they stay deleted until they are harvested"
        )
        context.exit(1)


def _find(harvest: HarvestContext, decision_id: int | None) -> Decision:
    """Return the decision to undo.

    Raises:
        ClickException: there is none, or it is undone.
    """
    with harvest.run.database.read() as connection:
        decision = decisions.find_decision(connection, harvest.config_id, decision_id)
    if decision is None:
        raise click.ClickException(
            f"{harvest.config.label} has no decision to undo"
            if decision_id is None
            else f"{harvest.config.label} has no decision {decision_id}. `harvest deletions list "
            f"{harvest.config.label} --decisions` lists all."
        )
    if decision.date_undone is not None:
        raise click.ClickException(f"decision {decision.id} is undone already")
    return decision
