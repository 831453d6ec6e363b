"""`harvest reconcile`: the job `reconcile` in the process of the command, with progress, Ctrl-C and an exit status."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from datetime import date
from typing import Any

import dagster as dg
import pytest

from harvest_dagster.testing.simulator import Repository, RequestGate, Server, scenario
from harvest_dagster_tests.cli.commands import Done, run
from harvest_dagster_tests.end_to_end.deployment import Deployment

SMALL = Repository(first_day=date(2024, 1, 1), days=2, records_per_day=6, page_size=4)


def invoke(*arguments: str, status: int = 0) -> Done:
    done = run(*arguments)
    assert done.status == status, done.out + done.err
    return done


def test_a_late_record_is_harvested_and_a_second_sweep_agrees(deployment: Deployment) -> None:
    """Without a sweep, a record that is published late under an old date is lost."""
    late = SMALL.identifier(3)
    with Server(SMALL) as source:
        source.edits.hide(late)
        deployment.source("example", source.url, earliest_date="2024-01-01")
        invoke("run", "example", "--from", "2024-01-01", "--until", "2024-01-03")
        source.edits.show(late)
        found = invoke("reconcile", "example", "--json").json
    counts = {name: found[name] for name in ("listed", "known", "missing", "repaired", "gone", "unrepaired")}
    assert counts == {"listed": 12, "known": 11, "missing": 1, "repaired": 1, "gone": 0, "unrepaired": 0}
    assert (found["completeness"], found["evidence"], found["passed"]) == ("complete", "total", True)
    assert found["examples"]["missing"] == [late]
    assert (found["status"], found["run_status"], found["errors"]) == ("SUCCEEDED", "SUCCESS", [])
    with dg.DagsterInstance.get() as instance:
        (record, *_) = instance.get_run_records(dg.RunsFilter(job_name="reconcile"))
        assert record.dagster_run.run_id == found["run_id"]
        check = dg.AssetCheckKey(dg.AssetKey(["raw", "example"]), "reconciled")
        evaluation = instance.get_latest_asset_check_evaluation_record(check)
        assert evaluation is not None
        assert evaluation.evaluation is not None
        assert evaluation.evaluation.passed


@pytest.mark.slow
def test_held_deletions_are_approved_by_the_next_sweep(deployment: Deployment) -> None:
    """Without the option, a person approves a list that nobody has compared again."""
    removed = [SMALL.identifier(number) for number in (1, 5, 9)]
    permitted = {"by": "reconcile", "wait": 0, "most": {"share": 0.1, "count": 100}}
    with Server(SMALL) as source:
        deployment.source("example", source.url, earliest_date="2024-01-01", deletions=permitted)
        invoke("run", "example", "--from", "2024-01-01", "--until", "2024-01-03")
        for identifier in removed:
            source.edits.hide(identifier)
        held = invoke("reconcile", "example", "--json", status=1)
        approved = invoke("reconcile", "example", "--approve-deletions", "--json").json
    assert (held.json["gone"], held.json["held"], held.json["deleted"]) == (3, 3, 0)
    assert "harvest deletions approve example" in held.err
    assert (approved["gone"], approved["held"], approved["deleted"], approved["passed"]) == (3, 0, 3, True)
    rows = [json.loads(line) for line in run("records", "example").out.splitlines()]
    assert {row["identifier"] for row in rows if row["deleted"]} == set(removed)
    (decision,) = run("deletions", "list", "example", "--decisions", "--json").json
    assert (decision["records"], decision["approved"]) == (3, True)


@pytest.mark.slow
def test_ctrl_c_stops_after_the_page_and_the_next_sweep_continues_there(deployment: Deployment) -> None:
    """A sweep of days that starts from its first page again would never end."""
    gate = RequestGate(when=scenario.parse_condition("ListIdentifiers#2"))
    with Server(SMALL, behaviours=[gate]) as source:
        deployment.source("example", source.url, earliest_date="2024-01-01")
        invoke("run", "example", "--from", "2024-01-01", "--until", "2024-01-03")
        command = [sys.executable, "-m", "harvest_dagster.cli", "reconcile", "example"]
        options: dict[str, Any] = {"env": deployment.environment, "cwd": deployment.folder, "text": True}
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options) as process:
            try:
                gate.wait_until_reached(300)
                process.send_signal(signal.SIGINT)
                assert process.stderr is not None
                assert any(line.startswith("stopping after this page") for line in process.stderr)
            finally:
                gate.release()
            output, messages = process.communicate(timeout=300)
        assert process.returncode == 1, messages
        assert "run the same command again: harvest reconcile example" in messages
        assert "Traceback" not in messages + output
        before = len(source.requests)
        found = invoke("reconcile", "example", "--json").json
        lists = [one for one in source.requests[before:] if one.operation == "ListIdentifiers"]
    assert "resumptionToken" in dict(lists[0].arguments)
    assert (found["listed"], found["known"], found["missing"]) == (12, 12, 0)
    with dg.DagsterInstance.get() as instance:
        second, first = instance.get_runs(dg.RunsFilter(job_name="reconcile"))
        assert (first.status, second.status) == (dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.SUCCESS)


def test_an_unknown_and_a_disabled_source_are_one_line(deployment: Deployment) -> None:
    """No run and no sweep may begin."""
    deployment.source("off", "http://127.0.0.1:9/", disabled=True)
    for label, words in (("missing", "missing"), ("off", "off is disabled. Run with --ignore-disabled")):
        done = run("reconcile", label)
        assert (done.status, done.out, len(done.err.splitlines())) == (1, "", 1)
        assert words in done.err
