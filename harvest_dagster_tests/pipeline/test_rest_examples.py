"""The sources in examples/rest: each loads, and harvests exactly one day from a server that answers as its API does."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from harvest_dagster.catalog.loader import load_catalog
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.windows import whole_day
from harvest_dagster_tests.pipeline.rest_apis import APIS, DAY, serving
from harvest_dagster_tests.pipeline.served import harvest_window
from harvest_dagster_tests.pipeline.world import World

FOLDER = Path(__file__).parents[2] / "examples" / "rest"
CATALOG = load_catalog(str(FOLDER))


def at(config: IngestConfig, server: str) -> IngestConfig:
    """Return the source as it is, but on another host and without its pauses."""
    parts = urlsplit(config.harvester_kwargs["base_url"])
    kwargs = {**config.harvester_kwargs, "base_url": server + parts.path}
    if "detail" in kwargs:
        host = f"{parts.scheme}://{parts.netloc}"
        kwargs["detail"] = {**kwargs["detail"], "url": kwargs["detail"]["url"].replace(host, server)}
    changed = {"harvester_kwargs": kwargs, "rate_limit": {"calls": 100_000, "period": 1}}
    return IngestConfig.model_validate({**config.model_dump(), **changed})


def test_every_example_loads_and_has_a_server() -> None:
    """People copy the examples. A key that was renamed would break all of them."""
    assert CATALOG.problems == ()
    assert CATALOG.warnings == ()
    assert {config.label for config in CATALOG.configs} == APIS.keys()


# The first list of a source without datestamps that are dates contains the days around the window.
UNDATED = {"dataverse", "europepmc", "figshare", "pubmed"}


@pytest.mark.parametrize("config", CATALOG.configs, ids=lambda config: config.label)
def test_an_example_harvests_exactly_one_day(small_world: World, config: IngestConfig) -> None:
    """A filter in the wrong syntax returns everything or nothing, and a wrong path ends a list after its first page."""
    api = APIS[config.label]
    kwargs = config.harvester_kwargs
    params = {**kwargs.get("params", {}), **kwargs.get("body", {})}
    api.fill(api.size if isinstance(api.size, int) else int(params[api.size]))
    expected = sum(item.day == DAY for item in api.items)
    with serving(api) as server:
        small_world.config = at(config, server)
        log = harvest_window(small_world, "run 1", whole_day(DAY))
    if config.label in UNDATED:
        expected = len(api.items)
    assert (log.status, log.counts.records, log.counts.quarantined) == ("SUCCEEDED", expected, 0)
    assert len(small_world.stored()) == expected
    assert (log.completeness, log.evidence) == (
        ("unverified", "none") if api.unverified else ("complete", "total")
    )
