"""One HTML page about all sources, without any external resource.

`build_report` reads the sources, `render` makes the page, `write_report` writes it. The texts of sources and of errors
are escaped by Jinja2 (autoescape), and its Content-Security-Policy forbids it to load anything.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import groupby
from pathlib import Path

from harvest_dagster.catalog.problems import Problem
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.coverage.lag import describe_lag, habit_change, lookback_warning
from harvest_dagster.coverage.sweep_status import sweep_problems
from harvest_dagster.errors import BadInput
from harvest_dagster.status.calendar import MARKS, MEANINGS, Calendar
from harvest_dagster.status.host_entries import HostEntry, host_entries
from harvest_dagster.status.source_json import opening_of
from harvest_dagster.status.source_state import SourceState, default_days, read_states
from harvest_dagster.status.sweep_plot import (
    DIFFERENCES,
    HEIGHT,
    MOST_SWEEPS,
    WIDTH,
    describe_sweeps,
    draw_sweeps,
)
from harvest_dagster.storage.database import Database
from harvest_dagster.windows import DAY

VARIABLE = "HARVEST_REPORT"
CELL = 10  # units of the drawing for each day
MOST_FAILURES = 5  # of each source


@dataclass(frozen=True)
class SourceEntry:
    """One source of the report."""

    state: SourceState
    now: datetime

    @property
    def condition(self) -> str:
        """`failed`, `differs`, `incomplete`, `late`, `complete`, `never harvested` or `disabled`."""
        status = self.state.status
        if self.state.config.disabled:
            return "disabled"
        if self.state.failed:
            return "failed"
        if self.state.sweep is not None and self.state.sweep.differs:
            return "differs"
        if status is None or status.complete_until is None:
            return "never harvested"
        if status.missing:
            return "incomplete"
        return "late" if status.is_late else "complete"

    @property
    def lag_days(self) -> float | None:
        """The days from the instant up to which the source is complete until now; None if nothing is harvested."""
        until = self.state.status.complete_until if self.state.status else None
        return None if until is None else max(0.0, round((self.now - until) / DAY, 1))

    @property
    def lateness(self) -> list[str]:
        """How late its records come, in one line; one more for a change of habit, and for a short `lookback`."""
        config, lags, change = self.state.config, self.state.lags, habit_change(self.state.lags)
        lines = (describe_lag(config, lags), change and str(change), lookback_warning(config, lags))
        return [line for line in lines if line]

    @property
    def missing_days(self) -> int:
        """The number of missing days."""
        return self.state.status.missing_days if self.state.status else 0

    @property
    def wait(self) -> float:
        """The seconds for which no request is allowed, by the budget of the host or the `hours` of the source."""
        opening = opening_of(self.state.config, self.now)
        closed = 0.0 if opening is None else (opening - self.now).total_seconds()
        return max(closed, self.state.budget.pause if self.state.budget else 0.0)

    @cached_property
    def paths(self) -> list[tuple[str, str]]:
        """Each state of the calendar with its days as an SVG path."""
        return list(draw(self.state.calendar)) if self.state.calendar else []

    @property
    def differences(self) -> list[str]:
        """What is wrong with the last comparison with the source, a sentence for each problem."""
        return list(sweep_problems(self.state.sweep)) if self.state.sweep is not None else []

    @cached_property
    def sweep_paths(self) -> Mapping[str, str]:
        """Each difference that the last sweeps found with an SVG path."""
        return draw_sweeps(self.state.recent_sweeps)

    @property
    def sweep_counts(self) -> str:
        """The plot of the last sweeps in words."""
        return describe_sweeps(self.state.recent_sweeps)

    @property
    def counts(self) -> str:
        """The calendar in words, for readers who do not see it."""
        states = self.state.calendar.states if self.state.calendar else ()
        return ", ".join(
            f"{states.count(state)} days {MEANINGS[state]}" for state in MARKS if state in states
        )


@dataclass(frozen=True)
class Report:
    """The content of the page."""

    now: datetime
    sources: tuple[SourceEntry, ...]
    hosts: tuple[HostEntry, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def conditions(self) -> Mapping[str, int]:
        """The number of sources by condition."""
        found = [source.condition for source in self.sources]
        return {name: found.count(name) for name in sorted(set(found))}


def build_report(
    configs: Sequence[IngestConfig],
    database: Database | None,
    now: datetime,
    problems: Iterable[Problem] = (),
) -> Report:
    """Read the state of all sources, with calendars of the last 53 weeks."""
    states = read_states(configs, database, now, default_days(now))
    return Report(
        now, tuple(SourceEntry(state, now) for state in states), tuple(host_entries(states)), tuple(problems)
    )


def render(report: Report) -> str:
    """Return the page."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - takes 0.1 s in each run

    environment = Environment(
        loader=PackageLoader("harvest_dagster.status", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html").render(
        report=report,
        meanings=MEANINGS,
        marks=MARKS,
        cell=CELL,
        most_failures=MOST_FAILURES,
        differences=DIFFERENCES,
        plot=(MOST_SWEEPS * WIDTH, HEIGHT),
    )


def write_report(path: Path, page: str) -> int:
    """Write the page. A reader sees the former page or the new one, never a part. Return its size in bytes.

    Raises:
        BadInput: the file cannot be written.
    """
    data, part = page.encode(), path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        if not path.parent.is_dir():
            message = f"{path} cannot be written: there is no directory {path.parent}. Create it."
            raise BadInput(message) from error
        raise BadInput(f"{path} cannot be written: {error.strerror}. Name another path.") from error
    return len(data)


def draw(calendar: Calendar) -> Iterable[tuple[str, str]]:
    """Yield each state with an SVG path of its days: weeks are columns. Equal neighbours in a row are one rectangle."""
    weeks = calendar.weeks()
    paths: dict[str, list[str]] = {}
    for weekday in range(7):
        column = 0
        for state, days in groupby(states[weekday] for _, states in weeks):
            length = len(list(days))
            if state is not None:
                width = length * CELL - 1
                paths.setdefault(state, []).append(
                    f"M{column * CELL} {weekday * CELL}h{width}v{CELL - 1}h-{width}z"
                )
            column += length
    return ((state, "".join(parts)) for state, parts in paths.items())
