"""Find harvesters and transformers by key: built-in ones, those of other packages, and broken ones."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harvest_dagster import plugins
from harvest_dagster.errors import UnknownPlugin
from harvest_dagster.harvesters.oai.harvester import OaiHarvester
from harvest_dagster.transformers.formats.oai_dc.transformer import OaiDcTransformer


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install another package with several harvesters, as pip does."""
    metadata = tmp_path / "others-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: others\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        f"[{plugins.HARVESTERS}]\n"
        "gopher = others_harvesters:Gopher\n"
        "driverless = others_driverless:Harvester\n"
        "renamed = others_harvesters:Gone\n"
        "oai = others_harvesters:Gopher\n"
    )
    (tmp_path / "others_harvesters.py").write_text("class Gopher: pass\n")
    (tmp_path / "others_driverless.py").write_text("import a_driver_that_nobody_has\n")
    monkeypatch.syspath_prepend(tmp_path)
    plugins.clear_cache()
    yield
    monkeypatch.undo()
    sys.modules.pop("others_harvesters", None)
    plugins.clear_cache()


def test_built_in_plug_ins_need_no_entry_point() -> None:
    """A checkout that is only on the Python path has no entry points, and must be able to harvest."""
    assert plugins.load(plugins.HARVESTERS, "oai") is OaiHarvester
    assert plugins.load(plugins.TRANSFORMERS, "oai_dc") is OaiDcTransformer


def test_the_entry_point_of_another_package_is_found(install: None) -> None:
    """A third party must be able to add a protocol without a change in this project."""
    assert plugins.load(plugins.HARVESTERS, "gopher").__name__ == "Gopher"


def test_another_package_cannot_replace_a_built_in_plug_in(install: None) -> None:
    """Otherwise the order of the Python path would decide what `oai` means."""
    assert plugins.load(plugins.HARVESTERS, "oai") is OaiHarvester


def test_every_built_in_plug_in_is_in_the_table_and_not_an_entry_point() -> None:
    """The table is the only registry of our keys: docs/decisions/0022. A second one would have to agree with it."""
    assert all(plugins.load(group, key) for group, paths in plugins.BUILT_IN.items() for key in paths)
    project = (Path(plugins.__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    assert not [group for group in plugins.BUILT_IN if f'entry-points."{group}"' in project]


def test_an_old_key_finds_the_same_plug_in() -> None:
    """Files that say `harvester: json` would stop to load."""
    assert plugins.load(plugins.HARVESTERS, "json") is plugins.load(plugins.HARVESTERS, "rest")
    assert "json" not in plugins.plugin_paths(plugins.HARVESTERS)


@pytest.mark.parametrize(("key", "why"), [("driverless", "a_driver_that_nobody_has"), ("renamed", "Gone")])
def test_a_plugin_that_cannot_be_imported_is_named_and_affects_no_other(
    install: None, key: str, why: str
) -> None:
    """One missing driver stopped the schedules of all sources: docs/failures.md#one-bad-source-stops-all."""
    assert set(plugins.plugin_paths(plugins.HARVESTERS)) >= {"oai", "gopher", "driverless"}
    with pytest.raises(UnknownPlugin, match=rf"harvester '{key}' .*{why}.* Install what it needs"):
        plugins.load(plugins.HARVESTERS, key)
    assert plugins.load(plugins.HARVESTERS, "gopher")


def test_the_error_about_an_unknown_key_lists_the_known_ones() -> None:
    """A person who misspells a key needs the list, not a KeyError."""
    with pytest.raises(
        UnknownPlugin, match=r"no transformer is registered as 'oai-dc'\. Use one of: .*oai_dc"
    ):
        plugins.load(plugins.TRANSFORMERS, "oai-dc")


def test_loading_the_catalog_imports_no_client_of_a_protocol() -> None:
    """Commands that only read the catalog have to start within half a second. A client costs a tenth of that."""
    code = (
        "import sys; from harvest_dagster.catalog.loader import load_catalog; "
        "assert load_catalog('bundled').configs; "
        "print([name for name in sys.modules if name.startswith('harvest_dagster.') and 'client' in name])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_built_in_plug_in_is_found_without_reading_the_entry_points(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Reading the entry points of all installed packages costs time at each start of a command."""
    plugins.clear_cache()
    monkeypatch.setattr(plugins, "entry_points", None)
    assert plugins.load(plugins.HARVESTERS, "json")
    plugins.clear_cache()
