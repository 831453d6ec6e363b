"""The component HarvestSources in a project of dg: its defs.yaml, its errors, its scaffolder, the example project."""

from __future__ import annotations

import importlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import dagster as dg
import jsonschema
import pytest
import yaml

from harvest_dagster import HarvestSources
from harvest_dagster.errors import CatalogError
from harvest_dagster.orchestration.asset_keys import keys_of
from harvest_dagster.orchestration.build import SENSORS
from harvest_dagster.testing.simulator import Repository, Server

# Dagster 1.13 itself calls these functions when it loads a component.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecatedSince20"),
    pytest.mark.filterwarnings("ignore::dagster.PreviewWarning"),
    pytest.mark.filterwarnings("ignore::dagster.BetaWarning"),
]
EXAMPLE = Path(__file__).parents[2] / "examples" / "dagster_project"
PACKAGE = "project_of_the_test"
LIBRARY = """\
type: harvest_dagster.HarvestSources

attributes:
  sources:
    - label: library
      harvester: oai
      harvester_kwargs: {base_url: "http://127.0.0.1:1/{{ env.REPOSITORY }}"}
      transformer: oai_dc
      earliest_date: 2024-01-01
    - label: odd
      harvester: oia
    - label: odder
      harvester: oai
      rate_limt: {calls: 1}
      harvester_kwargs: {base_url: "http://127.0.0.1:1/"}
  translation:
    key_prefix: [sources]
    group_name: library
    tags: {tier: gold}
    owners: ["team:metadata"]
"""
HEAD = "type: harvest_dagster.HarvestSources\n\nattributes:\n  sources:\n"
ARCHIVE = """\
type: harvest_dagster.HarvestSources

attributes:
  sources:
    - {label: archive, harvester: oai, harvester_kwargs: {base_url: "http://127.0.0.1:1/oai"}}
    - {label: library, harvester: oai, harvester_kwargs: {base_url: "http://127.0.0.1:1/oai"}}
"""


class Project:
    """A project of dg in a temporary folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.defs = folder / PACKAGE / "defs"
        self.defs.mkdir(parents=True)
        (folder / "pyproject.toml").write_text(
            f'[tool.dg]\ndirectory_type = "project"\n[tool.dg.project]\nroot_module = "{PACKAGE}"\n'
        )
        for module in (folder / PACKAGE, self.defs):
            (module / "__init__.py").touch()

    def component(self, name: str, text: str) -> None:
        (self.defs / name).mkdir()
        (self.defs / name / "defs.yaml").write_text(text)

    def load(self) -> dg.Definitions:
        importlib.invalidate_caches()
        return dg.ComponentTree.for_project(self.folder).build_defs()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("REPOSITORY", "oai")
    monkeypatch.chdir(tmp_path)
    yield Project(tmp_path)
    for name in [name for name in sys.modules if name.split(".")[0] == PACKAGE]:
        del sys.modules[name]


def test_a_defs_yaml_becomes_assets_and_names_its_errors_with_their_lines(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster parses the YAML without lines. A hundred sources in a file make an error without a line useless."""
    project.component("library", LIBRARY)
    defs = project.load()
    raw, transformed = (dg.AssetKey(["sources", kind, "library"]) for kind in ("raw", "transformed"))
    spec = defs.resolve_assets_def(raw).get_asset_spec(raw)
    assert (spec.group_name, list(spec.owners), spec.tags["tier"]) == ("library", ["team:metadata"], "gold")
    assert transformed in defs.resolve_asset_graph().get_all_asset_keys()
    catalog = defs.resources["harvest_catalog"]
    assert catalog.get("library").harvester_kwargs == {"base_url": "http://127.0.0.1:1/oai"}
    broken = defs.resolve_asset_graph().get(dg.AssetKey(["sources", "raw", "odd"]))
    assert (broken.is_external, broken.group_name) == (True, "library")
    file = Path(PACKAGE, "defs", "library", "defs.yaml")
    lines = [str(problem) for problem in catalog.problems]
    assert lines[0].startswith(f"{file}:11: harvester: no harvester is registered as 'oia'")
    assert lines[1].startswith(f"{file}:14: rate_limt: is not a known key")
    monkeypatch.setenv("HARVEST_STRICT", "1")
    with pytest.raises(Exception, match="Error while building definitions") as caught:
        project.load()
    cause = caught.value.__cause__
    assert isinstance(cause, CatalogError)
    assert f"{file}:11: harvester" in str(cause)
    assert f"{file}:14: rate_limt" in str(cause)


def test_two_components_share_sensors_and_labels(project: Project) -> None:
    """A location has each sensor and each resource once. With two, it would not load at all."""
    project.component("library", LIBRARY.partition("    - label: odd")[0])
    project.component("archive", ARCHIVE)
    defs = project.load()
    catalog = defs.resources["harvest_catalog"]
    assert {config.label for config in catalog.configs} == {"archive", "library"}
    (problem,) = catalog.problems
    assert "'library' is already the label of" in str(problem)
    keys = {key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()}
    assert keys == {
        keys_of(catalog).key_of("raw", label).to_user_string() for label in ("archive", "library")
    }
    assert (
        len(list(defs.sensors or ())) == len({sensor.name for sensor in defs.sensors or ()}) == len(SENSORS)
    )


def test_a_source_of_a_component_may_extend_a_bundled_one(project: Project) -> None:
    """One line is a complete source, here as in a file of its own. Its label is that of the bundled source."""
    project.component("a", f"{HEAD}    - extends: zenodo\n      schedule: null\n    - extends: nowhere\n")
    project.component("b", f"{HEAD}    - extends: zenodo\n      label: cern\n    - extends: zenodo\n")
    catalog = project.load().resources["harvest_catalog"]
    assert [(config.label, config.schedule is None) for config in catalog.configs] == [
        ("cern", False),
        ("zenodo", True),
    ]
    missing, duplicate = (str(problem) for problem in catalog.problems)
    assert "a/defs.yaml:7: extends: there is no bundled source 'nowhere'" in missing
    assert "b/defs.yaml:7: extends: 'zenodo' is already the label of" in duplicate


def test_the_schema_of_the_component_describes_the_keys_of_a_source() -> None:
    """`dg check yaml` and editors use it. Without it, they accept any key, and show no description."""
    schema = HarvestSources.get_model_cls().model_json_schema()
    assert schema["properties"]["sources"]["items"]["properties"]["settle"]["description"]
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid({"sources": [{"extends": "zenodo", "rate_limit": {"calls": 1, "period": 9}}]})
    assert not validator.is_valid({"sources": [{"name": "neither label nor harvester"}]})
    attributes = yaml.safe_load(LIBRARY.replace("2024-01-01", '"2024-01-01"'))["attributes"]
    attributes["sources"][0] |= {
        "settle": "{{ env.SETTLE }}",
        "disabled": "{{ env.OFF }}",
        "max_window": "30d",
    }
    errors = [(list(error.path), error.message) for error in validator.iter_errors(attributes)]
    assert errors == [
        (["sources", 2], "Additional properties are not allowed ('rate_limt' was unexpected)"),
    ]
    attributes["sources"] = "{{ all_sources }}"
    assert not list(validator.iter_errors(attributes))


@pytest.mark.slow
def test_the_example_project_works_with_dg(tmp_path: Path) -> None:
    """People copy the example. `dg` finds the component, checks and lists it, scaffolds another one and launches it."""
    folder = tmp_path / "project"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HARVEST_")},
        "DAGSTER_HOME": str(home),
        "HARVEST_DATABASE_URL": f"sqlite:///{tmp_path / 'harvest.db'}",
        "PYTHONPATH": str(folder / "src"),
        "DAGSTER_DG_UPDATE_CHECK_ENABLED": "0",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }

    def run_dg(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["dg", *arguments],
            cwd=folder,
            env=environment | more,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    days = Repository(days=3, records_per_day=3)
    with Server(days) as source:
        environment["REPOSITORY_URL"] = source.url
        scaffolded = run_dg(
            *("scaffold", "defs", "harvest_dagster.HarvestSources", "another"), *("--base-url", source.url)
        )
        assert scaffolded.returncode == 0, scaffolded.stderr
        checked = run_dg("check", "defs")
        assert checked.returncode == 0, checked.stdout + checked.stderr
        listed = run_dg("list", "defs", "--json")
        assert all(key in listed.stdout for key in ("library/raw/demo", "raw/another")), listed.stdout
        first = days.first_day.isoformat()
        launched = run_dg(
            "launch", "--assets", "library/raw/demo,library/transformed/demo", "--partition", first
        )
        assert launched.returncode == 0, launched.stdout + launched.stderr
        with closing(sqlite3.connect(tmp_path / "harvest.db")) as database:
            assert database.execute("SELECT status, records FROM harvest_log").fetchall() == [
                ("SUCCEEDED", 3)
            ]
            assert database.execute("SELECT count(*) FROM current_document").fetchone() == (3,)
    other = folder / "src" / "dagster_project" / "defs" / "another" / "defs.yaml"
    other.write_text(other.read_text().replace("harvester: oai", "harvester: oia"))
    strict = run_dg("check", "defs", HARVEST_STRICT="1")
    assert strict.returncode != 0
    assert "no harvester is registered as 'oia'" in strict.stdout + strict.stderr
