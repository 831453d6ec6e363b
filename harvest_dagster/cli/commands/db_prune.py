"""`harvest db prune`."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

import click

from harvest_dagster import spool
from harvest_dagster.cli.database import required_database
from harvest_dagster.cli.options import json_option
from harvest_dagster.cli.output import print_json, print_table
from harvest_dagster.spool import Spool
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.maintenance import prune
from harvest_dagster.windows import utc_now


@click.command("prune")
@click.option(
    "--older-than",
    default=90,
    show_default=True,
    type=click.IntRange(min=1),
    metavar="DAYS",
    help="Age in days.",
)
@click.option(
    "--superseded-revisions",
    "revisions",
    is_flag=True,
    help="Also delete contents that newer ones have replaced.",
)
@click.option("--dry-run", is_flag=True, help="Only count what would be deleted.")
@json_option
def command(older_than: int, revisions: bool, dry_run: bool, as_json: bool) -> None:
    r"""Delete the rows and pages that no later run needs, if they are older than some days.

    The command deletes: acquisitions of leases, except the newest of each source; run attempts at windows that have
    succeeded since; processes of transform runs that transform nothing now; counts of late records that are older than
    a year, too; recorded requests that no rate limit needs, whatever their age; and fetched pages and outputs of ops in
    the spool.
    Coverage, current contents, documents, sweeps and deletions stay.

    With --superseded-revisions, the command also deletes contents that newer contents have replaced. The history of
    these records is then lost, and with it the deletions of records that exist again. What `harvest deletions undo`
    would bring back stays.

    SQLite reuses the space in its file. To make the file smaller, run the statement `VACUUM` while no run is active.

    With --json, standard output is {dry_run, lease_grants, run_attempts, transform_runs, record_lags, departures,
    revisions, spool_directories}: the numbers of deleted rows and directories.

    \b
    Examples:
      harvest db prune --dry-run
      harvest db prune --older-than 365 --superseded-revisions
    """
    before = utc_now() - timedelta(days=older_than)
    with required_database() as database:
        deleted = _prune(database, before, dry_run=dry_run)
        deleted["revisions"] = (
            prune.prune_superseded_data(database, before, dry_run=dry_run) if revisions else 0
        )
    deleted["spool_directories"] = _prune_spool(timedelta(days=older_than), dry_run=dry_run)
    if as_json:
        print_json({"dry_run": dry_run, **deleted})
    else:
        print_table(("", "would be deleted" if dry_run else "deleted"), list(deleted.items()))


def _prune(database: Database, before: datetime, *, dry_run: bool) -> dict[str, int]:
    """Prune each table in a transaction of its own, so that no other writer waits long."""
    steps = {
        "lease_grants": prune.prune_lease_grants,
        "run_attempts": prune.prune_run_attempts,
        "transform_runs": prune.prune_transform_runs,
    }
    deleted = {}
    for name, step in steps.items():
        with database.begin() as connection:
            deleted[name] = step(connection, before, dry_run=dry_run)
    with database.begin() as connection:
        deleted["record_lags"] = prune.prune_lags(connection, before, utc_now(), dry_run=dry_run)
    with database.begin() as connection:
        deleted["departures"] = prune.prune_departures(connection, dry_run=dry_run)
    return deleted


def _prune_spool(age: timedelta, *, dry_run: bool) -> int:
    found, now = Spool(spool.default_url(os.environ, Path.cwd())), utc_now()
    return sum(
        len(found.prune(label, now=now, older_than=age, dry_run=dry_run)) for label in found.directories()
    )
