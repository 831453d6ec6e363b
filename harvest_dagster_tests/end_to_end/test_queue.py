"""Fifty sources at once, under the real queue: none is harvested twice at once, and daily runs get their turn."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from itertools import groupby
from pathlib import Path

import pytest
import yaml

from harvest_dagster.simulator import Hold, Repository, Request, Server
from harvest_dagster.windows import DAY
from harvest_dagster_tests.daemon import PATIENCE, wait_until
from harvest_dagster_tests.end_to_end.deployment import Deployment
from harvest_dagster_tests.end_to_end.webserver import Ui, key, serving, shipped

pytestmark = pytest.mark.slow

FIRST = date(2024, 3, 1)
REPOSITORY = Repository(first_day=FIRST, days=3, records_per_day=4, page_size=2)
DAYS = [str(FIRST + number * DAY) for number in range(3)]
LABELS = [f"source_{number:02}" for number in range(50)]
TWICE = LABELS[:5]
DAILY = LABELS[-1]
RUNS = yaml.safe_load(shipped("dagster.yaml"))["concurrency"]["runs"]
PLACES = RUNS["max_concurrent_runs"]
(LIMIT,) = RUNS["tag_concurrency_limits"]
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
            deployment.source(
                label,
                server.url,
                # A start of its own for each: what has the same partitions is one run to Dagster.
                earliest_date=str(FIRST - number * DAY),
                transformer=None,  # else fifty runs more, of higher priority
                contact=f"{label}@example.org",
            )
        with serving(deployment) as ui, watched(ui) as most:
            backfills = [ui.backfill_each(LABELS, DAYS[0]), ui.backfill_each(TWICE, DAYS[1])]
            hold.wait_until_reached(PATIENCE)
            wait_until(lambda: len(ui.runs(statuses=["STARTED"])) == LIMIT["limit"])
            wait_until(lambda: sum(map(len, map(ui.runs_of, backfills))) == len(LABELS) + len(TWICE))
            daily = ui.launch([key("raw", DAILY)], {"dagster/partition": DAYS[2], "dagster/priority": "3"})
            assert ui.wait_for_run(daily) == "SUCCESS"
            # All that had begun before it stand still, and it had the place that was left for it.
            waiting = ui.runs(statuses=["QUEUED"])
            assert len(waiting) == len(LABELS) + len(TWICE) - LIMIT["limit"]
            # They are rows and no processes; that of a run which is over may need a moment to end.
            wait_until(lambda: len(ui.workers()) == LIMIT["limit"])
            hold.release()
            assert [ui.wait_for_backfill(backfill) for backfill in backfills] == ["COMPLETED_SUCCESS"] * 2
    assert max(most) <= PLACES
    assert_one_at_a_time(server)
    assert {len(deployment.data(label)) for label in LABELS} == {4, 8}


@contextmanager
def watched(ui: Ui) -> Iterator[list[int]]:
    """The most runs that were at work at once: filled in at the end."""
    seen: list[int] = []
    most: list[int] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.5):
            seen.append(len(ui.runs(statuses=["STARTING", "STARTED"])))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield most
    finally:
        done.set()
        watcher.join()
        most.append(max(seen))


def assert_one_at_a_time(server: Server) -> None:
    """By the request log: each source was asked for one harvest after the other, and for none of them twice."""
    asked = sorted((source_of(request), request.number, request.operation) for request in server.requests)
    harvests = Counter([*LABELS, *TWICE, DAILY])
    for label, requests in groupby(asked, key=lambda one: one[0]):
        assert [operation for _, _, operation in requests] == HARVEST * harvests.pop(label)
    assert not harvests


def source_of(request: Request) -> str:
    """The label, by the contact that stands in its User-Agent."""
    found = re.search(r"(source_\d\d)@", dict(request.headers)["User-Agent"])
    assert found
    return found[1]
