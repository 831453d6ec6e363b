"""Backfills, single runs, re-execution and cancellation with the GraphQL requests of the UI and the shipped settings.

All tests share one webserver and one daemon. Each test has its own sources.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from harvest_dagster.testing.simulator import HttpErrorStatus, Repository, Request, RequestGate, Server
from harvest_dagster.windows import DAY, parse_instant
from harvest_dagster_tests.daemon import TIMEOUT
from harvest_dagster_tests.databases import PostgresqlServer
from harvest_dagster_tests.end_to_end.deployment import RANGE, Deployment
from harvest_dagster_tests.end_to_end.webserver import LOCATION, Ui, key, serving, shipped

pytestmark = pytest.mark.slow

FIRST = date(2024, 3, 1)
REPOSITORY = Repository(first_day=FIRST, days=60, records_per_day=2, page_size=20)
DAYS = [str(FIRST + number * DAY) for number in range(REPOSITORY.days)]
WHOLE = (DAYS[0], DAYS[-1])
# The second of three windows of 20 days.
DOWN = (DAYS[20], DAYS[39])
UP = [(DAYS[0], DAYS[19]), (DAYS[40], DAYS[59])]
LABELS = ("good", "bad", "single", "resumed", "cancelled", "launched")


class Source:
    """Sixty days with two records each. The second window fails while `is_down` is set."""

    def __init__(self, stack: ExitStack) -> None:
        self.is_down = threading.Event()
        self.gate = RequestGate(lambda request: self._is_gated and request.is_list)
        # 404 is a permanent error, which is not retried.
        self.server = stack.enter_context(
            Server(REPOSITORY, behaviours=[self.gate, HttpErrorStatus(404, when=self._is_of_second_window)])
        )
        self._is_gated = False

    def gate_lists(self) -> None:
        """Hold back all list responses until the gate is released."""
        self._is_gated = True

    def _is_of_second_window(self, request: Request) -> bool:
        return self.is_down.is_set() and asked_days(request) == DOWN

    @property
    def windows(self) -> list[tuple[str, str]]:
        """The first and last day of each requested window, in order."""
        lists = [request for request in self.server.requests if request.is_list]
        return [asked_days(request) for request in lists if "from" in request.parameters]


def asked_days(request: Request) -> tuple[str, str]:
    """Return the first and last day that a list asks for; two empty texts for other requests.

    A harvest asks for a second more than these days at both ends.
    """
    if not {"from", "until"} <= request.parameters.keys():
        return "", ""
    start, end = (parse_instant(request.parameters[name]) for name in ("from", "until"))
    return str((start + DAY / 2).date()), str((end - DAY / 2).date())


@dataclass(frozen=True)
class Served:
    """A deployment with its webserver, its daemon and its sources."""

    deployment: Deployment
    ui: Ui
    sources: dict[str, Source]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    (folder / "harvest.db").write_bytes(migrated_sqlite.read_bytes())
    deployment = Deployment(folder, f"sqlite:///{folder / 'harvest.db'}", shipped("dagster.yaml"))
    with ExitStack() as stack:
        sources = {label: Source(stack) for label in LABELS}
        write(deployment, sources)
        yield Served(deployment, stack.enter_context(serving(deployment)), sources)


def write(deployment: Deployment, sources: dict[str, Source]) -> None:
    """Write the sources. All have the same first partition, so that one backfill covers several of them."""
    for label, source in sources.items():
        deployment.source(label, source.server.url, earliest_date=str(FIRST), max_window="20d")


def test_a_second_backfill_harvests_only_the_failed_window(served: Served) -> None:
    """One failed window marked all partitions as failed: docs/failures.md#backfill-marks-all-failed"""
    ui, source = served.ui, served.sources["bad"]
    source.is_down.set()
    first = ui.backfill(["good", "bad"], DAYS)
    assert ui.wait_for_backfill(first) == "COMPLETED_FAILED"
    assert ui.states("raw", "good") == {"MATERIALIZED": [WHOLE]}
    assert ui.states("raw", "bad") == {"MATERIALIZED": UP, "FAILED": [DOWN]}
    stats = ui.stats("raw", "bad")
    assert (stats["numMaterialized"], stats["numFailed"], stats["numMaterializing"]) == (40, 20, 0)
    assert [run["status"] for run in ui.runs_of(first)] == ["FAILURE"]
    statuses = [log.status for log in served.deployment.harvest_logs("bad")]
    assert statuses == ["SPLIT", "SUCCEEDED", "FAILED", "SUCCEEDED"]

    source.is_down.clear()
    count = len(source.windows)
    # The dialog selects these days for "only failed and missing".
    assert ui.wait_for_backfill(ui.backfill(["bad"], DAYS[20:40])) == "COMPLETED_SUCCESS"
    assert source.windows[count:] == [DOWN]
    assert ui.states("raw", "bad") == {"MATERIALIZED": [WHOLE]}
    assert len(served.deployment.data("bad")) == REPOSITORY.size

    again = ui.launch([key("raw", "bad")], dict(zip(RANGE, WHOLE, strict=True)))
    assert ui.wait_for_run(again) == "SUCCESS"
    assert source.windows[count:] == [DOWN]
    assert "nothing to do, the whole range is covered" in ui.log(again)


def test_a_single_partition_accepts_config_and_several_partitions_can_have_a_run_each(served: Served) -> None:
    """The dialog and the launchpad send `launchRun` and `launchMultipleRuns`."""
    ui, deployment = served.ui, served.deployment
    config = {"ops": {"raw__single": {"config": {"transform": False}}}}
    run = ui.launch([key("raw", "single")], {"dagster/partition": DAYS[0]}, config)
    assert ui.wait_for_run(run) == "SUCCESS"
    assert {log.status for log in deployment.ingest_logs("single")} == {"CREATED"}
    both = [key("raw", "single"), key("transformed", "single")]
    for run in ui.launch_multiple(both, DAYS[1:3]):
        assert ui.wait_for_run(run) == "SUCCESS"
    assert ui.states("raw", "single") == {"MATERIALIZED": [(DAYS[0], DAYS[2])]}
    assert ui.states("transformed", "single")["MATERIALIZED"] == [(DAYS[1], DAYS[2])]
    assert len(deployment.documents("single")) == 4


def test_a_misspelt_parameter_is_rejected_before_the_run(served: Served) -> None:
    """The launchpad shows the reason next to the config."""
    wrong = {"ops": {"raw__single": {"config": {"limmit": 1}}}}
    with pytest.raises(AssertionError, match=r"limmit"):
        served.ui.launch([key("raw", "single")], {"dagster/partition": DAYS[9]}, wrong)


def test_reexecution_from_failure_harvests_the_failed_window(served: Served) -> None:
    """Otherwise two successful windows are fetched again because of the third."""
    ui, source = served.ui, served.sources["resumed"]
    source.is_down.set()
    run = ui.launch([key("raw", "resumed")], dict(zip(RANGE, WHOLE, strict=True)))
    assert ui.wait_for_run(run) == "FAILURE"
    assert ui.states("raw", "resumed") == {"MATERIALIZED": UP, "FAILED": [DOWN]}
    source.is_down.clear()
    count = len(source.windows)
    assert ui.wait_for_run(ui.reexecute(run, "FROM_FAILURE")) == "SUCCESS"
    assert source.windows[count:] == [DOWN]
    assert ui.states("raw", "resumed") == {"MATERIALIZED": [WHOLE]}
    assert len(served.deployment.data("resumed")) == REPOSITORY.size


def test_the_run_after_a_cancelled_run_succeeds(served: Served) -> None:
    """A cancelled partition is neither green nor red, and the lease is free at once."""
    ui, source = served.ui, served.sources["cancelled"]
    source.gate_lists()
    run = ui.launch([key("raw", "cancelled")], {"dagster/partition": DAYS[0]})
    source.gate.wait_until_reached(TIMEOUT)
    ui.terminate(run)
    assert ui.wait_for_run(run) == "CANCELED"
    source.gate.release()
    (log,) = served.deployment.harvest_logs("cancelled")
    assert log.status == "CANCELLED"
    assert ui.states("raw", "cancelled") == {}
    assert ui.wait_for_run(ui.reexecute(run, "ALL_STEPS")) == "SUCCESS"
    assert ui.states("raw", "cancelled") == {"MATERIALIZED": [(DAYS[0], DAYS[0])]}


def test_a_launched_job_runs_through_the_queue(served: Served) -> None:
    """Scripts use `dagster job launch` for any two instants while the deployment is running."""
    config = {"ingest_config": "launched", "start_date": DAYS[0], "end_date": f"{DAYS[1]}T12:00"}
    file = served.deployment.folder / "launched.yaml"
    file.write_text(json.dumps(config))
    before = {run["runId"] for run in served.ui.runs(pipelineName="harvest")}
    served.deployment.dagster("job", "launch", "-m", LOCATION, "-j", "harvest", "-c", str(file))
    (run,) = {run["runId"] for run in served.ui.runs(pipelineName="harvest")} - before
    assert served.ui.wait_for_run(run) == "SUCCESS"
    assert len(served.deployment.data("launched")) == 3
    assert served.ui.states("raw", "launched") == {}


def test_a_backfill_works_with_the_storage_of_dagster_on_postgresql(
    tmp_path: Path, postgresql: PostgresqlServer
) -> None:
    """The shipped settings name one variable for the URL, so that no file contains the password."""
    with ExitStack() as stack:
        harvest_url, dagster_url = (stack.enter_context(postgresql.database()) for _ in range(2))
        deployment = Deployment(tmp_path, harvest_url, shipped("deploy/postgresql/dagster.yaml"))
        source = Source(stack)
        write(deployment, {"bad": source})
        source.is_down.set()
        ui = stack.enter_context(serving(deployment, DAGSTER_POSTGRESQL_URL=dagster_url))
        failed = ui.backfill(["bad"], DAYS)
        assert ui.wait_for_backfill(failed) == "COMPLETED_FAILED"
        assert ui.states("raw", "bad") == {"MATERIALIZED": UP, "FAILED": [DOWN]}
        source.is_down.clear()
        run = ui.launch([key("raw", "bad")], dict(zip(RANGE, DOWN, strict=True)))
        assert ui.wait_for_run(run) == "SUCCESS"
        assert ui.states("raw", "bad") == {"MATERIALIZED": [WHOLE]}
    assert not list((tmp_path / "dagster").rglob("*.db"))
