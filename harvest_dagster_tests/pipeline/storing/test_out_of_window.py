"""Records outside their window, or without a datestamp, are stored, counted and reported."""

from __future__ import annotations

from harvest_dagster.pipeline.steps import finish
from harvest_dagster.records import Record
from harvest_dagster_tests.pipeline.world import MIDNIGHT, WINDOW, World, records

OUT_OF_WINDOW = [
    Record("undated", None, False, "A"),
    Record("old", MIDNIGHT.replace(year=1999), False, "B"),
    Record("late", WINDOW.end, False, "C"),
]


def test_out_of_window_records_are_stored_counted_and_reported_once(world: World) -> None:
    """Other harvesters drop them silently, or fail the day because of them."""
    world.source.items = [*records(3), *OUT_OF_WINDOW]
    (log,) = world.run("run 1")
    assert len(world.stored()) == 6
    assert (log.counts.outside_window, log.counts.undated) == (2, 1)
    assert (log.counts.records, log.counts.quarantined) == (6, 0)
    (logged,) = [line for line in world.log_lines if "are outside" in line]
    assert logged == (
        "[2024-04-30, 2024-05-01): 2 records are outside the window, such as old of 1999-05-01; "
        "1 records have no datestamp, such as undated. They are stored."
    )
    both = finish.summarize([log, log]).counts
    assert (both.outside_window, both.undated) == (4, 2)


def test_a_window_includes_its_start_and_excludes_its_end(small_world: World) -> None:
    """The end belongs to the next window."""
    small_world.source.items = [
        Record("first", WINDOW.start, False, "A"),
        Record("last", WINDOW.end.replace(day=30, month=4, hour=23, minute=59, second=59), False, "B"),
    ]
    (log,) = small_world.run("run 1")
    assert (log.counts.outside_window, log.counts.undated) == (0, 0)
    assert not [line for line in small_world.log_lines if "are outside" in line]


def test_a_new_fetch_attempt_starts_the_counts_from_zero(small_world: World) -> None:
    """Otherwise two harvests of the same day would count each record twice."""
    small_world.source.items = list(OUT_OF_WINDOW)
    small_world.run("run 1")
    (log,) = small_world.run("run 2", superfluous=True)
    assert (log.counts.outside_window, log.counts.undated) == (2, 1)
