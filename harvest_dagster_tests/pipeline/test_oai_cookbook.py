"""The sources of the OAI-PMH cookbook against the repositories for which it recommends them."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
import yaml

from harvest_dagster.errors import HarvestError
from harvest_dagster.testing.simulator import RecordSet, Repository
from harvest_dagster.testing.simulator.scenario import parse_behaviours
from harvest_dagster.windows import whole_day
from harvest_dagster_tests.pipeline.served import harvest_window, serving
from harvest_dagster_tests.pipeline.world import World
from harvest_dagster_tests.test_readme import blocks

SETS = (RecordSet("theses", "Theses", step=2), RecordSet("articles", "Articles", step=3))
REPOSITORY = Repository(first_day=date(2024, 4, 30), days=1, records_per_day=95, page_size=20, sets=SETS)
INVALID = [f"record-bad-utf-8:record={number}" for number in range(12)]
# The label of a source in the cookbook; what its repository does; the completeness of its windows.
ODD: dict[str, tuple[list[str], str]] = {
    "plain": ([], "complete"),
    "sets": ([], "complete"),
    "nodes": (["other-repository:host=repository.example.org@page=2-"], "complete"),
    "slow": ([], "complete"),
    "late": ([], "complete"),
    "zone": ([], "complete"),
    "large": ([], "complete"),
    "inside": ([], "complete"),
    "once": (["token-burns:lost=2"], "complete"),
    "total": (["total-higher:by=7"], "unverified"),
    "invalid": (INVALID, "complete"),
    "compared": ([], "complete"),
}
# The simulator decides about these keys.
SERVED = {"label", "harvester", "harvester_kwargs", "rate_limit"}
# Without the keys of these, the harvest fails.
FAILING = ("total", "invalid")


def test_each_recipe_is_harvested() -> None:
    """A new recipe that is only loaded may not help."""
    assert {f"sources/{label}.yaml" for label in ODD} == {
        block.word for block in blocks("docs/oai-cookbook.md")
    }


def source(label: str) -> dict[str, Any]:
    (text,) = [
        block.text for block in blocks("docs/oai-cookbook.md") if block.word == f"sources/{label}.yaml"
    ]
    return dict(yaml.safe_load(text))


@pytest.mark.parametrize("label", ODD)
def test_a_source_of_the_cookbook_harvests_its_odd_repository(small_world: World, label: str) -> None:
    """A recipe that does not help is worse than none."""
    document = source(label)
    behaviours, completeness = ODD[label]
    # The simulator has only Dublin Core.
    kwargs = {
        name: value
        for name, value in document["harvester_kwargs"].items()
        if name not in {"base_url", "metadata_prefix"}
    }
    with serving(small_world, REPOSITORY, *parse_behaviours(behaviours), **kwargs):
        small_world.change(**{name: value for name, value in document.items() if name not in SERVED})
        log = harvest_window(small_world, "run 1", whole_day(date(2024, 4, 30)))
    invalid = sum(name.startswith("record") for name in behaviours)
    assert (log.status, log.completeness) == ("SUCCEEDED", completeness)
    sets = {"sets": SETS, "compared": SETS[:1]}.get(label)
    listed = 95 if sets is None else sum(any(number in one for one in sets) for number in range(95))
    assert (len(small_world.stored()), log.counts.quarantined) == (listed - invalid, invalid)


@pytest.mark.parametrize("label", FAILING)
def test_without_the_recipe_the_harvest_fails(small_world: World, label: str) -> None:
    """Otherwise the recipe would be superfluous."""
    with serving(small_world, REPOSITORY, *parse_behaviours(ODD[label][0])), pytest.raises(HarvestError):
        harvest_window(small_world, "run 1", whole_day(date(2024, 4, 30)))
