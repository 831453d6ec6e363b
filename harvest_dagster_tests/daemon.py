"""Start the real webserver and daemon of a deployment with `dagster dev`, for the tests that need them."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import dagster as dg
import psutil

TIMEOUT = 300  # seconds; only a busy machine needs so long


class DeploymentFolder(Protocol):
    """The folder of a deployment, and the environment variables of its processes."""

    @property
    def folder(self) -> Path: ...

    @property
    def environment(self) -> Mapping[str, str]: ...


@contextmanager
def dagster_dev(
    deployment: DeploymentFolder, *, port: int = 0, **environment: str
) -> Iterator[psutil.Process]:
    """Run webserver and daemon, by default on a free port; end them and their child processes afterwards."""
    with (deployment.folder / "dev").open("wb") as output:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "dagster",
                "dev",
                "-m",
                "harvest_dagster.definitions",
                "--port",
                str(port),
            ],
            cwd=deployment.folder,
            env={**deployment.environment, **environment},
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=accept_interrupts,  # noqa: PLW1509
        )
    running = psutil.Process(process.pid)
    try:
        yield running
    finally:
        started = running.children(recursive=True)
        process.send_signal(signal.SIGINT)
        process.wait(TIMEOUT)
        for survivor in psutil.wait_procs(started, 30)[1]:
            survivor.kill()


def accept_interrupts() -> None:
    """Let the program that this process becomes end at SIGINT, and Dagster's also at SIGTERM.

    A background job of a shell ignores SIGINT, and its children inherit that. Dagster's code server gives SIGTERM the
    same handler as SIGINT, so it would ignore both.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


def wait_until(condition: Callable[[], bool], *, timeout: float = TIMEOUT) -> None:
    """Wait until a condition is true; fail after `timeout` seconds."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def ticks(instance: dg.DagsterInstance, sensor: str) -> list[Any]:
    """Return the finished ticks of a sensor, newest first."""
    return [
        tick
        for state in instance.all_instigator_state()
        if state.instigator_name == sensor
        for tick in instance.get_ticks(state.instigator_origin_id, state.selector_id)
        if tick.status.value != "STARTED"
    ]
