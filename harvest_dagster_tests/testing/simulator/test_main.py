"""`python -m harvest_dagster.simulator` as a command."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from urllib.request import urlopen

import pytest

from harvest_dagster.testing.simulator.__main__ import main
from harvest_dagster.testing.simulator.behaviours.registry import REGISTRY
from harvest_dagster.testing.simulator.scenario import GRAMMAR

COMMAND = [sys.executable, "-m", "harvest_dagster.simulator"]


def test_behaviours_of_file_and_command_line_are_applied(tmp_path) -> None:
    """The command also prints the URL of the JSON API and writes the log."""
    (tmp_path / "faults.yaml").write_text("behaviours: [html-login@records]")
    options = ["--scenario", "faults.yaml", "--behaviour", "empty-body@Identify", "--log", "log.jsonl"]
    with subprocess.Popen([*COMMAND, *options], stdout=subprocess.PIPE, cwd=tmp_path) as process:
        try:
            oai, api = (process.stdout.readline().decode().strip() for _ in range(2))
            lines = [process.stdout.readline().decode().strip() for _ in range(2)]
            bodies = [urlopen(url).read() for url in (f"{oai}?verb=Identify", api)]  # noqa: S310 - loopback
            process.terminate()
            process.wait(timeout=30)
        finally:
            process.kill()
    assert lines == ["behaviour: html-login", "behaviour: empty-body"]
    assert bodies[0] == b""
    assert b"Log in" in bodies[1]
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_prints_its_url_first_and_stops_on_a_signal(number) -> None:
    """Programs read the URL from the first line. `make dev` and tests stop the command with a signal."""
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


def test_help_is_complete_and_fits_the_terminal(capsys, monkeypatch) -> None:
    """Users must find examples, the notation of scenarios and every behaviour without reading code."""
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
def test_a_wrong_option_is_reported_before_the_server_starts(arguments, problem, capsys) -> None:
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert (problem in printed.err, printed.out) == (True, "")


def test_the_error_for_a_port_in_use_names_the_port(capsys: pytest.CaptureFixture[str]) -> None:
    """A second `make dev` printed a traceback."""
    with socket.create_server(("127.0.0.1", 0)) as used:
        port = used.getsockname()[1]
        assert main(["--port", str(port)]) == 2
    assert capsys.readouterr().err.startswith(f"--port {port}: Address already in use. Use another port")


def test_help_lists_the_repository_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    assert {
        "--port",
        "--days",
        "--records-per-day",
        "--page-size",
        "--granularity",
        "--record-bytes",
    } <= options


def test_an_invalid_setting_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--page-size", "0"]) == 2
    assert "page_size" in capsys.readouterr().err
