"""Records outside of their window and without a datestamp are stored, counted and told (Lesson 10)."""

from __future__ import annotations

from harvest_dagster.pipeline import finish
from harvest_dagster.records import Record
from harvest_dagster.storage.harvest_logs import Strays
from harvest_dagster_tests.pipeline.world import MIDNIGHT, WINDOW, World, records

STRAYS = [
    Record("undated", None, False, "A"),
    Record("old", MIDNIGHT.replace(year=1999), False, "B"),
    Record("late", WINDOW.end, False, "C"),
]


def test_strays_are_stored_counted_and_told_once(world: World) -> None:
    """Lesson 10: others drop them without a trace, or fail the day by them."""
    world.source.items = [*records(3), *STRAYS]
    (log,) = world.run("run 1")
    assert len(world.stored()) == 6
    assert log.strays == Strays(outside_window=2, undated=1)
    assert (log.counts.records, log.counts.quarantined) == (6, 0)
    (said,) = [line for line in world.said if "lie outside" in line]
    assert said == (
        "of the records of [2024-04-30, 2024-05-01) 2 lie outside of it, such as old of 1999-05-01, "
        "and 1 have no datestamp, such as undated; they are stored"
    )
    assert finish.summarize([log, log]).strays == Strays(4, 2)


def test_both_ends_of_a_window_are_what_they_are(small_world: World) -> None:
    """The start belongs to it, the end to the next."""
    small_world.source.items = [
        Record("first", WINDOW.start, False, "A"),
        Record("last", WINDOW.end.replace(day=30, month=4, hour=23, minute=59, second=59), False, "B"),
    ]
    (log,) = small_world.run("run 1")
    assert log.strays == Strays()
    assert not [line for line in small_world.said if "lie outside" in line]


def test_a_window_begun_anew_counts_its_strays_anew(small_world: World) -> None:
    """Two harvests of the same day would show twice as many."""
    small_world.source.items = list(STRAYS)
    small_world.run("run 1")
    (log,) = small_world.run("run 2", superfluous=True)
    assert log.strays == Strays(2, 1)
