"""A deployment whose code server and runs are killed at once, as if their host had lost its power."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import dagster as dg
import psutil
import pytest
import yaml

from harvest_dagster.storage.database import Database
from harvest_dagster.storage.lease.leases import find_leases
from harvest_dagster.testing.simulator import RequestGate
from harvest_dagster.testing.simulator.behaviours.conditions import from_nth
from harvest_dagster_tests.crash.commands import TIMEOUT, Deployment
from harvest_dagster_tests.crash.conftest import Deploy
from harvest_dagster_tests.crash.contents import assert_complete
from harvest_dagster_tests.crash.test_daemon import enqueue, status, worker
from harvest_dagster_tests.daemon import wait_until
from harvest_dagster_tests.databases import PostgresqlServer

ROOT = Path(__file__).parents[2]
LOCATION = "harvest_dagster.definitions"
STORAGE = "DAGSTER_POSTGRESQL_URL"
# A busy machine needs more than the minute that Dagster gives a request to the code server.
PATIENT = {"DAGSTER_GRPC_TIMEOUT_SECONDS": "600"}
# The shipped settings wait half a minute and a minute. This test only waits until the product notices the loss.
SHORTER = {
    "poll_interval_seconds: 30": "poll_interval_seconds: 1",
    "free_slots_after_run_end_seconds: 60": "free_slots_after_run_end_seconds: 1",
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "database_url"),
    [("dagster.yaml", "sqlite"), ("deploy/postgresql/dagster.yaml", "postgresql")],
    indirect=["database_url"],
)
def test_a_run_that_lost_its_host_ends_and_frees_its_pool(
    deploy: Deploy, settings: str, postgresql: PostgresqlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stayed STARTED forever, and no other run of its source began: docs/failures.md#crashed-run-keeps-pool-slot

    Nothing of the host is left to report the end of the run, and Dagster's run monitoring does not notice it.
    """
    gate = RequestGate(from_nth(3, "ListRecords"))
    with ExitStack() as stack:
        storage = stack.enter_context(postgresql.database())
        monkeypatch.setenv(STORAGE, storage)
        deployment = replace(deploy(gate), variables={STORAGE: storage, **PATIENT})
        write_settings(deployment, settings)
        socket = f"{stack.enter_context(tempfile.TemporaryDirectory())}/code-server"
        instance = stack.enter_context(deployment.instance())
        database = stack.enter_context(Database.open(deployment.database_url))
        host = stack.enter_context(code_server(deployment, socket))
        stack.enter_context(daemon(deployment, socket))
        lost = enqueue(deployment, instance)
        gate.wait_until_reached(3 * TIMEOUT)
        waiting = enqueue(deployment, instance)
        wait_until(lambda: status(instance, waiting) == "QUEUED")
        kill(host, worker(database))
        gate.release()
        stack.enter_context(code_server(deployment, socket))  # the host is up again
        wait_until(lambda: status(instance, lost) == "FAILURE", timeout=3 * TIMEOUT)
        assert f"Run {lost} is lost: its process no longer exists." in messages(instance, lost)
        wait_until(lambda: status(instance, waiting) in {"SUCCESS", "FAILURE"}, timeout=3 * TIMEOUT)
        assert status(instance, waiting) == "SUCCESS"
        assert_complete(database, deployment.source, ingested="SUCCEEDED")
        with database.read() as connection:
            assert find_leases(connection, [1]) == {}


def write_settings(deployment: Deployment, settings: str) -> None:
    """Write shipped settings, with shorter intervals of Dagster's own monitoring."""
    text = (ROOT / settings).read_text(encoding="utf-8")
    for shipped, shorter in SHORTER.items():
        assert shipped in text
        text = text.replace(shipped, shorter)
    (deployment.folder / "home" / "dagster.yaml").write_text(text)


def code_server(deployment: Deployment, socket: str) -> AbstractContextManager[psutil.Process]:
    """Start the code server, the parent of all runs."""
    return running(deployment, "dagster", "code-server", "start", "--socket", socket, "-m", LOCATION)


def daemon(deployment: Deployment, socket: str) -> AbstractContextManager[psutil.Process]:
    """Start the daemon, which uses the code server."""
    workspace = deployment.folder / "workspace.yaml"
    location = {"grpc_server": {"socket": socket, "location_name": LOCATION}}
    workspace.write_text(yaml.safe_dump({"load_from": [location]}), encoding="utf-8")
    return running(deployment, "dagster-daemon", "run", "-w", str(workspace))


@contextmanager
def running(deployment: Deployment, program: str, *arguments: str) -> Iterator[psutil.Process]:
    """Run a program of Dagster. Kill it and its child processes afterwards."""
    command = [str(Path(sys.executable).parent / program), *arguments]
    with (deployment.folder / f"{program}.log").open("ab") as output:
        process = psutil.Popen(
            command, cwd=deployment.folder, env=deployment.environment, stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        kill(process)


def kill(process: psutil.Process, *expected: int) -> None:
    """Send SIGKILL to a process and all processes that it has started. The expected ones must be among them."""
    if not process.is_running():
        return
    killed = [process, *process.children(recursive=True)]
    assert {one.pid for one in killed} >= set(expected)
    for one in killed:
        one.kill()
    psutil.wait_procs(killed, TIMEOUT)


def messages(instance: dg.DagsterInstance, run_id: str) -> set[str]:
    """Return the messages in the log of a run."""
    events = (entry.dagster_event for entry in instance.all_logs(run_id))
    return {event.message or "" for event in events if event is not None}
