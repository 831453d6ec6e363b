"""`harvest deletions list`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from typing import Any, TypeVar

import click

from harvest_dagster.catalog.loader import load_catalog
from harvest_dagster.cli.database import existing_database, report_if_missing
from harvest_dagster.cli.options import json_option, label_argument
from harvest_dagster.cli.output import print_json, print_json_array, print_message, print_table
from harvest_dagster.storage import ingest_configs
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.deletions import absences, decisions
from harvest_dagster.storage.deletions.absences import AbsentRecord
from harvest_dagster.storage.deletions.decisions import Deletion
from harvest_dagster.texts import escape_controls

_AT_A_TIME = 5000
_MOST_SHOWN = 1000  # lines of a table; --json has all
_MOST_DECISIONS = 100
_COLUMNS = ("identifier", "evidence", "since")
_DECISION_COLUMNS = ("id", "records", "approved", "date_created", "date_undone", "run_id")

_Row = TypeVar("_Row", AbsentRecord, Deletion)


@click.command("list")
@label_argument
@click.option("--decision", "decision_id", type=int, metavar="ID", help="The deletions of this decision.")
@click.option("--decisions", "only_decisions", is_flag=True, help="The decisions, the newest first.")
@json_option
def command(label: str, decision_id: int | None, only_decisions: bool, as_json: bool) -> None:
    r"""List the deletions of LABEL that wait for an approval.

    The evidence suffices for each of them, but one list showed more removed records than `deletions.most` permits.

    With --json, standard output is a list of {identifier, evidence, since}. The evidence is `absent_once` or
    `absent_twice`, that is, one complete list or two of them do not contain the record, or `not_found`: the source says
    that it does not exist. `since` is the start of the first list without it. With --decisions, it is a list of {id,
    records, approved, date_created, date_undone, run_id}.

    \b
    Examples:
      harvest deletions list example
      harvest deletions list example --decisions
      harvest deletions list example --decision 7 --json
    """
    if decision_id is not None and only_decisions:
        raise click.UsageError("--decision and --decisions exclude each other.")
    load_catalog().get(label)
    with existing_database() as database:
        report_if_missing(database)
        config_id = None if database is None else _find_id(database, label)
        if only_decisions:
            _print_decisions(database, config_id, as_json=as_json)
        else:
            _print_rows(_rows(database, config_id, decision_id), as_json=as_json)


def _find_id(database: Database, label: str) -> int | None:
    with database.read() as connection:
        return ingest_configs.find_id(connection, label)


def _rows(
    database: Database | None, config_id: int | None, decision_id: int | None
) -> Iterator[dict[str, Any]]:
    if database is None or config_id is None:
        return
    found: Iterator[AbsentRecord] | Iterator[Deletion]
    if decision_id is None:
        found = _paged(
            database,
            lambda connection, after: absences.find_proven(
                connection, config_id, after, _AT_A_TIME, only_held=True
            ),
            lambda row: row.suid_id,
        )
    else:
        _raise_if_unknown(database, config_id, decision_id)
        found = _paged(
            database,
            lambda connection, after: decisions.find_deletions(connection, decision_id, after, _AT_A_TIME),
            lambda row: row.id,
        )
    for row in found:
        yield {"identifier": row.identifier, "evidence": row.evidence, "since": row.since}


def _paged(
    database: Database, find: Callable[[Any, int], list[_Row]], key: Callable[[_Row], int]
) -> Iterator[_Row]:
    """Yield rows in short transactions: an output that nobody reads must not keep one open."""
    after = 0
    while True:
        with database.read() as connection:
            rows = find(connection, after)
        yield from rows
        if len(rows) < _AT_A_TIME:
            return
        after = key(rows[-1])


def _raise_if_unknown(database: Database, config_id: int, decision_id: int) -> None:
    with database.read() as connection:
        if decisions.find_decision(connection, config_id, decision_id) is None:
            raise click.ClickException(
                f"the source has no decision {decision_id}. `harvest deletions list LABEL --decisions` lists all."
            )


def _print_rows(rows: Iterator[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json_array(rows)
        return
    shown = [_cells(row) for row in islice(rows, _MOST_SHOWN)]
    print_table(_COLUMNS, shown)
    if not shown:
        print_message("no deletion waits for an approval")
    if next(rows, None) is not None:
        print_message("there are more; `--json` prints all")


def _cells(row: dict[str, Any]) -> Sequence[Any]:
    return escape_controls(row["identifier"]), row["evidence"], row["since"]


def _print_decisions(database: Database | None, config_id: int | None, *, as_json: bool) -> None:
    found = []
    if database is not None and config_id is not None:
        with database.read() as connection:
            found = decisions.list_decisions(connection, config_id, _MOST_DECISIONS)
    if as_json:
        print_json([asdict(one) for one in found])
    else:
        print_table(
            _DECISION_COLUMNS,
            [[str(one.id), *(getattr(one, name) for name in _DECISION_COLUMNS[1:])] for one in found],
        )
        if not found:
            print_message("no decision was made")
