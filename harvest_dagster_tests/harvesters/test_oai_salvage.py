"""Pages that one record breaks: all others come, and the culprit alone is asked for or set aside (Lesson 10)."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from harvest_dagster.errors import HttpStatusError, MaintenancePage, MalformedResponse, SourceUnreachable
from harvest_dagster.harvesters.oai import OaiHarvester
from harvest_dagster.harvesters.oai_salvage import Culprit, read_list
from harvest_dagster.records import Cursor, Page, Record, Unreadable
from harvest_dagster_tests.harvesters.sources import (
    DAY,
    Answered,
    Parameters,
    ScriptedSession,
    error,
    harvester,
    identify,
    listed,
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
    "a character that is none": b"&#11;",
    "bytes that are no UTF-8": b"\xe9t\xe9",
    "an ampersand": b"R & D",
    "an entity that nobody declared": b"&nbsp;",
    "the end of a CDATA section": b"]]>",
    "the start of a CDATA section": b"<![CDATA[",
    "the start of a comment": b"<!--",
    "a prefix that nobody declared": b"<x:b>bold</x:b>",
    "too many levels": DEEP.encode(),
    "HTML": b"one<br>two",
    "tags in a wrong order": b"<i><b>both</i></b>",
    "a bare less-than": b"a < b",
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


def spoilt(page: bytes, name: str, fault: bytes, place: str = "title") -> bytes:
    """With a fault in one record: at a place in it, before what stands there."""
    start = page.index(f"<identifier>{name}</identifier>".encode())
    here = page.index(PLACES[place], start)
    if place != "title":
        here = page.index(b">", page.index(b"<", here + 1 if place == "about" else here)) + 1
    return page[:here] + fault + page[here:]


class Source(ScriptedSession):
    """Answers lists with one page, and GetRecord from a mapping."""

    def __init__(self, page: bytes | str, alone: Mapping[str, object] | None = None) -> None:
        super().__init__(self._say)
        self.page = page
        self.alone = alone or {}

    def _say(self, asked: Parameters):
        if asked["verb"] == "Identify":
            return identify()
        if asked["verb"] == "GetRecord":
            return self.alone.get(asked["identifier"], error("idDoesNotExist"))
        return self.page


def got(name: str, **more) -> str:
    return listed(record(name, sets=["x"], **more), verb="GetRecord")


def taken(source: OaiHarvester, pages: list[Page]) -> tuple[list[str], list[Unreadable]]:
    """The identifiers of the records of pages, and what of them cannot be read."""
    pieces = [piece for page in pages for piece in source.records(page, DAY)]
    bad = [piece for piece in pieces if isinstance(piece, Unreadable)]
    return [piece.identifier for piece in pieces if isinstance(piece, Record)], bad


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_culprit_that_comes_no_better_alone_is_set_aside_with_its_bytes(fault, place) -> None:
    """Lesson 10, metha#1, oai-harvest#25: control characters in one record ended a harvest."""
    body = spoilt(page_of("a", "b", "c"), "b", fault, place)
    bad = listed(record("b").replace("A title", "A \x0b title"), verb="GetRecord")
    source = harvester(Source(body, {"b": bad}))
    (page,) = source.pages(DAY)
    assert (page.count, page.total, page.identifiers) == (3, 3, ("a", "b", "c"))
    assert (page.elsewhere, page.next) == ((), None)
    names, (culprit,) = taken(source, [page])
    assert names == ["a", "c"]
    assert culprit.identifier == "b"
    assert culprit.datum in body
    assert fault in culprit.datum
    assert (culprit.datum[:8], culprit.datum[-9:]) == (b"<record>", b"</record>")
    assert f"at byte {body.index(culprit.datum)}, line 1 of http://repository.test/oai?" in culprit.error


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_culprit_that_comes_well_alone_is_a_record_like_any_other(position) -> None:
    """It was the page that was broken, on its way or in the making."""
    name = "abc"[position]
    whole, body = page_of("a", "b", "c"), spoilt(page_of("a", "b", "c"), name, b"\x0b")
    alone = whole[whole.index(b"<record>") :].split(b"</record>")[position] + b"</record>"
    source = harvester(Source(body, {name: listed(alone.decode(), verb="GetRecord")}))
    first, page = source.pages(DAY)
    assert (first.alone, first.count, first.total, first.identifiers) == (name, 0, None, ())
    assert (first.cursor, first.next) == (Cursor(), Cursor())
    assert (page.elsewhere, page.count, page.identifiers) == ((name,), 3, ("a", "b", "c"))
    plain = harvester(Source(whole))
    expected = {piece for page in plain.pages(DAY) for piece in plain.records(page, DAY)}
    assert {piece for page in (first, page) for piece in source.records(page, DAY)} == expected


def test_two_culprits_are_two() -> None:
    body = spoilt(spoilt(page_of("a", "b", "c", "d"), "a", b"\x0b"), "d", b"&nbsp;")
    source = harvester(Source(body, {"d": got("d")}))
    pages = list(source.pages(DAY))
    assert [page.alone for page in pages] == ["d", None]
    names, (culprit,) = taken(source, pages)
    assert names == ["d", "b", "c"]
    assert culprit.identifier == "a"


def test_text_longer_than_the_parser_takes_is_set_aside_alone() -> None:
    """libxml2's 10 MB bound what one record may cost; the others have nothing to do with it."""
    source = harvester(Source(spoilt(page_of("a", "b"), "a", LONG.encode())))
    names, (culprit,) = taken(source, list(source.pages(DAY)))
    assert names == ["b"]
    assert len(culprit.datum) > len(LONG)


def test_a_declared_encoding_holds_for_each_record() -> None:
    """A byte that Latin-1 knows is none of UTF-8's, and the other way round."""
    page = page_of("a", "b").replace(b"UTF-8", b"ISO-8859-1").replace(b"A title", b"\xe9t\xe9")
    source = harvester(Source(spoilt(page, "b", b"&x;", "about")))
    (listing,) = source.pages(DAY)
    first, bad = source.records(listing, DAY)
    assert "<dc:title>été</dc:title>" in first.blob
    assert b"\xe9t\xe9" in bad.datum


def test_an_identifier_that_cannot_be_read_is_not_asked_for() -> None:
    """Half an identifier may be another record's: its answer would stand for the culprit."""
    page = page_of("a", "b").replace(b"<identifier>b</identifier>", b"<identifier>a\x0bb</identifier>")
    source = harvester(Source(page))
    (listing,) = source.pages(DAY)
    assert {asked["verb"] for asked in requests(source)} == {"ListRecords"}
    assert (listing.count, listing.identifiers) == (2, ("a",))
    assert taken(source, [listing])[1][0].identifier is None


@pytest.mark.parametrize(
    "mangled",
    [
        b"<!-- <identifier>a</identifier> --><identifier>b",
        b"<identifier>a</identifier><identifier>b",
        b"<identifier>b<x/>",
        b"<identifier xml:lang='\x0b'>b",
    ],
)
def test_an_identifier_that_may_be_another_is_not_asked_for(mangled) -> None:
    body = spoilt(page_of("a", "b", "c"), "b", b"\x0b").replace(b"<identifier>b", mangled)
    assert {asked["verb"] for asked in requests_of(body)} == {"ListRecords"}


def requests_of(body: bytes) -> list[Parameters]:
    source = harvester(Source(body))
    list(source.pages(DAY))
    return requests(source)


def test_an_identifier_is_read_as_xml_whatever_else_its_header_holds() -> None:
    body = spoilt(page_of("b"), "b", b"\x0b", "setSpec").replace(
        b"<identifier>b<", b"<identifier>\n x&amp;&#x42; <"
    )
    assert requests_of(body)[-1].get("identifier") == "x&B"


def test_what_also_comes_whole_is_not_asked_for() -> None:
    """A list may hold two versions of a record; the newest would come first and the older one after it."""
    body = spoilt(page_of("a", "b"), "a", b"\x0b").replace(b">b<", b">a<")
    assert {asked["verb"] for asked in requests_of(body)} == {"ListRecords"}


@pytest.mark.parametrize(
    "answer",
    [got("other"), listed(verb="GetRecord"), listed(record("a"), record("a"), verb="GetRecord"), b""],
)
def test_an_answer_that_is_not_the_record_does_not_stand_for_it(answer) -> None:
    source = harvester(Source(spoilt(page_of("a", "b"), "a", b"\x0b"), {"a": answer}))
    names, (culprit,) = taken(source, list(source.pages(DAY)))
    assert (names, culprit.identifier) == (["b"], "a")


def test_a_server_that_breaks_down_over_the_culprit_keeps_no_other_from_coming() -> None:
    failure = HttpStatusError("It failed.", status=500, url="")
    source = harvester(Source(spoilt(page_of("a", "b"), "a", b"\x0b"), {"a": failure}))
    assert taken(source, list(source.pages(DAY)))[0] == ["b"]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (SourceUnreachable("Gone."), SourceUnreachable),
        (HttpStatusError("Busy.", status=503, url=""), HttpStatusError),
        ("<html><title>Scheduled maintenance</title></html>", MaintenancePage),
    ],
)
def test_a_source_that_is_away_says_nothing_of_the_culprit(answer, kind) -> None:
    """It is asked again when the page is, and not in quarantine for good."""
    with pytest.raises(kind):
        list(harvester(Source(spoilt(page_of("a", "b"), "a", b"\x0b"), {"a": answer})).pages(DAY))


def test_a_page_of_culprits_does_not_cost_a_request_for_each() -> None:
    """It is the repository that is broken, or the way to it."""
    body = page_of(*(f"r{number}" for number in range(120))).replace(b"A title", b"A \x0b title")
    source = harvester(Source(body))
    (page,) = source.pages(DAY)
    assert len(requests(source)) == 2 + 50
    names, bad = taken(source, [page])
    assert (names, len(bad), page.count) == ([], 120, 120)


ENVELOPES = {
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
    "no end of the list": lambda page: page.replace(b"</ListRecords>", b""),
    "no end at all": lambda page: page[: page.index(b"</record>")],
    "no end of a record": lambda page: page.replace(b"</record>", b"", 1),
    "no start of a record": lambda page: page.replace(b"<record>", b"", 1),
    "a section over two records": lambda page: page.replace(b"A title", b"<![CDATA[", 1).replace(
        b"A title", b"]]>", 1
    ),
    "text between two records": lambda page: page.replace(b"</record><", b"</record>PHP & co<", 1),
    "a record in a bad comment": lambda page: page.replace(b"<record>", b"<!-- -- <record>", 1).replace(
        b"</record>", b"</record> -->", 1
    ),
}


@pytest.mark.parametrize("break_it", ENVELOPES.values(), ids=ENVELOPES)
def test_a_page_whose_envelope_is_broken_is_refused(break_it) -> None:
    """Only where all but the culprits is whole is it sure that nothing else is missing."""
    with pytest.raises(MalformedResponse):
        list(harvester(Source(break_it(spoilt(page_of("a", "b", "c"), "b", b"\x0b")))).pages(DAY))


def test_the_text_of_a_record_may_look_like_records() -> None:
    """In CDATA and comments tags are text, and MARCXML calls its element record, too."""
    marc = '<record xmlns="http://www.loc.gov/MARC21/slim"><leader>1</leader></record>'
    texts = ["<![CDATA[</record>]]>", "<![CDATA[<record>]]>", "<!-- </record> -->", "<?x </record>?>", marc]
    page = page_of(*(f"r{number}" for number in range(2 * len(texts)))).decode()
    for number, text in enumerate(texts):
        start = page.index(f"<identifier>r{2 * number}<")
        page = page[:start] + page[start:].replace("A title", text, 1)
    expected = taken(source := harvester(Source(page)), list(source.pages(DAY)))[0]
    for number in range(2 * len(texts)):
        source = harvester(Source(spoilt(page.encode(), f"r{number}", b"&nbsp;", "about")))
        names, (culprit,) = taken(source, list(source.pages(DAY)))
        assert culprit.identifier == f"r{number}"
        assert names == [name for name in expected if name != culprit.identifier]


def test_a_prefixed_envelope_is_cut_at_its_own_tags() -> None:
    page = (
        '<oai:OAI-PMH xmlns:oai="http://www.openarchives.org/OAI/2.0/"><oai:ListRecords>{}'
        "<!-- between --> {}<oai:resumptionToken>t</oai:resumptionToken></oai:ListRecords></oai:OAI-PMH>"
    )
    one = (
        "<oai:record><oai:header><oai:identifier>{}</oai:identifier></oai:header>"
        "<oai:metadata><record/>{}</oai:metadata></oai:record>"
    )
    source = harvester(Source(page.format(one.format("a", "&x;"), one.format("b", ""))))
    page = next(source.pages(DAY))
    names, (culprit,) = taken(source, [page])
    assert (names, culprit.identifier, page.next) == (["b"], "a", Cursor("t"))


BROKEN = spoilt(page_of("a", "b", "c"), "b", b"\x0b")


def test_a_page_that_is_whole_the_second_time_was_broken_on_its_way() -> None:
    """It needs nothing more, and nobody has to wonder what else is missing from the first."""
    source = scripted(BROKEN, page_of("a", "b", "c"))
    (page,) = source.pages(DAY)
    assert taken(source, [page]) == (["a", "b", "c"], [])
    assert requests(source)[0] == requests(source)[1]


def test_a_page_that_is_broken_twice_in_the_same_way_is_so_by_its_record() -> None:
    again = BROKEN.replace(b"11:59:58Z", b"11:59:59Z")
    source = scripted(BROKEN, again, got("b"))
    pages = list(source.pages(DAY))
    assert taken(source, pages) == (["b", "a", "c"], [])
    assert pages[-1].body == again


@pytest.mark.parametrize(
    "again",
    [
        spoilt(page_of("a", "b", "c"), "b", b"\x0c"),
        spoilt(page_of("a", "b", "c"), "c", b"\x0b"),
        spoilt(page_of("a", "x", "b", "c"), "b", b"\x0b"),
        spoilt(BROKEN, "c", b"\x0b"),
    ],
)
def test_a_page_that_is_broken_in_another_way_each_time_is_refused(again) -> None:
    with pytest.raises(MalformedResponse, match="and with others when it was asked before"):
        list(scripted(BROKEN, again).pages(DAY))


def test_a_part_that_is_missing_over_several_records_is_never_taken_for_one_of_them() -> None:
    """The rest of the first and of the last look like one culprit. GetRecord would heal that, and lose all between."""
    whole = page_of(*"abcdef")
    start, end = whole.index(b"A title", whole.index(b">b<")), whole.index(b"itle", whole.index(b">d<"))
    source = scripted(whole[:start] + b"\xff" + whole[end:], whole)
    (page,) = source.pages(DAY)
    assert taken(source, [page]) == (list("abcdef"), [])


def test_a_crash_between_the_culprit_and_its_page_fetches_both_again() -> None:
    """Lesson 22: the page that stands alone goes on where its list's page begins."""
    body = spoilt(page_of("a", "b"), "a", b"\x0b")
    source = scripted(listed(record("z"), token="7"), *[body, body, got("a")] * 2)
    walk = source.pages(DAY)
    alone = (next(walk), next(walk))[1]
    assert (alone.alone, alone.next) == ("a", Cursor("7"))
    again, page = source.pages(DAY, alone.next)
    assert (again.alone, page.elsewhere) == ("a", ("a",))


def test_an_error_status_is_never_salvaged() -> None:
    """A page of records with 404 is no list, whole or broken."""
    body = spoilt(page_of("a", "b"), "a", b"\x0b")
    with pytest.raises(HttpStatusError):
        list(scripted(Answered(body, "http://repository.test/oai", 404)).pages(DAY))


def test_a_list_without_records_that_does_not_parse_is_refused() -> None:
    with pytest.raises(MalformedResponse):
        list(scripted(listed(token="&x;").replace("&amp;", "&")).pages(DAY))


@pytest.mark.parametrize("opener", [b"<!--", b"<![CDATA[", b"<?", b"<record '", b'<record "', b"</record "])
def test_a_page_full_of_what_never_ends_is_read_in_no_time(opener) -> None:
    """A hostile page must not cost a second for each kilobyte: each search goes over the page once."""
    body = spoilt(page_of("a", "b"), "a", opener * 200_000)
    with pytest.raises(MalformedResponse):
        read_list(body + b"x", verb="ListRecords", url="a:")


def test_the_recorded_page_with_a_control_character_loses_one_of_its_five() -> None:
    """www.maxwell.vrac.puc-rio.br, 2015: an older harvester got none of them."""
    body = recorded("scrapi_oai_and_rest", "0524_pcurio.xml")
    source = harvester(Source(body))
    (page,) = source.pages(DAY)
    names, (culprit,) = taken(source, [page])
    assert (page.count, page.total, len(set(page.identifiers))) == (5, 5, 5)
    assert len(names) == 4
    assert culprit.identifier == "oai:MAXWELL.puc-rio.br:24183"
    assert culprit.error.endswith("PCDATA invalid Char value 11")
    assert b"\x0b" in culprit.datum


def test_headers_are_saved_like_records() -> None:
    """ListIdentifiers of a repository whose setSpecs carry a bare ampersand."""
    headers = [record(name, sets=["x"], deleted=True)[8:-9] for name in "abc"]
    body = listed(*headers, verb="ListIdentifiers").encode().replace(b"<setSpec>x", b"<setSpec>R & D", 1)
    found = read_list(body, verb="ListIdentifiers", url="a:")
    assert [isinstance(piece, Culprit) for piece in found.pieces] == [True, False, False]
    assert found.pieces[0].identifier == "a"
