"""`python -m harvest_dagster.simulator`, as a program starts it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from urllib.request import urlopen

import pytest

from harvest_dagster.simulator.__main__ import main

COMMAND = [sys.executable, "-m", "harvest_dagster.simulator"]


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
