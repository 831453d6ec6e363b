"""Records: identifier, datestamp, deletion and canonical blob. An invalid record does not affect the others."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from lxml import etree

from harvest_dagster.harvesters.oai.errors import BadArgument
from harvest_dagster.harvesters.oai.records import parse_deleted_record, parse_record
from harvest_dagster.harvesters.oai.response import parse_response
from harvest_dagster.records import Cursor, InvalidRecord, Record
from harvest_dagster_tests.harvesters.sources import (
    DAY,
    error,
    found,
    header,
    listed,
    one_record,
    record,
    scripted,
)


def test_a_record_has_its_identifier_datestamp_and_canonical_blob() -> None:
    element = record(" oai:x:1\n", "2024-01-01T10:11:12Z", title="A & B", sets=["b", "a"])
    only = one_record(scripted(listed(element)))
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


@pytest.mark.parametrize("deleted", [False, True])
def test_a_record_names_its_sets_sorted_and_once(deleted: bool) -> None:
    """The order of the source may change from one response to the next. The sets are compared with those of a sweep."""
    element = record("oai:x:1", sets=["math", " cs:AI\n", "cs", "math", ""], deleted=deleted)
    only = one_record(scripted(listed(element)))
    assert isinstance(only, Record)
    assert only.sets == ("cs", "cs:AI", "math")


DELETED = "<record><header {}><identifier>a</identifier><datestamp>2024-01-01</datestamp></header></record>"


@pytest.mark.parametrize(
    "status", ['status="deleted"', 'status="Deleted"', 'status=" DELETED "', 'Status="deleted"']
)
def test_a_deleted_record_is_recognized_in_each_spelling(status: str) -> None:
    """`status="Deleted"` was stored as a live record, so the document of a deleted record stayed."""
    only = one_record(scripted(listed(DELETED.format(status))))
    assert isinstance(only, Record)
    assert only.deleted


@pytest.mark.parametrize("status", ["active", "New", ""])
def test_the_status_of_a_live_record_is_accepted(status: str) -> None:
    """Some sources give a status to each record. All their records would be in quarantine."""
    only = one_record(scripted(listed(DELETED.format(f'status="{status}"'))))
    assert isinstance(only, Record)
    assert not only.deleted


@pytest.mark.parametrize("status", ["removed", "withdrawn", "x" * 1000])
def test_a_record_with_an_unknown_status_is_not_stored_as_a_live_one(status: str) -> None:
    """It may mean a deletion, and nobody would see that."""
    only = one_record(scripted(listed(DELETED.format(f'status="{status}"'))))
    assert isinstance(only, InvalidRecord)
    assert "a record whose status is" in only.error
    assert len(only.error) < 200
    assert only.identifier == "a"


def test_parsing_a_record_moves_none_of_its_elements() -> None:
    """lxml searches all namespaces when it moves an element: 50,000 in a header took one call of 16 seconds."""
    page = listed(record("a", sets=["y", "x"]), record("b", deleted=True)).encode()
    items = parse_response(page, verb="ListRecords", url="https://source.example").items
    before = [etree.tostring(item) for item in items]
    assert all(isinstance(parse_record(item), Record) for item in items)
    assert [etree.tostring(item) for item in items] == before
    deleted = items[1].find("{*}header")
    assert deleted is not None
    assert parse_deleted_record(deleted) == parse_record(items[1])
    assert [etree.tostring(item) for item in items] == before


def test_an_xsi_type_with_too_many_namespaces_in_scope_is_an_invalid_record() -> None:
    """lxml collects all of them for each such attribute, which may take hours on one page."""
    names = [" ".join(f'xmlns:n{level}x{number}="u"' for number in range(100)) for level in range(3)]
    start = "".join(f"<x {text}>" for text in names)
    xsi = '<y xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="n1x1:a"/>'
    for content, kind in ((f"{start}{xsi}{'</x>' * 3}", InvalidRecord), (xsi, Record)):
        text = f"<record>{header('a')}<metadata>{content}</metadata></record>"
        only = one_record(scripted(listed(text)))
        assert isinstance(only, kind)


@pytest.mark.parametrize("identifier", ["\N{NO-BREAK SPACE}x", "x\N{EM SPACE}", "x\N{NEXT LINE}"])
def test_only_white_space_as_xml_defines_it_is_stripped_from_an_identifier(identifier: str) -> None:
    """Two identifiers that differ in a no-break space became one, and one of the two records was lost."""
    only = one_record(scripted(listed(record(f"\n\t {identifier} ", "2024-01-01T10:11:12Z"))))
    assert only.identifier == identifier


def test_a_new_datestamp_or_another_order_of_sets_is_not_a_change() -> None:
    """One source changed the datestamps of 96 % of its records without changing the records.

    See docs/failures.md#noise-counts-as-change.
    """
    first = one_record(scripted(listed(record("a", "2024-01-01", sets=["x", "y"]))))
    second = one_record(scripted(listed(record("a", "2024-01-01T23:00:00Z", sets=["y", "x"]))))
    assert first.hash == second.hash
    assert first.datestamp != second.datestamp


@pytest.mark.parametrize("change", [{"title": "Another"}, {"sets": ["x"]}, {"deleted": True}])
def test_another_title_set_or_status_is_a_change(change) -> None:
    before, after = (one_record(scripted(listed(record("a", **options)))) for options in ({}, change))
    assert before.hash != after.hash


def test_a_deleted_record_is_kept_as_deleted() -> None:
    """Users of the data must learn that it was deleted."""
    only = one_record(scripted(listed(record("a", deleted=True))))
    assert only.deleted
    assert 'status="deleted"' in only.blob
    assert "metadata" not in only.blob


def test_the_blob_contains_about_and_provenance() -> None:
    """These parts describe where a record comes from, and what its license permits."""
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


def test_an_envelope_with_prefixes_is_accepted() -> None:
    """pycsw writes the prefix oai: everywhere, dateStamp for datestamp, no setSpec, and a cursor that counts down."""
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


INVALID = {
    "no identifier": record(None),
    "an empty identifier": record(" "),
    "no header": "<record><metadata/></record>",
    "another element": '<item xmlns="urn:x"><id>9</id></item>',
}


@pytest.mark.parametrize("element", INVALID.values(), ids=INVALID)
def test_an_invalid_record_does_not_affect_the_others(element) -> None:
    """At SHARE, one record "breaks that day's harvest. This happens often"; dlt drops it.

    See docs/failures.md#one-invalid-record.
    """
    source = scripted(listed(record("a"), element, record("b")))
    (page,) = source.pages(DAY)
    first, invalid, last = source.records(page, DAY)
    assert page.count == 3
    assert (first.identifier, last.identifier) == ("a", "b")
    assert isinstance(invalid, InvalidRecord)
    assert invalid.error
    assert invalid.identifier is None
    assert invalid.datum.startswith(b"<record" if "record" in element else b"<item")


def test_a_record_nested_too_deeply_for_the_stack_is_an_invalid_record_with_all_its_bytes() -> None:
    """A run parses a page deep in its own call stack, where fewer frames are left."""
    deep = record("a").replace("A title", "<d>" * 200 + "</d>" * 200)
    source = scripted(listed(record("b"), deep))
    (page,) = source.pages(DAY)

    def at_depth(frames: int) -> list[Record | InvalidRecord]:
        return at_depth(frames - 1) if frames else list(source.records(page, DAY))

    first, invalid = at_depth(_frames_left() - 150)
    assert first.identifier == "b"
    assert isinstance(invalid, InvalidRecord)
    assert invalid.identifier == "a"
    assert b"<datestamp>2024-01-01</datestamp>" in invalid.datum


def _frames_left(used: int = 0) -> int:
    try:
        return _frames_left(used + 1)
    except RecursionError:
        return used


def test_a_record_element_in_metadata_is_not_a_record_of_the_list() -> None:
    """The element of MARCXML is also called record."""
    marc = '<record xmlns="http://www.loc.gov/MARC21/slim"><leader>1</leader></record>'
    only = one_record(scripted(listed(f"<record>{header('a')}<metadata>{marc}</metadata></record>")))
    assert "<marc:record>" in only.blob


def test_parsing_a_page_sends_no_request() -> None:
    """The op `split` runs in its own process and has no network."""
    (page,) = scripted(listed(record("a"))).pages(DAY)
    offline = scripted()
    assert [record.identifier for record in offline.records(page, DAY)] == ["a"]
    assert offline.session.asked == []


def test_records_keep_the_order_of_the_page() -> None:
    """If a page contains two versions of a record, the later one is the current one."""
    assert found(scripted(listed(*map(record, "bacb")))) == ["b", "a", "c", "b"]


def test_an_envelope_with_an_https_namespace_has_the_same_records() -> None:
    """The whole source failed, or its records would all change when the source corrects its namespace.

    See docs/failures.md#wrong-labels.
    """
    page = listed(record("a", sets=["s"]), record("b", deleted=True), token="")
    https = page.replace('xmlns="http://www.openarchives.org', 'xmlns="https://www.openarchives.org')
    assert https != page
    (plain,), (secure,) = (list(scripted(body).pages(DAY)) for body in (page, https))
    assert secure.identifiers == ("a", "b")
    source = scripted(page)
    assert list(source.records(secure, DAY)) == list(source.records(plain, DAY))


def test_an_https_namespace_does_not_hide_an_error_of_the_source() -> None:
    """A list that is refused would be an empty list, or no list of OAI-PMH."""
    body = error("badArgument").replace('xmlns="http://', 'xmlns="https://')
    with pytest.raises(BadArgument):
        list(scripted(body, body).pages(DAY))  # the second request has other dates


def test_the_format_of_a_record_is_the_namespace_of_its_metadata() -> None:
    """Pages are compared by it. A deleted record has none, and https makes no other format."""
    dc = "http://www.openarchives.org/OAI/2.0/oai_dc/"
    https = record("c").replace(dc, dc.replace("http:", "https:"))
    marc = "<record><header><identifier>m</identifier></header><metadata><leader/></metadata></record>"
    empty = "<record><header><identifier>e</identifier></header><metadata/></record>"
    (page,) = scripted(listed(record("a"), record("b", deleted=True), https, empty)).pages(DAY)
    assert page.formats == (dc,)
    (page,) = scripted(listed(record("b", deleted=True))).pages(DAY)
    assert page.formats == ()
    (page,) = scripted(listed(marc.replace("<leader/>", '<leader xmlns=""/>'), record("a"))).pages(DAY)
    assert page.formats == (dc, "leader")
