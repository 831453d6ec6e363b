"""The demo as `make demo` runs it, and its messages if a run fails."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
from datetime import date, datetime, timedelta, timezone
from json import JSONDecoder
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import pytest
from lxml.etree import fromstring

from harvest_dagster.catalog.loader import load_catalog
from harvest_dagster.coverage.day_range import DayRange
from harvest_dagster.coverage.due_days import DueDays, due_days
from harvest_dagster.demo import commands, report
from harvest_dagster.demo.__main__ import main
from harvest_dagster.demo.folder import DemoFolder
from harvest_dagster.testing.simulator import Repository, Server
from harvest_dagster_tests.testing.simulator.oai_client import LIST, pages

TODAY = date(2024, 3, 6)
NOON = datetime(2024, 3, 6, 12, tzinfo=timezone.utc)
COMMAND = [sys.executable, "-m", "harvest_dagster.demo"]


def run_demo(directory: Path) -> str:
    completed = subprocess.run(
        COMMAND, cwd=directory, capture_output=True, text=True, timeout=600, check=False
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    return completed.stdout


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def wait_for(url: str, process: subprocess.Popen[bytes]) -> bytes:
    """Return the response of a URL as soon as there is one. Two minutes are enough for a busy machine."""
    opener = build_opener(ProxyHandler({}))
    for _ in range(240):
        assert process.poll() is None, "the process ended before it was stopped"
        try:
            with opener.open(url, timeout=30) as response:
                return bytes(response.read())
        except (URLError, ConnectionError, TimeoutError):
            time.sleep(0.5)
    raise AssertionError(f"no response from {url}")


def numbers(line: str) -> list[int]:
    """Return the counts in a line of the table: records, new, deleted, transformed."""
    return [int(number.replace(",", "")) for number in re.findall(r" +([\d,]+)", line)[:4]]


def lines_with_prefix(output: str, prefix: str) -> list[str]:
    return [line for line in output.splitlines() if line.startswith(prefix)]


def test_the_demo_shows_every_record_and_a_second_run_has_nothing_to_do(tmp_path) -> None:
    """The demo is the first thing that people run. Its numbers must be right in each run."""
    first = run_demo(tmp_path)
    repository = DemoFolder(tmp_path / ".demo").repository(TODAY)
    with Server(repository) as server:
        deleted = sum(len(page.find("//o:header[@status='deleted']")) for page in pages(server, LIST))
    size, live = repository.size, repository.size - deleted
    days = [f"{repository.first_day + timedelta(days=number)}" for number in range(repository.days)]
    assert [line.split()[0] for line in lines_with_prefix(first, "20")] == days
    (total,) = lines_with_prefix(first, "total")
    assert numbers(total) == [size, size, deleted, live]
    assert f"the source announced {size:,} records, and the harvest received {size:,}" in first
    assert "\x1b" not in first
    assert "\n$ dg launch -m harvest_dagster.definitions --assets raw/demo,transformed/demo" in f"\n{first}"
    record, _, document = first.partition("The record oai:")[2].partition(
        "Its document, without the empty keys:\n"
    )
    root = fromstring(record[record.index("<") : record.rindex(">") + 1])
    decoded, _ = JSONDecoder().raw_decode(document.strip())
    assert decoded["title"] == root.findtext(".//{http://purl.org/dc/elements/1.1/}title")
    assert "SupersessionWarning" not in DemoFolder(tmp_path / ".demo").log.read_text()
    _, _, commands = first.partition("Export the records and documents\n")
    script = "\n".join(commands.splitlines()[:3])
    subprocess.run(["bash", "-eu", "-c", script], cwd=tmp_path, check=True, capture_output=True, timeout=600)
    lines = {
        name: (tmp_path / name).read_text().splitlines() for name in ("documents.jsonl", "records.jsonl")
    }
    assert {name: len(listed) for name, listed in lines.items()} == {
        "documents.jsonl": size,
        "records.jsonl": size,
    }
    second = run_demo(tmp_path)
    (total,) = lines_with_prefix(second, "total")
    assert numbers(total) == [size, 0, deleted, live]
    assert "Nothing to do" in second


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_ui_starts_and_stops_completely_on_a_signal(number, tmp_path) -> None:
    """A webserver that keeps running would keep the port, and a daemon would continue to launch runs."""
    port = free_port()
    log = tmp_path / "log"
    with (
        log.open("wb") as out,
        subprocess.Popen(
            [*COMMAND, "--serve", "--port", str(port)], cwd=tmp_path, stdout=out, stderr=out
        ) as process,
    ):
        try:
            info = wait_for(f"http://127.0.0.1:{port}/server_info", process)
        finally:
            process.send_signal(number)
    assert json.loads(info)["dagster_version"].startswith("1.13.")
    assert process.returncode == 0, log.read_text()
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_the_config_of_the_demo_loads(tmp_path, monkeypatch) -> None:
    """People copy it for their own sources."""
    folder = DemoFolder(tmp_path / ".demo")
    folder.prepare("http://127.0.0.1:1/oai", folder.repository(TODAY))
    catalog = load_catalog(str(folder.config.parent))
    (config,) = catalog.configs
    assert (config.label, config.harvester_kwargs["base_url"]) == ("demo", "http://127.0.0.1:1/oai")
    assert config.earliest_date == date(2024, 3, 1)
    # Without a schedule, harvest_by_schedule would never find a day that is due.
    assert due_days(config, [], NOON) == [DueDays(DayRange(date(2024, 3, 1), date(2024, 3, 5)))]


def test_the_demo_uses_the_last_five_days_and_keeps_them(tmp_path) -> None:
    """Old days are hard to see in the UI. Days that change with each run would never stay complete."""
    folder = DemoFolder(tmp_path)
    repository = folder.repository(TODAY)
    assert (repository.first_day, repository.days) == (date(2024, 3, 1), 5)
    folder.prepare("http://127.0.0.1:1/oai", repository)
    assert folder.repository(TODAY + timedelta(days=9)) == repository


def test_the_demo_uses_only_its_own_database(tmp_path, monkeypatch) -> None:
    """The HARVEST_DATABASE_URL of a user may be a production database."""
    monkeypatch.setenv("HARVEST_DATABASE_URL", "postgresql://somewhere/real")
    monkeypatch.setenv("HARVEST_SPOOL", "s3://bucket/real")
    monkeypatch.setenv("DAGSTER_HOME", "/elsewhere")
    folder = DemoFolder(tmp_path)
    assert "HARVEST_DATABASE_URL" not in folder.environment
    assert "HARVEST_SPOOL" not in folder.environment
    assert folder.environment["DAGSTER_HOME"] == str(folder.dagster_home)
    assert folder.database_url.endswith(str(folder.dagster_home / "harvest.db"))


def test_a_failed_run_shows_the_output_of_dagster(tmp_path, monkeypatch, capsys) -> None:
    """A demo must not fail without an explanation."""

    def fail(folder: DemoFolder, _: Repository) -> int:
        folder.log.write_text("no such thing\n")
        return 1

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(commands, "materialize", fail)
    assert main([]) == 1
    assert "no such thing" in (errors := capsys.readouterr().err)
    assert str(tmp_path / ".demo" / "demo.log") in errors


def test_the_demo_works_without_dg(monkeypatch) -> None:
    """`dg` belongs to the extra `dev`, which a user of the wheel may not have."""
    repository = Repository(first_day=TODAY, days=2)
    tail = ("--partition-range", "2024-03-06...2024-03-07")
    assert commands.harvest_command(repository)[:2] == ("dg", "launch")
    monkeypatch.setattr(commands, "_has_dg", lambda: False)
    command = commands.harvest_command(repository)
    assert command[:3] == ("dagster", "asset", "materialize")
    assert command[-2:] == tail


def test_the_table_fits_the_terminal(monkeypatch) -> None:
    """Long titles are truncated, counts are not."""
    monkeypatch.setenv("COLUMNS", "80")
    day = report.DayCounts("2024-03-01", 1200, 1200, 3, 1197, "A long title " * 20)
    heading, line, total = report.table([day])
    assert heading.split()[0] == "day"
    assert len(line) == 80
    assert numbers(line) == numbers(total) == [1200, 1200, 3, 1197]
