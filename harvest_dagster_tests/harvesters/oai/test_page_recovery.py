"""Pages that are not well-formed because of one record: the others arrive, and only that one is requested again.

If GetRecord does not help, it becomes an invalid record. See docs/failures.md#one-invalid-record.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from harvest_dagster.errors import HttpStatusError, MaintenancePage, MalformedResponse, SourceUnreachable
from harvest_dagster.harvesters.oai.page_recovery import parse_list
from harvest_dagster.records import Cursor, InvalidRecord, Page, Record
from harvest_dagster.windows import Window, parse_instant
from harvest_dagster_tests.harvesters.sources import (
    DAY,
    Answered,
    OaiSource,
    Parameters,
    ScriptedSession,
    error,
    identify,
    listed,
    oai_source,
    record,
    requests,
    scripted,
)
from harvest_dagster_tests.recorded import recorded

DEEP = "<d>" * 300 + "</d>" * 300
LONG = "x" * 10_000_001
FAULTS: Mapping[str, bytes] = {
    "a control character": b"\x0b",
    "a NUL": b"\0",
    "a reference to a forbidden character": b"&#11;",
    "bytes that are not UTF-8": b"\xe9t\xe9",
    "an ampersand": b"R & D",
    "an undeclared entity": b"&nbsp;",
    "the end of a CDATA section": b"]]>",
    "the start of a CDATA section": b"<![CDATA[",
    "the start of a comment": b"<!--",
    "an undeclared prefix": b"<x:b>bold</x:b>",
    "too many levels": DEEP.encode(),
    "HTML": b"one<br>two",
    "tags in the wrong order": b"<i><b>both</i></b>",
    "an unescaped less-than sign": b"a < b",
}
PLACES = {
    "setSpec": b"<setSpec>x</setSpec>",
    "title": b"A title",
    "about": b"</metadata><about><y>z</y></about>",
}


def page_of(*names: str, total: int | None = None, **more) -> bytes:
    about = "</metadata><about><y>z</y></about>"
    records = [record(name, sets=["x"]).replace("</metadata>", about) for name in names]
    return listed(*records, token="", completeListSize=total or len(names), **more).encode()


def with_fault(page: bytes, name: str, fault: bytes, place: str = "title") -> bytes:
    """Return the page with a fault in one record, before the text at a place."""
    start = page.index(f"<identifier>{name}</identifier>".encode())
    offset = page.index(PLACES[place], start)
    if place != "title":
        offset = page.index(b">", page.index(b"<", offset + 1 if place == "about" else offset)) + 1
    return page[:offset] + fault + page[offset:]


class Source(ScriptedSession):
    """Answers list requests with one page, and GetRecord from a mapping."""

    def __init__(self, page: bytes | str, single: Mapping[str, object] | None = None) -> None:
        super().__init__(self._answer_request)
        self.page = page
        self.single = single or {}

    def _answer_request(self, asked: Parameters):
        if asked["verb"] == "Identify":
            return identify()
        if asked["verb"] == "GetRecord":
            return self.single.get(asked["identifier"], error("idDoesNotExist"))
        return self.page


def get_record_response(name: str, **more) -> str:
    return listed(record(name, sets=["x"], **more), verb="GetRecord")


def parsed(
    source: OaiSource, pages: list[Page], window: Window = DAY
) -> tuple[list[str], list[InvalidRecord]]:
    """Return the identifiers of the valid records of some pages, and the invalid records."""
    items = [item for page in pages for item in source.records(page, window)]
    invalid = [item for item in items if isinstance(item, InvalidRecord)]
    return [item.identifier for item in items if isinstance(item, Record)], invalid


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_record_that_is_also_invalid_in_get_record_becomes_an_invalid_record_with_its_bytes(
    fault, place
) -> None:
    """Control characters in one record ended a harvest (metha#1, oai-harvest#25)."""
    body = with_fault(page_of("a", "b", "c"), "b", fault, place)
    single = listed(record("b").replace("A title", "A \x0b title"), verb="GetRecord")
    source = oai_source(Source(body, {"b": single}))
    (page,) = source.pages(DAY)
    assert (page.count, page.total, page.identifiers) == (3, 3, ("a", "b", "c"))
    assert (page.sent_separately, page.next) == ((), None)
    names, (invalid,) = parsed(source, [page])
    assert names == ["a", "c"]
    assert invalid.identifier == "b"
    assert invalid.datum in body
    assert fault in invalid.datum
    assert (invalid.datum[:8], invalid.datum[-9:]) == (b"<record>", b"</record>")
    assert f"at byte {body.index(invalid.datum)}, line 1 of http://repository.test/oai?" in invalid.error


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_record_that_get_record_returns_valid_is_an_ordinary_record(position) -> None:
    """Then only the page was invalid, not the record."""
    name = "abc"[position]
    intact, body = page_of("a", "b", "c"), with_fault(page_of("a", "b", "c"), name, b"\x0b")
    single = intact[intact.index(b"<record>") :].split(b"</record>")[position] + b"</record>"
    source = oai_source(Source(body, {name: listed(single.decode(), verb="GetRecord")}))
    first, page = source.pages(DAY)
    assert (first.single_record, first.count, first.total, first.identifiers) == (name, 0, None, ())
    assert (first.cursor, first.next) == (Cursor(), Cursor())
    assert (page.sent_separately, page.count, page.identifiers) == ((name,), 3, ("a", "b", "c"))
    reference = oai_source(Source(intact))
    expected = {item for page in reference.pages(DAY) for item in reference.records(page, DAY)}
    assert {item for page in (first, page) for item in source.records(page, DAY)} == expected


def test_two_invalid_records_in_one_page_are_handled_separately() -> None:
    body = with_fault(with_fault(page_of("a", "b", "c", "d"), "a", b"\x0b"), "d", b"&nbsp;")
    source = oai_source(Source(body, {"d": get_record_response("d")}))
    pages = list(source.pages(DAY))
    assert [page.single_record for page in pages] == ["d", None]
    names, (invalid,) = parsed(source, pages)
    assert names == ["d", "b", "c"]
    assert invalid.identifier == "a"


def test_a_text_longer_than_the_parser_permits_affects_only_its_record() -> None:
    """libxml2 limits a text to 10 MB. The other records of the page are valid."""
    source = oai_source(Source(with_fault(page_of("a", "b"), "a", LONG.encode())))
    names, (invalid,) = parsed(source, list(source.pages(DAY)))
    assert names == ["b"]
    assert len(invalid.datum) > len(LONG)


def test_a_declared_encoding_applies_to_each_record() -> None:
    """The byte e9 is a letter in Latin-1 and invalid in UTF-8."""
    page = page_of("a", "b").replace(b"UTF-8", b"ISO-8859-1").replace(b"A title", b"\xe9t\xe9")
    source = oai_source(Source(with_fault(page, "b", b"&x;", "about")))
    (listing,) = source.pages(DAY)
    first, invalid = source.records(listing, DAY)
    assert "<dc:title>été</dc:title>" in first.blob
    assert b"\xe9t\xe9" in invalid.datum


def test_an_invalid_identifier_is_not_requested() -> None:
    """A part of an identifier may be the identifier of another record, whose response would replace this one."""
    page = page_of("a", "b").replace(b"<identifier>b</identifier>", b"<identifier>a\x0bb</identifier>")
    source = oai_source(Source(page))
    (listing,) = source.pages(DAY)
    assert {asked["verb"] for asked in requests(source)} == {"ListRecords"}
    assert (listing.count, listing.identifiers) == (2, ("a",))
    assert parsed(source, [listing])[1][0].identifier is None


@pytest.mark.parametrize(
    "mangled",
    [
        b"<!-- <identifier>a</identifier> --><identifier>b",
        b"<identifier>a</identifier><identifier>b",
        b"<identifier>b<x/>",
        b"<identifier xml:lang='\x0b'>b",
    ],
)
def test_an_identifier_that_cannot_be_parsed_with_certainty_is_not_requested(mangled) -> None:
    body = with_fault(page_of("a", "b", "c"), "b", b"\x0b").replace(b"<identifier>b", mangled)
    assert {asked["verb"] for asked in requests_of(body)} == {"ListRecords"}


def requests_of(body: bytes) -> list[Parameters]:
    source = oai_source(Source(body))
    list(source.pages(DAY))
    return requests(source)


def test_an_identifier_is_parsed_as_xml_even_if_the_rest_of_its_header_is_invalid() -> None:
    body = with_fault(page_of("b"), "b", b"\x0b", "setSpec").replace(
        b"<identifier>b<", b"<identifier>\n x&amp;&#x42; <"
    )
    assert requests_of(body)[-1].get("identifier") == "x&B"


def test_a_record_that_is_also_valid_in_the_same_page_is_not_requested() -> None:
    """A list may contain two versions of a record. GetRecord would store the newest before the older one."""
    body = with_fault(page_of("a", "b"), "a", b"\x0b").replace(b">b<", b">a<")
    assert {asked["verb"] for asked in requests_of(body)} == {"ListRecords"}


@pytest.mark.parametrize(
    "answer",
    [
        get_record_response("other"),
        listed(verb="GetRecord"),
        listed(record("a"), record("a"), verb="GetRecord"),
        b"",
    ],
)
def test_a_response_without_the_requested_record_does_not_replace_it(answer) -> None:
    source = oai_source(Source(with_fault(page_of("a", "b"), "a", b"\x0b"), {"a": answer}))
    names, (invalid,) = parsed(source, list(source.pages(DAY)))
    assert (names, invalid.identifier) == (["b"], "a")


def test_a_server_that_fails_on_the_invalid_record_does_not_affect_the_others() -> None:
    failure = HttpStatusError("It failed.", status=500, url="")
    source = oai_source(Source(with_fault(page_of("a", "b"), "a", b"\x0b"), {"a": failure}))
    assert parsed(source, list(source.pages(DAY)))[0] == ["b"]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (SourceUnreachable("Gone."), SourceUnreachable),
        (HttpStatusError("Busy.", status=503, url=""), HttpStatusError),
        ("<html><title>Scheduled maintenance</title></html>", MaintenancePage),
    ],
)
def test_an_unavailable_source_fails_the_page(answer, kind) -> None:
    """The record is requested again with the page. It must not stay in the quarantine forever."""
    with pytest.raises(kind):
        list(oai_source(Source(with_fault(page_of("a", "b"), "a", b"\x0b"), {"a": answer})).pages(DAY))


def test_at_most_50_invalid_records_of_a_page_are_requested() -> None:
    """If there are more, the repository or the connection is at fault."""
    body = page_of(*(f"r{number}" for number in range(120))).replace(b"A title", b"A \x0b title")
    source = oai_source(Source(body))
    (page,) = source.pages(DAY)
    assert len(requests(source)) == 2 + 50
    names, invalid = parsed(source, [page])
    assert (names, len(invalid), page.count) == ([], 120, 120)


ENVELOPE_FAULTS = {
    "in the token": lambda page: page.replace(b"</resumptionToken>", b"\x0b</resumptionToken>"),
    "in a token's attribute": lambda page: page.replace(b"completeListSize=", b"completeListSize=&x;"),
    "before the list": lambda page: page.replace(b"<ListRecords>", b"\x0b<ListRecords>"),
    "after the list": lambda page: page.replace(b"</ListRecords>", b"</ListRecords>\x0b"),
    "between two records": lambda page: page.replace(b"</record><record>", b"</record>\x0b<record>"),
    "in a record's start tag": lambda page: page.replace(b"<record>", b"<rec\x0bord>", 1),
    "in a record's end tag": lambda page: page.replace(b"</record>", b"</rec\x0bord>", 1),
    "in both tags between two records": lambda page: page.replace(
        b"</record><record>", b"<\x0b/record><\x0brecord>", 1
    ),
    "the end tag of the list is missing": lambda page: page.replace(b"</ListRecords>", b""),
    "the end of the page is missing": lambda page: page[: page.index(b"</record>")],
    "the end tag of a record is missing": lambda page: page.replace(b"</record>", b"", 1),
    "the start tag of a record is missing": lambda page: page.replace(b"<record>", b"", 1),
    "a section across two records": lambda page: page.replace(b"A title", b"<![CDATA[", 1).replace(
        b"A title", b"]]>", 1
    ),
    "text between two records": lambda page: page.replace(b"</record><", b"</record>PHP & co<", 1),
    "a record in an invalid comment": lambda page: page.replace(b"<record>", b"<!-- -- <record>", 1).replace(
        b"</record>", b"</record> -->", 1
    ),
}


@pytest.mark.parametrize("add_fault", ENVELOPE_FAULTS.values(), ids=ENVELOPE_FAULTS)
def test_a_page_with_an_invalid_envelope_is_refused(add_fault) -> None:
    """Only a valid envelope proves that no other record is missing."""
    with pytest.raises(MalformedResponse):
        list(oai_source(Source(add_fault(with_fault(page_of("a", "b", "c"), "b", b"\x0b")))).pages(DAY))


def test_the_text_of_a_record_may_contain_record_tags() -> None:
    """In CDATA and comments, tags are text. The element of MARCXML is also called record."""
    marc = '<record xmlns="http://www.loc.gov/MARC21/slim"><leader>1</leader></record>'
    texts = ["<![CDATA[</record>]]>", "<![CDATA[<record>]]>", "<!-- </record> -->", "<?x </record>?>", marc]
    page = page_of(*(f"r{number}" for number in range(2 * len(texts)))).decode()
    for number, text in enumerate(texts):
        start = page.index(f"<identifier>r{2 * number}<")
        page = page[:start] + page[start:].replace("A title", text, 1)
    expected = parsed(source := oai_source(Source(page)), list(source.pages(DAY)))[0]
    for number in range(2 * len(texts)):
        source = oai_source(Source(with_fault(page.encode(), f"r{number}", b"&nbsp;", "about")))
        names, (invalid,) = parsed(source, list(source.pages(DAY)))
        assert invalid.identifier == f"r{number}"
        assert names == [name for name in expected if name != invalid.identifier]


def test_a_page_with_prefixes_is_split_at_its_own_tags() -> None:
    page = (
        '<oai:OAI-PMH xmlns:oai="http://www.openarchives.org/OAI/2.0/"><oai:ListRecords>{}'
        "<!-- between --> {}<oai:resumptionToken>t</oai:resumptionToken></oai:ListRecords></oai:OAI-PMH>"
    )
    template = (
        "<oai:record><oai:header><oai:identifier>{}</oai:identifier></oai:header>"
        "<oai:metadata><record/>{}</oai:metadata></oai:record>"
    )
    source = oai_source(Source(page.format(template.format("a", "&x;"), template.format("b", ""))))
    page = next(source.pages(DAY))
    names, (invalid,) = parsed(source, [page])
    assert (names, invalid.identifier, page.next) == (["b"], "a", Cursor("t"))


BROKEN = with_fault(page_of("a", "b", "c"), "b", b"\x0b")


def test_a_valid_second_response_replaces_an_invalid_first_one() -> None:
    """The page was corrupted in transit. No further request is needed."""
    source = scripted(BROKEN, page_of("a", "b", "c"))
    (page,) = source.pages(DAY)
    assert parsed(source, [page]) == (["a", "b", "c"], [])
    assert requests(source)[0] == requests(source)[1]


def test_a_page_with_the_same_invalid_record_in_two_responses_is_accepted() -> None:
    again = BROKEN.replace(b"11:59:58Z", b"11:59:59Z")
    source = scripted(BROKEN, again, get_record_response("b"))
    pages = list(source.pages(DAY))
    assert parsed(source, pages) == (["b", "a", "c"], [])
    assert pages[-1].body == again


@pytest.mark.parametrize(
    "again",
    [
        with_fault(page_of("a", "b", "c"), "b", b"\x0c"),
        with_fault(page_of("a", "b", "c"), "c", b"\x0b"),
        with_fault(page_of("a", "x", "b", "c"), "b", b"\x0b"),
        with_fault(BROKEN, "c", b"\x0b"),
    ],
)
def test_a_page_whose_invalid_records_differ_between_two_responses_is_refused(again) -> None:
    with pytest.raises(MalformedResponse, match="An earlier response had other invalid records"):
        list(scripted(BROKEN, again).pages(DAY))


def test_a_range_of_lost_bytes_across_records_does_not_become_one_invalid_record() -> None:
    """The rests of the first and the last record look like one. With GetRecord for it, those between would be lost."""
    intact = page_of(*"abcdef")
    start, end = intact.index(b"A title", intact.index(b">b<")), intact.index(b"itle", intact.index(b">d<"))
    source = scripted(intact[:start] + b"\xff" + intact[end:], intact)
    (page,) = source.pages(DAY)
    assert parsed(source, [page]) == (list("abcdef"), [])


def test_after_a_crash_between_a_get_record_page_and_its_list_page_both_are_requested_again() -> None:
    """The next cursor of the GetRecord page is that of its list page. See docs/failures.md#no-resume."""
    body = with_fault(page_of("a", "b"), "a", b"\x0b")
    source = scripted(listed(record("z"), token="7"), *[body, body, get_record_response("a")] * 2)
    pages = source.pages(DAY)
    record_page = (next(pages), next(pages))[1]
    assert (record_page.single_record, record_page.next) == ("a", Cursor("7"))
    again, page = source.pages(DAY, record_page.next)
    assert (again.single_record, page.sent_separately) == ("a", ("a",))


def test_a_page_with_an_error_status_is_refused() -> None:
    """A page of records with status 404 is not a list, whether it is well-formed or not."""
    body = with_fault(page_of("a", "b"), "a", b"\x0b")
    with pytest.raises(HttpStatusError):
        list(scripted(Answered(body, "http://repository.test/oai", 404)).pages(DAY))


def test_a_malformed_list_without_records_is_refused() -> None:
    with pytest.raises(MalformedResponse):
        list(scripted(listed(token="&x;").replace("&amp;", "&")).pages(DAY))


@pytest.mark.parametrize("opener", [b"<!--", b"<![CDATA[", b"<?", b"<record '", b'<record "', b"</record "])
def test_a_page_full_of_unclosed_sections_is_parsed_in_linear_time(opener) -> None:
    """Each search goes over the page only once. A hostile page must not take a second for each kilobyte."""
    body = with_fault(page_of("a", "b"), "a", opener * 200_000)
    with pytest.raises(MalformedResponse):
        parse_list(body + b"x", verb="ListRecords", url="a:")


def test_the_recorded_page_with_a_control_character_has_one_invalid_record_of_five() -> None:
    """www.maxwell.vrac.puc-rio.br sent it in 2015. An older harvester got none of the five."""
    body = recorded("scrapi_oai_and_rest", "0524_pcurio.xml")
    source = oai_source(Source(body))
    # The response repeats the dates of its request. It must be the response to this one.
    days = Window(parse_instant("2015-03-14"), parse_instant("2015-03-17"))
    (page,) = source.pages(days)
    names, (invalid,) = parsed(source, [page], days)
    assert (page.count, page.total, len(set(page.identifiers))) == (5, 5, 5)
    assert len(names) == 4
    assert invalid.identifier == "oai:MAXWELL.puc-rio.br:24183"
    assert invalid.error.endswith("PCDATA invalid Char value 11")
    assert b"\x0b" in invalid.datum


def test_a_page_of_headers_is_recovered_like_a_page_of_records() -> None:
    """The setSpecs of a repository contained unescaped ampersands in ListIdentifiers."""
    headers = [record(name, sets=["x"], deleted=True)[8:-9] for name in "abc"]
    body = listed(*headers, verb="ListIdentifiers").encode().replace(b"<setSpec>x", b"<setSpec>R & D", 1)
    items = parse_list(body, verb="ListIdentifiers", url="a:").items
    assert [isinstance(item, InvalidRecord) for item in items] == [True, False, False]
    assert items[0].identifier == "a"
