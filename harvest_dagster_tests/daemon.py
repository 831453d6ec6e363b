"""Webserver and daemon of a deployment, as `dagster dev` starts them, for the tests that need the real ones."""

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

PATIENCE = 300  # seconds: for a busy machine; nothing waits for so long where all is well


class Deployed(Protocol):
    """Where it lies, and the variables that name what is its own."""

    @property
    def folder(self) -> Path: ...

    @property
    def environment(self) -> Mapping[str, str]: ...


@contextmanager
def dagster_dev(deployment: Deployed, *, port: int = 0, **environment: str) -> Iterator[psutil.Process]:
    """Both, by default on a free port that nobody is told, ended with all that they started."""
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
            # Whoever runs the tests in the background has SIGINT ignored, and children inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
        )
    running = psutil.Process(process.pid)
    try:
        yield running
    finally:
        started = running.children(recursive=True)
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)
        for left in psutil.wait_procs(started, 30)[1]:
            left.kill()


def wait_until(true: Callable[[], bool], *, patience: float = PATIENCE) -> None:
    """Ask again and again, for so many seconds at most."""
    end = time.monotonic() + patience
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


def ticks(instance: dg.DagsterInstance, sensor: str) -> list[Any]:
    """Those of a sensor that are over, newest first."""
    return [
        tick
        for state in instance.all_instigator_state()
        if state.instigator_name == sensor
        for tick in instance.get_ticks(state.instigator_origin_id, state.selector_id)
        if tick.status.value != "STARTED"
    ]
