"""`harvest replay`: transform stored data again."""

from __future__ import annotations

from datetime import date, datetime

import click

from harvest_dagster.catalog.loader import load_catalog
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.cli.contexts import transform_pending
from harvest_dagster.cli.database import required_database
from harvest_dagster.cli.options import Instant, json_option, label_argument, raise_if_reversed
from harvest_dagster.cli.output import print_json, print_message
from harvest_dagster.coverage.scopes import declared_transformer
from harvest_dagster.errors import BadInput
from harvest_dagster.pipeline.transform import TransformOutcome
from harvest_dagster.storage import ingest_configs
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.transform_queue.queue import TransformQueue, find_days, requeue_current
from harvest_dagster.storage.transform_queue.versions import update_version
from harvest_dagster.windows import utc_now


@click.command("replay")
@label_argument
@click.option("--from", "start", type=Instant(), help="First day of the data; default: all.")
@click.option("--until", "end", type=Instant(), help="End of the data; this day is excluded.")
@click.option("--failed", is_flag=True, help="Only data whose transform failed.")
@click.option("--now", "at_once", is_flag=True, help="Transform in this process, and wait for it.")
@json_option
@click.pass_context
def command(
    context: click.Context,
    *,
    label: str,
    start: datetime | None,
    end: datetime | None,
    failed: bool,
    at_once: bool,
    as_json: bool,
) -> None:
    r"""Transform the stored data of a source again. No request is sent to the source.

    The current content of each identifier becomes PENDING for the present version of the transformer. This includes
    data that were never transformed, because the source had no transformer when they were harvested. The sensor
    transform_pending then starts runs of transformed/LABEL. Without the sensor, materialize its partitions in Dagster.
    With --now, this process transforms the data, and Dagster shows no materialization.

    --from and --until select data by the day of their partition. Both take a date in UTC.

    It is not needed after a change of the transformer in the YAML, or of its version: transform_pending then marks the
    data itself. This command does it at once.

    With --json, standard output is {label, pending, transformed, deleted, failed, chosen, errors}: the number of data
    that were marked PENDING, and with --now the numbers of the transform, of documents by the transformer that `auto`
    chose, and the first errors. The exit status is 1 if a datum failed.

    \b
    Examples:
      harvest replay arxiv_cs
      harvest replay arxiv_cs --failed --now
      harvest replay arxiv_cs --from 2024-01-01 --until 2024-02-01
    """
    raise_if_reversed(start, end)
    config = load_catalog().get(label)
    if config.transformer is None:
        raise BadInput(f"{label} has no transformer. Add the key `transformer` to its YAML.")
    first, last = start.date() if start else date.min, _last_day(end) if end else date.max
    with required_database() as database:
        pending = _requeue(database, config, (first, last), only_failed=failed)
        outcome = (
            transform_pending(database, config, (first, last), "replay") if at_once else TransformOutcome()
        )
    _print(label, pending, outcome, as_json=as_json, at_once=at_once)
    context.exit(1 if outcome.failed else 0)


def _last_day(end: datetime) -> date:
    return (end - datetime.resolution).date()


def _requeue(database: Database, config: IngestConfig, days: tuple[date, date], *, only_failed: bool) -> int:
    """Mark the data PENDING, in one transaction for each day, so that no other writer waits long."""
    with database.read() as connection:
        config_id = ingest_configs.find_id(connection, config.label)
        found = [] if config_id is None else find_days(connection, config_id, days)
    if config_id is None:
        return 0
    version = update_version(database, config_id, declared_transformer(config))
    queue, pending = TransformQueue(config_id, version), 0
    for day in found:
        with database.begin() as connection:
            pending += requeue_current(connection, queue, day, utc_now(), only_failed=only_failed)
    return pending


def _print(label: str, pending: int, outcome: TransformOutcome, *, as_json: bool, at_once: bool) -> None:
    numbers = {"transformed": outcome.transformed, "deleted": outcome.deleted, "failed": outcome.failed}
    if as_json:
        chosen = dict(outcome.chosen)
        print_json(
            {"label": label, "pending": pending, **numbers, "chosen": chosen, "errors": list(outcome.errors)}
        )
        return
    waiting = f"{pending:,} data are PENDING; the sensor transform_pending transforms them"
    click.echo(f"{label}: {_sentence(numbers) if at_once else waiting}")
    if outcome.chosen:
        click.echo(f"documents by the transformer that was chosen: {outcome.choice}")
    for error in outcome.errors:
        print_message(error)


def _sentence(numbers: dict[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in numbers.items())
