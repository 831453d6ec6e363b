"""The spool is a reliable checkpoint: pages are complete or missing, in a directory and in a bucket."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import make_dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import fsspec
import msgspec
import pytest
import zstandard
from fsspec.implementations.memory import MemoryFileSystem

from harvest_dagster.errors import SpoolError
from harvest_dagster.records import Cursor, InvalidRecord, Page, Record, Request
from harvest_dagster.spool import (
    AttemptSpool,
    FetchSummary,
    ParsedPage,
    ParsedPageWriter,
    Spool,
    SubWindow,
    default_url,
)
from harvest_dagster.windows import Window

FRAME = zstandard.FRAME_HEADER  # how the body of a page begins in its file
NOW = datetime(2024, 5, 1, 12, 0, 0, 123456, tzinfo=timezone.utc)
SUB_WINDOW = SubWindow(0, Window(NOW, NOW + timedelta(days=1)))


def page(body: bytes = b"<OAI-PMH/>", **changes) -> Page:
    values = {
        "request": Request("https://example.org/oai?verb=ListRecords"),
        "status": 200,
        "received": NOW,
        "cursor": Cursor(),
        "next": Cursor("a token !ü"),
        "count": 3,
        "total": 10,
        "content_type": "text/xml",
        "source_time": NOW,
        "position": 0,
        "expires": NOW + timedelta(hours=1),
        "requested_window": Window(NOW, NOW + timedelta(days=1)),
        **changes,
    }
    return Page(body=body, **values)


@pytest.fixture(params=["folder", "bucket"])
def spool(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Spool:
    if request.param == "folder":
        return Spool(str(tmp_path / "spool"))
    # Operators set FSSPEC_S3_ENDPOINT_URL and others, or write a file in ~/.config/fsspec.
    monkeypatch.setitem(fsspec.config.conf, "s3", request.getfixturevalue("bucket"))
    return Spool(f"s3://harvest/{tmp_path.name}")


def test_pages_are_read_as_they_were_written(spool: Spool) -> None:
    """Another process may parse the page. Data that the spool loses are lost for good."""
    attempt = spool.attempt("arxiv", "window", "a-1")
    pages = [page(), page(b"", next=None, total=None, requested_window=None), page(os.urandom(100_000))]
    for number, written in enumerate(pages):
        attempt.write_page(number, written, SUB_WINDOW)
    again = spool.attempt("arxiv", "window", "a-1")
    assert [again.read_page(number) for number in range(again.page_count())] == pages
    assert [manifest.number for manifest in again.manifests()] == [0, 1, 2]
    assert [manifest.size for manifest in again.manifests()] == [10, 0, 100_000]
    assert all(manifest.page.body == b"" for manifest in again.manifests())


def test_parsed_pages_are_read_as_they_were_written(spool: Spool) -> None:
    """Store and launch must see the same records as split."""
    parsed_page = ParsedPage(
        [Record("oai:x:1", NOW, False, "<a>ü</a>", sets=("a", "b")), Record("oai:x:2", None, True, "")],
        [InvalidRecord(b"\x00\xff", "not well-formed"), InvalidRecord(b"", "empty", "oai:x:3")],
    )
    attempt = spool.attempt("arxiv", "window", "a-1")
    write_parsed(attempt, parsed_page, ParsedPage([], []))
    index = attempt.require_parsed()
    assert index.counts == ((2, 2), (0, 0))
    assert [page for first in index.first_pages for page in attempt.read_parsed_pages(first)] == [
        parsed_page,
        ParsedPage([], []),
    ]


def test_parsed_pages_of_an_earlier_version_are_read(spool: Spool) -> None:
    """A harvest that began before an upgrade would fail after it: its records do not have the newer fields."""

    record_of_then = make_dataclass("Record", ["identifier", "datestamp", "deleted", "blob"])
    page_of_then: Any = make_dataclass("ParsedPage", ["records", "invalid"])
    attempt = spool.attempt("arxiv", "window", "a-1")
    write_parsed(attempt, page_of_then([record_of_then("oai:x:1", NOW, False, "<a/>")], []))
    assert attempt.read_parsed_pages(0) == [ParsedPage([Record("oai:x:1", NOW, False, "<a/>")], [])]


def test_a_missing_directory_has_no_pages_and_no_summary(spool: Spool) -> None:
    """The first run of a window would fail."""
    attempt = spool.attempt("arxiv", "window", "a-1")
    assert (attempt.page_count(), list(attempt.manifests()), attempt.read_summary()) == (0, [], None)
    assert attempt.find_parsed_pages(0) is None
    attempt.write_summary(FetchSummary(0, 0, "complete", 0))
    assert attempt.read_summary() == FetchSummary(0, 0, "complete", 0)


def test_clearing_a_window_leaves_the_others(spool: Spool) -> None:
    """A finished window is cleared. Other windows must stay, and a missing directory is no error."""
    for window in ("one", "two"):
        for attempt in ("a-1", "a-2"):
            spool.attempt("arxiv", window, attempt).write_page(0, page(), SUB_WINDOW)
    spool.clear("arxiv", "one")
    spool.clear("arxiv", "one")
    counts = {
        (window, attempt): spool.attempt("arxiv", window, attempt).page_count()
        for window in ("one", "two")
        for attempt in ("a-1", "a-2")
    }
    assert counts == {("one", "a-1"): 0, ("one", "a-2"): 0, ("two", "a-1"): 1, ("two", "a-2"): 1}


def test_pruning_deletes_only_old_attempts_of_the_source(spool: Spool) -> None:
    """Pages of a failed window stay for an investigation, but not forever."""
    for label in ("arxiv", "zenodo"):
        spool.attempt(label, "window", "a-1").write_page(0, page(), SUB_WINDOW)
    now = datetime.now(timezone.utc)
    week = timedelta(days=7)
    assert spool.prune("arxiv", now=now + timedelta(minutes=5), older_than=week) == []
    pruned = spool.prune("arxiv", now=now + 2 * week, older_than=week)
    assert [path.rpartition("/")[2] for path in pruned] == ["a-1"]
    assert spool.attempt("arxiv", "window", "a-1").page_count() == 0
    assert spool.attempt("zenodo", "window", "a-1").page_count() == 1
    assert spool.prune("nothing", now=now, older_than=week) == []


def test_a_page_counts_only_with_all_pages_before_it(spool: Spool) -> None:
    """A list continues after its last page without a gap (docs/failures.md#no-resume)."""
    attempt = spool.attempt("arxiv", "window", "a-1")
    for number in (0, 1, 3):
        attempt.write_page(number, page(), SUB_WINDOW)
    assert attempt.page_count() == len(list(attempt.manifests())) == 2
    remove(spool, attempt, "pages/000001.zst")
    assert attempt.page_count() == len(list(attempt.manifests())) == 1


def test_a_page_of_an_earlier_version_is_read(spool: Spool) -> None:
    """An upgrade must not request the pages of an interrupted window again."""
    attempt = spool.attempt("arxiv", "window", "a-1")
    manifest = attempt.write_page(0, page(b"body"), SUB_WINDOW)
    put(spool, attempt, "pages/000000.zst", zstandard.compress(b"body"))
    put(spool, attempt, "pages/000000.json", msgspec.json.encode(manifest))
    assert attempt.read_page(0) == page(b"body")
    assert list(attempt.manifests()) == [manifest]
    remove(spool, attempt, "pages/000000.json")
    with pytest.raises(SpoolError, match=r"000000\.zst is damaged: it has no manifest"):
        attempt.verify()


def test_a_manifest_that_is_longer_than_what_is_read_first_is_whole(spool: Spool) -> None:
    """A page of 10,000 records has 80 kB of fingerprints."""
    attempt = spool.attempt("arxiv", "window", "a-1")
    written = attempt.write_page(
        0, page(identifiers=tuple(f"x{number}" for number in range(10_000))), SUB_WINDOW
    )
    assert attempt.read_manifest(0) == written


def write_parsed(attempt: AttemptSpool, *pages: ParsedPage) -> None:
    writer = ParsedPageWriter(attempt)
    for one in pages:
        writer.add(one)
    writer.end(FetchSummary(len(pages), 3, "unverified", 10))


def put(spool: Spool, attempt: AttemptSpool, name: str, data: bytes) -> None:
    spool.files.write(f"{attempt.path}/{name}", data)


def remove(spool: Spool, attempt: AttemptSpool, name: str) -> None:
    fs, root = fsspec.core.url_to_fs(spool.url)
    fs.rm_file(f"{root}/{attempt.path}/{name}")


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("pages/000000.zst", lambda attempt: attempt.read_page(0)),
        ("pages/000000.zst", lambda attempt: attempt.read_manifest(0)),
        ("records/000000.zst", lambda attempt: attempt.read_parsed_pages(0)),
        ("records/index.json", lambda attempt: attempt.require_parsed()),
        ("end.json", lambda attempt: attempt.read_summary()),
    ],
)
@pytest.mark.parametrize("data", [b"", b"something else", b"\x28\xb5\x2f\xfd", b'{"pages": "one"}', b"\xff"])
def test_the_error_of_a_damaged_file_names_it_and_the_remedy(
    spool: Spool, name: str, read, data: bytes
) -> None:
    """An incomplete page that passes for a complete one is a silent loss (docs/failures.md#truncated-page)."""
    attempt = spool.attempt("arxiv", "window", "a-1")
    attempt.write_page(0, page(), SUB_WINDOW)
    write_parsed(attempt, ParsedPage([], []))
    attempt.write_summary(FetchSummary(1, 3, "unverified", 10))
    put(spool, attempt, name, data)
    with pytest.raises(
        SpoolError, match=rf"{name} is damaged: .*Start a new run: it fetches the window again"
    ):
        read(attempt)


def test_a_page_with_changed_bytes_is_detected_even_if_it_can_be_decompressed(spool: Spool) -> None:
    """Only the digest detects an intact zstd frame with other bytes."""
    attempt = spool.attempt("arxiv", "window", "a-1")
    attempt.write_page(0, page(b"one"), SUB_WINDOW)
    attempt.write_page(1, page(b"two"), SUB_WINDOW)
    one, two = (spool.files.read(f"{attempt.path}/pages/00000{number}.zst") for number in (0, 1))
    put(spool, attempt, "pages/000000.zst", one[: one.index(FRAME)] + two[two.index(FRAME) :])
    with pytest.raises(SpoolError, match="its digest differs"):
        attempt.read_page(0)


def test_the_error_of_a_missing_page_names_it(spool: Spool) -> None:
    """A lifecycle rule of a bucket or a person may delete pages."""
    attempt = spool.attempt("arxiv", "window", "a-1")
    attempt.write_page(0, page(), SUB_WINDOW)
    remove(spool, attempt, "pages/000000.zst")
    with pytest.raises(SpoolError, match=r"000000\.zst"):
        attempt.read_page(0)


def test_people_can_read_the_manifest(tmp_path: Path) -> None:
    """After a failure, people look at the request and the response with plain tools, such as `less` and `zstd -d`."""
    attempt = Spool(str(tmp_path)).attempt("arxiv", "window", "a-1")
    attempt.write_page(0, page(), SUB_WINDOW)
    data = (tmp_path / attempt.path / "pages/000000.zst").read_bytes()
    manifest = json.loads(data[8 : data.index(FRAME)])
    reader = zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True)
    assert reader.readall() == b"<OAI-PMH/>"
    assert manifest["page"]["request"]["url"] == "https://example.org/oai?verb=ListRecords"
    assert (manifest["page"]["status"], manifest["page"]["total"], manifest["size"]) == (200, 10, 10)


def test_a_kill_during_a_write_leaves_no_incomplete_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An incomplete manifest would count as a page, an incomplete `end.json` would end the list."""
    attempt = Spool(str(tmp_path)).attempt("arxiv", "window", "a-1")
    attempt.write_page(0, page(), SUB_WINDOW)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        attempt.write_page(1, page(), SUB_WINDOW)
    with pytest.raises(KeyboardInterrupt):
        attempt.write_summary(FetchSummary(2, 3, "unverified", 10))
    monkeypatch.undo()
    assert (attempt.page_count(), attempt.read_summary()) == (1, None)
    attempt.write_page(1, page(b"whole"), SUB_WINDOW)
    assert attempt.read_page(1).body == b"whole"


class FullDisk(MemoryFileSystem):
    """A file system that accepts no more data."""

    protocol = "fulldisk"
    cachable = False

    def pipe_file(self, path: str, *_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)


def test_the_error_of_a_full_disk_names_the_place_and_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator needs both. Pages that were fetched before stay."""
    fsspec.register_implementation("fulldisk", FullDisk, clobber=True)
    attempt = Spool("fulldisk://spool").attempt("arxiv", "window", "a-1")
    with pytest.raises(
        SpoolError, match=r"cannot be written: .*No space left.* Free some space, or set HARVEST_SPOOL"
    ):
        attempt.write_page(0, page(), SUB_WINDOW)
    assert attempt.page_count() == 0


def test_a_directory_that_cannot_be_created_is_an_error_with_the_remedy(tmp_path: Path) -> None:
    """HARVEST_SPOOL may name a file."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolError, match="set HARVEST_SPOOL"):
        Spool(str(tmp_path / "file")).attempt("arxiv", "window", "a-1").write_page(0, page(), SUB_WINDOW)


def test_pages_of_another_process_are_visible_at_once(spool: Spool) -> None:
    """Each op may have its own process. With a cached listing it would fetch all pages again."""
    here, there = spool.attempt("arxiv", "w", "a-1"), Spool(spool.url).attempt("arxiv", "w", "a-1")
    assert here.page_count() == there.page_count() == 0
    for number in range(2):
        there.write_page(number, page(), SUB_WINDOW)
        assert here.page_count() == number + 1


def test_the_spool_is_next_to_the_default_database_unless_harvest_spool_is_set() -> None:
    """Deployments rely on it."""
    working_directory = Path("/somewhere")
    assert (
        default_url({"HARVEST_SPOOL": "s3://bucket/spool", "DAGSTER_HOME": "/home"}, working_directory)
        == "s3://bucket/spool"
    )
    assert default_url({"DAGSTER_HOME": "/home"}, working_directory) == str(Path("/home/spool"))
    assert default_url({}, working_directory) == str(Path("/somewhere/.dagster/spool"))


def test_no_changed_bit_of_parsed_records_goes_unnoticed(tmp_path: Path) -> None:
    """1,326 of 4,000 single-bit errors were read as other records, and stored."""
    spool = Spool(str(tmp_path)).attempt("x")
    records = [Record(f"x{number}", NOW, False, f"content {number}") for number in range(20)]
    write_parsed(spool, ParsedPage(records, [InvalidRecord(b"<", "an error", "y")]))
    path = tmp_path / "x" / "records" / "000000.zst"
    original = path.read_bytes()
    for bit in range(len(original) * 8):
        changed = bytearray(original)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        with pytest.raises(SpoolError, match="is damaged"):
            spool.read_parsed_pages(0)


@pytest.mark.parametrize("length", [0, 10, 20, 30])
def test_parsed_records_that_are_cut_off_are_damaged(tmp_path: Path, length: int) -> None:
    """A power cut leaves such files, because nothing is synced to the disk."""
    spool = Spool(str(tmp_path)).attempt("x")
    write_parsed(spool, ParsedPage([Record("x", NOW, False, "A")], []))
    path = tmp_path / "x" / "records" / "000000.zst"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(SpoolError, match="is damaged"):
        spool.read_parsed_pages(0)


@pytest.mark.parametrize(
    "name", [".DS_Store", "000001.zst~", "notes.zst", "000001 (1).zst", "00000\u0661.zst", "1.zst"]
)
def test_a_stray_file_in_the_spool_is_ignored(tmp_path: Path, name: str) -> None:
    """It ended the harvest with a ValueError."""
    spool = Spool(str(tmp_path)).attempt("x")
    spool.write_page(0, page(), SUB_WINDOW)
    (tmp_path / "x" / "pages" / name).write_text("mine")
    assert spool.page_count() == 1


def test_a_file_instead_of_a_folder_of_records_is_one_clear_error(tmp_path: Path) -> None:
    """It was counted as a page."""
    spool = Spool(str(tmp_path)).attempt("x")
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "records").write_text("mine")
    assert spool.find_parsed_pages(0) is None
    with pytest.raises(SpoolError, match="cannot be written"):
        write_parsed(spool, ParsedPage([], []))
