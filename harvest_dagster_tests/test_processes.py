"""Whether a process still lives, asked of real processes: on it hangs who may take a lease over."""

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
    """Another process that lives until it is killed, and what names it."""
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
    """Lesson 17: a lease taken from a living run would have two runs harvest one source."""
    assert not is_gone(this_process())
    assert not is_gone(child[1])


def test_a_killed_process_is_gone_even_before_its_parent_has_noticed(
    child: tuple[subprocess.Popen[bytes], Process],
) -> None:
    """Lesson 13: after `kill -9` Dagster still says STARTED, and a zombie has a process id still."""
    running, process = child
    running.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, running.pid, os.WEXITED | os.WNOWAIT)  # dead, and not yet reaped
    assert psutil.Process(process.id).status() == psutil.STATUS_ZOMBIE
    assert is_gone(process)
    running.wait()
    assert is_gone(process)


def test_a_process_id_that_was_used_again_is_not_the_same_process() -> None:
    """Else a dead holder keeps its lease for as long as whatever came after it lives."""
    assert is_gone(replace(this_process(), started="1"))


def test_nobody_can_tell_of_another_host() -> None:
    """A process of another machine or container has no entry here, and may live."""
    assert not is_gone(Process("elsewhere", 4_000_000, "1"))


def test_a_clock_that_is_set_makes_no_process_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start times that psutil counts from 1970 move with the clock; a living holder would lose its lease."""
    me = this_process()
    monkeypatch.setattr(psutil.Process, "create_time", lambda _self: 1.0)
    if sys.platform == "linux":
        assert not is_gone(me)
        assert this_process() == me
