"""A cluster for tests: Redis, PostgreSQL, a bucket and two nodes. Sources and runs of a test are added to it."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg
from celery import Celery
from sqlalchemy import select, update

from harvest_dagster.orchestration.runs.lost_runs import CONFIRMATION, Sighting, end_lost_runs
from harvest_dagster.storage import ingest_configs
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.lease import leases
from harvest_dagster.storage.lease.leases import LeaseRow
from harvest_dagster.storage.tables import lease, transform_run
from harvest_dagster.testing.simulator import Repository, Server
from harvest_dagster.windows import utc_now
from harvest_dagster_tests.cluster import jobs
from harvest_dagster_tests.cluster.nodes import Node
from harvest_dagster_tests.cluster.services import Broker
from harvest_dagster_tests.crash.commands import Command, Deployment

# Two days and four pages.
REPOSITORY = Repository(first_day=date(2024, 3, 1), days=2, records_per_day=40, page_size=20, deleted=0.1)
PAGES = REPOSITORY.size // REPOSITORY.page_size
ROOT = Path(__file__).parents[2]
_SETTINGS = ROOT / "deploy" / "postgresql" / "dagster.yaml"
_CONFIG = """\
label: {label}
harvester: oai
harvester_kwargs: {{base_url: "{url}", metadata_prefix: oai_dc}}
transformer: oai_dc
rate_limit: {{calls: {calls}, period: {period}}}
earliest_date: {first_day}
max_window: {max_window}
settle: 0s
lookback: 0s
"""
# For the program celery, which reads its settings from the module of this name.
_CELERY = """\
broker_url = result_backend = {url!r}
worker_prefetch_multiplier = 1
worker_disable_prefetch = True
"""


@dataclass(frozen=True)
class Cluster:
    """A running cluster.

    Attributes:
        folder: the folder of its files.
        broker: the queue of ops.
        database: the harvest database.
        instance: the Dagster instance.
        environment: the environment variables of runs and workers.
        nodes: the nodes.
        commands: the processes of the runs of all tests so far.
    """

    folder: Path
    broker: Broker
    database: Database
    instance: dg.DagsterInstance
    environment: Mapping[str, str]
    nodes: tuple[Node, ...]
    commands: list[Command] = field(default_factory=list)

    def add_source(
        self, label: str, source: Server, *, max_window: str = "30d", calls: int = 1000, period: float = 1
    ) -> None:
        """Add a source to the catalog."""
        text = _CONFIG.format(
            label=label,
            url=source.url,
            first_day=source.repository.first_day,
            max_window=max_window,
            calls=calls,
            period=period,
        )
        (self.folder / "sources" / f"{label}.yaml").write_text(text)

    def run(
        self,
        label: str,
        source: Server,
        *,
        days: tuple[date, date] | None = None,
        parameters: Mapping[str, Any] | None = None,
        again: str = "",
    ) -> Run:
        """Start a run of a source in a process of its own, by default for all days of the source.

        Args:
            label: the source.
            source: its simulator.
            days: the first and the last day.
            parameters: the parameters of the harvest.
            again: the id of a failed run that is executed again from its failure.
        """
        first, last = days or (source.repository.first_day, last_day(source))
        tag = uuid.uuid4().hex
        config = {"ops": {f"raw__{label}": {"config": dict(parameters)}}} if parameters else {}
        options = {"tag": tag, "days": [str(first), str(last)], "run_config": config, "again": again}
        deployment = Deployment(
            self.folder, self.environment["HARVEST_DATABASE_URL"], source, self.environment
        )
        command = deployment.start(label, json.dumps(options), execute=jobs.execute)
        self.commands.append(command)
        return Run(self.instance, command, tag)

    def end_runs(self) -> None:
        """Kill the runs that a failed test has left, and remove their ops from the queue."""
        for command in self.commands:
            command.kill()
        self.broker.clear()

    def node_of(self, worker: str) -> Node:
        """Return the node of a worker."""
        return next(node for node in self.nodes if node.worker == worker)

    def only(self, *nodes: Node) -> None:
        """Let only these nodes take ops."""
        for node in self.nodes:
            node.take_ops(node in nodes)

    def execute_next_op(self, run: Run, node: Node) -> None:
        """Let a node take the ops that wait, one in a run of one window. No node takes the op after them."""
        run.wait_until(self.broker.waiting)
        node.take_ops(True)
        run.wait_until(lambda: self.broker.waiting() == 0)
        node.take_ops(False)

    def lease_of(self, label: str) -> LeaseRow | None:
        """Return the lease of a source; None if no run holds it."""
        with self.database.read() as connection:
            config_id = ingest_configs.find_id(connection, label)
            return None if config_id is None else leases.find_lease(connection, config_id)

    def pass_time(self, label: str, seconds: float) -> None:
        """Let the database believe that a source's lease and the reports of its run are older by this time."""
        held = self.lease_of(label)
        assert held is not None
        run_id, passed = held.holder.run_id, timedelta(seconds=seconds)
        is_report = transform_run.c.run_id == run_id
        with self.database.begin() as connection:
            last_seen = connection.scalar(select(transform_run.c.last_seen).where(is_report))
            if last_seen is not None:
                connection.execute(
                    update(transform_run).where(is_report).values(last_seen=last_seen - passed)
                )
            earlier = update(lease).where(lease.c.owner == run_id).values(expires=held.expires - passed)
            connection.execute(earlier)

    def end_lost_runs(self) -> list[str]:
        """Do twice what the sensor `close_orphaned_logs` does, with the time between that it needs to be sure."""
        sightings: Mapping[str, Sighting] = {}
        ended: list[str] = []
        for now in (utc_now(), utc_now() + CONFIRMATION):
            found = end_lost_runs(self.instance, self.database, now, sightings, timedelta(minutes=15))
            sightings = found.sightings
            ended += found.ended
        return ended


@dataclass(frozen=True)
class Run:
    """A run of a source, whose ops the workers execute.

    Attributes:
        instance: the Dagster instance.
        command: the process of the run.
        tag: the value of the tag by which the run is found.
    """

    instance: dg.DagsterInstance
    command: Command
    tag: str

    @cached_property
    def id(self) -> str:
        """The id of the run. Waits until the run exists."""
        found: list[dg.DagsterRun] = []

        def exists() -> bool:
            found.extend(self.instance.get_runs(dg.RunsFilter(tags={jobs.TAG: self.tag}), limit=1))
            return bool(found)

        assert self.command.wait_until(exists), self.command.printed
        return found[0].run_id

    @property
    def status(self) -> str:
        """Dagster's status of the run."""
        run = self.instance.get_run_by_id(self.id)
        assert run is not None
        return run.status.value

    def succeed(self) -> Run:
        """Wait for the end of the run and assert that it succeeded."""
        self.command.wait()
        assert self.status == "SUCCESS", self.command.printed
        return self

    def fail(self) -> Run:
        """Wait for the end of the run and assert that it failed."""
        self.command.wait()
        assert self.status == "FAILURE", self.command.printed
        return self

    def wait_until(self, condition: Callable[[], object]) -> None:
        """Wait until a condition is true. The run must not end before."""
        assert self.command.wait_until(condition), self.command.printed

    @property
    def events(self) -> list[Any]:
        """The events of the run, in order."""
        return list(self.instance.all_logs(self.id))

    @property
    def workers(self) -> dict[str, str]:
        """The worker of each op, in the order of the ops."""
        return {
            entry.step_key: str(entry.dagster_event.event_specific_data.metadata["Celery worker"].value)
            for entry in self.events
            if entry.dagster_event is not None
            and "in celery worker" in (entry.dagster_event.message or "")
            and entry.step_key
        }

    def finished(self, op: str) -> bool:
        """Return whether an op with this name has succeeded."""
        return self._has(dg.DagsterEventType.STEP_SUCCESS, op)

    def retried(self, op: str) -> bool:
        """Return whether an op with this name will be tried again."""
        return self._has(dg.DagsterEventType.STEP_UP_FOR_RETRY, op)

    def _has(self, kind: dg.DagsterEventType, op: str) -> bool:
        entries = self.instance.all_logs(self.id, of_type=kind)
        return any((entry.step_key or "").partition("[")[0].endswith(f".{op}") for entry in entries)


def last_day(source: Server) -> date:
    """Return the last day of the records of a source."""
    return date.fromordinal(source.repository.first_day.toordinal() + source.repository.days - 1)


def write_folder(folder: Path, broker: Broker, storage_url: str) -> None:
    """Write the files of a cluster: no sources yet, the shipped settings of Dagster, and those of Celery."""
    for name in ("sources", "home", "celery"):
        (folder / name).mkdir()
    shipped = _SETTINGS.read_text(encoding="utf-8")
    reference = "\n      env: DAGSTER_POSTGRESQL_URL"
    assert reference in shipped
    (folder / "home" / "dagster.yaml").write_text(shipped.replace(reference, f" {json.dumps(storage_url)}"))
    (folder / "celery" / "dagster_celery_config.py").write_text(_CELERY.format(url=broker.url))


def environment_of(
    folder: Path, broker: Broker, database_url: str, bucket: Mapping[str, object]
) -> dict[str, str]:
    """Return the environment variables of runs and workers."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("HARVEST_", "DAGSTER_"))
    }
    return inherited | {
        "DAGSTER_HOME": str(folder / "home"),
        "HARVEST_DATABASE_URL": database_url,
        "HARVEST_SOURCES": str(folder / "sources"),
        "HARVEST_SPOOL": "s3://harvest/cluster",
        "AWS_ENDPOINT_URL": str(bucket["endpoint_url"]),
        "AWS_ACCESS_KEY_ID": str(bucket["key"]),
        "AWS_SECRET_ACCESS_KEY": str(bucket["secret"]),
        "AWS_DEFAULT_REGION": "us-east-1",
        "CELERY_BROKER": broker.url,
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(folder / "celery"))),
        "PYTHONWARNINGS": "ignore",
        "no_proxy": "127.0.0.1",
    }


def wait_for_nodes(nodes: Sequence[Node]) -> None:
    """Start nodes at the same time, and wait until all of them take ops."""
    for node in nodes:
        node.start()
    for node in nodes:
        node.wait()


def control(broker: Broker) -> Celery:
    """Return the application by which tests control the workers."""
    return Celery("control", broker=broker.url, backend=broker.url)
