"""A deployment of the product in a folder, and commands of Dagster's command line that run in it."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import dagster as dg

import harvest_dagster
from harvest_dagster.testing.simulator import RequestGate, Server
from harvest_dagster_tests.crash.child import CommandOptions, Moment, run

LABEL = "crash"
TIMEOUT = 180  # seconds; only a busy machine needs so long
# The settings of Dagster that the package contains.
_INSTANCE = Path(harvest_dagster.__file__).parent / "demo" / "dagster.yaml"
_CONFIG = """\
label: {label}
name: Crash test
harvester: oai
harvester_kwargs: {{base_url: "{url}", metadata_prefix: oai_dc}}
transformer: oai_dc
rate_limit: {{calls: 1000, period: 1}}
earliest_date: {first_day}
max_window: {max_window}
settle: 0s
lookback: 0s
"""
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["harvest_dagster_tests.crash.preloaded"])


@dataclass(frozen=True)
class Deployment:
    """A catalog of one source, a database, a spool and a DAGSTER_HOME.

    Attributes:
        variables: more environment variables of its processes.
    """

    folder: Path
    database_url: str
    source: Server
    variables: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, folder: Path, database_url: str, source: Server, *, max_window: str = "30d") -> Deployment:
        """Write the files of a deployment and return it."""
        deployment = cls(folder, database_url, source)
        (folder / "sources").mkdir()
        (folder / "home").mkdir()
        # The tests follow routine lines, too.
        settings = _INSTANCE.read_text().replace("python_log_level: INFO", "python_log_level: DEBUG")
        (folder / "home" / "dagster.yaml").write_text(settings)
        config = _CONFIG.format(
            label=LABEL, url=source.url, first_day=source.repository.first_day, max_window=max_window
        )
        (folder / "sources" / "source.yaml").write_text(config)
        return deployment

    @property
    def spool(self) -> Path:
        return self.folder / "spool"

    @property
    def environment(self) -> dict[str, str]:
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("HARVEST_", "DAGSTER_"))
        }
        return inherited | {
            "HARVEST_DATABASE_URL": self.database_url,
            "HARVEST_SOURCES": str(self.folder / "sources"),
            "HARVEST_SPOOL": str(self.spool),
            "DAGSTER_HOME": str(self.folder / "home"),
            "PYTHONWARNINGS": "ignore::FutureWarning",
            "no_proxy": "127.0.0.1",
            **self.variables,
        }

    def instance(self) -> dg.DagsterInstance:
        """Return the Dagster instance of the deployment, for a `with` block."""
        return dg.DagsterInstance.from_config(str(self.folder / "home"))

    def materialize(
        self,
        first: date,
        last: date,
        *,
        parameters: Mapping[str, Any] | None = None,
        waiting: Mapping[str, Any] | None = None,
        killed_at: Moment | None = None,
        largest_file: int | None = None,
    ) -> Command:
        """Start `dagster asset materialize` for some days."""
        config: dict[str, Any] = {"ops": {f"raw__{LABEL}": {"config": dict(parameters or {})}}}
        if waiting is not None:
            config["resources"] = {"harvest_stores": {"config": {"waiting": dict(waiting)}}}
        return self.start(
            *("asset", "materialize", "-m", "harvest_dagster.definitions", "--select", f"raw/{LABEL}"),
            *("--partition-range", f"{first}...{last}", "--config-json", json.dumps(config)),
            killed_at=killed_at,
            largest_file=largest_file,
        )

    def start(
        self,
        *arguments: str,
        killed_at: Moment | None = None,
        largest_file: int | None = None,
        execute: Callable[..., object] | None = None,
    ) -> Command:
        """Start `dagster`, or call a function of a module, with these arguments in a process of its own."""
        number = len(list(self.folder.glob("*.output")))
        options = CommandOptions(
            arguments=arguments,
            environment=self.environment,
            folder=self.folder,
            output=self.folder / f"{number}.output",
            operations=self.folder / f"{number}.operations",
            killed_at=killed_at,
            largest_file=largest_file,
            execute=execute,
        )
        options.output.touch()
        options.operations.touch()
        process = _forks.Process(target=run, args=(options,), daemon=True)
        process.start()
        return Command(process, options)


@dataclass(frozen=True)
class Command:
    """A command that is running or has ended."""

    process: BaseProcess
    options: CommandOptions

    def wait(self) -> int:
        """Wait for the end of the command. Return its exit code, which is negative if a signal ended it."""
        self.process.join(TIMEOUT)
        code = self.process.exitcode
        if code is None:
            self.kill()
        assert code is not None, f"still running after {TIMEOUT} s:\n{self.printed}"
        return code

    def succeed(self) -> Command:
        """Wait for the end of the command and assert that it succeeded."""
        assert self.wait() == 0, self.printed
        return self

    def fail(self) -> Command:
        """Wait for the end of the command and assert that it failed."""
        assert self.wait() == 1, self.printed
        return self

    def kill(self) -> None:
        """Send SIGKILL to its process group, if the command is running."""
        self.signal(signal.SIGKILL)
        self.process.join(TIMEOUT)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its process group, if the command is running. It may end at the same moment."""
        if self.process.exitcode is None and self.process.pid is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)

    def wait_until(self, condition: Callable[[], object]) -> bool:
        """Wait until a condition is true. Return False if the command ends before."""
        end = time.monotonic() + TIMEOUT
        while not condition():
            if self.process.exitcode is not None:
                return bool(condition())
            assert time.monotonic() < end, self.printed
            time.sleep(0.005)  # a shorter pause takes a tenth of a core from the command
        return True

    def wait_for(self, gate: RequestGate) -> None:
        """Wait until a request of the command reaches the gate."""
        assert self.wait_until(partial(_is_reached, gate)), self.printed

    @property
    def printed(self) -> str:
        """What the command has printed so far."""
        return self.options.output.read_text(errors="replace")

    @property
    def run_id(self) -> str:
        """The id of the run that the command started."""
        match = re.search(r"(?:__ASSET_JOB|reconcile) - ([0-9a-f-]{36}) ", self.printed)
        assert match, self.printed
        return match[1]

    @property
    def operations(self) -> list[str]:
        """The operations on the harvest database and the spool so far."""
        return self.options.operations.read_text(errors="replace").splitlines()


def _is_reached(gate: RequestGate) -> bool:
    try:
        gate.wait_until_reached(0)
    except TimeoutError:
        return False
    return True
