"""Fifty sources in the real queue: no source is harvested by two runs at the same time, and daily runs do not wait.

The test takes four minutes on two idle cores: each of the 54 runs is a process that needs a core for 5 s.
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

from harvest_dagster.testing.simulator import Repository, Request, RequestGate, Server
from harvest_dagster.windows import DAY
from harvest_dagster_tests.daemon import TIMEOUT, wait_until
from harvest_dagster_tests.end_to_end.deployment import Deployment
from harvest_dagster_tests.end_to_end.webserver import key, serving, shipped
from harvest_dagster_tests.orchestration.deployment import asked_day

pytestmark = pytest.mark.slow

FIRST = date(2024, 3, 1)
REPOSITORY = Repository(first_day=FIRST, days=3, records_per_day=4, page_size=3)
DAYS = [str(FIRST + number * DAY) for number in range(3)]
LABELS = [f"source_{number:02}" for number in range(50)]
RUNS = yaml.safe_load(shipped("dagster.yaml"))["concurrency"]["runs"]
PLACES = RUNS["max_concurrent_runs"]
LIMIT = {limit["key"]: limit["limit"] for limit in RUNS["tag_concurrency_limits"]}["dagster/backfill"]
# The requests of a harvest of one window: Identify and two pages, also with the record of the additional second.
HARVEST = ["Identify", "ListRecords", "ListRecords"]


def of_backfills(request: Request) -> bool:
    return asked_day(request) in DAYS[:2]


def test_fifty_sources_that_are_requested_at_once_are_all_harvested(
    tmp_path: Path, migrated_sqlite: Path
) -> None:
    """Backfills must not block daily runs, and runs of a source must not overlap: docs/failures.md#same-source-twice"""
    (tmp_path / "harvest.db").write_bytes(migrated_sqlite.read_bytes())
    deployment = Deployment(tmp_path, f"sqlite:///{tmp_path / 'harvest.db'}", shipped("dagster.yaml"))
    gate = RequestGate(of_backfills)
    with Server(REPOSITORY, behaviours=[gate]) as server:
        for number, label in enumerate(LABELS):
            write_source(deployment, label, server.url, FIRST - number * DAY)
        with serving(deployment) as ui:
            first = ui.backfill_each(LABELS, DAYS[0])
            # On a busy machine, Dagster creates one run in a second or two.
            wait_until(lambda: len(ui.runs_of(first)) == len(LABELS), timeout=3 * TIMEOUT)
            wait_until(lambda: len(ui.runs(statuses=["STARTED"])) == LIMIT)
            gate.wait_until_reached(TIMEOUT)
            # Dagster chooses which runs start first.
            twice = [label_of(run) for run in ui.runs(statuses=["STARTED"])]
            daily = next(label for label in LABELS if label not in twice)
            # Last in the queue, because a run at its head that waits for a pool counts as an active backfill.
            again = ui.backfill_each(twice, DAYS[1])
            wait_until(lambda: len(ui.runs_of(again)) == len(twice))
            due = ui.launch([key("raw", daily)], {"dagster/partition": DAYS[2], "dagster/priority": "3"})
            assert ui.wait_for_run(due) == "SUCCESS"
            # The gate stops all earlier runs. The daily run had the place that the limit keeps free.
            assert len(ui.runs(statuses=["QUEUED"])) == len(LABELS)
            # Queued runs are rows without a process. The process of a finished run may need a moment to end.
            wait_until(lambda: len(ui.workers()) == LIMIT)
            gate.release()
            assert [ui.wait_for_backfill(backfill) for backfill in (first, again)] == [
                "COMPLETED_SUCCESS"
            ] * 2
            assert most_at_once([*ui.runs_of(first), *ui.runs_of(again)]) == LIMIT
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
        # Each source has another first partition: Dagster makes one run of sources with equal partitions.
        earliest_date=str(earliest_date),
        transformer=None,  # a transformer would add fifty runs with a higher priority
        contact=f"{label}@example.org",
        # The gate stays closed for minutes, until all runs are in the queue. A timeout would repeat the request.
        timeout={"read": "1h"},
    )


def label_of(run: Mapping[str, Any]) -> str:
    (asset,) = run["assetSelection"]
    return str(asset["path"][-1])


def most_at_once(runs: Sequence[Mapping[str, Any]]) -> int:
    """Return how many of these finished runs were in progress at the same time, by Dagster's record."""
    changes = [(run["startTime"], 1) for run in runs] + [(run["endTime"], -1) for run in runs]
    active = most = 0
    for _, change in sorted(changes):
        active += change
        most = max(most, active)
    return most


def requests_of_each(server: Server) -> dict[str, list[str]]:
    """Return the operations by source. Overlapping harvests would mix them, and a restarted harvest would add some."""
    requests = sorted((source_of(request), request.number, request.operation) for request in server.requests)
    return {
        label: [operation for _, _, operation in group]
        for label, group in groupby(requests, key=lambda request: request[0])
    }


def source_of(request: Request) -> str:
    """Return the label of the source, which is in the contact of the User-Agent."""
    match = re.search(r"(source_\d\d)@", dict(request.headers)["User-Agent"])
    assert match
    return match[1]
