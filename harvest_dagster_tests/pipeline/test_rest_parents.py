"""Whole windows of a REST API that has one list for each parent, over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from harvest_dagster.errors import IncompleteList
from harvest_dagster_tests.pipeline.list_api import (
    Killed,
    ListApi,
    configure,
    harvest,
    kill_after,
    serving,
)
from harvest_dagster_tests.pipeline.world import World

# Sorted as they are requested. The list of parents has two pages.
PARENTS = {
    "a/b c": ["x0", "x1", "x2", "x3"],
    "d": [],
    "e": ["x4", "x0"],
    "f": ["x5", "x6", "x7", "x8", "x9", "x10"],
}
ALL = {name for names in PARENTS.values() for name in names}
PATHS = [
    "/collections/a%2Fb%20c/works",
    "/collections/a%2Fb%20c/works",
    "/collections/d/works",
    "/collections/e/works",
    "/collections/f/works",
    "/collections/f/works",
]


def parents_of(api: ListApi, **changed: Any) -> dict[str, Any]:
    """Return the arguments for one list of each parent."""
    paging = {"by": "cursor", "path": "next", "param": "cursor"}
    parents = {
        "url": f"{api.url}/collections",
        "records": "items",
        "value": "id",
        "total": "total",
        "next": paging,
        **changed,
    }
    return {
        "path": "/collections/{parent}/works",
        "parents": {key: value for key, value in parents.items() if value is not None},
    }


def paths(api: ListApi) -> list[str]:
    """Return the paths of the requested pages, without those of the list of parents."""
    return [path for request in api.requests if (path := request.partition("?")[0]) != "/collections"]


def test_each_parent_has_a_list_with_its_own_total(world: World) -> None:
    """Each list of records needed a source of its own in the YAML."""
    with serving(ListApi([], parents=PARENTS)) as api:
        configure(world, api, **parents_of(api))
        log = harvest(world, "run 1")
    assert (log.status, log.completeness, log.evidence) == ("SUCCEEDED", "complete", "total")
    assert (log.counts.records, log.expected, log.counts.pages) == (12, 12, 6)
    assert {name for name, _ in world.stored()} == ALL
    assert paths(api) == PATHS
    # The list of parents is requested before the others, and after them.
    assert [request.partition("?")[0] == "/collections" for request in api.requests] == [
        *[True, True],
        *[False] * 6,
        *[True, True],
    ]


@pytest.mark.parametrize("pages", [2, 6])
def test_a_killed_run_continues_at_the_parent_that_it_reached(small_world: World, pages: int) -> None:
    """A kill in the list of the last parent repeated the lists of all others."""
    with serving(ListApi([], parents=PARENTS)) as api:
        configure(small_world, api, **parents_of(api))
        with pytest.raises(Killed):
            harvest(small_world, "run 1", kill_after(pages))
        log = harvest(small_world, "run 2")
    assert (log.status, log.evidence, log.counts.records) == ("SUCCEEDED", "total", 12)
    assert paths(api) == PATHS
    assert {name for name, _ in small_world.stored()} == ALL


def test_the_lists_start_again_if_the_parents_changed_meanwhile(small_world: World) -> None:
    """The number of a list named another parent, whose first page was left out."""
    with serving(ListApi([], parents=PARENTS)) as api:
        configure(small_world, api, **parents_of(api))
        with pytest.raises(Killed):
            harvest(small_world, "run 1", kill_after(4))
        api.parents = {"b": ["y0"], **PARENTS}
        log = harvest(small_world, "run 2")
    assert (log.status, log.evidence) == ("SUCCEEDED", "total")
    assert {name for name, _ in small_world.stored()} == ALL | {"y0"}
    assert any("the parents have changed" in line for line in small_world.log_lines)


def test_a_parent_that_appears_during_the_harvest_is_harvested_and_reported(small_world: World) -> None:
    """The records of the new parent were missing, and the window was complete."""
    with serving(ListApi([], parents=PARENTS)) as api:

        def keep_going() -> None:
            api.parents = {**{name: PARENTS[name] for name in ("a/b c", "e", "f")}, "b": ["y0"]}

        configure(small_world, api, **parents_of(api))
        log = harvest(small_world, "run 1", keep_going)
    assert (log.status, log.evidence) == ("SUCCEEDED", "total")
    assert {name for name, _ in small_world.stored()} == ALL | {"y0"}
    assert any("1 are new, and 1 are gone" in line for line in small_world.log_lines)


def test_a_window_is_unverified_if_nothing_counts_the_parents(small_world: World) -> None:
    """A parent may be missing, and the totals of the others do not show it."""
    with serving(ListApi([], page_size=10, parents=PARENTS)) as api:
        configure(small_world, api, **parents_of(api, total=None, next=None))
        log = harvest(small_world, "run 1")
    assert (log.status, log.completeness, log.doubt) == ("SUCCEEDED", "unverified", None)
    assert any(
        "no total shows that the list of parents is complete" in line for line in small_world.log_lines
    )


def test_a_list_that_is_shorter_than_its_total_fails_the_window(small_world: World) -> None:
    """The other lists had enough records, so the sum looked right."""
    with serving(ListApi([], parents=PARENTS, counted_too_often={"e"})) as api:
        configure(small_world, api, **parents_of(api))
        with pytest.raises(IncompleteList, match=r"announced 3 records .* delivered 2"):
            harvest(small_world, "run 1")


def test_an_empty_window_is_complete_by_the_totals_of_its_lists(small_world: World) -> None:
    """A thousand lists may all be empty."""
    with serving(ListApi([], parents={name: [] for name in "abcdefgh"})) as api:
        configure(small_world, api, **parents_of(api))
        log = harvest(small_world, "run 1")
    assert (log.status, log.evidence, log.counts.records) == ("SUCCEEDED", "total", 0)


def test_the_records_of_parents_have_details(small_world: World) -> None:
    """The address of a record may contain its parent."""
    with serving(ListApi([], parents={"c": ["x0", "x1"], "d": ["x2"]})) as api:
        detail = {"url": f"{api.url}/works/{{parent}}-{{identifier}}", "record": "work"}
        configure(small_world, api, detail=detail, **parents_of(api))
        with pytest.raises(Killed):
            harvest(small_world, "run 1", kill_after(1))
        log = harvest(small_world, "run 2")
    assert (log.status, log.counts.records, log.evidence) == ("SUCCEEDED", 3, "total")
    assert api.details == ["c-x0", "c-x1", "d-x2"]


def kill_after_request(api: ListApi) -> Callable[[], None]:
    """Return a check that kills the run after its first page."""
    before = len(api.requests)

    def keep_going() -> None:
        if len(api.requests) > before:
            raise Killed

    return keep_going


@pytest.mark.slow
def test_runs_killed_after_each_page_lose_nothing(small_world: World) -> None:
    """A kill between the last detail of a page and the page lost a record, or repeated all details."""
    parents = {"c": ["x0", "x1", "x2", "x3"], "d": [], "e": ["x4", "x0"]}
    with serving(ListApi([], parents=parents)) as api:
        detail = {"url": f"{api.url}/works/{{identifier}}", "record": "work"}
        configure(small_world, api, detail=detail, **parents_of(api))
        runs = 0
        log = None
        while log is None:
            runs += 1
            assert runs < 30
            with suppress(Killed):
                log = harvest(small_world, f"run {runs}", kill_after_request(api))
    assert (log.status, log.counts.records, log.evidence) == ("SUCCEEDED", 6, "total")
    assert api.details == ["x0", "x1", "x2", "x3", "x4", "x0"]
    assert {name for name, _ in small_world.stored()} == {"x0", "x1", "x2", "x3", "x4"}
    assert runs > 10
