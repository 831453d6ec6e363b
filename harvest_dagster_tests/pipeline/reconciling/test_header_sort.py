"""Headers are sorted in bounded memory."""

from __future__ import annotations

import stat
import tempfile
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvest_dagster.pipeline.reconciling.header_sort import HeaderSort
from harvest_dagster.records import RecordHeader

START = datetime(2024, 5, 1, tzinfo=timezone.utc)

headers = st.builds(
    RecordHeader,
    st.text(min_size=1, max_size=3),
    st.none() | st.integers(-(10**15), 10**15).map(lambda number: START + timedelta(microseconds=number)),
    st.booleans(),
    st.lists(st.sampled_from(["a", "b"]), max_size=2).map(tuple),
)


@given(st.lists(headers, max_size=40), st.integers(1, 8), st.integers(1, 3))
@settings(max_examples=20)
def test_the_sorted_headers_are_those_that_were_added(
    added: list[RecordHeader], run_length: int, most_runs: int
) -> None:
    """A header that is lost seems to be removed from the source."""
    with HeaderSort(run_length, most_runs) as sort:
        sort.add(added[: len(added) // 2])
        sort.add(added[len(added) // 2 :])
        found = list(sort.merged())
    assert Counter(found) == Counter(added)
    assert [one.identifier for one in found] == sorted(one.identifier for one in added)


def test_an_identifier_that_no_database_stores_is_left_out() -> None:
    """It cannot be a stored record, and it has no place in the order of UTF-8."""
    with HeaderSort() as sort:
        sort.add([RecordHeader("x\ud800", None), RecordHeader("x\0", None), RecordHeader("x", None)])
        assert list(sort.merged()) == [RecordHeader("x", None)]


def test_the_files_are_private_and_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Identifiers may be personal data."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with HeaderSort(run_length=2) as sort:
        sort.add(RecordHeader(f"{number}", None) for number in range(5))
        (folder,) = tmp_path.iterdir()
        files = list(folder.iterdir())
        assert len(files) == 2
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert list(tmp_path.iterdir()) == []


def test_memory_does_not_depend_on_the_number_of_headers() -> None:
    """A source has ten million headers. Here, the run length is scaled down with their number."""

    def peak(count: int) -> int:
        def some() -> Iterator[RecordHeader]:
            for number in range(count):
                yield RecordHeader(f"oai:example.org:{number * 7919 % count:020}", START)

        tracemalloc.start()
        with HeaderSort(run_length=500, most_runs=8) as sort:
            sort.add(some())
            assert sum(1 for _ in sort.merged()) == count
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    assert peak(16_000) < 1.3 * peak(4_000)
