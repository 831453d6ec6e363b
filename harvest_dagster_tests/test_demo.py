"""The demo, as `make demo` runs it, and what it shows when things go wrong."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import pytest

from harvest_dagster.catalog.loader import load_catalog
from harvest_dagster.demo import commands, report
from harvest_dagster.demo.__main__ import main
from harvest_dagster.demo.place import Place
from harvest_dagster.pipeline.calendar import Days
from harvest_dagster.pipeline.due import Due, due
from harvest_dagster.simulator import Repository, Server
from harvest_dagster_tests.simulator.client import LIST, pages

TODAY = date(2024, 3, 6)
NOON = datetime(2024, 3, 6, 12, tzinfo=timezone.utc)
COMMAND = [sys.executable, "-m", "harvest_dagster.demo"]


def run_demo(folder: Path) -> str:
    done = subprocess.run(COMMAND, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def wait_for(url: str, process: subprocess.Popen[bytes]) -> bytes:
    """What is answered once something answers; two minutes are for a busy machine, not a measure."""
    opener = build_opener(ProxyHandler({}))
    for _ in range(240):
        assert process.poll() is None, "it ended by itself"
        try:
            with opener.open(url, timeout=30) as answer:
                return bytes(answer.read())
        except (URLError, ConnectionError, TimeoutError):
            time.sleep(0.5)
    raise AssertionError(f"nothing answers at {url}")


def numbers(line: str) -> list[int]:
    """The counts of a line of the table: records, new, deleted, transformed."""
    return [int(number.replace(",", "")) for number in re.findall(r" +([\d,]+)", line)[:4]]


def lines_of(shown: str, word: str) -> list[str]:
    return [line for line in shown.splitlines() if line.startswith(word)]


def test_the_demo_shows_all_of_the_repository_and_a_second_one_that_nothing_is_left(tmp_path) -> None:
    """The first thing that people run: it must be true to the record, and true again."""
    first = run_demo(tmp_path)
    repository = Place(tmp_path / ".demo").repository(TODAY)
    with Server(repository) as server:
        gone = sum(len(page.find("//o:header[@status='deleted']")) for page in pages(server, LIST))
    size, live = repository.size, repository.size - gone
    days = [f"{repository.first_day + timedelta(days=number)}" for number in range(repository.days)]
    assert [line.split()[0] for line in lines_of(first, "20")] == days
    (total,) = lines_of(first, "total")
    assert numbers(total) == [size, size, gone, live]
    assert f"the source announced {size:,} records, and {size:,} came" in first
    assert "\x1b" not in first
    second = run_demo(tmp_path)
    (total,) = lines_of(second, "total")
    assert numbers(total) == [size, 0, gone, live]
    assert "Nothing was left to do" in second


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_ui_comes_up_and_all_of_it_ends_when_it_is_told_to(number, tmp_path) -> None:
    """A webserver left behind keeps the port, and a daemon left behind goes on working."""
    port = free_port()
    log = tmp_path / "log"
    with (
        log.open("wb") as out,
        subprocess.Popen(
            [*COMMAND, "--serve", "--port", str(port)], cwd=tmp_path, stdout=out, stderr=out
        ) as process,
    ):
        try:
            shown = wait_for(f"http://127.0.0.1:{port}/server_info", process)
        finally:
            process.send_signal(number)
    assert json.loads(shown)["dagster_version"].startswith("1.13.")
    assert process.returncode == 0, log.read_text()
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_the_config_of_the_demo_loads(tmp_path, monkeypatch) -> None:
    """It is the example that people copy."""
    place = Place(tmp_path / ".demo")
    place.prepare("http://127.0.0.1:1/oai", place.repository(TODAY))
    catalog = load_catalog(str(place.config.parent))
    (config,) = catalog.configs
    assert (config.label, config.harvester_kwargs["base_url"]) == ("demo", "http://127.0.0.1:1/oai")
    assert config.earliest_date == date(2024, 3, 1)
    # Without one, the switch in the UI would find no source due, ever.
    assert due(config, [], NOON) == [Due(Days(date(2024, 3, 1), date(2024, 3, 5)))]


def test_the_days_of_the_demo_are_the_last_five_and_stay_what_they_are(tmp_path) -> None:
    """Those of 2024 were a sliver in the UI; days that move along would never be done."""
    place = Place(tmp_path)
    repository = place.repository(TODAY)
    assert (repository.first_day, repository.days) == (date(2024, 3, 1), 5)
    place.prepare("http://127.0.0.1:1/oai", repository)
    assert place.repository(TODAY + timedelta(days=9)) == repository


def test_the_demo_touches_no_database_but_its_own(tmp_path, monkeypatch) -> None:
    """Somebody's HARVEST_DATABASE_URL may be the one they work with."""
    monkeypatch.setenv("HARVEST_DATABASE_URL", "postgresql://somewhere/real")
    monkeypatch.setenv("HARVEST_SPOOL", "s3://bucket/real")
    monkeypatch.setenv("DAGSTER_HOME", "/elsewhere")
    place = Place(tmp_path)
    assert "HARVEST_DATABASE_URL" not in place.environment
    assert "HARVEST_SPOOL" not in place.environment
    assert place.environment["DAGSTER_HOME"] == str(place.home)
    assert place.database_url.endswith(str(place.home / "harvest.db"))


def test_a_run_that_fails_shows_what_dagster_said(tmp_path, monkeypatch, capsys) -> None:
    """A demo that fails silently is the worst first impression."""

    def fail(place: Place, _: Repository) -> int:
        place.log.write_text("no such thing\n")
        return 1

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(commands, "materialize", fail)
    assert main([]) == 1
    assert "no such thing" in (errors := capsys.readouterr().err)
    assert str(tmp_path / ".demo" / "demo.log") in errors


def test_the_table_fits_the_terminal(monkeypatch) -> None:
    """Titles are cut, counts are not."""
    monkeypatch.setenv("COLUMNS", "80")
    day = report.Day("2024-03-01", 1200, 1200, 3, 1197, "A long title " * 20)
    heading, line, total = report.table([day])
    assert heading.split()[0] == "day"
    assert len(line) == 80
    assert numbers(line) == numbers(total) == [1200, 1200, 3, 1197]
