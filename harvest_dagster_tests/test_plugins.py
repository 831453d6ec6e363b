"""Harvesters and transformers by key: ours, those of others, and those that do not import."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harvest_dagster import plugins
from harvest_dagster.errors import UnknownPlugin
from harvest_dagster.harvesters.oai import OaiHarvester
from harvest_dagster.transformers.oai_dc import OaiDcTransformer


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package of somebody else, as an installer leaves it, with three harvesters."""
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
    plugins.reload()
    yield
    monkeypatch.undo()
    sys.modules.pop("others_harvesters", None)
    plugins.reload()


def test_ours_are_found_without_an_installed_package() -> None:
    """A checkout on the path has no entry points, and must harvest all the same."""
    assert plugins.load(plugins.HARVESTERS, "oai") is OaiHarvester
    assert plugins.load(plugins.TRANSFORMERS, "oai_dc") is OaiDcTransformer


def test_what_another_package_registers_is_found(install: None) -> None:
    """A third party adds a protocol without touching this project."""
    assert plugins.load(plugins.HARVESTERS, "gopher").__name__ == "Gopher"


def test_another_package_cannot_take_the_place_of_ours(install: None) -> None:
    """What `oai` means would hang on the order of the path."""
    assert plugins.load(plugins.HARVESTERS, "oai") is OaiHarvester


@pytest.mark.parametrize(("key", "why"), [("driverless", "a_driver_that_nobody_has"), ("renamed", "Gone")])
def test_a_plugin_that_does_not_import_is_named_and_harms_no_other(install: None, key: str, why: str) -> None:
    """Lesson 15: one config with a missing driver stopped scheduling for all sources."""
    assert set(plugins.registered(plugins.HARVESTERS)) >= {"oai", "gopher", "driverless"}
    with pytest.raises(UnknownPlugin, match=rf"harvester '{key}' .*{why}.* Install what it needs"):
        plugins.load(plugins.HARVESTERS, key)
    assert plugins.load(plugins.HARVESTERS, "gopher")


def test_an_unknown_key_is_answered_with_those_there_are() -> None:
    """Whoever misspells a key needs the list, not a KeyError."""
    with pytest.raises(
        UnknownPlugin, match=r"no transformer is registered as 'oai-dc'\. Use one of: .*oai_dc"
    ):
        plugins.load(plugins.TRANSFORMERS, "oai-dc")
