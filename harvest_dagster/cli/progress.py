"""The progress of a run: bars on a terminal, plain lines elsewhere.

While a run executes, its own output reaches only Dagster's files: `private_terminal` redirects the standard streams of
the process, and yields a stream that still reaches the terminal.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from harvest_dagster.cli.output import message_line

if TYPE_CHECKING:
    from harvest_dagster.orchestration.runs.local_runs import Progress

_SECONDS_BETWEEN_LINES = 10.0
_SECONDS_WITHOUT_NEWS = 300.0
_SHORTEST_SHOWN_WAIT = 1.0  # seconds


@contextmanager
def private_terminal() -> Iterator[TextIO]:
    """Send what this process writes to its standard streams to the null device. Yield the former standard error.

    Dagster's console logger writes to standard error, and its compute logs copy whatever is written there.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    saved = {number: os.dup(number) for number in (1, 2)}
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        for number in saved:
            os.dup2(null, number)
        with os.fdopen(os.dup(saved[2]), "w", encoding="utf-8", errors="backslashreplace") as stream:
            yield stream
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, original in saved.items():
            os.dup2(original, number)
            os.close(original)
        os.close(null)


class ProgressView:
    """Shows the progress of one run on a stream.

    Args:
        stream: the terminal, or a file.
        label: the source.
        unit: what the pages have: records, or identifiers.
    """

    def __init__(self, stream: TextIO, label: str, unit: str = "records") -> None:
        self._label = label
        self._unit = unit
        self._stream = stream
        self._began = self._last_line = time.monotonic()
        self._last_pages = 0
        self._bars: Bars | None = None
        if stream.isatty():
            self._bars = Bars(
                TextColumn("{task.description}"),
                BarColumn(),
                TaskProgressColumn(),
                TextColumn("{task.fields[text]}"),
                TimeRemainingColumn(),
                console=Console(file=stream),
                transient=True,
                # Otherwise what Dagster writes to sys.stderr would appear above the bars.
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._task = self._bars.add_task(label, total=None, text="starting")

    def __enter__(self) -> ProgressView:
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars is not None:
            self._bars.stop()

    def show(self, progress: Progress) -> None:
        """Show how far the run is."""
        if self._bars is not None:
            share = progress.share
            self._bars.update(
                self._task,
                total=None if share is None else 1.0,
                completed=share or 0.0,
                text=self._text(progress),
            )
        elif self._is_due(progress):
            self._last_line, self._last_pages = time.monotonic(), progress.pages
            self.print(f"{self._label}: {self._text(progress)}{self._remaining(progress)}")

    def _is_due(self, progress: Progress) -> bool:
        """Return whether to print a line: after ten seconds if there are new pages, otherwise after five minutes."""
        elapsed = time.monotonic() - self._last_line
        if progress.pages == self._last_pages:
            return progress.pages > 0 and elapsed >= _SECONDS_WITHOUT_NEWS
        return elapsed >= _SECONDS_BETWEEN_LINES

    def print(self, text: str) -> None:
        """Print a line above the bars."""
        if self._bars is not None:
            self._bars.console.print(text, markup=False, highlight=False)
        else:
            print(message_line(text), file=self._stream, flush=True)

    def _text(self, progress: Progress) -> str:
        elapsed = max(time.monotonic() - self._began, 0.001)
        expected = f" of {progress.expected:,}" if progress.expected and progress.windows <= 1 else ""
        parts = [
            *([f"{progress.windows_ended} of {progress.windows} windows"] if progress.windows > 1 else []),
            f"{progress.pages:,} page{'' if progress.pages == 1 else 's'}",
            f"{progress.records:,}{expected} {self._unit}",
            f"{progress.fetched_records / elapsed:,.0f} {self._unit}/s",
        ]
        if progress.seconds_waited >= _SHORTEST_SHOWN_WAIT:
            parts.append(f"waited {_duration(progress.seconds_waited)}")
        until, _ = progress.waiting_until
        if (remaining := until - time.monotonic()) >= _SHORTEST_SHOWN_WAIT:
            parts.append(f"waiting {_duration(remaining)}")
        return ", ".join(parts)

    def _remaining(self, progress: Progress) -> str:
        share = progress.share
        if not share or not progress.fetched_records:
            return ""
        # The pages of earlier runs took no time in this run.
        share_of_this_run = share * progress.fetched_records / progress.records
        seconds = (time.monotonic() - self._began) * (1 - share) / share_of_this_run
        return f", {_duration(seconds)} remain"


def _duration(seconds: float) -> str:
    return f"{timedelta(seconds=round(seconds))}"
