"""`harvest run --definitions`: the runs of a Dagster project that gives the assets other keys."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date

import dagster as dg
import pytest

from harvest_dagster.testing.simulator import Repository, Server
from harvest_dagster_tests.cli.commands import run
from harvest_dagster_tests.end_to_end.deployment import Deployment

MODULE = "project_with_other_keys"
PROJECT = """
import dagster as dg
from harvest_dagster.definitions import Translation, build_defs, load_catalog


@dg.definitions
def defs():
    return build_defs(load_catalog(), translator=Translation(key_prefix=["my-library"]))
"""
pytestmark = pytest.mark.filterwarnings("ignore::dagster.PreviewWarning", "ignore::dagster.BetaWarning")


@pytest.fixture(autouse=True)
def _forget_the_project(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    sys.modules.pop(MODULE, None)


def test_a_run_materializes_the_keys_of_the_project_that_it_names(deployment: Deployment) -> None:
    """A translator gives other keys. Otherwise the run would materialize assets that the project does not have."""
    (deployment.folder / f"{MODULE}.py").write_text(PROJECT)
    with Server(Repository(first_day=date(2024, 1, 1), days=2, records_per_day=5)) as source:
        deployment.source("example", source.url, earliest_date="2024-01-01")
        bounds = ("--from", "2024-01-01", "--until", "2024-01-03")
        done = run("run", "example", *bounds, "--definitions", MODULE)
    assert done.status == 0, done.err
    assert done.out.startswith("example: 10 records, 10 new")
    with dg.DagsterInstance.get() as instance:
        for kind in ("raw", "transformed"):
            key = dg.AssetKey(["my-library", kind, "example"])
            assert instance.get_materialized_partitions(key) == {"2024-01-01", "2024-01-02"}
            assert not instance.get_materialized_partitions(dg.AssetKey([kind, "example"]))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import no_such_module", "cannot be loaded: ModuleNotFoundError: No module named 'no_such_module'"),
        ("", "has 0 dagster.Definitions"),
        ("import dagster as dg\na, b = dg.Definitions(), dg.Definitions()", "has 2 dagster.Definitions"),
        ("import dagster as dg\ndefs = dg.Definitions()", "have no sources of harvest_dagster"),
    ],
)
def test_a_module_without_sources_is_refused_in_one_line(
    deployment: Deployment, text: str, expected: str
) -> None:
    """A wrong module must not start a run under the keys of the package."""
    (deployment.folder / f"{MODULE}.py").write_text(text)
    deployment.source("example", "http://127.0.0.1:9/oai")
    done = run("run", "example", "--definitions", MODULE)
    assert done.status == 1
    assert expected in done.err.splitlines()[-1]


def test_a_run_of_a_source_of_a_component_asks_for_the_module_of_its_project(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run would materialize raw/example, an asset that the project does not have."""
    file = deployment.folder / "defs" / "library" / "defs.yaml"
    file.parent.mkdir(parents=True)
    source = '{label: example, harvester: oai, harvester_kwargs: {base_url: "http://127.0.0.1:9/oai"}}'
    file.write_text(f"type: harvest_dagster.HarvestSources\nattributes:\n  sources:\n  - {source}\n")
    monkeypatch.setenv("HARVEST_SOURCES", str(deployment.folder / "defs"))
    assert [line["label"] for line in run("list", "--json").json] == ["example"]
    done = run("run", "example")
    assert done.status == 1
    assert f"{file}:4" in done.err
    assert "--definitions" in done.err
