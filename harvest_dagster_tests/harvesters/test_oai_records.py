"""Records: identifier, datestamp, deletion, canonical blob; one bad record never breaks the others."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from harvest_dagster.records import Cursor, Record, Unreadable
from harvest_dagster_tests.harvesters.sources import (
    DAY,
    found,
    header,
    listed,
    one_record,
    record,
    scripted,
)


def test_a_record_has_its_identifier_datestamp_and_canonical_blob() -> None:
    written = record(" oai:x:1\n", "2024-01-01T10:11:12Z", title="A & B", sets=["b", "a"])
    only = one_record(scripted(listed(written)))
    assert only.identifier == "oai:x:1"
    assert only.datestamp == datetime(2024, 1, 1, 10, 11, 12, tzinfo=timezone.utc)
    assert not only.deleted
    assert only.blob == (
        '<oai:record xmlns:dc="http://purl.org/dc/elements/1.1/" '
        'xmlns:oai="http://www.openarchives.org/OAI/2.0/" '
        'xmlns:oai_dc="http://www.openarchives.org/OAI/2.0/oai_dc/">'
        "<oai:header><oai:identifier> oai:x:1\n</oai:identifier>"
        "<oai:setSpec>a</oai:setSpec><oai:setSpec>b</oai:setSpec></oai:header>"
        "<oai:metadata><oai_dc:dc><dc:title>A &amp; B</dc:title></oai_dc:dc></oai:metadata></oai:record>"
    )


def test_a_new_stamp_or_another_order_of_sets_is_no_change() -> None:
    """Lesson 28: sources re-stamp everything without a change, 96 % of one."""
    one = one_record(scripted(listed(record("a", "2024-01-01", sets=["x", "y"]))))
    other = one_record(scripted(listed(record("a", "2024-01-01T23:00:00Z", sets=["y", "x"]))))
    assert one.hash == other.hash
    assert one.datestamp != other.datestamp


@pytest.mark.parametrize("change", [{"title": "Another"}, {"sets": ["x"]}, {"deleted": True}])
def test_another_title_set_or_status_is_a_change(change) -> None:
    before, after = (one_record(scripted(listed(record("a", **made)))) for made in ({}, change))
    assert before.hash != after.hash


def test_a_deleted_record_is_kept_as_deleted() -> None:
    """Whoever reads the data must learn that it is gone."""
    only = one_record(scripted(listed(record("a", deleted=True))))
    assert only.deleted
    assert 'status="deleted"' in only.blob
    assert "metadata" not in only.blob


def test_about_and_provenance_survive() -> None:
    """Where a record came from, and what may be done with it."""
    about = (
        '<about><provenance xmlns="http://www.openarchives.org/OAI/2.0/provenance">'
        '<originDescription harvestDate="2002-02-02T14:10:02Z" altered="true">'
        "<baseURL>http://the.origin</baseURL></originDescription></provenance></about>"
        "<about><rights>free</rights></about>"
    )
    only = one_record(scripted(listed(record("a").replace("</record>", f"{about}</record>"))))
    assert "<provenance:baseURL>http://the.origin</provenance:baseURL>" in only.blob
    assert 'altered="true" harvestDate="2002-02-02T14:10:02Z"' in only.blob
    assert "<oai:rights>free</oai:rights>" in only.blob


def test_an_envelope_in_a_prefix_is_read_like_any_other() -> None:
    """pycsw: an oai: prefix everywhere, dateStamp for datestamp, no setSpec, a cursor that counts down."""
    page = (
        '<oai:OAI-PMH xmlns:oai="http://www.openarchives.org/OAI/2.0/"><oai:ListRecords><oai:record>'
        "<oai:header><oai:identifier>a</oai:identifier><oai:dateStamp>2024-01-01</oai:dateStamp><oai:setSpec/>"
        "</oai:header><oai:metadata/></oai:record>"
        "<oai:resumptionToken completeListSize='3' cursor='2'>1</oai:resumptionToken>"
        "</oai:ListRecords></oai:OAI-PMH>"
    )
    source = scripted(page, listed(record("b")))
    first = next(source.pages(DAY))
    (only,) = source.records(first, DAY)
    assert (only.identifier, only.datestamp) == ("a", DAY.start)
    assert "tamp" not in only.blob
    assert (first.next, first.position) == (Cursor("1"), 2)


BROKEN = {
    "no identifier": record(None),
    "an empty identifier": record(" "),
    "no header": "<record><metadata/></record>",
    "another element": '<item xmlns="urn:x"><id>9</id></item>',
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_one_bad_record_never_breaks_the_others(broken) -> None:
    """Lesson 10: one record "breaks that day's harvest. This happens often" (SHARE); dlt drops it."""
    source = scripted(listed(record("a"), broken, record("b")))
    (page,) = source.pages(DAY)
    first, bad, last = source.records(page, DAY)
    assert page.count == 3
    assert (first.identifier, last.identifier) == ("a", "b")
    assert isinstance(bad, Unreadable)
    assert bad.error
    assert bad.identifier is None
    assert bad.datum.startswith(b"<record" if "record" in broken else b"<item")


def test_a_record_too_deep_for_the_stack_is_set_aside_whole() -> None:
    """A page is read in the depths of a run, where less of the stack is left."""
    deep = record("a").replace("A title", "<d>" * 200 + "</d>" * 200)
    source = scripted(listed(record("b"), deep))
    (page,) = source.pages(DAY)

    def at_depth(frames: int) -> list[Record | Unreadable]:
        return at_depth(frames - 1) if frames else list(source.records(page, DAY))

    first, bad = at_depth(_frames_left() - 150)
    assert first.identifier == "b"
    assert isinstance(bad, Unreadable)
    assert bad.identifier == "a"
    assert b"<datestamp>2024-01-01</datestamp>" in bad.datum


def _frames_left(used: int = 0) -> int:
    try:
        return _frames_left(used + 1)
    except RecursionError:
        return used


def test_a_record_in_the_metadata_of_another_is_no_record_of_the_list() -> None:
    """MARCXML calls its element record, too."""
    marc = '<record xmlns="http://www.loc.gov/MARC21/slim"><leader>1</leader></record>'
    only = one_record(scripted(listed(f"<record>{header('a')}<metadata>{marc}</metadata></record>")))
    assert "<marc:record>" in only.blob


def test_nothing_is_asked_when_a_page_is_read() -> None:
    """Split runs in a process of its own, without the network."""
    (page,) = scripted(listed(record("a"))).pages(DAY)
    offline = scripted()
    assert [record.identifier for record in offline.records(page, DAY)] == ["a"]
    assert offline.session.asked == []


def test_the_records_of_a_page_come_in_its_order() -> None:
    """Of two versions of a record in one page the later one counts."""
    assert found(scripted(listed(*map(record, "bacb")))) == ["b", "a", "c", "b"]
