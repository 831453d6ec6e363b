"""Fake plug-ins, and a catalogue in a directory of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from harvest_dagster import plugins
from harvest_dagster.catalog.loader import Catalog, load_catalog

HERE = "harvest_dagster_tests.catalog"


@pytest.fixture(autouse=True)
def fake_plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`fake` and its broken companions beside the plug-ins of the project."""
    harvesters = {
        "fake": "fakes:FakeHarvester",
        "raising": "fakes:RaisingHarvester",
        "modelless": "fakes:WithoutModel",
        "missing": "nowhere:Harvester",
        "broken": "broken:Harvester",
    }
    for key, place in harvesters.items():
        monkeypatch.setitem(plugins._OURS[plugins.HARVESTERS], key, f"{HERE}.{place}")
    monkeypatch.setitem(plugins._OURS[plugins.TRANSFORMERS], "fake", f"{HERE}.fakes:FakeTransformer")
    plugins.reload()
    yield
    monkeypatch.undo()
    plugins.reload()


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Catalog]:
    """Writes each text to a file, in order a.yaml, b.yaml, …, and loads them."""

    def _load(*texts: str) -> Catalog:
        for name, text in zip("abcdefgh", texts, strict=False):
            (tmp_path / f"{name}.yaml").write_text(dedent(text), encoding="utf-8")
        return load_catalog(str(tmp_path), environ={})

    return _load


GOOD = """\
label: {label}
harvester: fake
harvester_kwargs: {{base_url: "https://example.org/oai"}}
"""


def good(label: str = "good") -> str:
    """A config with nothing but what is mandatory."""
    return GOOD.format(label=label)
