"""Deletions that the source itself reports: each has its evidence."""

from __future__ import annotations

from harvest_dagster.storage.tables import deletion, raw_datum
from harvest_dagster_tests.pipeline.deletions.lists import Lists, record
from harvest_dagster_tests.pipeline.world import World


def test_each_record_that_becomes_deleted_has_a_row(world: World) -> None:
    """It says when, by which run, and what the record was before."""
    lists = Lists(world)
    lists.harvest(record("a"), record("b"), record("new", deleted=True))
    assert lists.deletions() == []
    gone = [record("a", "gone", deleted=True), record("b"), record("new", deleted=True)]
    lists.harvest(*gone)
    lists.harvest(*gone)
    assert lists.deletions() == [("a", "protocol")]
    (row,) = world.rows(deletion, "decision_id", "raw_id", "previous_raw_id", "since", "run_id")
    contents = dict(world.rows(raw_datum, "id", "datum"))
    assert (row[0], contents[row[1]], contents[row[2]], row[3]) == (None, "a gone", "a A", None)
    assert row[4].startswith("run ")


def test_a_record_that_returns_and_is_deleted_again_has_two_rows(world: World) -> None:
    """The contents are the same as before. Only their revisions change."""
    lists = Lists(world)
    for _ in range(2):
        lists.harvest(record("a"))
        lists.harvest(record("a", "gone", deleted=True))
    assert lists.deletions() == [("a", "protocol")] * 2


def test_a_removed_record_that_the_source_then_marks_as_deleted_has_one_row(small_world: World) -> None:
    """It was deleted already."""
    lists = Lists(small_world, wait=0)
    lists.harvest(record("a"), record("b"))
    lists.conclude("b")
    lists.harvest(record("a", "gone", deleted=True))
    assert lists.deletions() == [("a", "absent_once")]
    assert ("a", True, "a gone") in lists.records()
