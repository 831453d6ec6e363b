"""Fake plug-ins, and a catalog in a temporary directory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from harvest_dagster import plugins
from harvest_dagster.catalog.loader import Catalog, load_catalog

HERE = "harvest_dagster_tests.catalog"


@pytest.fixture(autouse=True)
def fake_plugins() -> Iterator[None]:
    """Register the plug-in `fake` and several broken ones."""
    harvesters = {
        "fake": "fakes:FakeHarvester",
        "raising": "fakes:RaisingHarvester",
        "modelless": "fakes:WithoutModel",
        "missing": "nowhere:Harvester",
        "broken": "broken:Harvester",
    }
    plugins.clear_cache()
    for key, path in harvesters.items():
        plugins.register(plugins.HARVESTERS, key, f"{HERE}.{path}")
    plugins.register(plugins.TRANSFORMERS, "fake", f"{HERE}.fakes:FakeTransformer")
    yield
    plugins.clear_cache()


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Catalog]:
    """Return a function that writes each text to a file (a.yaml, b.yaml, ...) and loads them."""

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
    """Return the text of a config with only the mandatory keys."""
    return GOOD.format(label=label)
