"""The shipped units of systemd, without systemd: code server, webserver and daemon with one set of definitions."""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from configparser import ConfigParser, SectionProxy
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType

import psutil
import pytest
import yaml

from harvest_dagster.testing.simulator import Repository, Server
from harvest_dagster_tests.daemon import TIMEOUT, accept_interrupts, wait_until
from harvest_dagster_tests.end_to_end.deployment import Deployment
from harvest_dagster_tests.end_to_end.webserver import LOCATION, ROOT, Ui, free_port, is_up, shipped

pytestmark = pytest.mark.slow

UNITS = ROOT / "deploy/systemd"
UNITS_IN_ORDER = ("dagster-code-server", "dagster-webserver", "dagster-daemon")
# A busy machine needs more than the minute that Dagster gives a request to the code server.
PATIENT = {"DAGSTER_GRPC_TIMEOUT_SECONDS": "600"}
_RELOAD = """
mutation($name: String!) { reloadRepositoryLocation(repositoryLocationName: $name) { __typename
  ... on WorkspaceLocationEntry { locationOrLoadError { __typename ... on PythonError { message } } } } }
"""
_LOCATIONS = """
query { workspaceOrError { ... on Workspace { locationEntries { name locationOrLoadError { __typename } } } } }
"""


def section_of(unit: str) -> SectionProxy:
    """Return the settings of the service of a unit."""
    parser = ConfigParser(interpolation=None)
    parser.read_string((UNITS / f"{unit}.service").read_text(encoding="utf-8"))
    return parser["Service"]


def command_of(
    unit: str, replacements: Mapping[str, str] = MappingProxyType({}), key: str = "ExecStart"
) -> list[str]:
    """Return a command of a unit, with the paths and ports of this test."""
    words = shlex.split(section_of(unit)[key])
    return [str(Path(sys.executable).parent / Path(words[0]).name)] + [
        replacements.get(word, word) for word in words[1:]
    ]


def environment_of(unit: str) -> dict[str, str]:
    """Return the variables that a unit sets itself."""
    return dict([setting.split("=", 1)] if (setting := section_of(unit).get("Environment")) else [])


@contextmanager
def running(command: list[str], deployment: Deployment, name: str) -> Iterator[psutil.Process]:
    """Run a command. Terminate it afterwards, as systemd does, and end its child processes."""
    with (deployment.folder / f"{name}.log").open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=deployment.folder,
            env=deployment.environment | environment_of(name) | PATIENT,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=accept_interrupts,  # noqa: PLW1509
        )
    found = psutil.Process(process.pid)
    try:
        yield found
    finally:
        children = found.children(recursive=True)
        process.terminate()
        process.wait(TIMEOUT)
        for survivor in psutil.wait_procs(children, 30)[1]:
            survivor.kill()


@contextmanager
def services(deployment: Deployment) -> Iterator[tuple[Ui, list[psutil.Process]]]:
    """Start the three services. Yield the UI, and the processes of code server, webserver and daemon."""
    port = free_port()
    with (
        tempfile.TemporaryDirectory() as folder,
        ExitStack() as stack,
    ):  # a path in tmp_path is too long for a socket
        socket = f"{folder}/code-server.sock"
        workspace = deployment.folder / "workspace.yaml"
        workspace.write_text(shipped("deploy/systemd/workspace.yaml").replace(socket_of_workspace(), socket))
        replacements = {
            socket_of_workspace(): socket,
            "deploy/systemd/workspace.yaml": str(workspace),
            "3000": str(port),
        }
        first, *_ = UNITS_IN_ORDER
        # systemd starts the other units when this command has ended.
        deployment.run(*command_of(first, key="ExecStartPre"), **environment_of(first))
        processes = [
            stack.enter_context(running(command_of(unit, replacements), deployment, unit))
            for unit in UNITS_IN_ORDER
        ]
        ui = Ui(port, processes[0])
        wait_until(lambda: is_up(ui) and is_loaded(ui))
        yield ui, processes


def socket_of_workspace() -> str:
    (location,) = yaml.safe_load(shipped("deploy/systemd/workspace.yaml"))["load_from"]
    return str(location["grpc_server"]["socket"])


def is_loaded(ui: Ui) -> bool:
    entries = ui.ask(_LOCATIONS)["workspaceOrError"]["locationEntries"]
    found = {entry["name"]: (entry["locationOrLoadError"] or {}).get("__typename") for entry in entries}
    return found == {LOCATION: "RepositoryLocation"}


def test_a_new_source_can_be_harvested_right_after_one_reload(tmp_path: Path, migrated_sqlite: Path) -> None:
    """With a code server each, the daemon failed the backfill: "existed at storage-time, but no longer does"."""
    (tmp_path / "harvest.db").write_bytes(migrated_sqlite.read_bytes())
    # A busy machine needs more than the three minutes that Dagster gives a code server to reload.
    settings = (
        f"{shipped('dagster.yaml')}\ncode_servers: {{local_startup_timeout: 1200, reload_timeout: 1200}}\n"
    )
    deployment = Deployment(tmp_path, f"sqlite:///{tmp_path / 'harvest.db'}", settings)
    with Server(Repository(days=2, records_per_day=3)) as source:
        day = str(source.repository.first_day)
        deployment.source("first", source.url, earliest_date=day)
        with services(deployment) as (ui, (_, webserver, daemon)):
            assert ui.wait_for_backfill(ui.backfill(["first"], [day])) == "COMPLETED_SUCCESS"
            # Neither of them has definitions of its own.
            for process in (webserver, daemon):
                commands = [" ".join(child.cmdline()) for child in process.children(recursive=True)]
                assert not any("grpc" in command for command in commands)
            for label in ("second", "third"):
                deployment.source(label, source.url, earliest_date=day)
                reloaded = ui.ask(_RELOAD, name=LOCATION)["reloadRepositoryLocation"]
                assert reloaded["locationOrLoadError"]["__typename"] == "RepositoryLocation", reloaded
                backfill = ui.backfill([label], [day])
                assert ui.wait_for_backfill(backfill) == "COMPLETED_SUCCESS"
    for log in tmp_path.glob("*.log"):
        assert "SupersessionWarning" not in log.read_text()
    assert [len(deployment.data(label)) for label in ("first", "second", "third")] == [3, 3, 3]
