"""Measure processes: elapsed seconds, seconds of processor time, and peak memory.

A process counts with all processes that it starts. Seconds of processor time are those of the operating system.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

_SAMPLE_SECONDS = 1.0  # a sample takes about 10 ms of processor time
_LAST_LINES = 30


@dataclass(frozen=True)
class Cost:
    """The cost of a process.

    Attributes:
        seconds: elapsed seconds.
        client: its seconds of processor time.
        peak: its peak memory in bytes.
        servers: the seconds of processor time of each server that worked for it, by name.
    """

    seconds: float
    client: float
    peak: int
    servers: Mapping[str, float] = field(default_factory=dict)

    def line(self, records: int) -> str:
        """Return the result as one line of text."""
        return (
            f"{records / self.seconds:8,.0f} records/s, {self.seconds:6.1f} s, "
            f"{self.client:6.1f} s of processor, peak {self.peak / 2**20:4.0f} MB"
        )


class ProcessFailed(Exception):
    """A measured process failed or did not end in time. The text is its last output."""


def processor_seconds(pid: int) -> float:
    """Return the seconds of processor time of a process, of all that it has started, and of those that have ended."""
    total = 0.0
    for process in _tree(pid):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def postmaster(folder: Path) -> int:
    """Return the process id of the PostgreSQL server whose data are in `folder`/data."""
    return int((folder / "data" / "postmaster.pid").read_text(encoding="utf-8").split()[0])


def run(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    folder: Path,
    log: Path,
    servers: Mapping[str, int] | None = None,
    limit: float = 3600,
) -> Cost:
    """Run a command and return its cost.

    Args:
        command: program and arguments.
        environment: the environment of the process.
        folder: its working directory.
        log: receives its output.
        servers: process ids of servers, whose processor time counts while the command runs.
        limit: seconds after which the process is killed.

    Raises:
        ProcessFailed: its exit status is not 0, or the limit is exceeded.
    """
    before = {name: processor_seconds(pid) for name, pid in (servers or {}).items()}
    began = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - commands of the benchmarks
            list(map(str, command)), cwd=folder, env=dict(environment), stdout=output, stderr=output
        )
        with _watched(process.pid, limit) as sampled:
            _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        ending = f"no end within {limit:.0f} s" if seconds >= limit else f"exit status {process.returncode}"
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        raise ProcessFailed("\n".join([ending, *lines[-_LAST_LINES:]]))
    # ru_maxrss is that of the largest process. The samples are those of all processes together.
    largest = usage.ru_maxrss if sys.platform == "darwin" else usage.ru_maxrss * 1024
    used = {name: processor_seconds(pid) - before[name] for name, pid in (servers or {}).items()}
    return Cost(seconds, usage.ru_utime + usage.ru_stime, max(largest, sampled()), used)


@contextmanager
def _watched(pid: int, limit: float) -> Iterator[Callable[[], int]]:
    """Sample the memory of a process that has children, and kill it after the limit."""
    ended, peak, deadline = threading.Event(), [0], time.monotonic() + limit

    def watch() -> None:
        while not ended.wait(_SAMPLE_SECONDS):
            peak[0] = max(peak[0], _memory(pid))
            if time.monotonic() > deadline:
                for process in _tree(pid):
                    process.kill()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield lambda: peak[0]
    finally:
        ended.set()
        thread.join()


def _memory(pid: int) -> int:
    """Return the memory of a process with its children, shared pages counted once; 0 without children."""
    tree = _tree(pid)
    if len(tree) < 2:  # noqa: PLR2004 - the operating system knows the peak of a single process
        return 0
    total = 0
    for process in tree:
        try:
            used = process.memory_full_info()
        except psutil.Error:
            continue
        total += getattr(used, "pss", 0) or used.uss
    return total


def _tree(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
