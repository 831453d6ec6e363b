"""What a snapshot shows as removed, when its window ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harvest_dagster.records import InvalidRecord
from harvest_dagster_tests.pipeline.deletions.lists import Lists, record
from harvest_dagster_tests.pipeline.fakes import FakeClient
from harvest_dagster_tests.pipeline.world import World

NAMES = "abcdef"
FOUR = [record(one) for one in "abcd"]
_labels = count(1)


def snapshots(world: World, **deletions: Any) -> Lists:
    world.change(selective=False)
    return Lists(world, **deletions)


def test_a_snapshot_deletes_what_it_does_not_contain(world: World) -> None:
    """The count of the window contains the deletions that were concluded from it."""
    lists = snapshots(world, wait=0)
    lists.harvest(*FOUR)
    log = lists.harvest(*FOUR[:3])
    assert lists.live() == set("abc")
    assert (log.status, log.counts.records, log.counts.deleted) == ("SUCCEEDED", 3, 1)
    assert "records that the source no longer lists: 1 deleted, 0 held, 0 waiting" in world.log_lines
    lists.harvest(*FOUR)
    assert lists.live() == set("abcd")


def test_a_source_with_dates_shows_nothing(small_world: World) -> None:
    """A window does not contain the records of other windows."""
    lists = Lists(small_world, wait=0)
    lists.harvest(*FOUR)
    assert lists.harvest(*FOUR[:3]).counts.deleted == 0
    assert lists.live() == set("abcd")


@pytest.mark.parametrize("broken", ["empty", "without a total", "with a limit", "a feed"])
def test_a_list_that_proves_nothing_deletes_nothing(
    small_world: World, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """A source that has an outage must not empty the database."""
    lists = snapshots(small_world, wait=0, most={"share": 1, "count": 99})
    lists.harvest(*FOUR)
    if broken == "empty":
        lists.harvest()
    elif broken == "without a total":
        lists.harvest(record("a"), is_proven=False)
    elif broken == "a feed":
        monkeypatch.setattr(FakeClient, "lists_everything", False)
        lists.harvest(record("a"))
    else:
        lists.harvest(*FOUR, limit=3)
    assert lists.live() == set("abcd")
    assert lists.absent() == {}


def test_an_invalid_record_is_listed(small_world: World) -> None:
    """The parser does not understand its new form. The source still has it."""
    small_world.change(quarantine={"share": 1})
    lists = snapshots(small_world, wait=0)
    lists.harvest(*FOUR)
    lists.harvest(*FOUR[:2], InvalidRecord(b"<broken", "no XML", "d"))
    assert lists.live() == set("abd")
    lists.harvest(record("a"), InvalidRecord(b"<broken", "no XML"), record("d"))
    assert lists.live() == set("abd")
    assert any("1 invalid records have no readable identifier" in line for line in small_world.log_lines)


@dataclass
class Model:
    """The rule in a few lines, for one source.

    Attributes:
        wait: in days.
        most: how many records a list may lack.
        live: records that are stored as live.
        since: the start of the first of the lists in a row that lack a record.
        exceeding: the start of the last list that lacked too many.
    """

    wait: int
    most: int
    live: set[str] = field(default_factory=lambda: set(NAMES))
    since: dict[str, datetime] = field(default_factory=dict)
    exceeding: datetime | None = None

    def harvest(self, listed: set[str], began: datetime, *, is_proven: bool) -> set[str]:
        """Return what is deleted."""
        self.live |= listed
        for name in listed:
            self.since.pop(name, None)
        if not is_proven or not listed:
            return set()
        for name in self.live - listed:
            self.since.setdefault(name, began)
        if len(self.since) > self.most:
            self.exceeding = began
            return set()
        for name, since in self.since.items():
            if self.exceeding is not None and since <= self.exceeding:
                self.since[name] = began
        due = {name for name, since in self.since.items() if began - since >= timedelta(days=self.wait)}
        self.live -= due
        self.since = {name: since for name, since in self.since.items() if name not in due}
        return due


steps = st.tuples(
    st.sampled_from([2, 14, 26]),
    st.sets(st.sampled_from(NAMES)),
    st.sampled_from(["list", "list", "broken", "undo"]),
)


@given(st.lists(steps, min_size=3, max_size=7), st.sampled_from([0, 1]), st.integers(1, 6))
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_snapshots_follow_the_rule(
    small_world: World, history: list[tuple[int, set[str], str]], wait: int, most: int
) -> None:
    """No live record is deleted while one of the lists contains it, and the wait and the bounds are kept."""
    small_world.change(label=f"source_{next(_labels)}")
    lists, model = (
        snapshots(small_world, wait=f"{wait}d", most={"share": 1, "count": most}),
        Model(wait, most),
    )
    lists.harvest(*map(record, NAMES))
    undoable: set[str] = set()
    for hours, listed, kind in history:
        lists.later(hours=hours)
        if kind != "undo":
            began = small_world.clock() + timedelta(hours=1)
            lists.harvest(*map(record, sorted(listed)), is_proven=kind == "list")
            undoable = model.harvest(listed, began, is_proven=kind == "list")
        elif undoable:
            assert lists.undo().restored == len(undoable)
            model.live |= undoable
            undoable = set()
        assert lists.live() == model.live
        assert {name for name, deleted, datum in lists.records() if datum == f"{name} A"} == model.live
