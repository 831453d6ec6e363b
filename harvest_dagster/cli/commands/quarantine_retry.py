"""`harvest quarantine retry`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

from harvest_dagster.catalog.loader import Catalog, load_catalog
from harvest_dagster.cli.contexts import command_run, harvest_context, held_lease
from harvest_dagster.cli.database import required_database
from harvest_dagster.cli.options import Label, json_option
from harvest_dagster.cli.output import print_json, print_message
from harvest_dagster.pipeline.storing.quarantine_retry import RetryOutcome, retry_records
from harvest_dagster.storage import ingest_configs
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log.quarantine import QuarantinedRow, find_rows

_AT_A_TIME = 5000  # records without their bytes


@click.command("retry")
@click.argument("keys", metavar="[ID]...", type=int, nargs=-1)
@click.option("--label", type=Label(), help="All records of this source.")
@json_option
@click.pass_context
def command(context: click.Context, keys: Sequence[int], label: str | None, as_json: bool) -> None:
    r"""Parse quarantined records again, and store those that are valid now. No request is sent.

    Use it after an update of this package, or after a change of the source's YAML. The records pass through the steps
    of a harvest, and wait for their transform. The command holds the lease of the source meanwhile. If a run holds
    the lease, the command changes nothing, and the exit status is 1.

    A record that is still invalid stays, with its present error, and the exit status is 1. A record is superseded if a
    version of it that arrived later is stored. A record is unsupported if its parser needs the whole page: harvest its
    window again.

    With --json, standard output is {stored, superseded, invalid, unsupported}: lists of ids.

    \b
    Examples:
      harvest quarantine retry 17 18
      harvest quarantine retry --label arxiv_cs
    """
    if bool(keys) == (label is not None):
        raise click.UsageError("Give either ids or --label.")
    catalog = load_catalog()
    if label is not None:
        catalog.get(label)
    with required_database() as database:
        outcome = _retry(database, catalog, list(keys) or None, label)
    if as_json:
        print_json({name: getattr(outcome, name) for name in RetryOutcome.__dataclass_fields__})
    else:
        click.echo(
            f"{len(outcome.stored)} stored, {len(outcome.superseded)} superseded, {len(outcome.invalid)} still invalid"
        )
    if outcome.unsupported:
        print_message(f"{len(outcome.unsupported)} records need their page: harvest their windows again")
    missing = set(keys) - {
        key for name in RetryOutcome.__dataclass_fields__ for key in getattr(outcome, name)
    }
    if missing:
        print_message(f"{len(missing)} of these ids are not in the quarantine")
    context.exit(1 if outcome.invalid or outcome.unsupported or missing else 0)


def _retry(database: Database, catalog: Catalog, keys: list[int] | None, label: str | None) -> RetryOutcome:
    outcome, after = RetryOutcome(), 0
    while True:
        with database.read() as connection:
            rows = find_rows(connection, ids=keys, label=label, after=after, most=_AT_A_TIME)
        for source, of_source in _by_label(rows).items():
            outcome += _retry_source(database, catalog, source, of_source)
        if len(rows) < _AT_A_TIME:
            return outcome
        after = rows[-1].id


def _by_label(rows: Sequence[QuarantinedRow]) -> Mapping[str, list[QuarantinedRow]]:
    found: dict[str, list[QuarantinedRow]] = {}
    for row in rows:
        found.setdefault(row.label, []).append(row)
    return found


def _retry_source(
    database: Database, catalog: Catalog, label: str, rows: Sequence[QuarantinedRow]
) -> RetryOutcome:
    config = catalog.get(label)
    with database.read() as connection:
        config_id = ingest_configs.find_id(connection, label) or 0
    harvest = harvest_context(command_run(database, "quarantine retry"), config, config_id, catalog.configs)
    with held_lease(harvest) as lease:
        return retry_records(harvest, lease, rows)
