"""The commands of the demo: Dagster's own command line in the environment of the demo.

This is `dg`, which `make` installs with the extra `dev`. Without it, the older command `dagster` does the same.
"""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta

from harvest_dagster.demo.folder import LABEL, DemoFolder
from harvest_dagster.testing.simulator import Repository

_MODULE = ("-m", "harvest_dagster.definitions")


def harvest_command(repository: Repository) -> tuple[str, ...]:
    """Return the command that harvests and transforms every day of a repository, as people type it."""
    last_day = repository.first_day + timedelta(days=repository.days - 1)
    assets = f"raw/{LABEL},transformed/{LABEL}"
    launch = ("dg", "launch", *_MODULE, "--assets", assets)
    older = ("dagster", "asset", "materialize", *_MODULE, "--select", assets)
    return (*(launch if _has_dg() else older), "--partition-range", f"{repository.first_day}...{last_day}")


def _has_dg() -> bool:
    return importlib.util.find_spec("dagster_dg_cli") is not None


def _as_module(command: Sequence[str]) -> list[str]:
    """Return a command of Dagster with this interpreter: the environment may not be active."""
    module = {"dg": "dagster_dg_cli.cli", "dagster": "dagster"}[command[0]]
    return [sys.executable, "-m", module, *command[1:]]


def materialize(folder: DemoFolder, repository: Repository) -> int:
    """Harvest and transform every day of the repository. Write the output to the log and return the exit status."""
    with folder.log.open("wb") as log:
        return subprocess.run(  # noqa: S603 - the arguments are ours
            _as_module(harvest_command(repository)),
            env=folder.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            check=False,
        ).returncode


def serve(folder: DemoFolder, port: int) -> int:
    """Run the webserver and the daemon until SIGINT or SIGTERM, then stop them and return the exit status."""
    started: list[subprocess.Popen[bytes]] = []
    program = "dg" if _has_dg() else "dagster"

    def stop(*_: object) -> None:
        for process in started:
            process.send_signal(signal.SIGINT)

    # Before the start: a shell that runs this process in the background ignores SIGINT, and children inherit that.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    with subprocess.Popen(  # noqa: S603
        _as_module([program, "dev", *_MODULE, "--host", "127.0.0.1", "--port", str(port)]),
        env=folder.environment,
        # A process group of its own: Ctrl-C then reaches Dagster once, from `stop`, and not twice.
        start_new_session=True,
    ) as process:
        started.append(process)
        return process.wait()
