"""The comparison of a list with the database."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvest_dagster.pipeline.reconciling.comparison import ComparedRecords, Difference, compare, is_newer
from harvest_dagster.records import RecordHeader, sets_digest
from harvest_dagster.storage.raw_data.known_records import KnownRecord

BEGAN = datetime(2024, 5, 10, tzinfo=timezone.utc)
NOON = datetime(2024, 5, 1, 12, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)

stamps = st.none() | st.integers(0, 3).map(lambda hours: NOON + hours * HOUR)
listed_headers = st.builds(RecordHeader, st.sampled_from("abcdefgh"), stamps, st.booleans())


def known(
    identifier: str,
    stamp: datetime | None = NOON,
    *,
    deleted: bool = False,
    changed_at: datetime | None = BEGAN - HOUR,
    sets: tuple[str, ...] = (),
) -> KnownRecord:
    return KnownRecord(1, identifier, stamp, deleted, changed_at, sets_digest(tuple(sorted(sets))))


def kinds(listed: list[RecordHeader], stored: list[KnownRecord]) -> list[tuple[str, str]]:
    return [(one.kind, one.identifier) for one in compare(listed, stored, BEGAN)]


@pytest.mark.parametrize(
    ("listed", "stored", "expected"),
    [
        ([RecordHeader("a", NOON)], [], "missing"),
        ([RecordHeader("a", NOON)], [known("a", deleted=True)], "missing"),
        ([RecordHeader("a", NOON, deleted=True)], [], None),
        ([RecordHeader("a", NOON, deleted=True)], [known("a", deleted=True)], None),
        ([RecordHeader("a", NOON, deleted=True)], [known("a")], "gone"),
        ([], [known("a")], "gone"),
        ([], [known("a", deleted=True)], None),
        ([], [known("a", changed_at=BEGAN)], None),
        ([RecordHeader("a", NOON + HOUR)], [known("a")], "changed"),
        ([RecordHeader("a", NOON + HOUR)], [known("a", changed_at=BEGAN + HOUR)], None),
        ([RecordHeader("a", NOON)], [known("a")], None),
        ([RecordHeader("a", NOON - HOUR)], [known("a")], None),
        ([RecordHeader("a", None)], [known("a")], None),
        ([RecordHeader("a", NOON)], [known("a", changed_at=None)], None),
        ([RecordHeader("a", NOON, sets=("x", "y"))], [known("a", sets=("y", "x"))], None),
        ([RecordHeader("a", NOON, sets=("x",))], [known("a", sets=("y",))], "sets"),
        ([RecordHeader("a", NOON, sets=("x",))], [known("a")], None),
        ([RecordHeader("a", NOON)], [known("a", sets=("y",))], None),
    ],
)
def test_each_kind_of_difference(
    listed: list[RecordHeader], stored: list[KnownRecord], expected: str | None
) -> None:
    """The kinds decide what is harvested again and what may be deleted."""
    assert kinds(listed, stored) == ([] if expected is None else [(expected, "a")])


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (RecordHeader("a", NOON), RecordHeader("a", NOON + HOUR, deleted=True), "gone"),
        (RecordHeader("a", NOON, deleted=True), RecordHeader("a", NOON), None),
        (RecordHeader("a", NOON, deleted=True), RecordHeader("a", NOON + HOUR), "changed"),
    ],
)
def test_of_several_headers_the_newest_counts(
    first: RecordHeader, second: RecordHeader, expected: str | None
) -> None:
    """Between the pages of a list, a record changes and is listed again. A live record must not seem removed."""
    duplicate = [("duplicate", "a")]
    for listed in ([first, second], [second, first], [first, second, first]):
        assert kinds(listed, [known("a")]) == duplicate + ([(expected, "a")] if expected else [])


@pytest.mark.parametrize(
    ("listed", "stored", "newer"),
    [
        ("2024-05-01T00:00:00", "2024-05-01T10:00:00", False),
        ("2024-05-01T10:00:00", "2024-05-01T00:00:00", False),
        ("2024-05-02T00:00:00", "2024-05-01T10:00:00", True),
        ("2024-05-01T10:00:00.5", "2024-05-01T10:00:00", False),
        ("2024-05-01T10:00:01", "2024-05-01T10:00:00.5", True),
        ("2024-05-01T10:00:00.7", "2024-05-01T10:00:00.5", True),
    ],
)
def test_datestamps_are_compared_at_the_coarser_granularity(listed: str, stored: str, newer: bool) -> None:
    """Some sources list days and deliver seconds. Otherwise all their records would seem changed in each sweep."""
    instants = (datetime.fromisoformat(one).replace(tzinfo=timezone.utc) for one in (listed, stored))
    assert is_newer(*instants) is newer


@pytest.mark.parametrize(("listed", "stored"), [("ba", "a"), ("a", "ba")])
def test_a_wrong_order_is_an_error(listed: str, stored: str) -> None:
    """A database with another order would make all records seem gone."""
    with pytest.raises(ValueError, match="not ordered"):
        kinds([RecordHeader(one, NOON) for one in listed], [known(one) for one in stored])


@given(
    st.lists(listed_headers, max_size=10).map(lambda some: sorted(some, key=lambda one: one.identifier)),
    st.dictionaries(st.sampled_from("abcdefgh"), st.tuples(stamps, st.booleans()), max_size=8),
)
@settings(max_examples=50)
def test_the_merge_finds_what_sets_find(
    listed: list[RecordHeader], stored: dict[str, tuple[datetime | None, bool]]
) -> None:
    """The merge of two streams is compared with sets in memory."""
    counts = ComparedRecords()
    records = [known(name, stamp, deleted=deleted) for name, (stamp, deleted) in sorted(stored.items())]
    found: list[Difference] = list(compare(listed, records, BEGAN, counts))

    every = {one.identifier for one in listed}
    live = {
        name
        for name in every
        if not min(
            (one for one in listed if one.identifier == name),
            key=lambda one: (-(one.datestamp.timestamp() if one.datestamp else 0), one.deleted),
        ).deleted
    }
    here = {name for name, (_, deleted) in stored.items() if not deleted}

    def names(kind: str) -> set[str]:
        return {one.identifier for one in found if one.kind == kind}

    assert names("missing") == live - here
    assert names("gone") == here - live
    assert names("changed") <= live & here
    assert names("duplicate") == {name for name in every if sum(one.identifier == name for one in listed) > 1}
    assert {one.identifier for one in found if one.header is None} == here - every
    assert counts == ComparedRecords(len(every), len(live), len(here))
    assert len({(one.kind, one.identifier) for one in found}) == len(found)
