"""`python -m harvest_dagster.simulator`, as a program starts it."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from urllib.request import urlopen

import pytest

from harvest_dagster.simulator.__main__ import main
from harvest_dagster.simulator.registry import REGISTRY
from harvest_dagster.simulator.scenario import GRAMMAR

COMMAND = [sys.executable, "-m", "harvest_dagster.simulator"]


def test_it_is_as_hostile_as_it_is_told_to_be(tmp_path) -> None:
    """Behaviours of the file and of the command line, the URL of the JSON API, and the log."""
    (tmp_path / "hostile.yaml").write_text("behaviours: [html-login@records]")
    options = ["--scenario", "hostile.yaml", "--behaviour", "empty-body@Identify", "--log", "log.jsonl"]
    with subprocess.Popen([*COMMAND, *options], stdout=subprocess.PIPE, cwd=tmp_path) as process:
        try:
            oai, api = (process.stdout.readline().decode().strip() for _ in range(2))
            told = [process.stdout.readline().decode().strip() for _ in range(2)]
            bodies = [urlopen(url).read() for url in (f"{oai}?verb=Identify", api)]  # noqa: S310 - loopback
            process.terminate()
            process.wait(timeout=30)
        finally:
            process.kill()
    assert told == ["hostile: html-login", "hostile: empty-body"]
    assert bodies[0] == b""
    assert b"Log in" in bodies[1]
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_its_url_first_and_stops_on_a_signal(number) -> None:
    """Programs read the first line to know where it is; `make dev` and tests end it by a signal."""
    options = ["--days", "1", "--records-per-day", "7", "--page-size", "5", "--granularity", "day"]
    with subprocess.Popen([*COMMAND, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            url = process.stdout.readline().decode().strip()
            with urlopen(f"{url}?verb=ListRecords&metadataPrefix=oai_dc") as response:  # noqa: S310 - loopback
                page = response.read()
            process.send_signal(number)
            _, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    assert page.count(b"<record>") == 5
    assert b'completeListSize="7"' in page
    assert (process.returncode, errors) == (0, b"")


def test_help_tells_all_within_the_width_of_a_terminal(capsys, monkeypatch) -> None:
    """Examples, the form of scenarios, every behaviour: nobody has to read the code."""
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main(["--help"])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert {f"  {name}" for name in REGISTRY} <= {line.partition(" (")[0] for line in lines}
    assert {line.rstrip() for line in GRAMMAR.splitlines()} <= set(lines)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--behaviour", "cutt"], "--behaviour cutt: there is no behaviour 'cutt'; did you mean cut"),
        (["--scenario", "nowhere.yaml"], "--scenario nowhere.yaml: No such file"),
        (["--days", "0"], "--days 0: a repository without records"),
        (["--port", "70000"], "--port 70000: "),
    ],
)
def test_a_bad_option_is_refused_before_anything_is_served(arguments, problem, capsys) -> None:
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert (problem in said.err, said.out) == (True, "")


def test_a_port_that_is_taken_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """It was a bare traceback, of a second `make dev`, say."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["--port", str(port)]) == 2
    assert capsys.readouterr().err.startswith(f"--port {port}: Address already in use; give another one")


def test_help_names_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    assert {
        "--port",
        "--days",
        "--records-per-day",
        "--page-size",
        "--granularity",
        "--record-bytes",
    } <= options


def test_impossible_settings_are_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--page-size", "0"]) == 2
    assert "page_size" in capsys.readouterr().err
