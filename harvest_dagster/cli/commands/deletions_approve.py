"""`harvest deletions approve`."""

from __future__ import annotations

import click

from harvest_dagster.cli.contexts import held_source, report_pending_documents
from harvest_dagster.cli.database import required_database
from harvest_dagster.cli.options import json_option, label_argument
from harvest_dagster.cli.output import print_json
from harvest_dagster.errors import BadInput
from harvest_dagster.pipeline.deletions.decisions import approve_held


@click.command("approve")
@label_argument
@json_option
def command(label: str, as_json: bool) -> None:
    r"""Mark the records of LABEL as deleted whose deletion waits for an approval. This is one decision.

    Each deletion is a new revision of its record: the views show it, and the transform asset receives it. No request is
    sent. The command holds the lease of the source meanwhile. If a run holds the lease, the command changes nothing,
    and the exit status is 1.

    With --json, standard output is {decision, deleted}: the id of the decision, null if nothing was held, and the
    number of records.

    \b
    Example:
      harvest deletions approve example
    """
    with (
        required_database() as database,
        held_source(database, label, "deletions approve") as (harvest, lease),
    ):
        if harvest.config.deletions.by == "protocol":
            message = (
                f"`deletions.by` of {label} is protocol, so only records that the source marks as deleted are deleted. "
                "To approve others, set `by: snapshot` or `by: reconcile`."
            )
            raise BadInput(message)
        approval = approve_held(harvest, lease)
    report_pending_documents(harvest.config, approval.deleted)
    if as_json:
        print_json({"decision": approval.decision_id, "deleted": approval.deleted})
    elif approval.decision_id is None:
        click.echo("no deletion waits for an approval")
    else:
        click.echo(
            f"{approval.deleted:,} records deleted by decision {approval.decision_id}. "
            f"`harvest deletions undo {label}` makes them live again."
        )
