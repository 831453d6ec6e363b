"""The result: tables in Markdown, and a JSON file from which the plot is drawn."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from speed.candidates import DEFAULTS, FASTEST, LIMITS, ORM, OURS, Measurement

_LONGEST = 200  # characters of a line
OPS = ("fetch", "split", "store", "launch")
_COLUMNS = (
    "way",
    "database",
    "records",
    "records per second",
    "fastest, slowest run",
    "processor, client",
    "PostgreSQL",
    "source",
    "µs for each record",
    "peak MB",
    "check",
)


@dataclass
class Result:
    """The runs of a candidate.

    Attributes:
        name: the name of the candidate.
        database: its database.
        runs: the runs that passed the check.
        failures: the reasons why other runs failed.
    """

    name: str
    database: str
    runs: list[Measurement] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def median(self, value: Callable[[Measurement], float]) -> float:
        """Return the median of a value of the runs."""
        return median(map(value, self.runs))

    @property
    def rate(self) -> float | None:
        """The median of the records per second; None if no run has succeeded."""
        return self.median(lambda run: run.rate) if self.runs else None

    @property
    def processor(self) -> float:
        """The median of the microseconds of processor time for each record, of the client and of PostgreSQL."""
        return self.median(lambda run: run.processor)

    def row(self) -> str:
        """Return the row of the table."""
        failed = "".join(f"; FAILED: {reason(text)}" for text in self.failures)
        written = {run.rows_written for run in self.runs} - {None}
        failed = "".join(f", {count:,} rows written" for count in written) + failed
        if not self.runs:
            return table_row(self.name, self.database, *[""] * (len(_COLUMNS) - 3), failed.lstrip("; "))
        rates = [run.rate for run in self.runs]
        digests = ", ".join(sorted({run.digest for run in self.runs}))
        return table_row(
            self.name,
            self.database,
            f"{self.runs[0].records:,}",
            f"{self.rate:,.0f}",
            f"{max(rates):,.0f}, {min(rates):,.0f}",
            self._seconds(lambda run: run.cost.client),
            self._server("postgresql"),
            self._server("source"),
            f"{self.processor:,.0f}",
            f"{self.median(lambda run: run.cost.peak) / 2**20:,.0f}",
            f"{len(self.runs)} of {len(self.runs) + len(self.failures)} runs: all records, `{digests}`{failed}",
        )

    def _server(self, name: str) -> str:
        known = all(name in run.cost.servers for run in self.runs)
        return self._seconds(lambda run: run.cost.servers[name]) if known else ""

    def _seconds(self, value: Callable[[Measurement], float]) -> str:
        return f"{self.median(value):.1f} s"

    def as_json(self) -> dict[str, Any]:
        """Return the result for a program."""
        runs = [
            {
                "records": run.records,
                "seconds": run.cost.seconds,
                "client": run.cost.client,
                **run.cost.servers,
            }
            | {"peak": run.cost.peak, "rows_written": run.rows_written}
            | {"stages": dict(run.stages)}
            for run in self.runs
        ]
        return {"name": self.name, "database": self.database, "runs": runs, "failures": self.failures}


def reason(failure: str) -> str:
    """Return the first and the last line of the text of a failure, for a cell of a table."""
    lines = [line for line in failure.splitlines() if line.strip()]
    return " … ".join(dict.fromkeys((lines[0], lines[-1][:_LONGEST]))).replace("|", "/")


def table_row(*cells: str) -> str:
    """Return a row of a table in Markdown."""
    return "| " + " | ".join(cells) + " |"


def table(results: Iterable[Result]) -> str:
    """Return the table of all candidates."""
    head = [table_row(*_COLUMNS), table_row(*["---"] * len(_COLUMNS))]
    return "\n".join([*head, *(result.row() for result in results)])


def stages(results: Iterable[Result]) -> str:
    """Return the table of the elapsed seconds of each stage: the medians of the runs."""
    head = ("way", "database", *OPS, "other ops and Dagster", "start and end of the process")
    lines = [table_row(*head), table_row(*["---"] * len(head))]
    for result in results:
        if not result.runs or "fetch" not in result.runs[0].stages:
            continue
        spent = [median(run.stages.get(op, 0) for run in result.runs) for op in OPS]
        run = result.median(lambda one: one.stages["run"])
        whole = result.median(lambda one: one.cost.seconds)
        cells = [f"{seconds:.1f} s" for seconds in (*spent, run - sum(spent), whole - run)]
        lines.append(table_row(result.name, result.database, *cells))
    return "\n".join(lines)


def ratios(results: Sequence[Result]) -> str:
    """Return the table of the ratios that matter."""
    known = {(result.name, result.database): result for result in results if result.runs}
    head = ("ratio", "of the records per second", "of the processor time for each record")
    lines = [table_row(*head), table_row(*["---"] * len(head))]
    for text, first, second in RATIOS:
        if first in known and second in known:
            over, under = known[first], known[second]
            rate = over.median(lambda run: run.rate) / under.median(lambda run: run.rate)
            lines.append(table_row(text, f"{rate:.2f}", f"{over.processor / under.processor:.2f}"))
    return "\n".join(lines)


_PG_OURS, _LITE_OURS = (OURS, "postgresql"), (OURS, "sqlite")
RATIOS = (
    ("PostgreSQL, ours to the fastest of dlt", _PG_OURS, (f"{FASTEST}, OAI-PMH", "postgresql")),
    ("PostgreSQL, ours to dlt with defaults", _PG_OURS, (f"{DEFAULTS}: Sickle, merge", "postgresql")),
    ("PostgreSQL, ours to COPY alone", _PG_OURS, (LIMITS["postgresql"], "postgresql")),
    ("SQLite, ours to executemany alone", _LITE_OURS, (LIMITS["sqlite"], "sqlite")),
    (
        "JSON on PostgreSQL, ours to the fastest of dlt",
        ("harvest_dagster, JSON", "postgresql"),
        (f"{FASTEST}, JSON", "postgresql"),
    ),
    (
        "PostgreSQL, ours to the ORM",
        _PG_OURS,
        (ORM, "postgresql"),
    ),
    ("PostgreSQL, second harvest to the first", ("the same records again", "postgresql"), _PG_OURS),
    ("SQLite, second harvest to the first", ("the same records again", "sqlite"), _LITE_OURS),
)


def environment(server_version: str, tools: Mapping[str, str]) -> str:
    """Return date, machine and versions, as a list."""
    now = datetime.now(timezone.utc)
    load = " ".join(f"{one:.1f}" for one in os.getloadavg())
    ours = ", ".join(f"{name} {version(name)}" for name in ("harvest_dagster", "dagster", "psycopg", "lxml"))
    compared = ", ".join(f"{name} {number}" for name, number in tools.items())
    return "\n".join(
        [
            f"- {now:%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores, {_processor()}",
            f"- {platform.system()} {platform.release()}, {psutil.virtual_memory().total / 2**30:.0f} GB of memory",
            f"- load average at the start: {load}",
            f"- commit {_commit()}, Python {platform.python_version()}, {ours}",
            f"- PostgreSQL {server_version or 'not used'} with default settings, SQLite {sqlite3.sqlite_version}",
            f"- compared: {compared or 'not installed'}",
        ]
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"
