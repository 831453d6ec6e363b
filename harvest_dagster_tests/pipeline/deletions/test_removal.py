"""What is concluded from complete lists: on both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from harvest_dagster import plugins
from harvest_dagster.pipeline.context import RunOutcome
from harvest_dagster.pipeline.deletions import removal as removal_module
from harvest_dagster.pipeline.deletions.removal import Removal
from harvest_dagster.pipeline.lease_guard import LeaseHandle
from harvest_dagster.storage.day_versions import find_versions
from harvest_dagster.storage.deletions.absences import AbsenceCounts, count_absences
from harvest_dagster.storage.deletions.decisions import find_decision
from harvest_dagster.storage.maintenance.prune import prune_superseded_data
from harvest_dagster.storage.tables import ingest_log, raw_datum
from harvest_dagster_tests.pipeline.deletions.lists import Lists, record
from harvest_dagster_tests.pipeline.world import WINDOW, World

FOUR = [record(one) for one in "abcd"]


def test_two_complete_lists_a_day_apart_delete_a_record(world: World) -> None:
    """A source that removes a record without a trace would keep it here for ever."""
    lists = Lists(world)
    lists.harvest(*FOUR)
    assert lists.conclude("abc") == Removal(waiting=1)
    lists.later(hours=20)
    assert lists.conclude("abc") == Removal(waiting=1)
    lists.later(hours=3)
    assert lists.conclude("abc") == Removal(waiting=1)
    lists.later(hours=1)
    assert lists.conclude("abc") == Removal(deleted=1, examples=("d",))
    assert lists.live() == set("abc")
    assert lists.deletions() == [("d", "absent_twice")]
    assert lists.absent() == {}
    assert lists.records()[-1][1:] == (
        True,
        '{"deleted":true,"reason":"the source no longer lists this record"}',
    )


def test_a_list_that_contains_the_record_begins_the_wait_again(small_world: World) -> None:
    """A record that is hidden for an hour, twice in a month, was never removed."""
    lists = Lists(small_world)
    lists.harvest(*FOUR)
    lists.conclude("abc")
    lists.later(days=1)
    assert lists.conclude("abcd") == Removal()
    lists.later(days=1)
    assert lists.conclude("abc") == Removal(waiting=1)
    assert lists.live() == set("abcd")


def test_a_record_that_arrives_is_not_absent_any_more(world: World) -> None:
    """A window that delivers the record proves more than a list without it."""
    lists = Lists(world)
    lists.harvest(*FOUR)
    lists.conclude("ab")
    lists.later(days=2)
    lists.harvest(record("c"))
    assert set(lists.absent()) == {"d"}
    assert lists.conclude("ab") == Removal(deleted=1, waiting=1, examples=("d",))
    assert lists.live() == set("abc")


def test_with_no_wait_one_list_suffices(small_world: World) -> None:
    """A file that is replaced as a whole has no doubt about what it contains."""
    lists = Lists(small_world, wait=0)
    lists.harvest(*FOUR)
    assert lists.conclude("abc") == Removal(deleted=1, examples=("d",))
    assert lists.deletions() == [("d", "absent_once")]


def test_by_protocol_nothing_is_concluded(small_world: World) -> None:
    """This is the default: a harvester must not delete what a source hides by mistake."""
    lists = Lists(small_world, by="protocol", wait=0)
    lists.harvest(*FOUR)
    for _ in range(2):
        lists.later(days=2)
        assert lists.conclude("a", ask=lambda _: True) == Removal(waiting=3)
    assert lists.absent() == dict.fromkeys("bcd", (None, False))
    assert lists.live() == set("abcd")


def test_a_record_that_changed_since_the_list_began_stays(small_world: World) -> None:
    """The list may be older than the record."""
    lists = Lists(small_world, wait=0)
    began = small_world.clock()
    lists.harvest(*FOUR)
    assert lists.conclude("abc", began=began) == Removal()
    assert lists.live() == set("abcd")


@pytest.mark.parametrize(
    ("most", "bound"),
    [
        ({"share": 0.25, "count": 9}, "more than 0.25 of 4 current records"),
        ({"share": 1, "count": 1}, "more than 1 "),
    ],
)
def test_above_a_bound_nothing_is_deleted(world: World, most: dict[str, Any], bound: str) -> None:
    """A source that loses a set, or a page, seems to have removed all its records."""
    lists = Lists(world, wait=0, most=most)
    lists.harvest(*FOUR)
    assert lists.conclude("ab") == Removal(held=2, examples=("c", "d"))
    assert lists.live() == set("abcd")
    assert lists.absent() == dict.fromkeys("cd", ("absent_once", True))
    (warning,) = [line for line in world.log_lines if "wait for" in line]
    assert bound in warning
    assert "such as c, d. None of them is deleted" in warning
    assert "`harvest deletions approve fake`" in warning
    with world.database.read() as connection:
        assert count_absences(connection, world.harvest().config_id) == AbsenceCounts(absent=2, held=2)

    lists.later()
    assert lists.conclude("abc") == Removal(deleted=1, examples=("d",))
    assert lists.absent() == {}


def test_the_share_is_of_the_records_that_were_stored_before_the_list(small_world: World) -> None:
    """A source that shows other records than before has lost all of its records, not half of them."""
    lists = Lists(small_world, wait=0, most={"share": 0.5, "count": 9})
    lists.harvest(record("a"))
    began = small_world.clock()
    lists.harvest(record("b"))
    assert lists.conclude("b", began=began) == Removal(held=1, examples=("a",))


def test_the_bound_counts_all_that_a_list_lacks(small_world: World) -> None:
    """A list that lacks half of the source is broken. It must not confirm that one record was removed before."""
    lists = Lists(small_world, most={"share": 0.25, "count": 9})
    lists.harvest(*FOUR)
    lists.conclude("abc")
    lists.later(days=1)
    assert lists.conclude("ab") == Removal(held=2, examples=("c", "d"))
    assert lists.absent() == {"c": ("absent_once", True), "d": ("absent_twice", True)}
    assert lists.live() == set("abcd")


def test_a_list_above_the_bounds_is_no_evidence_for_a_later_one(world: World) -> None:
    """A source that is indexed again lacks most of its records, and on the next day only the last of them."""
    lists = Lists(world)
    lists.harvest(*FOUR)
    assert lists.conclude("a") == Removal(held=3, examples=("b", "c", "d"))
    lists.later(days=2)
    assert lists.conclude("abc") == Removal(waiting=1)
    lists.later(days=2)
    assert lists.conclude("abc") == Removal(deleted=1, examples=("d",))


def test_an_approval_is_one_decision_and_can_be_undone(world: World) -> None:
    """A person who approves the wrong list must get everything back."""
    lists = Lists(world, wait=0, most={"share": 0, "count": 0})
    lists.harvest(*FOUR)
    before = lists.records()
    lists.conclude("ab")
    approval = lists.approve()
    assert approval.deleted == 2
    assert lists.live() == set("ab")
    assert lists.absent() == {}
    assert lists.approve().decision_id is None

    undoing = lists.undo()
    assert (undoing.restored, undoing.unchanged, undoing.lost) == (2, 0, 0)
    assert lists.records() == before
    lists.later()
    assert lists.conclude("ab") == Removal(held=2, examples=("c", "d"))


def approve_and_die(lists: Lists, monkeypatch: pytest.MonkeyPatch) -> None:
    """Approve, and be killed after the first batch. Then an hour passes."""

    def die(_: LeaseHandle) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(LeaseHandle, "raise_if_lost", die)  # called after each batch
        with pytest.raises(KeyboardInterrupt):
            lists.approve("killed")
    lists.world.outcomes["killed"] = RunOutcome("FAILED", "it was killed")
    lists.later()


def test_an_approval_that_was_killed_is_continued(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second approval was a second decision, so `undo` left what the first one had deleted."""
    monkeypatch.setattr(removal_module, "BATCH", 2)
    lists = Lists(world, wait=0, most={"share": 0, "count": 0})
    lists.harvest(*FOUR, record("e"))
    before = lists.records()
    lists.conclude("a")

    approve_and_die(lists, monkeypatch)
    assert lists.live() == set("ade")
    approval = lists.approve()
    assert (lists.live(), approval.deleted) == ({"a"}, 2)
    undoing = lists.undo(approval.decision_id)
    assert (undoing.restored, lists.records()) == (4, before)
    lists.later()
    assert lists.conclude("a").held == 4
    assert (again := lists.approve()).deleted == 4
    assert again.decision_id != approval.decision_id


def test_an_approval_after_a_new_list_is_a_new_decision(
    small_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person approves what a list shows. One undo must not revert what another list showed."""
    lists = Lists(small_world, wait=0, most={"share": 0, "count": 0})
    lists.harvest(*FOUR)
    lists.conclude("abc")
    approve_and_die(lists, monkeypatch)
    assert lists.live() == set("abc")
    assert lists.conclude("ab").held == 1
    assert lists.approve().deleted == 1
    assert lists.undo().restored == 1
    assert lists.live() == set("abc")


def test_undo_leaves_what_has_changed_since(small_world: World) -> None:
    """The source has delivered one record again, and another one is marked as deleted by the source itself."""
    lists = Lists(small_world, wait=0, most={"share": 1, "count": 9})
    lists.harvest(*FOUR)
    lists.conclude("a")
    lists.harvest(record("b", "new"), record("c", "gone", deleted=True))
    assert lists.live() == set("ab")
    undoing = lists.undo()
    assert (undoing.restored, undoing.unchanged) == (1, 2)
    assert lists.live() == set("abd")
    assert ("b", False, "b new") in lists.records()


def test_undo_of_an_older_decision_leaves_what_a_later_one_deleted(small_world: World) -> None:
    """The record had returned with new content before. The undo would otherwise bring back the content before that."""
    lists = Lists(small_world, wait=0)
    lists.harvest(*FOUR)
    lists.conclude("abc")
    with small_world.database.read() as connection:
        first = find_decision(connection, small_world.harvest("any").config_id)
    assert first is not None
    lists.harvest(record("d", "new"))
    lists.conclude("abc")
    undoing = lists.undo(first.id)
    assert (undoing.restored, undoing.unchanged) == (0, 1)
    assert lists.live() == set("abc")
    lists.undo()
    assert ("d", False, "d new") in lists.records()


def test_the_run_may_permit_to_exceed_the_bounds(small_world: World) -> None:
    """A job with `approve` deletes at once what would be held."""
    lists = Lists(small_world, wait=0, most={"share": 0, "count": 0})
    lists.harvest(*FOUR)
    assert lists.conclude("ab", approve=True) == Removal(deleted=2, examples=("c", "d"))


def test_a_returned_record_is_live_again(world: World) -> None:
    """The same content returns: its old row gets a new revision."""
    lists = Lists(world, wait=0)
    lists.harvest(*FOUR)
    before = lists.records()
    lists.conclude("abc")
    lists.harvest(*FOUR)
    assert lists.records() == before
    lists.conclude("abc")
    assert lists.live() == set("abc")
    assert len(world.rows(raw_datum, "id")) == 5


def test_an_older_list_concludes_nothing(small_world: World) -> None:
    """A sweep takes days. A snapshot that began later has contained the record."""
    lists = Lists(small_world)
    lists.harvest(*FOUR)
    began = small_world.clock()
    lists.later(hours=1)
    assert lists.conclude("abcd") == Removal()
    assert lists.conclude("abc", began=began, kind="sweep") == Removal()
    assert lists.absent() == {}
    assert any("a newer one was compared before" in line for line in small_world.log_lines)


def test_the_source_is_asked_for_absent_records(world: World) -> None:
    """GetRecord proves more than a list. An answer that is not clear proves nothing."""
    lists = Lists(world, by="reconcile", most={"share": 1, "count": 9})
    lists.harvest(*FOUR, record("e"))
    answers = {"b": True, "c": False, "d": None, "e": True}
    asked: list[str] = []

    def ask(identifier: str) -> bool | None:
        asked.append(identifier)
        return answers[identifier]

    found = lists.conclude("a", kind="sweep", ask=ask)
    assert found == Removal(deleted=2, waiting=1, examples=("b", "e"))
    assert asked == ["b", "c", "d", "e"]
    assert lists.deletions() == [("b", "not_found"), ("e", "not_found")]
    assert lists.absent() == {"d": (None, False)}
    lists.later(days=1)
    assert lists.conclude("ac", kind="snapshot", ask=ask) == Removal(deleted=1, examples=("d",))
    assert lists.deletions()[1] == ("d", "absent_twice")


def test_a_sweep_without_a_wait_needs_a_second_list_or_an_answer(small_world: World) -> None:
    """A source may cut its list and announce the length of the rest. It still has the record."""
    lists = Lists(small_world, by="reconcile", wait=0, most={"share": 1, "count": 9})
    lists.harvest(*FOUR)
    assert lists.conclude("abc", kind="sweep", ask=lambda _: None) == Removal(waiting=1)
    lists.later()
    assert lists.conclude("abc", kind="sweep", ask=lambda _: False) == Removal()
    for _ in range(2):
        lists.later()
        removal = lists.conclude("abc", kind="sweep")
    assert removal == Removal(deleted=1, examples=("d",))
    assert lists.deletions() == [("d", "absent_twice")]


def test_above_the_bounds_the_source_is_not_asked(small_world: World) -> None:
    """Thousands of requests would follow each list of a source that has a bad day."""
    lists = Lists(small_world, by="reconcile", most={"share": 0.5, "count": 9})
    lists.harvest(*FOUR)

    def ask(identifier: str) -> bool:
        raise AssertionError(identifier)

    assert lists.conclude("a", kind="sweep", ask=ask) == Removal(held=3, examples=("b", "c", "d"))
    lists.later()
    assert lists.conclude("abc", kind="snapshot", ask=ask) == Removal(waiting=1)


@pytest.mark.parametrize("kill_at", [1, 2, 4, 5, 7, 8, 9, 11])
def test_a_killed_run_may_conclude_again(
    small_world: World, monkeypatch: pytest.MonkeyPatch, kill_at: int
) -> None:
    """A process is killed between two transactions. The next one takes the same list."""
    monkeypatch.setattr(removal_module, "BATCH", 2)
    lists = Lists(small_world, most={"share": 0.9, "count": 9})
    names = "abcdefgh"
    lists.harvest(*(record(one) for one in names))
    lists.conclude("abc")
    lists.later(days=1)
    began = small_world.clock()
    lists.later(hours=1)
    seen = 0

    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        nonlocal seen
        seen += 1
        if seen == kill_at:
            raise Killed

    begin = removal_module.LeaseHandle.begin
    monkeypatch.setattr(removal_module.LeaseHandle, "begin", lambda lease: (die(), begin(lease))[1])
    counted: list[int] = []
    options: dict[str, Any] = {
        "began": began,
        "run": "one",
        "count": lambda _, number: counted.append(number),
    }
    with pytest.raises(Killed):
        lists.conclude("abc", **options)
    lists.later(hours=1)
    lists.conclude("abc", **options)

    assert lists.live() == set("abc")
    assert lists.absent() == {}
    assert lists.deletions() == [(one, "absent_twice") for one in "defgh"]
    assert sum(counted) == 5
    assert lists.undo().restored == 5
    assert lists.live() == set(names)


def test_a_list_of_a_killed_run_breaks_the_chain(small_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have contained the record. If nobody continues with it, the wait begins again."""
    lists = Lists(small_world)
    lists.harvest(*FOUR)
    lists.conclude("abc")
    lists.later(hours=12)

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(removal_module, "_add_absences", fail)
        with pytest.raises(ZeroDivisionError):
            lists.conclude("abcd", run="killed")
    lists.later(hours=12)
    assert lists.conclude("abc", run="killed") == Removal(waiting=1)


def test_a_deletion_reaches_the_transform_and_the_version_of_its_day(world: World) -> None:
    """Consumers follow the changes. A deletion that they do not see is none."""
    plugins.register(
        plugins.TRANSFORMERS, "fake", "harvest_dagster_tests.pipeline.test_transform:FakeTransformer"
    )
    world.change(transformer="fake")
    lists = Lists(world, wait=0)
    lists.harvest(*FOUR)
    day, config_id = WINDOW.start.date(), world.harvest().config_id

    def version() -> dict[Any, str]:
        with world.database.read() as connection:
            return find_versions(connection, config_id, "raw", day, day)

    before = version()
    since = world.clock()
    lists.conclude("abc")
    assert set(version()) == {day}
    assert version() != before
    with world.database.read() as connection:
        row = connection.execute(
            select(
                ingest_log.c.status, ingest_log.c.partition_date, raw_datum.c.deleted, raw_datum.c.datestamp
            )
            .join_from(ingest_log, raw_datum)
            .where(raw_datum.c.deleted)
        ).one()
    assert tuple(row) == ("PENDING", day, True, WINDOW.start)
    with world.database.read() as connection:
        changed = connection.exec_driver_sql("SELECT identifier, changed_at FROM current_record").all()
    assert [one.identifier for one in changed if str(one.changed_at) >= f"{since:%Y-%m-%d %H:%M:%S}"] == ["d"]


def test_pruning_keeps_what_an_undo_needs(world: World) -> None:
    """A person notices after a month that the approval was wrong."""
    lists = Lists(world, wait=0)
    lists.harvest(*FOUR)
    lists.harvest(record("a", "newer"))
    lists.conclude("abc")
    lists.harvest(record("b", "gone", deleted=True))
    lists.harvest(record("b", "new"))
    assert prune_superseded_data(world.database, world.clock() + timedelta(days=1), dry_run=False) == 3
    assert lists.deletions() == [("d", "absent_once")]
    assert lists.undo().restored == 1
    assert lists.live() == set("abcd")
