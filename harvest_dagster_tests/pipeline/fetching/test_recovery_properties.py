"""Whatever a source does, a window that SUCCEEDED contains each record that stayed in it."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harvest_dagster.errors import HarvestError
from harvest_dagster.pipeline import lease_guard
from harvest_dagster.pipeline.steps import fetch
from harvest_dagster.records import Page
from harvest_dagster.windows import DAY, Window
from harvest_dagster_tests.pipeline.fakes import FakeParser
from harvest_dagster_tests.pipeline.hostile import FAILURES, HostileClient, HostileSource
from harvest_dagster_tests.pipeline.world import MIDNIGHT, World

Item = tuple[str, datetime]

MOST_REQUESTS = 200  # in one run
ORDERS = ("oldest first", "newest first", "any", "live first")
# If a source without totals silently leaves out records, nothing can show it.
UNNOTICED = ("leaves", "ends", "back", "moves")
_windows = count(1)


class Killed(BaseException):
    """Stands for the end of the process."""


@st.composite
def sources(draw: st.DrawFn) -> tuple[Window, HostileSource]:
    """Return a source and a day. Each example has its own day, so that none continues with the pages of another."""
    start = MIDNIGHT - next(_windows) * DAY
    hours = draw(st.lists(st.integers(0, 23), min_size=1, max_size=24))
    items = [(f"x{number}", start + timedelta(hours=hour)) for number, hour in enumerate(hours)]
    order = draw(st.sampled_from(ORDERS))
    items = in_order(items, order, draw(st.integers(0, len(items))))
    totals = draw(st.booleans())
    known = [what for what in FAILURES if totals or what not in UNNOTICED]
    script = draw(st.lists(st.sampled_from(known), max_size=12))
    source = HostileSource(
        items=items,
        page_size=draw(st.integers(1, 6)),
        totals=totals,
        parts=draw(st.sampled_from([None, 1])),
        cap=draw(st.none() | st.integers(1, 10)) if totals else None,
        script=_with_one(script, "again") if not totals else script,
        twice=set(draw(st.lists(st.sampled_from(items).map(lambda item: item[0]), max_size=2))),
    )
    return Window(start, start + DAY), source


def in_order(items: list[Item], order: str, live: int) -> list[Item]:
    """Return the items in the order of the source's lists. The first `live` ones are live, the others deleted."""
    if order == "any":
        return items
    if order == "live first":
        return [*sorted(items[:live], key=datestamp), *sorted(items[live:], key=datestamp)]
    return sorted(items, key=datestamp, reverse=order == "newest first")


def datestamp(item: Item) -> datetime:
    """Return the datestamp of an item."""
    return item[1]


def _with_one(script: list[str], what: str) -> list[str]:
    """Return the script with at most one of these failures. A second look at the list then succeeds."""
    first = script.index(what) if what in script else len(script)
    return [*script[: first + 1], *(entry for entry in script[first + 1 :] if entry != what)]


QUICK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(case=sources(), kills=st.lists(st.integers(1, 5), max_size=3))
@QUICK
def test_no_window_succeeds_with_a_record_missing(
    small_world: World, case: tuple[Window, HostileSource], kills: list[int]
) -> None:
    """A green window without its data is the worst failure, also after a kill between any two pages."""
    prove(small_world, *case, kills)


def test_the_lists_that_follow_a_cut_list_stay_within_it(small_world: World) -> None:
    """The window failed each time: a later list began within a cut list and ended after it, so it was not compared."""
    start = MIDNIGHT - next(_windows) * DAY
    items = [("x0", start), ("x1", start + timedelta(hours=2))]
    source = HostileSource(items=items, page_size=1, totals=True, parts=None, cap=1, script=[])
    prove(small_world, Window(start, start + DAY), source, kills=[])


@pytest.mark.slow
@given(case=sources(), kills=st.lists(st.integers(1, 5), max_size=3))
@settings(QUICK, max_examples=1000)
def test_no_window_succeeds_with_a_record_missing_in_a_thousand_cases(
    small_world: World, case: tuple[Window, HostileSource], kills: list[int]
) -> None:
    """The same property, with more examples."""
    prove(small_world, *case, kills)


def prove(world: World, window: Window, source: HostileSource, kills: list[int]) -> None:
    """Fetch until a run succeeds. The first runs are killed. After the script of the source, a run must succeed."""
    received: set[str] | None = None
    # Each run uses at least one entry of the script. What the last entries left may cost two more runs.
    for number in range(len(kills) + len(source.script) + 3):
        before = source.requests
        received = run(world, window, source, f"{window} {number}", kills[number : number + 1])
        assert source.requests - before < MOST_REQUESTS
        if received is not None:
            break
        world.clock.forward(minutes=2)
    stayed = {name for name, _ in source.items if name not in source.left}
    assert received is None or stayed <= received
    assert received is not None or not must_succeed(source)


def must_succeed(source: HostileSource) -> bool:
    """Return whether the failures of the source end. A source that also cuts its lists may fail loudly.

    A source that only cuts its lists must succeed, unless one instant has more records than a list may have.
    """
    together = Counter(stamp for _, stamp in source.items)
    is_only_capped = not source.script and not source.twice
    return source.cap is None or (is_only_capped and max(together.values()) <= source.cap)


def run(world: World, window: Window, source: HostileSource, name: str, kill: list[int]) -> set[str] | None:
    """Fetch a window. Return the identifiers in the spool, or None if the run failed or was killed."""
    pages = count(1)

    def keep_going() -> None:
        if kill and next(pages) == kill[0]:
            raise Killed

    harvest = world.harvest(name)
    with lease_guard.hold_lease(harvest) as lease:
        log = fetch.begin(harvest, window, lease, parent_id=None, limit=None)
        try:
            fetch.fetch(harvest, HostileClient(None, source), log, lease, keep_going)
        except (HarvestError, Killed):
            return None
        finally:
            lease_guard.release(harvest, lease)
        spool = harvest.attempt(log)
        return {name for entry in spool.manifests() for name in names(spool.read_page(entry.number))}


def names(page: Page) -> set[str]:
    """Return the identifiers on a page."""
    return {record.identifier for record in FakeParser(None).records(page, Window(MIDNIGHT, MIDNIGHT + DAY))}
