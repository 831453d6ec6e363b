"""Whatever ends a JSON list: no green and complete window lacks a record, and an honest end fails no window."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harvest_dagster.errors import HarvestError
from harvest_dagster.harvesters.rest.arguments import RestArguments
from harvest_dagster.harvesters.rest.client import RestClient
from harvest_dagster.pipeline import lease_guard
from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.pipeline.steps import fetch
from harvest_dagster.records import Record
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.windows import DAY, Window
from harvest_dagster_tests.pipeline.fetching.json_api import ENDS, FAULTS, JsonApi
from harvest_dagster_tests.pipeline.world import MIDNIGHT, World

MOST_REQUESTS = 600
_windows = count(1)


class Killed(BaseException):
    """Stands for the end of the process."""


QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def apis(draw: st.DrawFn, *, is_honest: bool) -> tuple[Window, JsonApi]:
    """Return an API and a day with records. Each example has its own day."""
    start = MIDNIGHT - next(_windows) * DAY
    hours = draw(st.lists(st.integers(0, 23), max_size=16))
    api = JsonApi(
        items=[(f"x{number}", start + timedelta(hours=hour)) for number, hour in enumerate(hours)],
        paging=draw(st.sampled_from(["page", "offset", "cursor", "link"])),
        page_size=draw(st.integers(1, 6)),
        end=draw(st.sampled_from(ENDS)),
        totals=draw(st.booleans()),
        flag=draw(st.booleans()),
        omits_next=draw(st.booleans()),
        sends_size=draw(st.booleans()),
    )
    if is_honest:
        if api.flag:
            # The records of these pages exist for nobody, so that no total may count them.
            api.holes = draw(st.frozensets(st.integers(1, 5), max_size=3)) if not api.totals else frozenset()
        return Window(start, start + DAY), api
    keys = ["next.path", "next.more", "total", "next.param"]
    api.typos = draw(st.frozensets(st.sampled_from(keys), max_size=2))
    api.fault, api.fault_at = draw(st.sampled_from(FAULTS)), draw(st.integers(1, 4))
    return Window(start, start + DAY), api


@given(case=apis(is_honest=True), killed_after=st.none() | st.integers(1, 5))
@QUICK
def test_an_honest_end_fails_no_window(
    small_world: World, case: tuple[Window, JsonApi], killed_after: int | None
) -> None:
    """Windows were red although all their records had arrived: the list ended with 404, null or its last page.

    A run that resumes after a kill knows neither the pages before nor the observations of the killed run.
    """
    prove_honest(small_world, *case, killed_after)


@given(case=apis(is_honest=False), killed_after=st.none() | st.integers(1, 5))
@QUICK
def test_no_window_is_green_and_complete_with_a_record_missing(
    small_world: World, case: tuple[Window, JsonApi], killed_after: int | None
) -> None:
    """A typo in a path, or a failure in the middle of a list that looks like its end, must not be complete."""
    prove_faulty(small_world, *case, killed_after)


@pytest.mark.slow
@given(honest=apis(is_honest=True), faulty=apis(is_honest=False), killed_after=st.none() | st.integers(1, 5))
@settings(QUICK, max_examples=1000)
def test_both_in_a_thousand_cases(
    small_world: World,
    honest: tuple[Window, JsonApi],
    faulty: tuple[Window, JsonApi],
    killed_after: int | None,
) -> None:
    """The same properties, with more examples."""
    prove_honest(small_world, *honest, killed_after)
    prove_faulty(small_world, *faulty, killed_after)


@pytest.mark.parametrize("page_size", [1, 2])
def test_a_source_that_ignores_the_cursor_fails_the_window(small_world: World, page_size: int) -> None:
    """The first page came twice. With one record on a page, its repetition reached the total of two records."""
    start = MIDNIGHT - next(_windows) * DAY
    items = [(f"x{number}", start) for number in range(2 * page_size)]
    api = JsonApi(items, paging="cursor", page_size=page_size, typos=frozenset({"next.param"}))
    assert harvest(small_world, Window(start, start + DAY), api) is None


def test_an_empty_page_after_a_full_one_is_requested_again(small_world: World) -> None:
    """One transient empty page ended a list without a total after its first page."""
    start = MIDNIGHT - next(_windows) * DAY
    items = [(f"x{number}", start + timedelta(hours=number)) for number in range(12)]
    api = JsonApi(items, page_size=5, totals=False, sends_size=True)
    answers, empty = api.get, count()

    def get(*args: Any, **kwargs: Any) -> Any:
        api.fault, api.fault_at = ("empty", 1) if next(empty) == 1 else ("none", 1)
        return answers(*args, **kwargs)

    api.get = get  # type: ignore[method-assign]
    result = harvest(small_world, Window(start, start + DAY), api)
    assert result == (api.visible(), "unverified")


def test_an_empty_page_after_a_short_one_costs_no_further_request(small_world: World) -> None:
    """Most lists end with a short page. The empty page after it is expected."""
    start = MIDNIGHT - next(_windows) * DAY
    items = [(f"x{number}", start + timedelta(hours=number)) for number in range(7)]
    api = JsonApi(items, page_size=5, totals=False, sends_size=True)
    assert harvest(small_world, Window(start, start + DAY), api) == (api.visible(), "unverified")
    assert api.requests == 3


@pytest.mark.parametrize("typo", ["next.path", "total"])
def test_a_wrong_path_costs_one_request(small_world: World, typo: str) -> None:
    """No other request can help, and the person who reads the error is waiting."""
    start = MIDNIGHT - next(_windows) * DAY
    items = [(f"x{number}", start + timedelta(hours=number)) for number in range(24)]
    api = JsonApi(items, paging="cursor", page_size=5, typos=frozenset({typo}), omits_next=True)
    assert harvest(small_world, Window(start, start + DAY), api) is None
    assert api.requests == 1


@pytest.mark.parametrize(
    ("paging", "changed"),
    [
        ("cursor", {"typos": frozenset({"next.path"})}),
        ("link", {"typos": frozenset({"next.path"})}),
        ("page", {"fault": "404", "fault_at": 1}),
        ("offset", {"fault": "400", "fault_at": 2}),
    ],
)
def test_shorter_lists_find_what_a_doubtful_end_left_out(
    small_world: World, paging: str, changed: dict[str, Any]
) -> None:
    """Without a total, a typo in `next.path` or a limit of the depth ended the list after a full page, green."""
    start = MIDNIGHT - next(_windows) * DAY
    items = [(f"x{number}", start + timedelta(hours=number)) for number in range(24)]
    api = JsonApi(items, paging=paging, page_size=5, totals=False, end="404", **changed)
    result = harvest(small_world, Window(start, start + DAY), api)
    assert result is not None
    received, completeness = result
    assert received == api.visible()
    assert completeness == "unverified"


REFUSALS: list[tuple[Any, int]] = [
    ({"detail": "Cannot page beyond 20 results."}, 400),
    ({"detail": "Result window too large."}, 422),
    ({"detail": "Only the first 20 results can be paged through."}, 404),
    ({"paging": {}, "note": "only the first 20 results are shown"}, 200),
    ({"items": [], "paging": {}, "note": "only the first 20 results are shown"}, 200),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=str)
@pytest.mark.parametrize("paging", ["page", "offset"])
def test_a_total_that_is_the_limit_of_the_source_is_no_proof(
    small_world: World, paging: str, refusal: tuple[Any, int]
) -> None:
    """The total of 20 was reached, and the refusal of the next page ended the list: complete, with 4 records lost."""
    start = MIDNIGHT - next(_windows) * DAY
    items = [(f"x{number}", start + timedelta(hours=number)) for number in range(24)]
    api = JsonApi(items, paging=paging, page_size=5, cap=20, refusal=refusal)
    assert harvest(small_world, Window(start, start + DAY), api) == (api.visible(), "complete")


@pytest.mark.parametrize("refusal", REFUSALS, ids=str)
def test_a_limit_that_no_shorter_list_avoids_leaves_a_doubt(
    small_world: World, refusal: tuple[Any, int]
) -> None:
    """All records have the same second. The total of the whole window was reached again, and counted as a proof."""
    start = MIDNIGHT - next(_windows) * DAY
    items = [(f"x{number}", start + timedelta(hours=1)) for number in range(24)]
    api = JsonApi(items, paging="page", page_size=5, cap=20, refusal=refusal)
    result = harvest(small_world, Window(start, start + DAY), api)
    assert result is not None
    assert result[1] == "unverified"


@pytest.mark.parametrize("paging", ["page", "offset"])
def test_a_source_that_ends_each_list_with_such_a_text_is_complete(small_world: World, paging: str) -> None:
    """`Cannot page beyond 13 results` after the last of 13 records is a normal end. A shorter list shows that."""
    start = MIDNIGHT - next(_windows) * DAY
    items = [(f"x{number}", start + timedelta(hours=number)) for number in range(13)]
    api = JsonApi(items, paging=paging, page_size=5, end="too many")
    assert harvest(small_world, Window(start, start + DAY), api) == (api.visible(), "complete")
    assert api.requests < 20


def prove_honest(world: World, window: Window, api: JsonApi, killed_after: int | None) -> None:
    result = harvest(world, window, api, killed_after)
    if result is None:
        assert may_fail(api)
        return
    received, completeness = result
    assert api.visible() <= received
    if not (completeness == "unverified" and may_count_its_page(api)):
        assert completeness == ("complete" if api.totals else "unverified")


def may_count_its_page(api: JsonApi) -> bool:
    """Return whether the total of an honest API may be the length of a page, and that page is sent again."""
    repeats_first_page = api.paging in ("page", "offset") and api.end == "clamp"
    return repeats_first_page and api.sends_size and len(api.items) == api.page_size


def may_fail(api: JsonApi) -> bool:
    """Return whether an honest API looks exactly like one that is wrong, in at least one of the lists it may send.

    A page that is repeated may be the last one, or the source ignores its number. A full page without the key of the
    next page may be the last one, or the key is wrong. The flag does not help: its last page omits it, too.
    """
    counts = api.paging in ("page", "offset")
    repeats_first_page = counts and api.end == "clamp"
    has_full_page = api.paging in ("cursor", "link") and api.omits_next and api.sends_size
    return not api.totals and ((repeats_first_page and not api.flag) or has_full_page)


def prove_faulty(world: World, window: Window, api: JsonApi, killed_after: int | None) -> None:
    result = harvest(world, window, api, killed_after)
    if result is None:
        return
    received, completeness = result
    is_whole = api.visible() <= received
    assert is_whole or completeness == "unverified"
    assert is_whole or not (api.totals and "total" not in api.typos)


def harvest(
    world: World, window: Window, api: JsonApi, killed_after: int | None = None
) -> tuple[set[str], str] | None:
    """Fetch a window. Return the identifiers that it stores and its completeness, or None if it failed.

    The first run is killed after some pages.
    """
    world.change(harvester="json", harvester_kwargs=api.arguments)
    if killed_after is not None:
        run(world, window, api, "first", killed_after)
        world.clock.forward(minutes=2)
    return run(world, window, api, "second")


def run(
    world: World, window: Window, api: JsonApi, name: str, killed_after: int | None = None
) -> tuple[set[str], str] | None:
    pages = count(1)

    def keep_going() -> None:
        if next(pages) == killed_after:
            raise Killed

    context = world.harvest(f"{name} run of {window}")
    client = RestClient(RestArguments.model_validate(api.arguments), api)
    with lease_guard.hold_lease(context) as lease:
        log = fetch.begin(context, window, lease, parent_id=None, limit=None)
        try:
            summary = fetch.fetch(context, client, log, lease, keep_going)
        except (HarvestError, Killed):
            return None
        finally:
            lease_guard.release(context, lease)
            assert api.requests < MOST_REQUESTS
        return stored(context, log), summary.completeness


def stored(context: HarvestContext, log: HarvestLog) -> set[str]:
    """Return the identifiers of the records in the spool of a window."""
    spool, parser = context.attempt(log), context.source.parser
    return {
        record.identifier
        for entry in spool.manifests()
        for record in parser.records(spool.read_page(entry.number), log.window)
        if isinstance(record, Record)
    }
