"""The delivered settings of Dagster (`end_to_end/test_ui.py` runs Dagster with them) and of systemd."""

from __future__ import annotations

from configparser import ConfigParser
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import yaml

from harvest_dagster.orchestration.sensors import run_requests

ROOT = Path(__file__).parents[1]


def settings(file: str) -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / file).read_text(encoding="utf-8")))


def test_the_settings_differ_only_in_the_storage() -> None:
    """A fix for one machine would be missing in the settings for several machines."""
    on_postgresql = settings("deploy/postgresql/dagster.yaml")
    assert on_postgresql.pop("storage") == {"postgres": {"postgres_url": {"env": "DAGSTER_POSTGRESQL_URL"}}}
    assert on_postgresql == settings("dagster.yaml") == settings("harvest_dagster/demo/dagster.yaml")


def test_backfills_and_repairs_leave_a_place_in_the_queue() -> None:
    """Backfills of years would fill the queue: a priority does not stop a run that takes days."""
    runs = settings("dagster.yaml")["concurrency"]["runs"]
    limits = {limit["key"]: limit["limit"] for limit in runs["tag_concurrency_limits"]}
    assert limits.keys() == {"dagster/backfill", run_requests.PAST}
    assert sum(limits.values()) == runs["max_concurrent_runs"] - 1


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("dagster-code-server", "dagster"),
        ("dagster-webserver", "dagster-webserver"),
        ("dagster-daemon", "dagster-daemon"),
    ],
)
def test_the_units_of_systemd_start_existing_commands_with_existing_files(name: str, command: str) -> None:
    """A misspelt command would first fail on the server of a user who copied the unit. A slow test starts them."""
    unit = ConfigParser(interpolation=None)
    unit.read_string((ROOT / f"deploy/systemd/{name}.service").read_text(encoding="utf-8"))
    assert unit.sections() == ["Unit", "Service", "Install"]
    path, *arguments = unit["Service"]["ExecStart"].split()
    assert path == f"{unit['Service']['WorkingDirectory']}/.venv/bin/{command}"
    assert entry_points(group="console_scripts", name=command)
    if "-w" in arguments:
        assert (ROOT / arguments[arguments.index("-w") + 1]).is_file()


def test_one_unit_creates_the_tables_of_dagster_before_the_others_start() -> None:
    """With a new DAGSTER_HOME, all services created the tables, and the daemon stopped: "table already exists"."""
    units = {}
    for name in ("code-server", "webserver", "daemon"):
        units[name] = ConfigParser(interpolation=None)
        units[name].read_string((ROOT / f"deploy/systemd/dagster-{name}.service").read_text(encoding="utf-8"))
    first = units["code-server"]["Service"]
    assert first["ExecStartPre"] == f"{first['WorkingDirectory']}/.venv/bin/dagster instance info"
    for name in ("webserver", "daemon"):
        assert "dagster-code-server.service" in units[name]["Unit"]["After"].split()


def test_all_services_of_a_deployment_use_one_code_server() -> None:
    """With definitions of its own, the daemon knows a new source a minute later, and a backfill of it fails."""
    (on_one_machine,) = settings("deploy/systemd/workspace.yaml")["load_from"]
    (on_many,) = settings("deploy/postgresql/workspace.yaml")["load_from"]
    units = {
        name: (ROOT / f"deploy/systemd/dagster-{name}.service").read_text(encoding="utf-8")
        for name in ("code-server", "webserver", "daemon")
    }
    server = on_one_machine["grpc_server"]
    assert f"--socket {server['socket']} -m {server['location_name']}" in units["code-server"]
    for name in ("webserver", "daemon"):
        assert " -w deploy/systemd/workspace.yaml" in units[name]
        assert "-m harvest" not in units[name]
    server = on_many["grpc_server"]
    comment = (ROOT / "deploy/postgresql/workspace.yaml").read_text(encoding="utf-8")
    assert f"--host {server['host']} --port {server['port']} -m {server['location_name']}" in comment
