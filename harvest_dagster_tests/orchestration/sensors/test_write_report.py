"""The sensor that keeps the report up to date."""

from __future__ import annotations

from pathlib import Path

import pytest

from harvest_dagster.orchestration.sensors import write_report
from harvest_dagster.status.report import VARIABLE
from harvest_dagster_tests.orchestration.sensors.conftest import World, config


def test_the_page_is_written_only_if_the_variable_names_a_path(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most people need no file, and those who do want it to be current."""
    world.sources(config("a"), config("b"))
    monkeypatch.delenv(VARIABLE, raising=False)
    assert VARIABLE in world.tick(write_report.write_report_regularly.name).skip_message
    path = tmp_path / "report.html"
    monkeypatch.setenv(VARIABLE, str(path))
    assert "2 sources" in world.tick(write_report.write_report_regularly.name).skip_message
    page = path.read_text()
    assert "<strong>a</strong>" in page
    assert "<strong>b</strong>" in page
