"""Single histories of a source: what the random ones rely on, what they have found, and what no bound can prevent."""

from __future__ import annotations

from datetime import timedelta

import pytest

from harvest_dagster.testing.simulator import Change, Hide, Late, Outage, Return
from harvest_dagster.windows import DAY, Window
from harvest_dagster_tests.pipeline.history_world import HistoryWorld, Phase, SourceStory, Step
from harvest_dagster_tests.pipeline.source_stories import HOUR, LAST_EVENT, PLAIN, START, plain_story

FIRST, SECOND, *_ = [PLAIN.identifier(index) for index in range(PLAIN.size)]


def half_missing(since: timedelta, until: timedelta, share: float) -> Phase:
    """Return a phase in which a share of the records is missing. A larger share contains a smaller one."""
    return Phase("half-missing", Window(START + since, START + until), {"share": share})


def sweeps(*days: float) -> list[Step]:
    """Return a sweep after each of these numbers of days."""
    return [Step(START + number * DAY, "sweep") for number in days]


def play(world: HistoryWorld, story: SourceStory) -> list[str]:
    """Do the steps of a story, and return what differs from the truth then."""
    with world.serving(story, START):
        for step in story.steps:
            world.do(step)
        return world.differences()


def test_a_harvest_by_date_leaves_differences_that_two_sweeps_correct(
    small_history_world: HistoryWorld,
) -> None:
    """Without the first half, the comparison with the truth might find nothing at all."""
    world, late = small_history_world, Late(START + HOUR, SECOND, START + 3 * DAY)
    harvests = [Step(START + number * DAY, "harvest") for number in range(1, 6)]
    story = plain_story(Hide(START + HOUR, FIRST), late, steps=harvests, lookback="1d")
    with world.serving(story, START):
        for step in story.steps:
            world.do(step)
        assert world.differences() == [
            f"{FIRST}: live here only",
            f"{SECOND}: live there only (unknown here)",
        ]
        for step in sweeps(6, 7):
            world.do(step)
        assert world.differences() == []
    assert world.inferred == {FIRST}


def test_a_deletion_of_a_live_record_is_noticed(small_history_world: HistoryWorld) -> None:
    """Without bounds, a source that shows half of its records loses the others. The random histories must fail then."""
    deletions = {"by": "snapshot", "wait": "0s", "most": {"share": 1.0, "count": 100}}
    phase = half_missing(DAY, 2 * DAY, share=0.5)
    story = plain_story(Hide(LAST_EVENT, FIRST), phases=[phase], deletions=deletions)
    with small_history_world.serving(story, START):
        small_history_world.do(story.steps[0])
        small_history_world.clock.forward(days=1)
        with pytest.raises(AssertionError, match="but live"):
            small_history_world.sweep()


def test_a_source_that_hides_few_records_seems_to_have_removed_them(
    small_history_world: HistoryWorld,
) -> None:
    """A limit: two complete lists without a record within the bounds are all that a client can see of its removal.

    The records are live again when a list contains them.
    """
    world, phase = small_history_world, half_missing(DAY, 3 * DAY, share=0.3)
    story = plain_story(Hide(LAST_EVENT, FIRST), phases=[phase])
    with world.serving(story, START):
        world.do(story.steps[0])
        world.clock.forward(days=1)
        world.sweep()
        world.clock.forward(days=1)
        with pytest.raises(AssertionError, match="but live"):
            world.sweep()
        assert world.differences() != []
        world.clock.forward(days=2)
        world.sweep()
        assert world.differences() == []


def test_a_source_that_recovers_slowly_loses_no_record(small_history_world: HistoryWorld) -> None:
    """A source that builds its index again shows a quarter of its records, and on the next day most of them.

    The first list exceeds the bounds. It must not count as the first of the two that prove a removal.
    """
    phases = [half_missing(DAY, 2 * DAY, share=0.75), half_missing(2 * DAY, 3 * DAY, share=0.3)]
    story = plain_story(Hide(LAST_EVENT, FIRST), phases=phases)
    with small_history_world.serving(story, START):
        small_history_world.do(story.steps[0])
        for _ in range(4):
            small_history_world.clock.forward(days=1)
            small_history_world.sweep()
        assert small_history_world.differences() == []


def test_an_absence_begins_again_when_a_record_was_back(small_history_world: HistoryWorld) -> None:
    """Two absences of one day each are not one of two days: the second list must not delete the record."""
    story = plain_story(
        Hide(START + HOUR, FIRST),
        Return(START + 25 * HOUR, FIRST),
        Hide(START + 49 * HOUR, FIRST),
        steps=sweeps(1, 2, 3),
        deletions={"by": "snapshot", "wait": "36h", "most": {"share": 0.4, "count": 100}},
    )
    assert play(small_history_world, story) == [f"{FIRST}: live here only"]


def test_a_record_that_returns_unchanged_is_live_again(small_history_world: HistoryWorld) -> None:
    """It returns with its old datestamp, which is older than its deletion here."""
    story = plain_story(Hide(START + HOUR, FIRST), Return(START + 73 * HOUR, FIRST), steps=sweeps(1, 2.5, 4))
    assert play(small_history_world, story) == []
    assert small_history_world.inferred == {FIRST}


def test_an_outage_deletes_nothing_and_loses_no_change(small_history_world: HistoryWorld) -> None:
    """The days of an outage are harvested as empty. The next sweep finds what they lack."""
    story = plain_story(
        Outage(START + HOUR, START + 60 * HOUR),
        Change(START + 2 * HOUR, FIRST, "Another title"),
        steps=[*sweeps(1, 2), Step(START + 2 * DAY + HOUR, "harvest"), *sweeps(3)],
        lookback="0s",
    )
    assert play(small_history_world, story) == []
    assert not small_history_world.inferred


def test_a_record_that_returns_after_a_failed_sweep_is_live_again(small_history_world: HistoryWorld) -> None:
    """The lists of the failed sweep do not contain it. The next run must not compare them once more."""
    world = small_history_world
    story = plain_story(
        Hide(START + HOUR, FIRST),
        Return(START + 3 * DAY, FIRST),
        Late(START + HOUR, SECOND, START + 2 * DAY),  # the repair of the second sweep fails for it
        phases=[Phase("html-login", Window(START + 2 * DAY, START + 3 * DAY), verb="ListRecords")],
        steps=sweeps(1, 2.5, 4),
    )
    assert play(world, story) == []
    assert len(world.errors) == 1
    assert world.inferred == {FIRST}


def test_a_list_without_proof_shows_that_a_record_is_there(small_history_world: HistoryWorld) -> None:
    """A list that may lack records still contains the others: they are not absent any more."""
    world = small_history_world
    phases = [
        half_missing(DAY, DAY + HOUR, share=0.3),
        Phase("total-none", Window(START + 2 * DAY, START + 2 * DAY + HOUR)),
        half_missing(3 * DAY, 3 * DAY + HOUR, share=0.3),
    ]
    with world.serving(plain_story(Hide(LAST_EVENT, FIRST), phases=phases), START):
        world.harvest_due_days()
        for _ in range(4):
            world.clock.forward(days=1)
            world.sweep()
        assert world.differences() == []
    assert not world.inferred
