"""Whatever happens to a source, our records become those of the source, and no live record is ever deleted.

Each example is a source with a random history. It is harvested by its schedule, with a lookback, and by sweeps or
snapshots. After each step, no record that the source has may have become deleted, and nothing may have become deleted
without a tombstone while the source is broken. Some days after the last event, our records equal the truth.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from harvest_dagster.windows import DAY
from harvest_dagster_tests.databases import SLOW_ON_POSTGRESQL
from harvest_dagster_tests.examples import RANDOM_EXAMPLES
from harvest_dagster_tests.pipeline.history_world import HistoryWorld, SourceStory, Step
from harvest_dagster_tests.pipeline.source_stories import (
    HOUR,
    LAST_EVENT,
    LONGEST_ABSENCE,
    START,
    random_story,
    simpler_stories,
)

QUICK, SLOW, PARTS = 6, 1000, 4
EXPECTED = ("deletions", "lists of a broken source", "lists of a healthy source")
FIRST = random.getrandbits(32) if RANDOM_EXAMPLES else 0  # the number of the first story


@SLOW_ON_POSTGRESQL
def test_random_sources_have_the_same_records_here_and_there(history_world: HistoryWorld) -> None:
    """The promise of this project: what the source has is here, and what it removed is not (docs/completeness.md)."""
    prove(history_world, range(FIRST, FIRST + QUICK))


@pytest.mark.slow
@pytest.mark.hypothesis
@pytest.mark.parametrize("part", range(PARTS))
def test_a_thousand_random_sources_have_the_same_records_here_and_there(
    history_world: HistoryWorld, part: int
) -> None:
    """The same property with 1,000 histories, in parts that run at the same time.

    They contain what it is about: deletions, and complete lists of a healthy and of a broken source.
    """
    prove(history_world, range(FIRST + part, FIRST + SLOW, PARTS))
    assert min(history_world.tally[each] for each in EXPECTED) > 10, history_world.tally


def prove(world: HistoryWorld, numbers: Iterable[int]) -> None:
    """Find no problem in the stories with these numbers; every fourth block of them is for PostgreSQL."""
    for number in numbers:
        is_for_postgresql = number // PARTS % 4 == 1
        if is_for_postgresql != (world.database.dialect == "postgresql"):
            continue
        if problem := find_problem(world, random_story(number)):
            story = simplest_story(world, random_story(number))
            pytest.fail(
                f"story {number}: {problem}\nThe simplest story: {find_problem(world, story)}\n{story}"
            )


def simplest_story(world: HistoryWorld, story: SourceStory) -> SourceStory:
    """Leave out what is not necessary for a problem."""
    while simpler := next((each for each in simpler_stories(story) if find_problem(world, each)), None):
        story = simpler
    return story


def find_problem(world: HistoryWorld, story: SourceStory) -> str | None:
    """Return what is wrong with the records after a story, or with their deletions in it; None if nothing is."""
    with world.serving(story, START):
        try:
            for step in story.steps:
                world.do(step)
            compare_with_a_quiet_source(world, story)
        except AssertionError as error:
            return str(error)
        found = world.differences()
        if found and not world.has_proof():
            found = [each for each in found if "live here only" not in each]
        return "\n".join(found) or None


def compare_with_a_quiet_source(world: HistoryWorld, story: SourceStory) -> None:
    """Wait until nothing happens any more. Harvest, and take complete lists at least `wait` apart.

    Two are enough, and a third one if the first is above the bounds: it is then no evidence for the second.
    """
    pause = HOUR + world.config.deletions.wait
    world.do(Step(LAST_EVENT + LONGEST_ABSENCE + HOUR, "harvest"))
    for _ in range(3):
        if not story.is_selective:  # each harvest is a list of the whole source, at most one for each day
            world.do(Step(world.clock() + pause + DAY, "harvest"))
        else:
            world.do(Step(world.clock() + pause, "sweep"))
    # The source is healthy again, so a person may approve what is held.
    world.approve_held_deletions()
