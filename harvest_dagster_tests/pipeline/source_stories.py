"""Random stories of a source: its history, its behaviours, and how it is harvested meanwhile.

The number of a story determines it. Hypothesis would spend most of its examples on stories that are almost the same:
one costs half a second.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from random import Random
from typing import Any

from harvest_dagster.testing.simulator import Event, History, Repository
from harvest_dagster.windows import DAY, Window
from harvest_dagster_tests.pipeline.history_world import Phase, SourceStory, Step
from harvest_dagster_tests.testing.simulator.histories import possible_events

HOUR = timedelta(hours=1)
START = datetime(2024, 3, 4, 3, tzinfo=timezone.utc)  # of the first harvest
FIRST_EVENT, LAST_EVENT = START - 3 * HOUR, START + 6 * DAY
LONGEST_ABSENCE = 72 * HOUR  # of an outage, or of a record that is published late
ALWAYS = Window(START - 365 * DAY, datetime(2030, 1, 1, tzinfo=timezone.utc))
SHARE = 0.4  # deletions.most.share; a source that hides more is recognized as broken
PLAIN = Repository(first_day=date(2024, 3, 1), days=3, records_per_day=4, page_size=5, deleted=0)
HABITS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("deletions-forgotten", {}),
    ("deletions-transient", {"days": 2.0}),
    ("dates-ignored", {}),
    ("published-late", {"days": 3.0}),
)
BREAKS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("half-missing", {"share": 0.75}),
    ("half-missing", {"share": 0.5, "seed": 7}),
    ("empty-for-an-hour", {"minutes": 100_000.0}),
    ("set-lost", {"spec": "science"}),
    ("dates-ignored", {}),
)


def random_story(number: int) -> SourceStory:
    """Return the story with this number: twelve records, and up to twelve events within six days."""
    random = Random(number)  # noqa: S311 - no secret
    page_size, totals = random.choice([(3, True), (5, True), (50, True), (50, False)])
    repository = Repository(
        first_day=date(2024, 3, 1),
        days=3,
        records_per_day=4,
        page_size=page_size,
        granularity=random.choice(["day", "second"]),
        deleted=random.choice([0, 0.2]),
        totals=totals,
        seed=number,
        token_lifetime=DAY,
    )
    steps = tuple(_steps(random))
    phases = tuple(_phases(random, steps))
    is_set = random.random() < 0.3 or any(phase.behaviour == "set-lost" for phase in phases)
    history = _history(random, repository)
    pause = timedelta(minutes=random.choice([0, 0, 0, random.randint(5, 120)]))
    return SourceStory(history, phases, steps, "science" if is_set else None, pause, _options(random))


def _history(random: Random, repository: Repository) -> History:
    events: list[Event] = []
    span = int((LAST_EVENT - FIRST_EVENT).total_seconds())
    for number, second in enumerate(sorted(random.sample(range(span), random.randint(2, 12)))):
        at = FIRST_EVENT + timedelta(seconds=second)
        until = at + random.randint(1, 72) * HOUR
        identifier = repository.identifier(random.randrange(repository.size))
        possible = possible_events(repository, events, identifier, at, until, f"Title {number}")
        events.append(random.choice(possible))
    return History(repository, events)


def _steps(random: Random) -> Iterator[Step]:
    """Yield harvests and sweeps at growing instants, the first one a harvest."""
    now = START
    yield Step(now, "harvest")
    for _ in range(random.randint(3, 5)):
        now += random.randint(5, 50) * HOUR
        yield Step(now, random.choice(["harvest", "sweep"]))


def _phases(random: Random, steps: Sequence[Step]) -> Iterator[Phase]:
    """Yield at most one habit, at most one change of all datestamps, and up to two breaks."""
    for name, settings in random.sample(HABITS, random.randint(0, 1)):
        yield Phase(name, ALWAYS, settings)
    if random.randrange(4) == 0:
        yield Phase("all-restamped", Window(random.choice(steps[1:]).at, ALWAYS.end))
    for name, settings in random.sample(BREAKS, random.randint(0, 2)):
        first, last = sorted(random.choices(steps[1:], k=2))
        yield Phase(name, Window(first.at, last.at + HOUR), settings)


def _options(random: Random) -> dict[str, Any]:
    return {
        "lookback": random.choice(["0s", "1d", "3d"]),
        "settle": random.choice(["0s", "6h"]),
        "selective": random.random() < 0.7,
        "deletions": {
            "by": random.choice(["snapshot", "reconcile"]),
            "wait": random.choice(["0s", "1d", "2d"]),
            "most": {"share": SHARE, "count": 100},
        },
    }


def simpler_stories(story: SourceStory) -> Iterator[SourceStory]:
    """Yield the stories with one event, phase or step less. Some of them are impossible and left out."""
    for event in story.history.events:
        try:
            history = History(
                story.history.repository, [each for each in story.history.events if each is not event]
            )
        except ValueError:
            continue
        yield replace(story, history=history)
    for phase in story.phases:
        yield replace(story, phases=tuple(each for each in story.phases if each is not phase))
    for step in story.steps[1:]:
        yield replace(story, steps=tuple(each for each in story.steps if each is not step))


def plain_story(
    *events: Event, phases: Sequence[Phase] = (), steps: Sequence[Step] = (), **options: Any
) -> SourceStory:
    """Return a story without chance: a source with totals and twelve records, and sweeps that suffice for deletions."""
    deletions = {"by": "snapshot", "wait": "1d", "most": {"share": SHARE, "count": 100}}
    return SourceStory(
        History(PLAIN, events),
        tuple(phases),
        (Step(START, "harvest"), *steps),
        options={"deletions": deletions, **options},
    )
