"""The outputs of our ops go through the spool, and those of users through the IO manager of users."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from harvest_dagster.errors import SpoolError, SpoolUnreachable
from harvest_dagster.orchestration.build import build_defs
from harvest_dagster.orchestration.io_manager import SpoolIOManager
from harvest_dagster.orchestration.resources import Stores
from harvest_dagster.spool import Spool
from harvest_dagster.testing.simulator import HttpErrorStatus, Server
from harvest_dagster.windows import utc_now
from harvest_dagster_tests.orchestration.conftest import Deploy
from harvest_dagster_tests.orchestration.deployment import DAYS, RAW, REPOSITORY, asked_day


class UsersIOManager(dg.IOManager):
    """The IO manager of a project. It stores the values of the project's assets."""

    def __init__(self) -> None:
        self.stored: list[str] = []

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        self.stored.append(f"{context.step_key}: {obj}")

    def load_input(self, context: dg.InputContext) -> Any:
        raise AssertionError(context.name)


@dg.asset(deps=[RAW], partitions_def=dg.DailyPartitionsDefinition(start_date="2024-03-01"))
def count() -> int:
    return 42


def test_the_io_manager_of_a_project_gets_only_the_outputs_of_its_own_assets(
    on_sqlite: Deploy, source: Server
) -> None:
    """A project may store its assets in a warehouse. Our values do not belong there."""
    deployment, users = on_sqlite(source.url), UsersIOManager()
    stores = Stores(database_url=deployment.database_url, spool_url=str(deployment.spool))
    defs = dg.Definitions.merge(
        build_defs(deployment.catalog, resources={"harvest_stores": stores}),
        dg.Definitions(assets=[count], resources={"io_manager": users}),
    )
    result = defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=deployment.instance, partition_key=DAYS[0], asset_selection=[RAW, count.key]
    )
    assert result.success
    assert users.stored == ["count: 42"]
    assert not list(deployment.spool.glob("_runs/*"))


@pytest.mark.usefixtures("without_retries")
def test_outputs_of_a_failed_run_stay_until_they_are_pruned(on_sqlite: Deploy) -> None:
    """An execution of the run from its failure needs them."""
    fails = HttpErrorStatus(404, when=lambda request: asked_day(request) == DAYS[1])
    with Server(REPOSITORY, behaviours=[fails]) as source:
        deployment = on_sqlite(source.url, max_window="1d")
        result = deployment.materialize(*DAYS[:2])
    assert not result.success
    assert list(deployment.spool.glob(f"_runs/{result.run_id}/raw__demo/launch.*.result.json"))
    Spool(str(deployment.spool)).prune(
        "_runs", now=utc_now() + timedelta(days=2), older_than=timedelta(days=1)
    )
    assert not list(deployment.spool.glob("_runs/*"))


@pytest.mark.parametrize(
    "value", [None, 7, {"start": "2024", "counts": {"2024-03-01": [1, 2]}}, "lone \ud800"]
)
def test_an_output_comes_back_as_it_was(tmp_path: Path, value: Any) -> None:
    """An identifier may contain text that UTF-8 cannot encode."""
    outputs = Spool(str(tmp_path / "spool")).step_outputs("run 1", "raw__demo")
    outputs.write("fetch.1.result", value)
    assert outputs.read("fetch.1.result") == value
    outputs.clear()
    assert not (tmp_path / "spool" / "_runs" / "run 1").exists()
    with pytest.raises(SpoolError, match="same HARVEST_SPOOL"):
        outputs.read("fetch.1.result")


def test_only_plain_values_are_outputs(tmp_path: Path) -> None:
    """Reading a pickle executes the code of any program that can write to the bucket."""
    outputs = Spool(str(tmp_path)).step_outputs("run 1", "raw__demo")
    with pytest.raises(SpoolError, match="no plain value"):
        outputs.write("fetch.1.result", object())


def test_an_op_is_retried_if_the_spool_cannot_be_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object store restarts, as a database does. The run has not failed."""

    def fail(*_: object) -> None:
        message = "no connection"
        raise SpoolUnreachable(message)

    monkeypatch.setattr("harvest_dagster.spool.filesystem.LocalFiles.write", fail)
    manager = SpoolIOManager(Stores(spool_url=str(tmp_path)))
    context = dg.build_output_context(run_id="run 1", step_key="raw__demo.fetch[1]", name="result")
    with pytest.raises(dg.RetryRequested):
        manager.handle_output(context, 7)
