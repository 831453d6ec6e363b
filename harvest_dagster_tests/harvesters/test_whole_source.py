"""The list of the whole source, `windows.ALL_TIME`, of each harvester whose lists cannot be divided by date."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from harvest_dagster.errors import SourceRefused
from harvest_dagster.records import InvalidRecord, Record
from harvest_dagster.windows import ALL_TIME, parse_instant
from harvest_dagster_tests.harvesters.feed.feeds import atom, entry, feed
from harvest_dagster_tests.harvesters.files.sources import files, lines
from harvest_dagster_tests.harvesters.sitemap.websites import dataset, sitemap, website

COMPLETE = "<fh:complete/>"


def datestamps(found: list[Record | InvalidRecord]) -> list[datetime | None]:
    return [record.datestamp for record in found if isinstance(record, Record)]


def test_files_deliver_all_records_and_count_them(tmp_path: Path) -> None:
    """A window keeps only its records, and the others are counted as those of neighbours."""
    (tmp_path / "a.jsonl").write_bytes(lines(25))
    (tmp_path / "b.jsonl").write_bytes(b'{"id": "undated"}\n{"id": "early", "date": "0001-01-02"}\n')
    pages, found = files(tmp_path, page_size=10).read(ALL_TIME)
    assert [page.neighbours for page in pages] == [0, 0, 0, 0]
    assert (pages[-1].total, len(found)) == (27, 27)
    assert datestamps(found)[-2:] == [None, parse_instant("0001-01-02")]


def test_a_sitemap_delivers_the_pages_of_all_dates() -> None:
    answers = {f"/{number}": dataset(str(number)) for number in range(3)}
    entries = [("/0", "1998-01-01"), ("/1", "2024-03-05"), ("/2", None)]
    source = website({"/sitemap.xml": sitemap(*entries), **answers})
    _, found = source.read(ALL_TIME)
    assert (source.session.pages, len(found)) == (["/0", "/1", "/2"], 3)


def test_a_complete_feed_delivers_all_entries() -> None:
    """RFC 5005, section 2: the document contains all entries of the feed."""
    (page,), found = feed(atom(COMPLETE, entry("a", "2014-01-01"), entry("b", None))).read(ALL_TIME)
    assert (page.is_whole_list, page.neighbours, len(found)) == (True, 0, 2)


def test_a_feed_of_the_newest_entries_has_no_list_of_the_whole_source() -> None:
    """Each entry that leaves such a feed would count as removed from the source."""
    with pytest.raises(SourceRefused, match="Remove `selective: false`") as caught:
        feed(atom(entry("a", "2024-03-01"), entry("b", "2024-03-02"))).read(ALL_TIME)
    assert caught.value.code == "outOfReach"
