"""The checkpoint of a fetch: whole pages or none, whatever happens to process or disk; in a folder and a bucket."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from harvest_dagster.errors import SpoolError
from harvest_dagster.records import Cursor, Page, Record, Request, Unreadable
from harvest_dagster.spool import AttemptSpool, End, Spool, Stretch, Taken, default_url
from harvest_dagster.windows import Window

NOW = datetime(2024, 5, 1, 12, 0, 0, 123456, tzinfo=timezone.utc)
STRETCH = Stretch(0, Window(NOW, NOW + timedelta(days=1)))


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
        "asked": Window(NOW, NOW + timedelta(days=1)),
        **changes,
    }
    return Page(body=body, **values)


@pytest.fixture(scope="session")
def bucket() -> Iterator[dict[str, object]]:
    """A bucket service on loopback: the arguments that lead fsspec to it."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    arguments = {"endpoint_url": f"http://{host}:{port}", "key": "a key", "secret": "a secret"}
    fs = fsspec.filesystem("s3", **arguments)
    fs.mkdir("harvest")
    yield arguments
    fsspec.asyn.sync(fs.loop, fs._s3.close)
    fs.clear_instance_cache()
    server.stop()


@pytest.fixture(params=["folder", "bucket"])
def spool(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Spool:
    if request.param == "folder":
        return Spool(str(tmp_path / "spool"))
    # As an operator does it: FSSPEC_S3_ENDPOINT_URL and others, or a file in ~/.config/fsspec.
    monkeypatch.setitem(fsspec.config.conf, "s3", request.getfixturevalue("bucket"))
    return Spool(f"s3://harvest/{tmp_path.name}")


def test_pages_come_back_as_they_came(spool: Spool) -> None:
    """The page is taken apart from here, perhaps by another process: what is lost here is lost for good."""
    attempt = spool.attempt("arxiv", "window", "a-1")
    pages = [page(), page(b"", next=None, total=None, asked=None), page(os.urandom(100_000))]
    for number, one in enumerate(pages):
        attempt.write_page(number, one, STRETCH)
    again = spool.attempt("arxiv", "window", "a-1")
    assert [again.read_page(number) for number in range(again.page_count())] == pages
    assert [entry.number for entry in again.entries()] == [0, 1, 2]
    assert [entry.size for entry in again.entries()] == [10, 0, 100_000]
    assert all(entry.page.body == b"" for entry in again.entries())


def test_records_come_back_as_they_were_taken(spool: Spool) -> None:
    """What store and launch see must be what split saw."""
    taken = Taken(
        [Record("oai:x:1", NOW, False, "<a>ü</a>"), Record("oai:x:2", None, True, "")],
        [Unreadable(b"\x00\xff", "not well-formed"), Unreadable(b"", "empty", "oai:x:3")],
    )
    attempt = spool.attempt("arxiv", "window", "a-1")
    attempt.write_records(0, taken)
    assert attempt.split_count() == 1
    assert attempt.read_records(0) == taken


def test_an_empty_place_holds_nothing_and_no_end(spool: Spool) -> None:
    """The first run of a window."""
    attempt = spool.attempt("arxiv", "window", "a-1")
    assert (attempt.page_count(), attempt.split_count(), attempt.end()) == (0, 0, None)
    attempt.write_end(End(0, 0, "complete", 0))
    assert attempt.end() == End(0, 0, "complete", 0)


def test_clearing_a_window_leaves_the_others(spool: Spool) -> None:
    """Cleared when its window is done; nothing else may go with it, and what is not there is no error."""
    for window in ("one", "two"):
        for attempt in ("a-1", "a-2"):
            spool.attempt("arxiv", window, attempt).write_page(0, page(), STRETCH)
    spool.clear("arxiv", "one")
    spool.clear("arxiv", "one")
    counts = {
        (window, attempt): spool.attempt("arxiv", window, attempt).page_count()
        for window in ("one", "two")
        for attempt in ("a-1", "a-2")
    }
    assert counts == {("one", "a-1"): 0, ("one", "a-2"): 0, ("two", "a-1"): 1, ("two", "a-2"): 1}


def test_only_what_is_old_and_the_source_s_own_is_pruned(spool: Spool) -> None:
    """Pages of a failed window are kept for whoever looks into it, and not for ever."""
    for label in ("arxiv", "zenodo"):
        spool.attempt(label, "window", "a-1").write_page(0, page(), STRETCH)
    now = datetime.now(timezone.utc)
    week = timedelta(days=7)
    assert spool.prune("arxiv", now=now + timedelta(minutes=5), older_than=week) == []
    pruned = spool.prune("arxiv", now=now + 2 * week, older_than=week)
    assert [path.rpartition("/")[2] for path in pruned] == ["a-1"]
    assert spool.attempt("arxiv", "window", "a-1").page_count() == 0
    assert spool.attempt("zenodo", "window", "a-1").page_count() == 1
    assert spool.prune("nothing", now=now, older_than=week) == []


def test_a_page_counts_from_its_entry_on_and_only_after_all_before_it(spool: Spool) -> None:
    """Lesson 22: killed between a page and its entry, the page is fetched again, and no page is left out."""
    attempt = spool.attempt("arxiv", "window", "a-1")
    for number in (0, 1, 3):
        attempt.write_page(number, page(), STRETCH)
    assert attempt.page_count() == 2
    remove(spool, attempt, "pages/000001.json")
    assert attempt.page_count() == 1


def put(spool: Spool, attempt: AttemptSpool, name: str, data: bytes) -> None:
    spool._fs.pipe_file(f"{attempt.path}/{name}", data)


def remove(spool: Spool, attempt: AttemptSpool, name: str) -> None:
    spool._fs.rm(f"{attempt.path}/{name}")


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("pages/000000.zst", lambda attempt: attempt.read_page(0)),
        ("pages/000000.json", lambda attempt: attempt.entry(0)),
        ("records/000000.zst", lambda attempt: attempt.read_records(0)),
        ("end.json", lambda attempt: attempt.end()),
    ],
)
@pytest.mark.parametrize("data", [b"", b"something else", b"\x28\xb5\x2f\xfd", b'{"pages": "one"}', b"\xff"])
def test_a_damaged_file_is_named_with_the_remedy(spool: Spool, name: str, read, data: bytes) -> None:
    """Lesson 1: half a page that is read for a whole one is silent loss; a traceback of zstd helps nobody."""
    attempt = spool.attempt("arxiv", "window", "a-1")
    attempt.write_page(0, page(), STRETCH)
    attempt.write_records(0, Taken([], []))
    attempt.write_end(End(1, 3, "unverified", 10))
    put(spool, attempt, name, data)
    with pytest.raises(
        SpoolError, match=rf"{name} is damaged: .*Start a new run: it fetches the window anew"
    ):
        read(attempt)


def test_a_page_whose_bytes_changed_is_noticed_though_it_unpacks(spool: Spool) -> None:
    """A whole frame of other bytes: only the digest tells."""
    attempt = spool.attempt("arxiv", "window", "a-1")
    attempt.write_page(0, page(b"one"), STRETCH)
    attempt.write_page(1, page(b"two"), STRETCH)
    put(spool, attempt, "pages/000000.zst", spool._fs.cat_file(f"{attempt.path}/pages/000001.zst"))
    with pytest.raises(SpoolError, match="its digest is another"):
        attempt.read_page(0)


def test_a_missing_page_is_named(spool: Spool) -> None:
    """A bucket's lifecycle rule or a tidy colleague."""
    attempt = spool.attempt("arxiv", "window", "a-1")
    attempt.write_page(0, page(), STRETCH)
    remove(spool, attempt, "pages/000000.zst")
    with pytest.raises(SpoolError, match=r"000000\.zst"):
        attempt.read_page(0)


def test_the_manifest_is_for_people_too(tmp_path: Path) -> None:
    """Whoever looks into a failed window wants to see what was asked and what came, with plain tools."""
    attempt = Spool(str(tmp_path)).attempt("arxiv", "window", "a-1")
    attempt.write_page(0, page(), STRETCH)
    entry = json.loads(Path(attempt.path, "pages/000000.json").read_text())
    assert entry["page"]["request"]["url"] == "https://example.org/oai?verb=ListRecords"
    assert (entry["page"]["status"], entry["page"]["total"], entry["size"]) == (200, 10, 10)


def test_killed_while_it_writes_it_leaves_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A half entry would count as a page; a half `end.json` would end the list."""
    attempt = Spool(str(tmp_path)).attempt("arxiv", "window", "a-1")
    attempt.write_page(0, page(), STRETCH)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        attempt.write_page(1, page(), STRETCH)
    with pytest.raises(KeyboardInterrupt):
        attempt.write_end(End(2, 3, "unverified", 10))
    monkeypatch.undo()
    assert (attempt.page_count(), attempt.end()) == (1, None)
    attempt.write_page(1, page(b"whole"), STRETCH)
    assert attempt.read_page(1).body == b"whole"


class FullDisk(MemoryFileSystem):
    """Takes nothing any more."""

    protocol = "fulldisk"
    cachable = False

    def pipe_file(self, path: str, *_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)


def test_a_full_disk_says_where_to_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run fails with that reason; what was fetched before stays."""
    fsspec.register_implementation("fulldisk", FullDisk, clobber=True)
    attempt = Spool("fulldisk://spool").attempt("arxiv", "window", "a-1")
    with pytest.raises(
        SpoolError, match=r"cannot be written: .*No space left.* Make room there, or set HARVEST_SPOOL"
    ):
        attempt.write_page(0, page(), STRETCH)
    assert attempt.page_count() == 0


def test_a_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    """HARVEST_SPOOL names a file."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolError, match="set HARVEST_SPOOL"):
        Spool(str(tmp_path / "file")).attempt("arxiv", "window", "a-1").write_page(0, page(), STRETCH)


def test_what_another_process_wrote_is_seen_at_once(spool: Spool) -> None:
    """Every op may have a process of its own: a listing that is remembered would fetch everything twice."""
    here, there = spool.attempt("arxiv", "w", "a-1"), Spool(spool.url).attempt("arxiv", "w", "a-1")
    assert here.page_count() == there.page_count() == 0
    for number in range(2):
        there.write_page(number, page(), STRETCH)
        assert here.page_count() == number + 1


def test_the_spool_s_place() -> None:
    """DESIGN.md, section 2."""
    here = Path("/somewhere")
    assert (
        default_url({"HARVEST_SPOOL": "s3://bucket/spool", "DAGSTER_HOME": "/home"}, here)
        == "s3://bucket/spool"
    )
    assert default_url({"DAGSTER_HOME": "/home"}, here) == str(Path("/home/spool"))
    assert default_url({}, here) == str(Path("/somewhere/.dagster/spool"))
