"""A deployment of the product in a folder, and Dagster's command line run in it as a user would."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import dagster as dg

import harvest_dagster
from harvest_dagster.simulator import Hold, Server
from harvest_dagster_tests.crash.child import Moment, Order, run

LABEL = "crash"
PATIENCE = 180  # seconds: for a busy machine; nothing waits for so long where all is well
# Dagster's own settings, as they are shipped.
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
"""
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["harvest_dagster_tests.crash.child"])


@dataclass(frozen=True)
class Deployment:
    """A catalogue of one source, a database, a spool and a DAGSTER_HOME."""

    folder: Path
    database_url: str
    source: Server

    @classmethod
    def make(cls, folder: Path, database_url: str, source: Server, *, max_window: str = "30d") -> Deployment:
        """Write the files."""
        made = cls(folder, database_url, source)
        (folder / "sources").mkdir()
        (folder / "home").mkdir()
        (folder / "home" / "dagster.yaml").write_bytes(_INSTANCE.read_bytes())
        config = _CONFIG.format(
            label=LABEL, url=source.url, first_day=source.repository.first_day, max_window=max_window
        )
        (folder / "sources" / "source.yaml").write_text(config)
        return made

    @property
    def spool(self) -> Path:
        return self.folder / "spool"

    @property
    def environment(self) -> dict[str, str]:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("HARVEST_", "DAGSTER_"))
        }
        return kept | {
            "HARVEST_DATABASE_URL": self.database_url,
            "HARVEST_SOURCES": str(self.folder / "sources"),
            "HARVEST_SPOOL": str(self.spool),
            "DAGSTER_HOME": str(self.folder / "home"),
            "PYTHONWARNINGS": "ignore::FutureWarning",
            "no_proxy": "127.0.0.1",
        }

    def instance(self) -> dg.DagsterInstance:
        """Dagster's own record of the runs; to be used in a `with` block."""
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
            config["resources"] = {"stores": {"config": {"waiting": dict(waiting)}}}
        number = len(list(self.folder.glob("*.output")))
        order = Order(
            arguments=(
                *("asset", "materialize", "-m", "harvest_dagster.definitions", "--select", f"raw/{LABEL}"),
                *("--partition-range", f"{first}...{last}", "--config-json", json.dumps(config)),
            ),
            environment=self.environment,
            folder=self.folder,
            output=self.folder / f"{number}.output",
            trail=self.folder / f"{number}.trail",
            killed_at=killed_at,
            largest_file=largest_file,
        )
        order.output.touch()
        order.trail.touch()
        process = _forks.Process(target=run, args=(order,), daemon=True)
        process.start()
        return Command(process, order)


@dataclass(frozen=True)
class Command:
    """A command that runs, or has ended."""

    process: BaseProcess
    order: Order

    def wait(self) -> int:
        """The exit code; negative where a signal ended it."""
        self.process.join(PATIENCE)
        code = self.process.exitcode
        if code is None:
            self.kill()
        assert code is not None, f"still running after {PATIENCE} s:\n{self.said}"
        return code

    def succeed(self) -> Command:
        """Wait for an end that is well."""
        assert self.wait() == 0, self.said
        return self

    def fail(self) -> Command:
        """Wait for an end that is not."""
        assert self.wait() == 1, self.said
        return self

    def kill(self) -> None:
        """SIGKILL to its process group; nothing where it has ended."""
        self.signal(signal.SIGKILL)
        self.process.join(PATIENCE)

    def signal(self, number: signal.Signals) -> None:
        """To all of its process group."""
        if self.process.exitcode is None and self.process.pid is not None:
            os.killpg(self.process.pid, number)

    def wait_until(self, true: Callable[[], object]) -> bool:
        """Whether that comes true before the command ends."""
        end = time.monotonic() + PATIENCE
        while not true():
            if self.process.exitcode is not None:
                return bool(true())
            assert time.monotonic() < end, self.said
            time.sleep(0.001)
        return True

    def wait_for(self, hold: Hold) -> None:
        """Return when it stands at the gate."""
        assert self.wait_until(partial(_is_reached, hold)), self.said

    @property
    def said(self) -> str:
        """What it printed so far."""
        return self.order.output.read_text(errors="replace")

    @property
    def run_id(self) -> str:
        """Of the run it started."""
        found = re.search(r"__ASSET_JOB - ([0-9a-f-]{36}) ", self.said)
        assert found, self.said
        return found[1]

    @property
    def trail(self) -> list[str]:
        """What it did to the harvest database and the spool so far."""
        return self.order.trail.read_text(errors="replace").splitlines()


def _is_reached(hold: Hold) -> bool:
    try:
        hold.wait_until_reached(0)
    except TimeoutError:
        return False
    return True
