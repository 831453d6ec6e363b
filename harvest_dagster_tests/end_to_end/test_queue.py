"""Fifty sources at once, under the real queue: none is harvested twice at once, and daily runs get their turn.

Some four minutes on two quiet cores: each of the 54 runs is a process that takes a core for 5 s.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import yaml

from harvest_dagster.simulator import Hold, Repository, Request, Server
from harvest_dagster.windows import DAY
from harvest_dagster_tests.daemon import PATIENCE, wait_until
from harvest_dagster_tests.end_to_end.deployment import Deployment
from harvest_dagster_tests.end_to_end.webserver import key, serving, shipped

pytestmark = pytest.mark.slow

FIRST = date(2024, 3, 1)
REPOSITORY = Repository(first_day=FIRST, days=3, records_per_day=4, page_size=2)
DAYS = [str(FIRST + number * DAY) for number in range(3)]
LABELS = [f"source_{number:02}" for number in range(50)]
RUNS = yaml.safe_load(shipped("dagster.yaml"))["concurrency"]["runs"]
PLACES = RUNS["max_concurrent_runs"]
LIMIT = {limit["key"]: limit["limit"] for limit in RUNS["tag_concurrency_limits"]}["dagster/backfill"]
# Of a harvest of one window: Identify, and its two pages.
HARVEST = ["Identify", "ListRecords", "ListRecords"]


def of_backfills(request: Request) -> bool:
    return request.parameters.get("from", "")[:10] in DAYS[:2]


def test_fifty_sources_at_once(tmp_path: Path, migrated_sqlite: Path) -> None:
    """Lessons 16 and 17, and a backfill that would keep the day's own run waiting until it is through."""
    (tmp_path / "harvest.db").write_bytes(migrated_sqlite.read_bytes())
    deployment = Deployment(tmp_path, f"sqlite:///{tmp_path / 'harvest.db'}", shipped("dagster.yaml"))
    hold = Hold(of_backfills)
    with Server(REPOSITORY, behaviours=[hold]) as server:
        for number, label in enumerate(LABELS):
            write_source(deployment, label, server.url, FIRST - number * DAY)
        with serving(deployment) as ui:
            whole = ui.backfill_each(LABELS, DAYS[0])
            # Dagster makes a run in a second or two on a busy machine, one after the other.
            wait_until(lambda: len(ui.runs_of(whole)) == len(LABELS), patience=3 * PATIENCE)
            wait_until(lambda: len(ui.runs(statuses=["STARTED"])) == LIMIT)
            hold.wait_until_reached(PATIENCE)
            # Which of them came first is Dagster's choice.
            twice = [label_of(run) for run in ui.runs(statuses=["STARTED"])]
            daily = next(label for label in LABELS if label not in twice)
            # After all others in the queue: what waits for a pool at its head counts as a backfill at work.
            again = ui.backfill_each(twice, DAYS[1])
            wait_until(lambda: len(ui.runs_of(again)) == len(twice))
            due = ui.launch([key("raw", daily)], {"dagster/partition": DAYS[2], "dagster/priority": "3"})
            assert ui.wait_for_run(due) == "SUCCESS"
            # All that had begun before it stand still, and it had the place that was left for it.
            assert len(ui.runs(statuses=["QUEUED"])) == len(LABELS)
            # They are rows and no processes; that of a run which is over may need a moment to end.
            wait_until(lambda: len(ui.workers()) == LIMIT)
            hold.release()
            assert [ui.wait_for_backfill(backfill) for backfill in (whole, again)] == [
                "COMPLETED_SUCCESS"
            ] * 2
            assert most_at_once([*ui.runs_of(whole), *ui.runs_of(again)]) == LIMIT
            assert LIMIT < most_at_once(ui.runs()) <= PLACES
    harvests = {label: 1 + (label in twice) + (label == daily) for label in LABELS}
    assert requests_of_each(server) == {label: HARVEST * number for label, number in harvests.items()}
    assert {label: len(deployment.data(label)) for label in LABELS} == {
        label: REPOSITORY.records_per_day * number for label, number in harvests.items()
    }


def write_source(deployment: Deployment, label: str, url: str, earliest_date: date) -> None:
    deployment.source(
        label,
        url,
        # A start of its own for each: what has the same partitions is one run to Dagster.
        earliest_date=str(earliest_date),
        transformer=None,  # else fifty runs more, of higher priority
        contact=f"{label}@example.org",
        # The gate is shut until all runs are in the queue: minutes. Who gave up before would ask once more.
        timeout={"read": "1h"},
    )


def label_of(run: Mapping[str, Any]) -> str:
    (asset,) = run["assetSelection"]
    return str(asset["path"][-1])


def most_at_once(runs: Sequence[Mapping[str, Any]]) -> int:
    """How many of these, all over, were at work at the same time, by Dagster's own record."""
    turns = [(run["startTime"], 1) for run in runs] + [(run["endTime"], -1) for run in runs]
    at_work = most = 0
    for _, change in sorted(turns):
        at_work += change
        most = max(most, at_work)
    return most


def requests_of_each(server: Server) -> dict[str, list[str]]:
    """The log by source: two harvests at once would mix their requests, one that starts over would ask more."""
    asked = sorted((source_of(request), request.number, request.operation) for request in server.requests)
    return {
        label: [operation for _, _, operation in requests]
        for label, requests in groupby(asked, key=lambda one: one[0])
    }


def source_of(request: Request) -> str:
    """The label, by the contact that stands in its User-Agent."""
    found = re.search(r"(source_\d\d)@", dict(request.headers)["User-Agent"])
    assert found
    return found[1]
