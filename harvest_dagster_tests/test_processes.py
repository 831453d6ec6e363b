"""Detect ended processes, with real processes. This decides who may take over a lease."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import psutil
import pytest

from harvest_dagster.processes import Process, is_gone, this_process


@pytest.fixture
def child() -> Iterator[tuple[subprocess.Popen[bytes], Process]]:
    """Start another process, which lives until it is killed. Yield it with its identity."""
    program = (
        "from harvest_dagster.processes import this_process as this; import sys; p = this();"
        "print(p.host, p.id, p.started, sep='\\n', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        host, number, started = (running.stdout.readline().decode().strip() for _ in range(3))
        yield running, Process(host, int(number), started)
        running.kill()


def test_a_living_process_is_not_gone(child: tuple[subprocess.Popen[bytes], Process]) -> None:
    """If a live run lost its lease, two runs would harvest one source (docs/failures.md#same-source-twice)."""
    assert not is_gone(this_process())
    assert not is_gone(child[1])


def test_a_killed_process_is_gone_even_before_its_parent_has_reaped_it(
    child: tuple[subprocess.Popen[bytes], Process],
) -> None:
    """A zombie still has a process id, and Dagster still reports STARTED (docs/failures.md#running-forever)."""
    running, process = child
    running.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, running.pid, os.WEXITED | os.WNOWAIT)  # dead, and not yet reaped
    assert psutil.Process(process.id).status() == psutil.STATUS_ZOMBIE
    assert is_gone(process)
    running.wait()
    assert is_gone(process)


def test_a_process_id_that_was_used_again_is_not_the_same_process() -> None:
    """Otherwise a dead holder would keep its lease as long as the new process lives."""
    assert is_gone(replace(this_process(), started="1"))


def test_a_process_of_another_host_is_not_gone() -> None:
    """A process of another machine or container has no entry here, and may be alive."""
    assert not is_gone(Process("elsewhere", 4_000_000, "1"))


def test_setting_the_clock_makes_no_process_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start times of psutil change with the clock. A live holder would lose its lease."""
    me = this_process()
    monkeypatch.setattr(psutil.Process, "create_time", lambda _self: 1.0)
    if sys.platform == "linux":
        assert not is_gone(me)
        assert this_process() == me
