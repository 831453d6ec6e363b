"""A list that was interrupted for a while is compared with the source before it is continued."""

from __future__ import annotations

from datetime import timedelta

import pytest

from harvest_dagster.windows import DAY
from harvest_dagster_tests.pipeline.random_repository import Habits, RandomRepository, Version
from harvest_dagster_tests.pipeline.random_world import RandomWorld, Story
from harvest_dagster_tests.pipeline.world import MIDNIGHT

STORY = Story(hours=(), kills=(), max_window=DAY, is_emptied=False)
# The source shows the second version of the first record from the next noon on: it leaves the list of its day.
MOVED = Version("oai:r:0", MIDNIGHT + timedelta(hours=36), deleted=False, content="content 0.1;")
RECORDS = [
    Version(
        f"oai:r:{number}", MIDNIGHT + timedelta(hours=number), deleted=False, content=f"content {number}.0;"
    )
    for number in range(12)
]


def interrupted(
    world: RandomWorld, *changes: Version, totals: bool = False, pause: timedelta = timedelta(hours=18)
) -> RandomRepository:
    """Kill the harvest of a day after its second page of four records, and harvest again after a pause."""
    habits = Habits(page_size=4, totals=totals)
    repository = RandomRepository(world.clock, habits, [*RECORDS, *changes])
    world.begin(repository, STORY)
    world.clock.forward(hours=25)
    world.harvest_range(kill=[1])
    repository.requests.clear()
    world.clock.now += pause
    return repository


def first_tokens(repository: RandomRepository) -> list[str | None]:
    """Return the positions that the list requests named; None for a first page."""
    tokens = [asked.get("resumptionToken") for asked in repository.requests if asked["verb"] == "ListRecords"]
    return [token and token.rpartition("|")[2] for token in tokens][:2]


def test_a_list_that_changed_during_a_pause_is_requested_again(random_world: RandomWorld) -> None:
    """The page after the pause lacked a record, and the window was green."""
    repository = interrupted(random_world, MOVED)
    random_world.harvest_range()
    assert first_tokens(repository) == ["4", None]
    assert random_world.errors == []
    random_world.check()
    assert len(random_world.covered()) == 1
    assert any("its last page has other records now" in line for line in random_world.log_lines)


def test_a_list_that_did_not_change_is_continued(random_world: RandomWorld) -> None:
    """A harvest that starts again after each pause never ends (docs/failures.md#no-resume)."""
    repository = interrupted(random_world)
    random_world.harvest_range()
    assert first_tokens(repository) == ["4", "8"]
    random_world.check()


def test_a_list_is_continued_at_once_after_a_short_pause(random_world: RandomWorld) -> None:
    """A crash costs at most one page."""
    repository = interrupted(random_world, pause=timedelta(minutes=1))
    random_world.harvest_range()
    assert first_tokens(repository)[0] == "8"


@pytest.mark.parametrize(("totals", "tokens"), [(True, ["4", "8"]), (False, ["4", None])])
def test_without_its_last_page_only_a_list_with_a_total_is_continued(
    random_world: RandomWorld, totals: bool, tokens: list[str | None]
) -> None:
    """A total shows a missing record. Without one, nothing shows it."""
    repository = interrupted(random_world, totals=totals)
    repository.script.append("expired")
    random_world.harvest_range()
    assert first_tokens(repository) == tokens
    random_world.check()
