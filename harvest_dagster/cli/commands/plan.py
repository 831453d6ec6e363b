"""`harvest plan`: estimate a backfill before it starts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import click

from harvest_dagster.catalog.loader import load_catalog
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.cli.connections import connected
from harvest_dagster.cli.database import existing_database
from harvest_dagster.cli.options import (
    from_option,
    json_option,
    label_argument,
    raise_if_reversed,
    until_option,
)
from harvest_dagster.cli.output import print_json, print_message, print_table
from harvest_dagster.coverage.day_range import newest_settled_day
from harvest_dagster.diagnosis.backfill import (
    BackfillPlan,
    History,
    estimate,
    find_windows,
    probe,
    read_history,
)
from harvest_dagster.diagnosis.records import requested_window
from harvest_dagster.errors import BadInput
from harvest_dagster.windows import DAY, Window, utc_now, whole_day


@click.command("plan")
@label_argument
@from_option
@until_option
@click.option("--offline", is_flag=True, help="Send no request, even if the source has no history.")
@json_option
def command(
    label: str, *, start: datetime | None, end: datetime | None, offline: bool, as_json: bool
) -> None:
    r"""Estimate the windows, the requests, the time and the disk space of a backfill.

    The plan leaves out the days that are already harvested, as a run does. The windows are exact. The other numbers are
    estimates from the history of the source in the database. If there is no history, the command requests one page (and
    Identify, for OAI-PMH). The last line, `basis`, names the basis of the numbers.

    The range begins at `earliest_date` and ends with the last day that has settled, unless --from and --until name
    another one. Days before `earliest_date` are left out: no backfill requests them.

    \b
    Examples:
      harvest plan arxiv_cs --from 2020-01-01 --until 2021-01-01
      harvest plan arxiv_cs --json
    """
    raise_if_reversed(start, end)
    config, now = load_catalog().get(label), utc_now()
    last = whole_day(newest_settled_day(now, config.settle)).end
    wanted = _from_first_partition(config, requested_window(config, start, end or last, now))
    with existing_database() as database:
        windows = find_windows(database, config, wanted, now)
        history = None if database is None else read_history(database, config)
    if windows and history is None and not offline:
        history = _probe(config, windows)
    _print(config, wanted, estimate(config, windows, history, now), as_json=as_json)


def _from_first_partition(config: IngestConfig, wanted: Window) -> Window:
    """Return the part of a range from `earliest_date` on. Earlier days are no partitions, so no backfill requests them.

    Raises:
        BadInput: the whole range is earlier.
    """
    first = whole_day(config.earliest_date).start
    if wanted.start >= first:
        return wanted
    if wanted.end <= first:
        message = f"{wanted} is before {config.earliest_date}, the earliest_date of {config.label}. Change one of them."
        raise BadInput(message)
    print_message(f"the days before {config.earliest_date} are left out: earliest_date of {config.label}")
    return Window(first, wanted.end)


def _days(windows: Iterable[Window]) -> int | float:
    days = sum((window.length for window in windows), timedelta()) / DAY
    return int(days) if days.is_integer() else days


def _probe(config: IngestConfig, windows: list[Window]) -> History:
    with connected(config.label) as connection:
        return probe(connection, windows)


def _print(config: IngestConfig, wanted: Window, plan: BackfillPlan, *, as_json: bool) -> None:
    values = {
        "label": config.label,
        "from": wanted.start,
        "until": wanted.end,
        "windows": len(plan.windows),
        "days": _days(plan.windows),
        "requests": plan.requests,
        "seconds": plan.seconds,
        "bytes": plan.bytes,
        "records": plan.records,
        "basis": plan.basis,
    }
    if as_json:
        print_json(values)
        return
    shown = {name: "not known" if value is None else value for name, value in values.items()}
    if plan.seconds is not None:
        shown["seconds"] = f"{plan.seconds:,.0f} ({timedelta(seconds=round(plan.seconds))})"
    print_table(("what", "estimate"), list(shown.items()))
