"""Dagster's command line, as a user would type it, in the environment of the demo."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import timedelta

from harvest_dagster.demo.place import LABEL, Place
from harvest_dagster.simulator import Repository

_MODULE = ("-m", "harvest_dagster.definitions")


def all_days(repository: Repository) -> tuple[str, ...]:
    """The words after `dagster` that harvest and transform every day of a repository."""
    last_day = repository.first_day + timedelta(days=repository.days - 1)
    return (
        *("asset", "materialize", *_MODULE, "--select", f"raw/{LABEL},transformed/{LABEL}"),
        *("--partition-range", f"{repository.first_day}...{last_day}"),
    )


def materialize(place: Place, repository: Repository) -> int:
    """Harvest and transform every day of the repository; the output goes into the log, the exit code back."""
    with place.log.open("wb") as log:
        return subprocess.run(  # noqa: S603 - our own words
            [sys.executable, "-m", "dagster", *all_days(repository)],
            env=place.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            check=False,
        ).returncode


def serve(place: Place, port: int) -> int:
    """Run webserver and daemon until SIGINT or SIGTERM, and end them in good order."""
    started: list[subprocess.Popen[bytes]] = []

    def stop(*_: object) -> None:
        for process in started:
            process.send_signal(signal.SIGINT)

    # Before the start: a shell that runs us in the background ignores SIGINT, and children inherit that.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "dagster", "dev", *_MODULE, "--host", "127.0.0.1", "--port", str(port)],
        env=place.environment,
        # A group of their own, so that Ctrl-C reaches them once, through us, and not twice.
        start_new_session=True,
    ) as process:
        started.append(process)
        return process.wait()
