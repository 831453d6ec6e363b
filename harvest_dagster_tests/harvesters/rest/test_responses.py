"""Lists of REST APIs in XML, CSV and JSON Lines. `test_harvester` has those in JSON."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timezone
from itertools import chain
from typing import Any, cast

import pytest
from pydantic import ValidationError

from harvest_dagster.errors import (
    HarvestError,
    LoginPage,
    MalformedResponse,
    ProtocolError,
    ResponseTooLarge,
    SourceRefused,
    TruncatedResponse,
    WebPage,
)
from harvest_dagster.harvesters.rest.parser import RestParser
from harvest_dagster.paths.xml_path import parse_xml_path
from harvest_dagster.records import InvalidRecord, Record
from harvest_dagster.response_limits import ResponseLimits
from harvest_dagster_tests.harvesters.rest.rest_sources import (
    BASE_URL,
    DAY,
    RestSession,
    RestSource,
    arguments,
    found,
    harvest,
    pages,
    scripted,
)
from harvest_dagster_tests.harvesters.sources import Answered

ATOM = "http://www.w3.org/2005/Atom"
XML: dict[str, Any] = {
    "response": "xml",
    "records": "feed.entry",
    "identifier": "id",
    "datestamp": "updated",
    "total": "feed.totalResults",
    "next": {"by": "cursor", "path": "feed.cursor", "param": "cursor"},
}
OF_LINES: dict[str, Any] = {
    "records": "$",
    "total": None,
    "next": {"by": "offset", "param": "offset"},
}
LINES: dict[str, Any] = {"response": "jsonl", **OF_LINES}
ROWS: dict[str, Any] = {"response": "csv", **OF_LINES}
MANY_ATTRIBUTES = " ".join(f"a{number}=''" for number in range(600))
DATE = "2024-01-01T10:00:00Z"


def feed(*entries: str, more: str = "") -> bytes:
    return (
        f'<feed xmlns="{ATOM}" xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/">{more}{"".join(entries)}</feed>'
    ).encode()


def entry(identifier: str | None, more: str = "") -> str:
    name = "" if identifier is None else f"<id>{identifier}</id>"
    return f"<entry>{name}<updated>{DATE}</updated>{more}</entry>"


def served(
    defaults: dict[str, Any], *bodies: str | bytes | Answered, content_type: str = "", **changed: Any
) -> RestSource:
    """Return a source with these pages."""
    answers = (
        body
        if isinstance(body, Answered)
        else Answered(
            body.encode() if isinstance(body, str) else body,
            BASE_URL,
            content_type=content_type,
        )
        for body in bodies
    )
    return scripted(*answers, **{**defaults, **changed})


def records(source: RestSource) -> list[Record]:
    """Return the records of a list without invalid ones."""
    items = list(harvest(source))
    assert [item for item in items if isinstance(item, InvalidRecord)] == []
    return [item for item in items if isinstance(item, Record)]


def outcome(source: RestSource) -> tuple[list[str | None], list[tuple[bytes, str]]]:
    """Return the identifiers of the records, and the bytes and the error of each invalid record."""
    items = list(harvest(source))
    invalid = [(item.datum, item.error) for item in items if isinstance(item, InvalidRecord)]
    return [item.identifier for item in items if isinstance(item, Record)], invalid


def error_of(source: RestSource) -> str:
    with pytest.raises(HarvestError) as caught:
        pages(source)
    return str(caught.value)


class TestXml:
    """Lists of elements."""

    def test_every_page_of_a_list_is_read(self) -> None:
        """Total and cursor are elements, and the namespaces of names do not matter."""
        total = "<opensearch:totalResults> 3 </opensearch:totalResults>"
        source = served(
            XML,
            feed(entry("a"), entry("b"), more=f"{total}<cursor>x y</cursor>"),
            feed(entry("c"), more=total),
        )
        got = pages(source)
        assert [page.total for page in got] == [3, 3]
        assert [page.identifiers for page in got] == [("a", "b"), ("c",)]
        assert got[0].next is not None
        assert got[0].next.token == "x y"

    def test_a_record_is_the_canonical_xml_of_its_element(self) -> None:
        """Other prefixes, quotes, indentation, comments and CDATA must not look like a change of the record."""
        once = feed('<entry><id>a</id><link rel="x" href="y"/><title>1 &lt; 2</title></entry>')
        again = (
            f'<a:feed xmlns:a="{ATOM}"><!-- c -->\n <a:entry>\n  <a:id>a</a:id>\n'
            "  <a:link href='y' rel='x'></a:link>\n  <a:title><![CDATA[1 < 2]]></a:title>\n </a:entry></a:feed>"
        )
        (first,), (second,) = records(served(XML, once)), records(served(XML, again))
        assert first.blob.startswith("<ns_")
        assert 'href="y"' in first.blob
        assert first.hash == second.hash
        (other,) = records(served(XML, feed('<entry><id>a</id><link rel="x" href="z"/></entry>')))
        assert other.hash != first.hash

    def test_values_of_a_record_come_from_elements_and_attributes(self) -> None:
        """The datestamp decides to which window a record belongs."""
        items = (
            '<list><item key="1" changed="2024-01-01T10:00:00Z" gone="true"/>'
            '<item key=" 2 "><header status="deleted"/></item><item key="3"/></list>'
        )
        paths = {"records": "list.item", "identifier": "@key", "datestamp": "@changed", "total": None}
        got = records(served(XML, items, **paths, deleted={"path": "@gone"}))
        assert [(each.identifier, each.deleted) for each in got] == [("1", True), ("2", False), ("3", False)]
        assert got[0].datestamp == datetime(2024, 1, 1, 10, tzinfo=timezone.utc)
        got = records(served(XML, items, **paths, deleted={"path": "header.@status", "values": ["deleted"]}))
        assert [each.deleted for each in got] == [False, True, False]

    def test_the_first_match_counts(self) -> None:
        """Two namespaces may have the same local name, and the first of two elements may lack the attribute."""
        item = (
            '<entry xmlns:o="urn:other"><id>a</id><o:id>b</o:id>'
            '<author/><author><name xml:lang="en">N</name></author></entry>'
        )
        (got,) = records(served(XML, feed(item), identifier=["id", "author.name", "author.name.@lang"]))
        assert got.identifier == "a:N:en"

    def test_an_element_may_be_selected_by_an_attribute(self) -> None:
        """Atom has several links, and only one of them leads to the next page."""
        links = f'<link rel="self" href="{BASE_URL}"/><link rel="next" href="{BASE_URL}?page=2"/>'
        paging = {"by": "link", "path": "feed.link[@rel=next].@href"}
        source = served(XML, feed(entry("a"), more=links), feed(entry("b")), next=paging, total=None)
        assert found(source) == ["a", "b"]

    @pytest.mark.parametrize(
        ("path", "left"),
        [
            ("score", "<entry><id>a</id><b><c>1</c>2<d>3</d></b></entry>"),
            ("@stamp", "<entry><id>a</id><score>1</score><b><c>1</c>2<d>3</d></b></entry>"),
            ("b.c", "<entry><id>a</id><score>1</score><b>2<d>3</d></b></entry>"),
            ("b.*", "<entry><id>a</id><score>1</score><b>2</b></entry>"),
            ("*.d", "<entry><id>a</id><score>1</score><b><c>1</c>2</b></entry>"),
            ("b", "<entry><id>a</id><score>1</score></entry>"),
            ("*", "<entry/>"),
        ],
    )
    def test_volatile_parts_are_not_stored(self, path: str, left: str) -> None:
        """A counter of views would be a new revision of every record at every harvest. No other text may be lost."""
        whole = '<entry stamp="7"><id>a</id><score>1</score><b><c>1</c>2<d>3</d></b></entry>'
        volatile = [path] if path == "@stamp" else [path, "@stamp"]
        (got,) = records(served(XML, feed(whole), volatile=volatile))
        (expected,) = records(served(XML, feed(left.replace("<entry/>", "<entry><id>a</id></entry>"))))
        if path == "*":
            assert re.fullmatch(r"<(ns_\w+):entry xmlns:\1=\"\S+\"></\1:entry>", got.blob)
        else:
            assert got.blob == expected.blob

    def test_indentation_around_volatile_parts_is_dropped(self) -> None:
        """The same record on one line must have the same hash."""
        indented = "<entry>\n  <id>a</id>\n  <stats>\n    <views>1</views>\n  </stats>\n</entry>"
        flat = "<entry><id>a</id><stats><views>2</views></stats></entry>"
        (one,), (two,) = (
            records(served(XML, feed(each), volatile=["stats.views"])) for each in (indented, flat)
        )
        assert one.blob == two.blob

    def test_a_record_without_identifier_is_quarantined(self) -> None:
        """One bad record must not fail its page. Its bytes can be parsed again without the page."""
        source = served(XML, feed(entry("a"), entry(None), entry(" "), entry("b")))
        identifiers, invalid = outcome(source)
        assert identifiers == ["a", "b"]
        assert [error for _, error in invalid] == ["a record without identifier at id"] * 2
        parser = RestParser(source.arguments)
        again = parser.single_record(invalid[0][0].replace(b"<updated>", b"<id>c</id><updated>"), DAY)
        assert isinstance(again, Record)
        assert again.identifier == "c"
        assert parser.single_record(b"<entry>", DAY) == InvalidRecord(b"<entry>", again_error(parser))
        (blob,) = [each.blob for each in records(served(XML, feed(entry("a"))))]
        assert parser.single_record(blob.encode(), DAY) == next(harvest(served(XML, feed(entry("a")))))

    def test_a_record_without_canonical_form_is_quarantined(self) -> None:
        """Its bytes still have what is volatile."""
        names = "".join(f' xmlns:n{number}="urn:{number}"' for number in range(300))
        bad = (
            f'<entry><id>a</id><score>1</score><b{names}><c xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
            'xsi:type="n1:t"/></b></entry>'
        )
        identifiers, invalid = outcome(served(XML, feed(bad, entry("b")), volatile=["score"]))
        assert identifiers == ["b"]
        assert b"<score>1</score>" in invalid[0][0]

    @pytest.mark.parametrize(
        ("body", "error"),
        [
            (feed(entry("a"))[:-3], TruncatedResponse),
            (feed(entry("a"))[:-40], MalformedResponse),
            ("", MalformedResponse),
            ("<html><body>Welcome</body></html>", WebPage),
            ("<html><title>Log in</title><input type='password'></html>", LoginPage),
            ('<!DOCTYPE feed [<!ENTITY a "b">]><feed><entry><id>&a;</id></entry></feed>', MalformedResponse),
            ('{"feed": {"entry": []}}', MalformedResponse),
            (f"<feed><entry {MANY_ATTRIBUTES}/></feed>", MalformedResponse),
        ],
        ids=["cut", "cut early", "empty", "html", "login", "entities", "json", "attributes"],
    )
    @pytest.mark.parametrize("is_first", [True, False])
    def test_a_broken_page_is_no_end_of_the_list(
        self, body: str | bytes, error: type[Exception], is_first: bool
    ) -> None:
        """A lenient parser returns the first half of a page, and the list looks shorter than it is."""
        before = () if is_first else (feed(entry("a"), more="<cursor>2</cursor>"),)
        source = served(XML, *before, body, total=None)
        got = source.pages(DAY)
        with pytest.raises(error):
            list(got)

    def test_limits_of_the_source_apply(self) -> None:
        """A page of 100 KB can need gigabytes."""
        body = Answered(feed(entry("a")), BASE_URL)
        with pytest.raises(ResponseTooLarge, match=r"limits\.xml_nodes is 3"):
            RestParser(arguments(**XML), ResponseLimits(xml_nodes=3)).document(body.body, BASE_URL, "")

    def test_the_name_of_a_dtd_is_ignored_and_an_entity_is_refused(self) -> None:
        """PubMed names its DTD, which is never loaded."""
        doctype = '<?xml version="1.0" ?>\n<!DOCTYPE feed PUBLIC "-//NLM//DTD" "https://dtd.test/x.dtd">\n'
        assert found(served(XML, doctype.encode() + feed(entry("a")), total=None)) == ["a"]
        with pytest.raises(MalformedResponse):
            pages(served(XML, doctype.encode() + feed(entry("a&nbsp;b")), total=None))

    @pytest.mark.parametrize(
        ("body", "total"),
        [
            (feed(), None),
            (feed(more="<title>Nothing</title><author><name>x</name></author>"), None),
            ("<result><count>0</count></result>", "result.count"),
        ],
    )
    def test_a_list_without_elements_is_empty_if_the_element_around_them_is_there(
        self, body: str | bytes, total: str | None
    ) -> None:
        """XML has no empty list, so its parent shows that the page is one. A total of 0 shows it as well."""
        got = pages(served(XML, body, total=total, next={"by": "page", "param": "page"}))
        assert [page.count for page in got] == [0]

    @pytest.mark.parametrize(
        ("body", "path", "message"),
        [
            (feed(entry("a")), "rss.channel.item", "has nothing at rss.channel.item"),
            (feed(entry("a")), "entry", "The page has the elements feed.entry"),
            ("<oops>Try later</oops>", "feed.entry", "The page has the elements oops"),
            (
                feed(entry("a"), entry("b")),
                "feed.entries",
                "2 elements entry in its place. Correct `records`",
            ),
        ],
    )
    def test_a_wrong_path_of_records_is_an_error(self, body: str | bytes, path: str, message: str) -> None:
        """Each window would look empty."""
        assert message in error_of(served(XML, body, records=path, total=None))

    def test_a_total_that_is_no_number_is_an_error_and_an_empty_one_is_none(self) -> None:
        """An ignored total would leave every window unverified."""
        assert "has no number of records at feed.totalResults, but many" in error_of(
            served(XML, feed(entry("a"), more="<totalResults>many</totalResults>"))
        )
        assert pages(served(XML, feed(entry("a"), more="<totalResults/>")))[0].total is None

    def test_an_error_in_a_page_fails_the_window(self) -> None:
        """The list would end there."""
        with_error = feed(more="<error>Query <b>failed</b></error>")
        assert "with a list and with an error: Query failed." in error_of(served(XML, with_error))
        assert "an error: diagnostics." in error_of(served(XML, feed(more="<diagnostics/>")))
        with pytest.raises(SourceRefused, match=r"error at feed\.message\.@text: No"):
            pages(served(XML, feed(more='<message text="No"/>'), error="feed.message.@text"))
        assert pages(served(XML, with_error, error="feed.message"))[0].count == 0
        assert found(served(XML, "<list><error><id>1</id></error></list>", records="list.error")) == ["1"]

    def test_an_error_entry_of_arxiv_is_no_record(self) -> None:
        """arXiv answers a wrong query with status 200, a total of 1 and an entry that describes the error."""
        problem = "<summary>incorrect id format for abc</summary>"
        body = feed(entry("https://arxiv.org/api/errors#incorrect_id_format_for_abc", problem))
        assert "an error: incorrect id format for abc. Check `params`" in error_of(served(XML, body))

    def test_a_list_may_end_with_a_page_without_a_list(self) -> None:
        """SRU omits `records` past the end. An unknown element may be an error."""
        page = "<r><version>1</version><records><record><id>a</id></record></records></r>"
        paging = {"next": {"by": "page", "param": "page"}, "records": "r.records.record", "total": None}
        assert [each.count for each in pages(served(XML, page, "<r><version>1</version></r>", **paging))] == [
            1,
            0,
        ]
        assert "the elements r.diagnostic" in error_of(
            served(XML, page, "<r><diagnostic>broken</diagnostic></r>", **paging)
        )

    def test_a_source_may_keep_no_original(self) -> None:
        """The bytes of an element lack the namespaces of its page."""
        source = served(XML, feed(entry("a")))
        (page,) = pages(source)
        parser = RestParser(source.arguments)
        parser.keep_original = True
        assert [each.original for each in parser.records(page, DAY) if isinstance(each, Record)] == [None]


def again_error(parser: RestParser) -> str:
    result = parser.single_record(b"<entry>", DAY)
    assert isinstance(result, InvalidRecord)
    assert "cut off" in result.error
    return result.error


class TestLines:
    """JSON Lines."""

    def test_every_line_is_a_record(self) -> None:
        """The stored form is that of the same record in a JSON list."""
        page = f'\ufeff{{"id": 1, "changed": "{DATE}", "x": 1.10}}\r\n\n  {{"changed": "{DATE}", "id": "é"}}'
        one, two = records(served(LINES, page, ""))
        assert (one.identifier, two.identifier) == ("#1", "é")
        assert one.blob == f'{{"changed":"{DATE}","id":1,"x":1.10}}'
        as_list = {"items": [{"x": 1, "id": "a"}], "next": None, "total": None}
        (line,), (item,) = records(served(LINES, '{"id": "a", "x": 1}', "")), records(scripted(as_list))
        assert line.hash == item.hash

    @pytest.mark.parametrize("body", ["", "\n\r\n", "\ufeff"])
    def test_an_empty_body_is_an_empty_page(self, body: str) -> None:
        """A server that writes a line for each record writes none for none."""
        assert [page.count for page in pages(served(LINES, body))] == [0]

    def test_an_invalid_line_is_one_invalid_record(self) -> None:
        """Its bytes go to the quarantine, and all other lines are stored."""
        lines = (
            b'{"id": 1}\n{"id": 2,}\n{"id": 2\n[3]\n{"id": "\xff"}\n{"x": 4}\n{"id": 5, "id": 6}\n{"id": 7}\n'
        )
        identifiers, invalid = outcome(served(LINES, lines, ""))
        assert identifiers == ["#1", "#7"]
        assert [datum for datum, _ in invalid] == lines.splitlines()[1:-1]
        assert ["not valid" in error or "cut off" in error for _, error in invalid[:2]] == [True, True]
        assert invalid[2][1] == "a list item that is not an object"
        parser = RestParser(arguments(**LINES))
        assert isinstance(parser.single_record(b'{"id": 2}', DAY), Record)

    def test_a_message_in_place_of_a_page_is_no_invalid_record(self) -> None:
        """Between two pages, it cost one record in the quarantine, and all records of its page were missing."""
        lines = '{"id": 1}\n{"id": 2}\n'
        source = served(
            {**LINES, "next": {"by": "page", "param": "page"}}, lines, '{"message": "Too many requests"}', ""
        )
        with pytest.raises(MalformedResponse, match=r"none has a value at id, changed.*Too many requests"):
            pages(source)

    def test_a_page_with_one_dated_record_without_identifier_is_no_message(self) -> None:
        """An invalid record must not fail its window only because it is alone on the last page."""
        identifiers, invalid = outcome(served(LINES, f'{{"changed": "{DATE}"}}\n', ""))
        assert (identifiers, len(invalid)) == ([], 1)

    def test_originals_are_the_lines(self) -> None:
        """`keep_original` promises the bytes as they came."""
        source = served(LINES, ' {"id" : 1}\n', "")
        page = next(source.pages(DAY))
        parser = RestParser(source.arguments)
        parser.keep_original = True
        assert [each.original for each in parser.records(page, DAY) if isinstance(each, Record)] == [
            b'{"id" : 1}'
        ]

    @pytest.mark.parametrize(
        ("body", "error"),
        [
            ('{"id": 1}\n{"id": 2', TruncatedResponse),
            ('{"id": 1}\n{"id": "\udcc3', TruncatedResponse),
            ("<html><body>Welcome</body></html>", WebPage),
            ("Service failed\n", MalformedResponse),
            ('[{"id": 1}]', MalformedResponse),
            ('{"error": "Query failed"}\n', ProtocolError),
            ('{"id": 1}\n{"error": "Query failed"}\n', ProtocolError),
            ('{"message": "Too many requests"}\n', MalformedResponse),
        ],
        ids=["cut", "cut in a letter", "html", "text", "list", "error", "error after records", "message"],
    )
    def test_a_broken_page_is_no_end_of_the_list(self, body: str, error: type[Exception]) -> None:
        """A server that fails while it writes leaves the last line without an end."""
        with pytest.raises(error):
            pages(served(LINES, body.encode("utf-8", "surrogateescape"), ""))

    @pytest.mark.parametrize("defaults", [LINES, ROWS])
    def test_limits_of_the_source_apply(self, defaults: dict[str, Any]) -> None:
        """Each line needs memory, even an empty one."""
        parser = RestParser(arguments(**defaults), ResponseLimits(json_values=3))
        with pytest.raises(ResponseTooLarge, match=r"limits\.json_values is 3"):
            parser.document(b"\n" * 4, BASE_URL, "")


class TestRows:
    """CSV."""

    def test_the_header_gives_the_keys(self) -> None:
        """Quotes, line breaks in a field, and empty lines are as in RFC 4180."""
        page = f'\ufeffid,changed,a title\r\n1,{DATE},"one, ""two""\r\nthree"\r\n\r\n2,{DATE},\r\n'
        one, two = records(served(ROWS, page, "", content_type="text/csv"))
        assert one.blob == f'{{"a title":"one, \\"two\\"\\r\\nthree","changed":"{DATE}","id":"1"}}'
        assert (two.identifier, two.datestamp) == ("2", datetime(2024, 1, 1, 10, tzinfo=timezone.utc))

    @pytest.mark.parametrize("body", ["", "\r\n", "id,title\n"])
    def test_a_body_without_rows_is_an_empty_page(self, body: str) -> None:
        assert [page.count for page in pages(served(ROWS, body))] == [0]

    def test_a_key_may_contain_dots_or_be_quoted(self) -> None:
        """Exports of nested records have such keys."""
        paths = {"identifier": ["meta.id", "$['a b']"], "volatile": ["score"]}
        (got,) = records(served(ROWS, "\nmeta.id,a b,score\nx,y,7\n", "", **paths))
        assert (got.identifier, got.blob) == ("x:y", '{"a b":"y","meta.id":"x"}')

    def test_an_invalid_row_is_one_invalid_record(self) -> None:
        """Its bytes go to the quarantine, and all other rows are stored."""
        page = b'id,title\n1,a\n2\n3,b,c\n"4"x,d\n,e\n5,\xff\n"6\n",f\n'
        identifiers, invalid = outcome(served(ROWS, page, ""))
        assert identifiers == ["1", "6"]
        assert [datum for datum, _ in invalid] == [b"2", b"3,b,c", b'"4"x,d', b",e", b"5,\xff"]
        assert [error.partition(":")[0] for _, error in invalid] == [
            "a row with 1 fields, unlike the header",
            "a row with 3 fields, unlike the header",
            "a row that cannot be read",
            "a record without identifier at id",
            "a record without canonical form",
        ]
        parser = RestParser(arguments(**ROWS))
        assert parser.single_record(b"2", DAY) is None
        assert isinstance(parser.single_record(b'{"id":"2"}', DAY), Record)

    def test_originals_are_the_rows(self) -> None:
        """`keep_original` promises the bytes as they came."""
        source = served(ROWS, 'id,"a\nb"\n1, x\n', "")
        page = next(source.pages(DAY))
        parser = RestParser(source.arguments)
        parser.keep_original = True
        assert [each.original for each in parser.records(page, DAY) if isinstance(each, Record)] == [b"1, x"]

    @pytest.mark.parametrize(
        ("content_type", "body"),
        [
            ("text/csv", "id,x\né,1\n".encode()),
            ("text/csv; charset=ISO-8859-1", "id,x\né,1\n".encode()),
            ("text/csv; charset=ISO-8859-1", "id,x\né,1\n".encode("latin-1")),
        ],
    )
    def test_a_charset_counts_if_the_page_is_not_utf_8(self, content_type: str, body: bytes) -> None:
        """Web servers declare a default charset for files in UTF-8."""
        assert found(served(ROWS, body, "", content_type=content_type)) == ["é"]

    @pytest.mark.parametrize(
        ("body", "error"),
        [
            ("id,title\n1,a\n2", TruncatedResponse),
            ('id,title\n1,a\n2,"b', TruncatedResponse),
            ("<html><body>Welcome</body></html>", WebPage),
            ('{"error": "Query failed"}', MalformedResponse),
            ("identifier,title\n1,a\n", MalformedResponse),
            ("id,id\n1,2\n", MalformedResponse),
            ('"id\n1', MalformedResponse),
        ],
        ids=["cut", "cut in quotes", "html", "json", "no identifier", "twice", "header"],
    )
    def test_a_broken_page_is_no_end_of_the_list(self, body: str, error: type[Exception]) -> None:
        """A message in place of the page is a header without rows."""
        with pytest.raises(error):
            pages(served(ROWS, body, ""))


@pytest.mark.parametrize(
    ("defaults", "page", "following", "last"),
    [
        (LINES, '{"id": "a"}\nWarning: slow\n{"id": "b"}\n', '{"id": "c"}\n', "3"),
        (ROWS, "id,title\na,1\nb,2\nTotal: 3\n", "id,title\nc,3\n", "3"),
        (LINES, "{1\n{2\n", '{"id": "c"}\n', "3"),
    ],
)
def test_an_invalid_line_does_not_advance_the_offset(
    defaults: dict[str, Any], page: str, following: str, last: str
) -> None:
    """It may be a message between the records. The next page would begin one record too late, and nobody would know."""
    source = served(defaults, page, following, "")
    assert outcome(source)[0][-1] == "c"
    asked = [params["offset"] for _, params in cast("RestSession", source.session).asked]
    assert asked == ["0", "2", last]


@pytest.mark.parametrize(
    ("changed", "messages"),
    [
        (
            {
                **XML,
                "records": "$.feed.entry",
                "identifier": ["atom:id", "id"],
                "total": "feed.total..x",
            },
            ["$.feed.entry is JSONPath", "'atom:id' is no path into XML", "total"],
        ),
        (
            {**XML, "records": "feed.@entry", "datestamp": "*.date", "deleted": {"path": "@a.b"}},
            ["leads to an attribute", "`*`, which only `volatile` may", "'@a.b' is no path into XML"],
        ),
        (
            {**XML, "next": {"by": "cursor", "path": "$.x", "more": "1", "param": "c"}, "error": "a[b"},
            ["$.x is JSONPath", "'1' is no path into XML", "'a[b' is no path into XML"],
        ),
        ({**XML, "volatile": ["a.*.b", "$..x"]}, ["$..x is JSONPath"]),
        (
            {**ROWS, "records": "rows", "total": "count", "error": "error"},
            ["a page of CSV is the list of records: write `records: $`", "no `total`", "no `error`"],
        ),
        (
            {**LINES, "next": {"by": "cursor", "path": "next", "param": "cursor"}},
            ["a page of JSON Lines contains only records, so it has no cursor"],
        ),
        ({**LINES, "next": {"by": "offset", "param": "o", "more": "more"}}, ["it has no `more`"]),
        ({"response": "yaml"}, ["'json', 'jsonl', 'xml' or 'csv'"]),
    ],
)
def test_paths_that_the_format_does_not_allow_are_errors_of_the_config(
    changed: dict[str, Any], messages: Iterable[str]
) -> None:
    """`harvest check` reports all of them at once, without a request."""
    with pytest.raises(ValidationError) as caught:
        arguments(**changed)
    text = str(caught.value)
    assert [message for message in messages if message not in text] == []


@pytest.mark.parametrize("path", ["a", "a.@b", "@b", "a[@b=c.d].e", "ü.b-c.d_e", "*.a"])
def test_paths_of_local_names_are_accepted(path: str) -> None:
    """A value of an attribute may contain dots."""
    assert parse_xml_path(path)


@pytest.mark.parametrize("path", ["", "a.", ".a", "a..b", "@a.b", "a:b", "a[b]", "a[@b=c", "1", "a.@", "a b"])
def test_other_paths_are_refused(path: str) -> None:
    with pytest.raises(ValueError, match="is no path into XML"):
        parse_xml_path(path)


def test_json_remains_the_default() -> None:
    """The sources of today have no `response`. Their coverage must not change with the default."""
    assert arguments().model_dump(exclude_defaults=True).get("response") is None
    assert list(chain(found(scripted({"items": [{"id": "a"}], "next": None, "total": None})))) == ["a"]
