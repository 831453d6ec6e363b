"""The shipped settings of Dagster, which `end_to_end/test_ui.py` runs, and those of systemd."""

from __future__ import annotations

from configparser import ConfigParser
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import yaml

from harvest_dagster.orchestration.automation import requests

ROOT = Path(__file__).parents[1]


def settings(file: str) -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / file).read_text(encoding="utf-8")))


def test_the_files_differ_in_the_storage_only() -> None:
    """What is learnt on one machine must not be forgotten in the file for several."""
    on_postgresql = settings("deploy/postgresql/dagster.yaml")
    assert on_postgresql.pop("storage") == {"postgres": {"postgres_url": {"env": "DAGSTER_POSTGRESQL_URL"}}}
    assert on_postgresql == settings("dagster.yaml") == settings("harvest_dagster/demo/dagster.yaml")


def test_backfills_and_repairs_together_leave_a_place_in_the_queue() -> None:
    """Priorities alone do not: nothing takes the place of a run that goes on for days."""
    runs = settings("dagster.yaml")["concurrency"]["runs"]
    limits = {limit["key"]: limit["limit"] for limit in runs["tag_concurrency_limits"]}
    assert limits.keys() == {"dagster/backfill", requests.PAST}
    assert sum(limits.values()) == runs["max_concurrent_runs"] - 1


@pytest.mark.parametrize("name", ["dagster-webserver", "dagster-daemon"])
def test_the_units_of_systemd_start_what_there_is(name: str) -> None:
    """A command that is misspelt is found out on the server otherwise, by whoever copied it."""
    unit = ConfigParser(interpolation=None)
    unit.read_string((ROOT / f"deploy/systemd/{name}.service").read_text(encoding="utf-8"))
    assert unit.sections() == ["Unit", "Service", "Install"]
    path, _, arguments = unit["Service"]["ExecStart"].partition(" ")
    assert path == f"{unit['Service']['WorkingDirectory']}/.venv/bin/{name}"
    assert entry_points(group="console_scripts", name=name)
    # The README has the same commands, for who wants no systemd.
    assert f"`{name} {arguments.partition(' -h ')[0]}`" in (ROOT / "README.md").read_text(encoding="utf-8")
