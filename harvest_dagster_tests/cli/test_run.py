"""`harvest run`: the same runs as those of Dagster's UI, with progress, Ctrl-C and an exit status."""

from __future__ import annotations

import io
import re
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from harvest_dagster.cli.progress import ProgressView
from harvest_dagster.errors import BadInput
from harvest_dagster.orchestration.runs.code_location import PACKAGE_MODULE, load_code_location
from harvest_dagster.orchestration.runs.local_runs import (
    LocalRun,
    Progress,
    RunMonitor,
    RunningRun,
    open_instance,
)
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.ingest_configs import find_id
from harvest_dagster.storage.lease import leases
from harvest_dagster.testing.simulator import Repository, RequestGate, Server, scenario
from harvest_dagster.windows import DAY, Window, parse_instant, utc_now
from harvest_dagster_tests.cli.commands import Done, run
from harvest_dagster_tests.end_to_end.deployment import RANGE, Deployment


def invoke(*arguments: str, status: int = 0) -> Done:
    done = run(*arguments)
    assert done.status == status, done.out + done.err
    return done


def invoke_json(*arguments: str) -> Any:
    return invoke(*arguments, "--json").json


DAYS = Repository(first_day=date(2024, 1, 1), days=4, records_per_day=100, page_size=50)


def test_ctrl_c_stops_after_the_page_and_the_next_run_continues_there(deployment: Deployment) -> None:
    """An interrupted harvest must lose no page, and Dagster must show it as cancelled, not as failed.

    The process is real, and so is the signal. It arrives while the third page of the list is on its way.
    """
    gate = RequestGate(when=scenario.parse_condition("ListRecords#3"))
    with Server(DAYS, behaviours=[gate]) as source:
        deployment.source("example", source.url, earliest_date="2024-01-01")
        command = [
            sys.executable,
            "-m",
            "harvest_dagster.cli",
            "run",
            "example",
            "--from",
            "2024-01-01",
            "--until",
            "2024-01-03",
        ]
        with subprocess.Popen(
            command,
            env=deployment.environment,
            cwd=deployment.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                gate.wait_until_reached(300)
                process.send_signal(signal.SIGINT)
                _wait_until_stopping(process)
            finally:
                gate.release()
            output, messages = process.communicate(timeout=300)
        assert process.returncode == 1, messages
        stopped = re.search(r"the run was cancelled after page (\d) of \[2024-01-01, 2024-01-03\)", messages)
        assert stopped is not None, messages
        assert "run the same command again: harvest run example" in messages
        assert "Traceback" not in messages + output
        assert " - DEBUG - " not in messages
        with Database.open(deployment.database_url) as database, database.read() as connection:
            config_id = find_id(connection, "example")
            assert config_id is not None
            assert leases.find_lease(connection, config_id) is None  # the next run waits for nobody
        before = len(source.requests)
        result = invoke_json("run", "example", "--from", "2024-01-01", "--until", "2024-01-03")
        lists = [r for r in source.requests[before:] if r.operation == "ListRecords"]
    assert int(stopped[1]) == 3  # the page on its way was not thrown away
    assert "resumptionToken" in dict(lists[0].arguments)  # and the next run continued after it
    assert (result["records"], result["new"], result["changed"]) == (200, 200, 0)
    assert (result["completeness"], result["evidence"]) == ("complete", "total")
    with dg.DagsterInstance.get() as instance:
        second, first = instance.get_runs()
        assert (first.status, second.status) == (dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.SUCCESS)
        assert second.run_id == result["run_id"]
        assert second.job_name == "__ASSET_JOB"  # as a run of the UI
        assert dict(zip(RANGE, ("2024-01-01", "2024-01-02"), strict=True)).items() <= second.tags.items()
        assert second.tags["harvest/label"] == "example"
        for kind in ("raw", "transformed"):
            done = instance.get_materialized_partitions(dg.AssetKey([kind, "example"]))
            assert done == {"2024-01-01", "2024-01-02"}
    assert len(deployment.documents("example")) == 200


def _wait_until_stopping(process: subprocess.Popen[str]) -> None:
    """Wait until the command has received the signal."""
    assert process.stderr is not None
    while line := process.stderr.readline():
        if line.startswith("stopping after this page"):
            return
    raise AssertionError("the process ended before it received the signal")


@pytest.mark.slow
def test_a_range_inside_a_day_uses_the_job_and_a_failure_has_exit_status_1(deployment: Deployment) -> None:
    """Scripts rely on the exit status. Instants inside a day must turn no partition green."""
    with Server(DAYS) as source:
        deployment.source("example", source.url, earliest_date="2024-01-01")
        result = invoke_json("run", "example", "--from", "2024-01-01T12:00", "--until", "2024-01-02")
        source_url = source.url
        limited = invoke("run", "example", "--from", "2024-01-02", "--until", "2024-01-03", "--limit", "50")
    assert (result["records"], result["requested"]) == (50, [["2024-01-01T12:00:00Z", "2024-01-02"]])
    assert "example: 50 records, 50 new, 0 changed" in limited.out
    deployment.source("example", source_url, earliest_date="2024-01-01")  # the server has stopped
    failed = invoke("run", "example", "--from", "2024-01-02", "--until", "2024-01-04", status=1)
    assert "1 of 1 windows failed" in failed.out
    (line,) = [line for line in failed.err.splitlines() if line.startswith("error: SourceUnreachable")]
    assert source_url in line
    with dg.DagsterInstance.get() as instance:
        assert not instance.get_materialized_partitions(dg.AssetKey(["raw", "example"]))
        assert [run.job_name for run in instance.get_runs()][-1] == "harvest"


def test_a_run_that_waits_for_another_attempt_is_recorded_as_cancelled() -> None:
    """A run that waits for hours, for the lock or for its source, must end at Ctrl-C, and not stay in STARTED."""

    @dg.job
    def nothing() -> None:
        """Do nothing."""

    window = Window(parse_instant("2024-01-01"), parse_instant("2024-01-02"))
    with dg.DagsterInstance.ephemeral() as instance:
        record = instance.create_run_for_job(nothing, status=dg.DagsterRunStatus.STARTED)
        running = RunningRun(
            LocalRun(
                load_code_location(PACKAGE_MODULE, Path.cwd()), "example", window, None, {}, transforms=False
            ),
            instance,
        )
        running.stop()
        assert not running.monitor.stop_requested.is_set()  # before its first op, there is nothing to stop
        running.monitor.begin_run(record.run_id)
        running.monitor.defer(3600)
        assert running.monitor.is_deferred
        assert running.monitor.progress.waiting_until[0] > time.monotonic() + 3000
        running.stop()
        with pytest.raises(dg.DagsterExecutionInterruptedError):
            running.monitor.raise_if_stopped()
        running.abandon()
        assert running.run is not None
        assert running.run.status == dg.DagsterRunStatus.CANCELED


@pytest.mark.slow
def test_without_a_range_the_due_days_are_harvested(deployment: Deployment) -> None:
    """A person who names no range wants what is missing, not the whole history."""
    earliest = utc_now().date() - 2 * DAY
    with Server(Repository(days=1)) as source:
        deployment.source("example", source.url, earliest_date=str(earliest))
        result = invoke_json("run", "example", "--no-transform")
        again = invoke("run", "example")
    assert result["requested"] == [[str(earliest), str(earliest + 2 * DAY)]]
    assert (result["windows"], result["records"]) == (1, 0)
    assert again.out == "example: nothing is due. Use --from to harvest other days.\n"


@pytest.mark.slow
def test_a_snapshot_is_transformed_on_all_days(deployment: Deployment) -> None:
    """Without a daemon, the documents of records that changed or vanished on other days would stay for ever."""
    with Server(DAYS) as source:
        deployment.source("example", source.url, earliest_date="2024-01-01", selective=False)
        done = invoke("run", "example", "--from", "2024-01-02", "--until", "2024-01-03")
    assert len(deployment.documents("example")) == 400
    assert "records of other days: " in done.err


@pytest.mark.parametrize(
    ("arguments", "status", "expected"),
    [
        (("nobody",), 1, "there is no source 'nobody'"),
        (("example", "--from", "2024-01-02", "--until", "2024-01-02"), 2, "--until must be after --from"),
        (("example", "--from", "yesterday"), 2, "is not an ISO 8601 date"),
        (("example", "--limit", "0"), 2, "--limit"),
        (
            ("example", "--from", "2023-12-31", "--until", "2024-01-02"),
            1,
            "not all partitions of raw/example",
        ),
        (("example", "--from", "2999-01-01"), 1, "the last partition"),
    ],
)
def test_a_wrong_range_or_label_is_one_line(
    deployment: Deployment, arguments: tuple[str, ...], status: int, expected: str
) -> None:
    """A mistake must be reported before a run starts, in one line, with its exit status."""
    deployment.source("example", "http://127.0.0.1:9/oai", earliest_date="2024-01-01")
    done = invoke("run", *arguments, status=status)
    last = done.err.strip().splitlines()[-1]
    assert last.startswith("Error: ")
    assert expected in last
    with dg.DagsterInstance.get() as instance:
        assert not instance.get_runs()


def test_without_dagster_home_the_instance_is_where_the_database_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newcomer has set nothing. Runs and records must not end in two places, and Dagster must send no telemetry."""
    monkeypatch.setenv("DAGSTER_HOME", "")
    instance, message = open_instance(tmp_path)
    with instance:
        assert instance.root_directory == str(tmp_path / ".dagster")
        assert not instance.telemetry_enabled
    assert message == f"DAGSTER_HOME is not set: the runs of this command are in {tmp_path}/.dagster"
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "missing"))
    with pytest.raises(BadInput, match="is not the absolute path of a directory"):
        open_instance(tmp_path)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_bars_on_a_terminal_and_lines_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log file must not contain the control sequences of bars, and a person must see how long it takes."""
    monkeypatch.setenv("COLUMNS", "160")
    progress = Progress(windows=4, windows_ended=2, share_ended=0.5, pages=7, records=350, seconds_waited=65)
    terminal = _Terminal()
    with ProgressView(terminal, "example") as view:
        view.show(progress)
        view.print("a warning")
        print("a line of Dagster", file=sys.stderr)
    shown = terminal.getvalue()
    assert all(
        part in shown for part in ("a warning", "2 of 4 windows, 7 pages, 350 records", "50%", "0:01:05")
    )
    assert "a line of Dagster" not in shown
    log = io.StringIO()
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with ProgressView(log, "example") as view:
        view.show(progress)
        assert not log.getvalue()  # not before ten seconds
        monkeypatch.setattr(time, "monotonic", lambda: now + 10)
        view.show(progress)
    assert log.getvalue() == (
        "example: 2 of 4 windows, 7 pages, 350 records, 35 records/s, waited 0:01:05, 0:00:10 remain\n"
    )


def test_the_rate_counts_only_the_pages_of_this_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """After an interruption, the pages of the earlier run would make the harvest look fast and almost finished."""
    progress = Progress(
        windows=1,
        pages=1,
        records=500,
        resumed_records=400,
        expected=1000,
        records_of_window=500,
        share_of_window=1.0,
    )
    log = io.StringIO()
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with ProgressView(log, "example") as view:
        monkeypatch.setattr(time, "monotonic", lambda: now + 10)
        view.show(progress)
    assert log.getvalue() == ("example: 1 page, 500 of 1,000 records, 10 records/s, 0:00:50 remain\n")


def test_the_share_of_a_list_comes_from_the_total_of_the_source() -> None:
    """Without a total, an end that nobody knows must not be shown."""
    assert Progress(windows=1, expected=400, records_of_window=100, share_of_window=1.0).share == 0.25
    assert Progress(windows=1, records_of_window=100).share is None


def test_a_long_window_is_a_larger_part_of_a_run_than_a_short_one() -> None:
    """After 30 of 31 days, half of the run was shown as left, because the last day is a window as well."""
    start = parse_instant("2024-01-01")
    month, day = Window(start, start + 30 * DAY), Window(start + 30 * DAY, start + 31 * DAY)
    monitor = RunMonitor()
    monitor.plan([month, day])
    monitor.end_window(month)
    assert monitor.progress.share == pytest.approx(30 / 31)
    monitor.end_window(day)
    assert monitor.progress.share == pytest.approx(1)


@pytest.mark.parametrize("option", [None, "--ignore-disabled", "--force"])
def test_a_disabled_source_is_refused_before_there_is_a_run(
    deployment: Deployment, option: str | None
) -> None:
    """The refusal was a failed run in Dagster, and it named a key of the run config instead of the option."""
    with Server(DAYS) as source:
        deployment.source("example", source.url, earliest_date="2024-01-01", disabled=True)
        command = ["run", "example", "--from", "2024-01-01", "--until", "2024-01-02"]
        if option is None:
            done = run(*command)
            assert done.status != 0
            assert "example is disabled. Run with --ignore-disabled" in done.err
            assert not source.requests
        else:
            invoke(*command, option)
    instance, _ = open_instance(Path.cwd())
    with instance:
        assert len(instance.get_runs()) == (option is not None)
