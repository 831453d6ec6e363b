"""Log lines as JSON: those of a run through Dagster's handler, and the messages of the command line."""

from __future__ import annotations

import json
import logging
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.log_format import JsonFormatter, json_line
from harvest_dagster.testing.simulator import Server
from harvest_dagster_tests.cli.commands import run
from harvest_dagster_tests.orchestration.deployment import DAYS, REPOSITORY, Deployment, config

ROOT = Path(__file__).parents[1]
HANDLER = {"handlers": {"json": {"class": "harvest_dagster.log_format.JsonHandler"}}}


@pytest.fixture
def deployment(tmp_path: Path, migrated_sqlite: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A deployment whose dagster.yaml names the handler."""
    home = tmp_path / "home"
    home.mkdir()
    settings = {
        "python_logs": {"python_log_level": "INFO", "dagster_handler_config": HANDLER},
        "telemetry": {"enabled": False},
        "nux": {"enabled": False},
    }
    (home / "dagster.yaml").write_text(yaml.safe_dump(settings))
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    monkeypatch.setenv("KEY", "very-secret-key")
    database = tmp_path / "harvest.db"
    database.write_bytes(migrated_sqlite.read_bytes())
    with Server(REPOSITORY) as source, dg.DagsterInstance.get() as instance:
        yield Deployment(Catalog((_source(source),)), f"sqlite:///{database}", tmp_path / "spool", instance)


def _source(source: Server) -> Any:
    return config(source.url, auth={"kind": "bearer", "token": "${KEY}"})


def json_lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


@pytest.mark.filterwarnings("ignore::dagster.BetaWarning")
def test_a_run_logs_one_object_per_line_with_its_source_and_window(
    deployment: Deployment, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A collector of logs cannot search for a run or a source in free text."""
    monkeypatch.setenv("HARVEST_LOG_FORMAT", "json")
    result = deployment.materialize(DAYS[0])
    assert result.success
    out = capsys.readouterr().out
    lines = json_lines(out)
    (window,) = [
        line for line in lines if "records, " in line["message"] and line["step"].endswith("finish")
    ][:1]
    assert (window["source"], window["level"], window["run_id"]) == ("demo", "INFO", result.run_id)
    assert window["window"] == DAYS[0]
    assert datetime.fromisoformat(window["time"].replace("Z", "+00:00")).tzinfo is not None
    assert {line["level"] for line in lines} == {"INFO"}  # the routine lines and events of Dagster are DEBUG
    assert "very-secret-key" not in out


@pytest.mark.filterwarnings("ignore::dagster.BetaWarning")
def test_without_the_variable_the_handler_writes_nothing(
    deployment: Deployment, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The delivered settings name the handler, and people on a terminal read text."""
    monkeypatch.delenv("HARVEST_LOG_FORMAT", raising=False)
    assert deployment.materialize(DAYS[0]).success
    assert json_lines(capsys.readouterr().out) == []


def test_a_failed_step_has_its_error_in_one_line() -> None:
    """A traceback over forty lines would be forty log entries."""
    try:
        raise ValueError("first\nsecond")  # noqa: TRY301
    except ValueError:
        record = logging.LogRecord("name", logging.ERROR, "", 0, "it %s", ("failed",), sys.exc_info())
    line = JsonFormatter().format(record)
    found = json.loads(line)
    assert "\n" not in line
    assert (found["message"], found["level"], found["logger"]) == ("it failed", "ERROR", "name")
    assert found["error"].endswith("ValueError: first\nsecond\n")


def test_each_line_has_the_same_form_of_time() -> None:
    """A collector reads one format. Other texts of this package write midnight as a date."""
    line = json.loads(json_line(datetime(2024, 1, 1, tzinfo=timezone.utc), "INFO", "x", "y", run_id=None))
    assert line == {"time": "2024-01-01T00:00:00.000Z", "level": "INFO", "logger": "x", "message": "y"}


@pytest.mark.parametrize("arguments", [("status", "unknown"), ("quarantine", "show", "1")])
def test_the_messages_of_a_command_are_json(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cron job in a container writes to the same collector as the services."""
    monkeypatch.setenv("HARVEST_DATABASE_URL", f"sqlite:///{tmp_path / 'harvest.db'}")
    monkeypatch.setenv("HARVEST_SOURCES", "bundled")
    monkeypatch.setenv("HARVEST_LOG_FORMAT", "json")
    done = run(*arguments)
    assert done.status == 1
    *_, line = done.err.splitlines()
    found = json.loads(line)
    assert (found["level"], found["logger"]) == ("ERROR", "harvest_dagster.cli")
    monkeypatch.delenv("HARVEST_LOG_FORMAT")
    assert run(*arguments).err.splitlines()[-1] == f"Error: {found['message']}"
