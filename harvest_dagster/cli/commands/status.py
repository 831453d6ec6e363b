"""`harvest status`: coverage, gaps and activity of sources."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import click
from rich.console import Console
from rich.text import Text

from harvest_dagster.catalog.loader import load_catalog
from harvest_dagster.cli.database import existing_database, report_if_missing
from harvest_dagster.cli.options import json_option, optional_label_argument
from harvest_dagster.cli.output import print_json, print_table
from harvest_dagster.coverage.lag import describe_lag, habit_change, lookback_warning
from harvest_dagster.coverage.sweep_status import SweepStatus, sweep_findings, sweep_problems
from harvest_dagster.status.calendar import Calendar, calendar_lines, legend
from harvest_dagster.status.source_json import opening_of, state_as_json
from harvest_dagster.status.source_state import SourceState, default_days, read_states
from harvest_dagster.texts import NO_ERROR
from harvest_dagster.windows import DAY, Window, format_instant, utc_now

_COLUMNS = (
    "label",
    "complete up to",
    "gaps",
    "failed",
    "active",
    "quarantined",
    "pending",
    "waits",
    "last sweep",
    "result",
    "held",
)
_COLOURS = {"#": "green", "+": "cyan", "x": "red", "!": "red", ".": "dim"}
_LABELS_OF_LINES = 4  # columns before the first week
_MOST_SHOWN = 10


@click.command("status")
@optional_label_argument
@click.option(
    "--weeks", default=53, show_default=True, type=click.IntRange(1, 1100), help="Weeks of the calendar."
)
@json_option
def command(label: str | None, weeks: int, as_json: bool) -> None:
    r"""Show what is harvested of a source, what is missing, and which runs are active.

    The command sends no request, and changes no data.

    Without LABEL, each source is one line: up to when it is complete, the number of gaps, failed windows, active
    windows, quarantined records, data that wait for a transform, the seconds until the next request to its host is
    allowed, or when the `hours` of the source begin, the end and the result of the last sweep or snapshot, and the
    deletions that are held until `harvest deletions approve LABEL`.

    With LABEL, the calendar has a column for each week and one character for each day:
    # complete and proven, + harvested and not proven, x failed or cancelled, ! a gap, . not requested.
    A gap is a day that was requested or scheduled and is not harvested.

    With --json, standard output is an object, or a list of objects without LABEL: {label, complete_up_to, is_late,
    complete: [[from, until]], gaps: [[from, until]], before_first_harvest, unverified, failed, active, interrupted,
    lease, waits, hours, lag: {p50, p99, p999, records, late_records, lookback_days, habit_change}, quarantined,
    transforms, calendar, sweep, active_sweep, snapshot, next_sweep, held_deletions, absent, differs}. `complete` is all
    that is harvested; `unverified` are the parts of it, within the calendar, that nothing proves. `unverified` and
    `calendar` are null without LABEL. `lag` says within how many days 50, 99 and 99.9 % of the records came, and how
    many came later than the `lookback`. `sweep` is the last comparison of all identifiers, as in `harvest reconcile
    --json`. `differs` is true if deletions are held, or if records are missing after it.

    \b
    Examples:
      harvest status
      harvest status arxiv_cs --weeks 104
      harvest status arxiv_cs --json | jq .gaps
    """
    catalog, now = load_catalog(), utc_now()
    configs = catalog.configs if label is None else [catalog.get(label)]
    with existing_database() as database:
        report_if_missing(database)
        states = read_states(configs, database, now, None if label is None else default_days(now, weeks))
    if as_json:
        found = [state_as_json(state, now) for state in states]
        print_json(found if label is None else found[0])
    elif label is None:
        print_table(_COLUMNS, [_cells(state, now) for state in states])
    else:
        _print_state(states[0], now)


def _cells(state: SourceState, now: datetime) -> tuple[object, ...]:
    budget = state.budget
    pause = f"{budget.pause:.0f} s" if budget and budget.pause else None
    return (
        state.config.label,
        state.status.complete_until if state.status else None,
        len(state.gaps) or None,
        len(state.failed) or None,
        len(state.active) or None,
        state.quarantined or None,
        state.transforms.get("PENDING") or None,
        f"until {format_instant(opening)}" if (opening := opening_of(state.config, now)) else pause,
        state.sweep.last_time if state.sweep else None,
        state.sweep.result if state.sweep else None,
        (state.sweep.counts.held or None) if state.sweep else None,
    )


def _print_state(state: SourceState, now: datetime) -> None:
    console = Console()
    console.print(Text(f"{state.config.label}: {state.config.name}"), soft_wrap=True)
    for name, text in _facts(state, now):
        console.print(Text(f"  {name:<22} {text}"), soft_wrap=True)
    if state.calendar is not None:
        _print_calendar(console, state.calendar)


def _print_calendar(console: Console, calendar: Calendar) -> None:
    width = console.width if console.is_terminal else 80
    console.print()
    for line in calendar_lines(calendar, max(1, width - _LABELS_OF_LINES)):
        console.print(_coloured(line), soft_wrap=True)
    console.print(Text(legend()), soft_wrap=True)


def _coloured(line: str) -> Text:
    text = Text(line)
    for column, mark in enumerate(line):
        if column >= _LABELS_OF_LINES and mark in _COLOURS:
            text.stylize(_COLOURS[mark], column, column + 1)
    return text


def _facts(state: SourceState, now: datetime) -> Iterator[tuple[str, str]]:
    yield from _coverage_facts(state)
    for failed in state.failed[-_MOST_SHOWN:]:
        runs = f"{failed.failed_runs} run{'s' if failed.failed_runs > 1 else ''}"
        yield "failed", f"{failed.window} by {runs}: {failed.error or NO_ERROR}"
    for log in state.active:
        yield "active", f"{log.window} {log.status} by run {log.run_id}, {log.counts.records} records"
    for log in state.interrupted:
        yield "interrupted", f"{log.window} by run {log.run_id}, which is dead; the next run continues there"
    if state.lease is not None:
        expired = "expired" if state.lease.is_expired else "until"
        yield "lease", f"run {state.lease.holder.run_id}, {expired} {format_instant(state.lease.expires)}"
    if state.config.hours is not None:
        opening = opening_of(state.config, now)
        waits = f"; the source waits for them until {format_instant(opening)}" if opening else "; open now"
        yield "hours", f"{state.config.hours}{waits}"
    yield from _lag_facts(state)
    yield from _budget(state)
    if state.quarantined:
        yield "quarantined", f"{state.quarantined} records; `harvest quarantine list {state.config.label}`"
    yield from _sweep_facts(state.sweep)
    for name, number in state.transforms.items():
        yield f"transforms {name}", f"{number}"


def _coverage_facts(state: SourceState) -> Iterator[tuple[str, str]]:
    status = state.status
    if status is None or status.first is None or status.complete_until is None:
        yield "harvested", "never"
        return
    yield "harvested from", format_instant(status.first)
    yield "complete up to", format_instant(status.complete_until) + (", late" if status.is_late else "")
    if status.last_began:
        yield "newest list began", format_instant(status.last_began)
    yield from _windows("gap", state.gaps)
    if status.before_first_harvest is not None:
        yield "before first harvest", f"{status.before_first_harvest} was never requested"


def _lag_facts(state: SourceState) -> Iterator[tuple[str, str]]:
    if (lag := describe_lag(state.config, state.lags)) is not None:
        yield "records come", lag
    if (change := habit_change(state.lags)) is not None:
        yield "habit changed", f"{change}"
    if (warning := lookback_warning(state.config, state.lags)) is not None:
        yield "lookback", warning


def _sweep_facts(status: SweepStatus | None) -> Iterator[tuple[str, str]]:
    """Yield what the last comparison with the source found, and when the next one is due."""
    if status is None:
        return
    for sentence in sweep_problems(status):
        yield "problem", sentence
    for sentence in sweep_findings(status):
        yield "compared", sentence
    if status.active is not None:
        active = status.active
        yield "active sweep", f"since {format_instant(active.date_started)} by run {active.run_id}"
    if status.counts.absent:
        yield "absent", f"{status.counts.absent:,} stored records were not in the last complete list"
    if status.next_time is not None:
        yield "next sweep", format_instant(status.next_time)


def _budget(state: SourceState) -> Iterator[tuple[str, str]]:
    if state.budget is None:
        return
    if state.budget.pause:
        yield "wait", f"no request is allowed for {state.budget.pause:.0f} s"
    if state.budget.slowdown > 1:
        yield "slowed down", f"{state.budget.slowdown} times, because the host refused requests"


def _windows(name: str, windows: Sequence[Window]) -> Iterator[tuple[str, str]]:
    for window in windows[:_MOST_SHOWN]:
        days = -(-window.length // DAY)
        yield name, f"{window}, {days} day{'s' if days > 1 else ''}"
    if len(windows) > _MOST_SHOWN:
        yield name, f"and {len(windows) - _MOST_SHOWN} more"
