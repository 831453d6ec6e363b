"""As the UI does it: backfills, single runs, re-execution, cancel, over GraphQL and with the shipped settings.

One webserver and one daemon for all of them; each test has sources of its own.
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

from harvest_dagster.simulator import Fail, Hold, Repository, Request, Server
from harvest_dagster.windows import DAY
from harvest_dagster_tests.daemon import PATIENCE
from harvest_dagster_tests.databases import Server as PostgreSql
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
    """Sixty days of two records; its second window fails while `is_down` is set."""

    def __init__(self, stack: ExitStack) -> None:
        self.is_down = threading.Event()
        self.hold = Hold(lambda request: self._is_held and request.is_list)
        # 404: a permanent error, which is not asked for again.
        self.server = stack.enter_context(
            Server(REPOSITORY, behaviours=[self.hold, Fail(404, when=self._is_of_second_window)])
        )
        self._is_held = False

    def hold_lists(self) -> None:
        """Let no list out until `hold` is released."""
        self._is_held = True

    def _is_of_second_window(self, request: Request) -> bool:
        return self.is_down.is_set() and request.parameters.get("from", "").startswith(DOWN[0])

    @property
    def asked(self) -> list[tuple[str, str]]:
        """The windows it was asked for, in order, first day and last."""
        asked = [request.parameters for request in self.server.requests if request.is_list]
        return [(given["from"][:10], given["until"][:10]) for given in asked if "from" in given]


@dataclass(frozen=True)
class Served:
    """A deployment with webserver and daemon, and its sources."""

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
    """All begin on the same day, so that one range fits several of them."""
    for label, source in sources.items():
        deployment.source(label, source.server.url, earliest_date=str(FIRST), max_window="20d")


def test_a_backfill_fails_where_a_window_does_and_a_second_one_repairs_that(served: Served) -> None:
    """Lesson 34: one window's failure made all partitions of a single run red, and it began from the start."""
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
    asked = len(source.asked)
    # What the dialog's "only failed and missing" makes of the range.
    assert ui.wait_for_backfill(ui.backfill(["bad"], DAYS[20:40])) == "COMPLETED_SUCCESS"
    assert source.asked[asked:] == [DOWN]
    assert ui.states("raw", "bad") == {"MATERIALIZED": [WHOLE]}
    assert len(served.deployment.data("bad")) == REPOSITORY.size

    again = ui.launch([key("raw", "bad")], dict(zip(RANGE, WHOLE, strict=True)))
    assert ui.wait_for_run(again) == "SUCCESS"
    assert source.asked[asked:] == [DOWN]
    said = ui.said(again)
    assert "left out, since it succeeded before" in said
    assert "nothing is left to do" in said


def test_a_single_partition_takes_config_and_several_can_have_a_run_each(served: Served) -> None:
    """`launchRun` and `launchMultipleRuns`, as the dialog and the launchpad send them."""
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


def test_a_misspelt_parameter_is_refused_before_there_is_a_run(served: Served) -> None:
    """The launchpad shows the reason beside the text."""
    wrong = {"ops": {"raw__single": {"config": {"limmit": 1}}}}
    with pytest.raises(AssertionError, match=r"limmit"):
        served.ui.launch([key("raw", "single")], {"dagster/partition": DAYS[9]}, wrong)


def test_reexecution_from_failure_does_what_failed(served: Served) -> None:
    """The button of a failed run's page: two windows are not fetched again for the third."""
    ui, source = served.ui, served.sources["resumed"]
    source.is_down.set()
    run = ui.launch([key("raw", "resumed")], dict(zip(RANGE, WHOLE, strict=True)))
    assert ui.wait_for_run(run) == "FAILURE"
    assert ui.states("raw", "resumed") == {"MATERIALIZED": UP, "FAILED": [DOWN]}
    source.is_down.clear()
    asked = len(source.asked)
    assert ui.wait_for_run(ui.reexecute(run, "FROM_FAILURE")) == "SUCCESS"
    assert source.asked[asked:] == [DOWN]
    assert ui.states("raw", "resumed") == {"MATERIALIZED": [WHOLE]}
    assert len(served.deployment.data("resumed")) == REPOSITORY.size


def test_a_run_is_cancelled_and_the_next_one_goes_on(served: Served) -> None:
    """Cancelled is neither done nor failed; the lease is free at once."""
    ui, source = served.ui, served.sources["cancelled"]
    source.hold_lists()
    run = ui.launch([key("raw", "cancelled")], {"dagster/partition": DAYS[0]})
    source.hold.wait_until_reached(PATIENCE)
    ui.terminate(run)
    assert ui.wait_for_run(run) == "CANCELED"
    source.hold.release()
    (log,) = served.deployment.harvest_logs("cancelled")
    assert log.status == "CANCELLED"
    assert ui.states("raw", "cancelled") == {}
    assert ui.wait_for_run(ui.reexecute(run, "ALL_STEPS")) == "SUCCESS"
    assert ui.states("raw", "cancelled") == {"MATERIALIZED": [(DAYS[0], DAYS[0])]}


def test_the_job_goes_through_the_queue(served: Served) -> None:
    """`dagster job launch`: a script's way to any two instants while the deployment runs."""
    config = {"ingest_config": "launched", "start_date": DAYS[0], "end_date": f"{DAYS[1]}T12:00"}
    file = served.deployment.folder / "launched.yaml"
    file.write_text(json.dumps(config))
    before = {run["runId"] for run in served.ui.runs(pipelineName="harvest")}
    served.deployment.dagster("job", "launch", "-m", LOCATION, "-j", "harvest", "-c", str(file))
    (run,) = {run["runId"] for run in served.ui.runs(pipelineName="harvest")} - before
    assert served.ui.wait_for_run(run) == "SUCCESS"
    assert len(served.deployment.data("launched")) == 3
    assert served.ui.states("raw", "launched") == {}


def test_with_the_record_of_dagster_on_postgresql_the_same_works(
    tmp_path: Path, postgresql: PostgreSql
) -> None:
    """The shipped file as it stands: it names one variable, and the URL with the password is in no file."""
    with ExitStack() as stack:
        ours, dagsters = (stack.enter_context(postgresql.database()) for _ in range(2))
        deployment = Deployment(tmp_path, ours, shipped("deploy/postgresql/dagster.yaml"))
        source = Source(stack)
        write(deployment, {"bad": source})
        source.is_down.set()
        ui = stack.enter_context(serving(deployment, DAGSTER_POSTGRESQL_URL=dagsters))
        failed = ui.backfill(["bad"], DAYS)
        assert ui.wait_for_backfill(failed) == "COMPLETED_FAILED"
        assert ui.states("raw", "bad") == {"MATERIALIZED": UP, "FAILED": [DOWN]}
        source.is_down.clear()
        run = ui.launch([key("raw", "bad")], dict(zip(RANGE, DOWN, strict=True)))
        assert ui.wait_for_run(run) == "SUCCESS"
        assert ui.states("raw", "bad") == {"MATERIALIZED": [WHOLE]}
    assert not list((tmp_path / "dagster").rglob("*.db"))
