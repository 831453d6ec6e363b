"""Whatever habits, clock and failures a source has, no window is green with a record missing.

Each example is a new source with random records, habits and failures. It is harvested as an operator would: every few
hours, with kills, until nothing is left to do. After every run, what the logs cover must be stored.
"""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, note, seed, settings
from hypothesis import strategies as st

from harvest_dagster.windows import DAY
from harvest_dagster_tests.examples import RANDOM_EXAMPLES
from harvest_dagster_tests.pipeline.random_repository import FAILURES, Habits, RandomRepository, Version
from harvest_dagster_tests.pipeline.random_world import DAYS, RANGE, RandomWorld, Story
from harvest_dagster_tests.pipeline.world import MIDNIGHT

INSTANTS = st.one_of(
    st.timedeltas(timedelta(0), DAYS * DAY - timedelta(milliseconds=1)).map(
        lambda after: MIDNIGHT + timedelta(milliseconds=after // timedelta(milliseconds=1))
    ),
    # Instants at which servers differ: midnights, and the last second of a day with and without a fraction.
    st.builds(
        lambda day, after: MIDNIGHT + day * DAY + after,
        st.integers(0, DAYS - 1),
        st.sampled_from([timedelta(0), DAY - timedelta(seconds=1), DAY - timedelta(milliseconds=494)]),
    ),
)


@st.composite
def habits(draw: st.DrawFn) -> Habits:
    """Return habits that do not contradict each other.

    No source reads `until` as midnight and leaves out exactly midnight at `from`: see the limits in
    docs/completeness.md.
    """
    granularity = draw(st.sampled_from(["day", "second"]))
    found = Habits(
        granularity=granularity,
        fractions=granularity == "second" and draw(st.booleans()),
        until=draw(
            st.sampled_from(["inclusive", "exclusive", *(["midnight"] if granularity == "day" else [])])
        ),
        from_=draw(st.sampled_from(["inclusive", "inclusive", "exclusive"])),
        refuses_equal=draw(st.booleans()),
        order=draw(st.sampled_from(["oldest", "newest", "any", "live first"])),
        totals=draw(st.booleans()),
        page_size=draw(st.integers(1, 8)),
        offset=timedelta(hours=draw(st.sampled_from([0, 0, -3, 2]))),
        repeats_answers=timedelta(hours=draw(st.sampled_from([0, 0, 0, 12]))),
    )
    return replace(found, from_="inclusive") if found.until == "midnight" else found


@st.composite
def versions(draw: st.DrawFn) -> list[Version]:
    """Return up to 25 records, some of them with two versions. Each version has a content of its own."""
    found = []
    for number in range(draw(st.integers(0, 25))):
        stamps = draw(st.lists(INSTANTS, min_size=1, max_size=2, unique=True))
        for revision, stamp in enumerate(sorted(stamps)):
            deleted = draw(st.integers(0, 5)) == 0
            found.append(Version(f"oai:r:{number}", stamp, deleted, f"content {number}.{revision};"))
    return found


STORIES = st.builds(
    Story,
    hours=st.lists(st.integers(1, 40), min_size=1, max_size=3).map(tuple),
    kills=st.lists(st.integers(0, 6), max_size=3).map(tuple),
    max_window=st.sampled_from([DAY, 3 * DAY]),
    is_emptied=st.booleans(),
)
# A second look finds the truth: after an empty answer that is wrong, the next answer is right.
SCRIPTS = st.lists(
    st.sampled_from([*((failure,) for failure in FAILURES), ("",), ("",), ("no records after token", "")]),
    max_size=10,
).map(lambda parts: [failure for part in parts for failure in part])
QUICK = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(habits=habits(), versions=versions(), script=SCRIPTS, story=STORIES)
@QUICK
def test_no_random_source_is_green_with_a_record_missing(
    random_world: RandomWorld, habits: Habits, versions: list[Version], script: list[str], story: Story
) -> None:
    """A green window without its data is the worst failure (docs/failures.md)."""
    prove(random_world, RandomRepository(random_world.clock, habits, versions, list(script)), story)


@pytest.mark.slow
@pytest.mark.hypothesis
@pytest.mark.parametrize("part", range(4))
def test_none_of_two_thousand_random_sources_is_green_with_a_record_missing(
    random_world: RandomWorld, part: int
) -> None:
    """The same property with 2,000 examples, in four parts that run at the same time."""

    @seed(random.getrandbits(64) if RANDOM_EXAMPLES else part)
    @given(habits=habits(), versions=versions(), script=SCRIPTS, story=STORIES)
    @settings(QUICK, max_examples=500)
    def prove_part(habits: Habits, versions: list[Version], script: list[str], story: Story) -> None:
        prove(random_world, RandomRepository(random_world.clock, habits, versions, list(script)), story)

    prove_part()


def test_a_record_that_a_list_of_a_part_of_the_window_brings_is_kept(random_world: RandomWorld) -> None:
    """A list broke after its second day and was continued from there. The list is not in the order of its datestamps.

    The rest came with the day before, which was asked in addition. It counted for the total of the window, and was then
    dropped as the record of a neighbour.
    """
    hours = {"a": 1, "b": 30, "c": 23}
    versions = [
        Version(f"oai:r:{content}", MIDNIGHT + timedelta(hours=hour), deleted=False, content=content)
        for content, hour in hours.items()
    ]
    habits = Habits(granularity="day", until="exclusive", order="content", page_size=1)
    repository = RandomRepository(random_world.clock, habits, versions, ["", "", "html", "expired"])
    random_world.begin(repository, Story(hours=(), kills=(), max_window=DAYS * DAY, is_emptied=False))
    random_world.clock.forward(hours=2 * 24 + 19)
    random_world.harvest_range()
    assert any("from the last safe datestamp" in line for line in random_world.log_lines)
    random_world.check()
    assert random_world.current().keys() == {version.identifier for version in versions}


def prove(world: RandomWorld, repository: RandomRepository, story: Story) -> None:
    """Harvest as the story says, and check after each run. In the end, nothing is left to harvest."""
    world.begin(repository, story)
    for number, hours in enumerate(story.hours):
        world.clock.forward(hours=hours)
        if story.is_emptied and world.has_full_days():
            repository.script.insert(0, "no records")
        world.harvest_range(story.kills[number : number + 1])
        world.check()
    world.clock.now = RANGE.end + timedelta(days=2)
    for _ in range(len(repository.script) + 6):
        world.clock.forward(hours=1)
        world.harvest_range()
        world.check()
        if not world.missing():
            return
    note(f"errors: {world.errors}")
    assert world.missing() == []
