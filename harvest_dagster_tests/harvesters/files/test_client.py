"""Files as a list of pages: windows, cursors, changes, and file systems."""

from __future__ import annotations

import itertools
import tracemalloc
from pathlib import Path
from unittest.mock import patch

import fsspec
import pytest

from harvest_dagster.errors import CursorRefused, MisconfiguredPath, SourceUnreachable
from harvest_dagster.harvesters.files import locations
from harvest_dagster.windows import Window, parse_instant
from harvest_dagster_tests.harvesters.files.sources import MARCH, files, lines

DAY = Window(parse_instant("2024-03-02"), parse_instant("2024-03-03"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three files with 25, 0 and 7 records."""
    for name, data in {"a": lines(25), "b": b"", "c": lines(7, 25)}.items():
        (tmp_path / f"{name}.jsonl").write_bytes(data)
    return tmp_path


def test_a_page_has_records_of_one_file_and_the_last_one_has_the_total(folder: Path) -> None:
    """Only at the end of the last file it is known how many records there are."""
    source = files(folder / "*.jsonl", page_size=10)
    pages, found = source.read()
    assert [page.count for page in pages] == [10, 10, 5, 7]
    assert [page.total for page in pages] == [None, None, None, 32]
    assert [record.identifier for record in found] == [str(number) for number in range(32)]
    assert [page.next == other.cursor for page, other in itertools.pairwise(pages)] == [True] * 3
    newest = max(path.stat().st_mtime for path in folder.iterdir())
    times = [page.source_time.timestamp() for page in pages if page.source_time is not None]
    assert times == pytest.approx([newest] * 4)


def test_a_harvest_resumes_from_each_page(folder: Path) -> None:
    """A run of ten million records must not begin again after a kill."""
    pages, _ = files(folder, page_size=10).read()
    for number, page in enumerate(pages[:-1], start=1):
        again, _ = files(folder, page_size=10).read(MARCH, page.next)
        assert [(one.body, one.cursor, one.total) for one in again] == [
            (one.body, one.cursor, one.total) for one in pages[number:]
        ]


def test_a_window_keeps_its_records_and_those_without_a_date(tmp_path: Path) -> None:
    """No other window would deliver a record without a date."""
    path = tmp_path / "data.jsonl"
    path.write_bytes(lines(5) + b'{"id": "undated"}\n{"id": "odd", "date": "soon"}\n')
    (page,), found = files(path).read(DAY)
    assert [record.identifier for record in found] == ["1", "undated", "odd"]
    assert (page.count, page.neighbours, page.total) == (7, 4, 7)
    assert files(path, datestamp=None).identifiers(DAY) == ["0", "1", "2", "3", "4", "undated", "odd"]


def test_a_file_that_changes_during_the_read_is_an_error(folder: Path) -> None:
    """The records of two versions would be mixed, and some would be in neither."""
    path = folder / "a.jsonl"
    pages = files(path, page_size=10).pages(MARCH)
    first = next(pages)
    path.write_bytes(lines(30))
    with pytest.raises(CursorRefused, match="may have changed") as caught:
        list(pages)
    assert caught.value.code == "changed"
    with pytest.raises(CursorRefused):
        files(path, page_size=10).read(MARCH, first.next)


def test_a_file_without_records_is_one_empty_page(folder: Path) -> None:
    """A list must have a page, and its total is 0."""
    (page,), found = files(folder / "b.jsonl").read()
    assert (page.count, page.total, page.next, found) == (0, 0, None, [])


@pytest.mark.parametrize("name", ["*.csv", "missing.jsonl", "missing/"])
def test_a_path_without_a_file_is_an_error(folder: Path, name: str) -> None:
    """A typo would look like a source without records."""
    with pytest.raises(MisconfiguredPath, match=r"no file matches|no such file"):
        files(f"{folder}/{name}").read()


def test_a_file_system_of_fsspec_is_read() -> None:
    """Buckets and servers have the same interface as this one in memory."""
    memory = fsspec.filesystem("memory")
    memory.pipe({"/dump/a.jsonl": lines(3), "/dump/b.jsonl": lines(2, 3)})
    try:
        assert files("memory://dump/*.jsonl").identifiers() == ["0", "1", "2", "3", "4"]
        assert len(files("memory://dump").identifiers()) == 5
    finally:
        memory.rm("/dump", recursive=True)


@pytest.mark.parametrize(
    ("error", "expected", "message"),
    [
        (ImportError("Install s3fs to access S3"), MisconfiguredPath, "Install s3fs"),
        (PermissionError(), MisconfiguredPath, "permission denied"),
        (RuntimeError("password secret refused"), SourceUnreachable, "RuntimeError"),
    ],
)
def test_an_error_of_a_file_system_names_the_remedy_and_no_password(error, expected, message) -> None:
    """A URL of sftp may contain a password, and libraries repeat it."""
    with (
        patch.object(locations, "url_to_fs", side_effect=error),
        pytest.raises(expected, match=message) as caught,
    ):
        files("sftp://me:secret@server/dump.jsonl").read()
    assert "secret" not in str(caught.value)


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """A dump has 10 GB."""
    path = tmp_path / "data.jsonl"
    path.write_bytes(lines(20_000))
    pages = files(path, page_size=100).pages(MARCH)
    for _ in itertools.islice(pages, 20):
        pass
    tracemalloc.start()
    try:
        for _ in pages:
            pass
        assert tracemalloc.get_traced_memory()[1] < 1_000_000 < path.stat().st_size * 2
    finally:
        tracemalloc.stop()
