"""Whatever a source does, a window that SUCCEEDED holds every record that stayed in it."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harvest_dagster.errors import HarvestError
from harvest_dagster.pipeline import fetch, lock
from harvest_dagster.records import Page
from harvest_dagster.windows import DAY, Window
from harvest_dagster_tests.pipeline.hostile import FAILURES, HostileHarvester, HostileSource
from harvest_dagster_tests.pipeline.world import MIDNIGHT, World

MOST_REQUESTS = 400
_windows = count(1)


class Killed(BaseException):
    """The process ends here."""


@st.composite
def sources(draw: st.DrawFn) -> tuple[Window, HostileSource]:
    """A day of a year of its own, so that no example goes on with another's pages."""
    start = MIDNIGHT - next(_windows) * DAY
    hours = draw(st.lists(st.integers(0, 23), min_size=1, max_size=24))
    items = [(f"x{number}", start + timedelta(hours=hour)) for number, hour in enumerate(hours)]
    order = draw(st.sampled_from(["oldest first", "newest first", "any"]))
    if order != "any":
        items.sort(key=lambda item: item[1], reverse=order == "newest first")
    totals = draw(st.booleans())
    # What a source without totals leaves out in silence, nobody can know.
    known = [what for what in FAILURES if totals or what not in ("leaves", "ends", "back")]
    script = draw(st.lists(st.sampled_from(known), max_size=12))
    source = HostileSource(
        items=items,
        page_size=draw(st.integers(1, 6)),
        totals=totals,
        parts=draw(st.sampled_from([None, 1])),
        cap=draw(st.none() | st.integers(1, 10)) if totals else None,
        script=script,
    )
    return Window(start, start + DAY), source


QUICK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(case=sources(), kills=st.lists(st.integers(1, 5), max_size=3))
@QUICK
def test_no_window_succeeds_with_a_record_missing(
    small_world: World, case: tuple[Window, HostileSource], kills: list[int]
) -> None:
    """Lessons 1, 2, 8, 22: green, and the data is not there. Killed between any two pages, too."""
    prove(small_world, *case, kills)


@pytest.mark.slow
@given(case=sources(), kills=st.lists(st.integers(1, 5), max_size=3))
@settings(QUICK, max_examples=1000)
def test_no_window_succeeds_with_a_record_missing_in_a_thousand_cases(
    small_world: World, case: tuple[Window, HostileSource], kills: list[int]
) -> None:
    """The same, for longer."""
    prove(small_world, *case, kills)


def prove(world: World, window: Window, source: HostileSource, kills: list[int]) -> None:
    """Fetch until it succeeds, with runs that are killed first; once the source has done its worst, it must."""
    came: set[str] | None = None
    # Each run gets on with the script by a request at least; what the last bad ones left may cost two runs more.
    for number in range(len(kills) + len(source.script) + 3):
        came = run(world, window, source, f"{window} {number}", kills[number : number + 1])
        if came is not None:
            break
        world.clock.forward(minutes=2)
    assert source.requests < MOST_REQUESTS
    stayed = {name for name, _ in source.items if name not in source.left}
    assert came is None or stayed <= came
    assert came is not None or not can_be_had(source)


def can_be_had(source: HostileSource) -> bool:
    """Whether what is wrong with the source passes; where it also cuts its lists, it fails loudly now and then.

    Nothing but cuts is no excuse either, unless an instant has more records than a list may have.
    """
    together = Counter(stamp for _, stamp in source.items)
    return source.cap is None or (not source.script and max(together.values()) <= source.cap)


def run(world: World, window: Window, source: HostileSource, name: str, kill: list[int]) -> set[str] | None:
    """Fetch a window; gives the identifiers that are in the spool, None where it failed or was killed."""
    pages = count(1)

    def check() -> None:
        if kill and next(pages) == kill[0]:
            raise Killed

    harvest = world.harvest(name)
    with lock.holding(harvest) as grip:
        log = fetch.begin(harvest, window, grip, parent_id=None, limit=None)
        try:
            fetch.fetch(harvest, HostileHarvester(None, source), log, grip, check)
        except (HarvestError, Killed):
            return None
        finally:
            lock.release(harvest, grip)
        spool = harvest.attempt(log)
        return {name for entry in spool.entries() for name in names(spool.read_page(entry.number), source)}


def names(page: Page, source: HostileSource) -> set[str]:
    """The identifiers on a page."""
    harvester = HostileHarvester(None, source)
    return {record.identifier for record in harvester.records(page, Window(MIDNIGHT, MIDNIGHT + DAY))}
