"""`harvest status` and `harvest history`."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from harvest_dagster.processes import this_process
from harvest_dagster.rate_limits import Limit
from harvest_dagster.records import InvalidRecord
from harvest_dagster.storage import record_lags
from harvest_dagster.storage.harvest_log import quarantine
from harvest_dagster.storage.lease import leases
from harvest_dagster.storage.lease.leases import LeaseOwner
from harvest_dagster.storage.rate_limit.database_budget import DatabaseBudget
from harvest_dagster.windows import DAY, utc_now
from harvest_dagster_tests.cli.commands import run
from harvest_dagster_tests.cli.conftest import Sources


def test_without_a_database_nothing_is_harvested(new_sources: Sources) -> None:
    """A new user must get an answer, and no database."""
    new_sources.write("a")
    found = run("status", "a", "--json").json
    assert (found["complete"], found["gaps"], found["complete_up_to"]) == ([], [], None)
    assert "never" in run("status", "a").out
    nothing = {"label": "a", "complete": [], "gaps": [], "history": [], "sweeps": []}
    assert run("history", "a", "--json").json == nothing
    assert (found["sweep"], found["held_deletions"], found["differs"]) == (None, 0, None)


def test_the_harvested_time_and_the_gaps_are_intervals(sources: Sources) -> None:
    """A number of days would not say which days to request again."""
    logs = sources.logs("a")
    logs.harvest("2024-01-01", "2024-01-10")
    logs.harvest("2024-01-12", "2024-01-13", completeness="unverified")
    logs.fail("2024-01-14", "2024-01-15", error="the server is down. Try again.")
    found = run("status", "a", "--json", "--weeks", "1000").json
    assert found["complete"] == [["2024-01-01", "2024-01-11"], ["2024-01-12", "2024-01-14"]]
    assert found["gaps"] == [["2024-01-11", "2024-01-12"], ["2024-01-14", "2024-01-16"]]
    assert found["unverified"] == [["2024-01-12", "2024-01-14"]]
    assert found["complete_up_to"] == "2024-01-11"
    (failed,) = found["failed"]
    assert (failed["window"], failed["failed_runs"]) == (["2024-01-14", "2024-01-16"], 1)
    assert failed["error"] == "the server is down. Try again."
    days = ("2024-01-01", "2024-01-11", "2024-01-12", "2024-01-14", "2024-01-16")
    assert [found["calendar"][day] for day in days] == ["complete", "gap", "unverified", "failed", "missing"]


def test_a_part_of_a_day_is_no_gap_of_the_whole_day(sources: Sources) -> None:
    """The same time would be complete and missing."""
    logs = sources.logs("a")
    logs.harvest("2024-01-01")
    half = logs.window("2024-01-02")
    logs.succeed(logs.start(type(half)(half.start, half.start + DAY / 2)))
    logs.harvest("2024-01-03")
    found = run("status", "a", "--json").json
    assert found["complete"] == [["2024-01-01", "2024-01-02T12:00:00Z"], ["2024-01-03", "2024-01-04"]]
    assert found["gaps"] == [["2024-01-02T12:00:00Z", "2024-01-03"]]


def test_runs_at_work_their_lease_waits_and_quarantine_are_shown(sources: Sources) -> None:
    """An operator asks why nothing happens."""
    logs = sources.logs("a")
    log = logs.start(logs.window("2024-01-01"), "run 7")
    with sources.database().begin() as connection:
        quarantine.add_records(connection, log, 0, [InvalidRecord(b"<x/>", "no header")], utc_now())
        leases.acquire(connection, logs.config_id, LeaseOwner("run 7", None))
    budget = DatabaseBudget(sources.database())
    budget.reserve("a.example.org", Limit(1, 1))
    budget.pause("a.example.org", 600)
    found = run("status", "a", "--json").json
    (active,) = found["active"]
    assert (active["run_id"], active["status"], active["window"]) == (
        "run 7",
        "STARTED",
        ["2024-01-01", "2024-01-02"],
    )
    assert (found["lease"]["run_id"], found["lease"]["expired"]) == ("run 7", False)
    assert 590 < found["waits"]["seconds"] <= 600
    assert (found["waits"]["requests"], found["quarantined"]) == (1, 1)
    text = run("status", "a").out
    assert all(words in text for words in ("run 7", "no request is allowed", "harvest quarantine list a"))


@pytest.mark.parametrize("lease", ["none", "expired", "of a process that has ended"])
def test_a_dead_run_is_interrupted_and_not_active(small_sources: Sources, lease: str) -> None:
    """After a kill, an operator would wait for a run that does nothing."""
    logs = small_sources.logs("a")
    logs.start(logs.window("2024-01-01"), "run 7")
    ended = replace(this_process(), started="0") if lease.startswith("of a process") else None
    duration = -DAY if lease == "expired" else DAY
    if lease != "none":
        with small_sources.database().begin() as connection:
            leases.acquire(connection, logs.config_id, LeaseOwner("run 7", ended), duration=duration)
    found = run("status", "a", "--json").json
    assert found["active"] == []
    assert [one["run_id"] for one in found["interrupted"]] == ["run 7"]
    assert "by run run 7, which is dead" in run("status", "a").out


def test_a_cancelled_window_is_drawn_like_a_failed_one(sources: Sources) -> None:
    """The list of failures names the window. A gap in the calendar would be another day that needs a reason."""
    logs = sources.logs("a")
    logs.harvest("2024-01-01")
    logs.end(logs.start(logs.window("2024-01-02")), "CANCELLED")
    found = run("status", "a", "--json", "--weeks", "1000").json
    assert found["calendar"]["2024-01-02"] == "failed"
    assert [failed["window"] for failed in found["failed"]] == [["2024-01-02", "2024-01-03"]]


def test_without_a_label_all_sources_are_shown(small_sources: Sources) -> None:
    """One bad source must not hide the others."""
    small_sources.logs("a").harvest("2024-01-01", "2024-01-10")
    small_sources.logs("b").fail("2024-01-01")
    found = run("status", "--json").json
    assert [(one["label"], one["complete_up_to"], len(one["failed"])) for one in found] == [
        ("a", "2024-01-11", 0),
        ("b", None, 1),
    ]
    lines = run("status").out.splitlines()
    assert [line.split()[0] for line in lines] == ["label", "a", "b"]


def test_the_calendar_fits_a_terminal_without_colour(small_sources: Sources) -> None:
    """Colour is lost in a pipe, in a log and for some readers."""
    yesterday = (utc_now() - timedelta(days=1)).date().isoformat()
    small_sources.logs("a").harvest(yesterday)
    lines = run("status", "a").out.splitlines()
    monday = next(line for line in lines if line.startswith("Mon "))
    assert len(monday) == 4 + 53
    assert sum(line.count("#") for line in lines if line[:4].strip() in {"", "Mon", "Wed", "Fri", "Sun"}) == 1
    assert lines[-1].startswith("# complete")
    assert all(len(line) <= 80 for line in lines[lines.index(monday) : lines.index(monday) + 7])


def test_history_has_the_work_of_each_run_newest_first(sources: Sources) -> None:
    """The log itself has only the last run of a window."""
    logs = sources.logs("a")
    logs.fail("2024-01-01", run="run 1", error="no luck\nTraceback")
    logs.harvest("2024-01-01", run="run 2")
    found = run("history", "a", "--json").json
    assert (found["label"], found["complete"], found["gaps"]) == ("a", [["2024-01-01", "2024-01-02"]], [])
    entries = [
        (one["run_id"], one["status"], one["error"], one["records"], one["evidence"])
        for one in found["history"]
    ]
    assert entries == [("run 2", "SUCCEEDED", None, 0, "total"), ("run 1", "FAILED", "no luck", None, None)]
    assert all(one["dagster"] is None for one in found["history"])
    assert len(run("history", "a", "--json", "--limit", "1").json["history"]) == 1
    assert "SUCCEEDED" in run("history", "a").out


@pytest.mark.parametrize("command", ["status", "history"])
def test_an_unknown_label_is_one_line_with_a_suggestion(small_sources: Sources, command: str) -> None:
    """A person mistypes a label."""
    small_sources.write("arxiv")
    done = run(command, "arxvi", "--json")
    assert (done.status, done.out, done.err.count("\n")) == (1, "", 1)
    assert "did you mean 'arxiv'" in done.err


def test_history_has_the_status_of_each_run_in_dagster(
    small_sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run whose process was killed has no end in the harvest logs."""
    import dagster as dg

    home = tmp_path / "dagster"
    home.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(home))

    @dg.op
    def nothing() -> None: ...

    @dg.job
    def tiny() -> None:
        nothing()

    with dg.DagsterInstance.get() as instance:
        done = tiny.execute_in_process(instance=instance)
    logs = small_sources.logs("a")
    logs.harvest("2024-01-01", run=done.run_id)
    logs.fail("2024-01-02", run="forgotten")
    entries = run("history", "a", "--json").json["history"]
    assert [entry["dagster"] and entry["dagster"]["status"] for entry in entries] == [None, "SUCCESS"]
    assert entries[1]["dagster"]["job"] == "tiny"
    assert entries[1]["dagster"]["ended"] is not None


def test_the_shell_completes_labels(small_sources: Sources) -> None:
    """People have hundreds of labels."""
    from click.shell_completion import ShellComplete

    from harvest_dagster.cli.app import harvest

    for label in ("arxiv_cs", "arxiv_math", "zenodo"):
        small_sources.write(label)
    found = ShellComplete(harvest, {}, "harvest", "_HARVEST_COMPLETE").get_completions(["status"], "arx")
    assert [item.value for item in found] == ["arxiv_cs", "arxiv_math"]


def test_a_source_that_waits_for_its_hours_says_until_when(sources: Sources) -> None:
    """People would look for an error in a source that does nothing all day."""
    now = utc_now()
    late, later = ((now + timedelta(hours=number)).strftime("%H:00") for number in (2, 3))
    opens = (now + timedelta(hours=2)).replace(minute=0, second=0, microsecond=0)
    sources.write("closed", hours=f"{late}-{later}")
    sources.write("open", hours="00:00-24:00")
    sources.logs("any")
    closed, always, other = (
        run("status", label, "--json").json["hours"] for label in ("closed", "open", "any")
    )
    assert closed == {"hours": [f"{late}-{later}"], "open": False, "opens": f"{opens:%Y-%m-%dT%H:%M:%SZ}"}
    assert (always, other) == ({"hours": ["00:00-24:00"], "open": True, "opens": None}, None)
    assert f"the source waits for them until {opens:%Y-%m-%dT%H:%M:%SZ}" in run("status", "closed").out
    assert "open now" in run("status", "open").out
    table = {line.split()[0]: line for line in run("status").out.splitlines()[1:] if line.strip()}
    assert f"until {opens:%Y-%m-%dT%H:%M:%SZ}" in table["closed"]
    assert "until" not in table["open"] + table["any"]


@pytest.mark.parametrize("command", [("fetch", "closed"), ("identify", "closed"), ("doctor", "closed")])
def test_a_command_that_asks_a_closed_source_is_one_line_and_sends_nothing(
    small_sources: Sources, command: tuple[str, ...]
) -> None:
    """A person who looks at a source by day can get its address blocked, too."""
    now = utc_now()
    late, later = ((now + timedelta(hours=number)).strftime("%H:00") for number in (2, 3))
    kwargs = {"base_url": "http://127.0.0.1:9/oai", "metadata_prefix": "oai_dc"}
    small_sources.write("closed", hours=f"{late}-{later}", harvester_kwargs=kwargs)
    done = run(*command)
    assert (done.status, done.out) == (1, "")
    assert f"the source is asked only in its hours ({late}-{later}), and they begin at" in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_the_status_shows_how_late_records_come(sources: Sources) -> None:
    """An operator chooses `lookback` by it, and sees when the source has changed its habit."""
    logs = sources.logs("a", lookback="3d")
    empty = {"p50": None, "p99": None, "p999": None, "records": 0, "late_records": 0}
    assert run("status", "a", "--json").json["lag"] == {**empty, "lookback_days": 3, "habit_change": None}
    assert "records come" not in run("status", "a").out
    now = utc_now().date()
    with sources.database().begin() as connection:
        record_lags.add_lags(connection, logs.config_id, now, {0: 900, 8: 100})
        record_lags.add_lags(connection, logs.config_id, now - 90 * DAY, {0: 2000})
    lag = {"p50": 0, "p99": 8, "p999": 8, "records": 3000, "late_records": 100, "lookback_days": 3}
    found = run("status", "a", "--json").json["lag"]
    assert found == {**lag, "habit_change": {"before": 0, "recent": 8}}
    text = run("status", "a").out
    assert (
        "50% of the records come within 0 days, 99 % within 8 days, 99.9 % within 8 days (3000 records"
        in text
    )
    assert "100 came later than the lookback of 3 days" in text
    assert "habit changed" in text
    assert "`lookback: 8d` covers 99.9%" in text
    sources.write("a", lookback="auto")
    learned = run("status", "a", "--json").json["lag"]
    assert (learned["lookback_days"], learned["late_records"]) == (13, 0)
    assert "lookback of 13 days, learned" in run("status", "a").out
