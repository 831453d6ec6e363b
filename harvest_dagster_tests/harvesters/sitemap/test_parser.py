"""The JSON-LD of a page: every object arrives unchanged, and a page without valid JSON-LD is an invalid record."""

from __future__ import annotations

import codecs

import pytest

from harvest_dagster.harvesters.sitemap.fetched_page import FetchedPage, join_pages, split_pages
from harvest_dagster.harvesters.sitemap.json_ld import read_html
from harvest_dagster.harvesters.sitemap.parser import SitemapParser
from harvest_dagster.records import InvalidRecord, Record
from harvest_dagster.windows import parse_instant
from harvest_dagster_tests.harvesters.sitemap.websites import MARCH, SITE, html, page_website
from harvest_dagster_tests.harvesters.sources import Answered


def blob(*blocks: str, types: tuple[str, ...] = ()) -> str | None:
    """Return the datum of a page with these blocks, or None if it has no record."""
    records = page_website(html(*blocks), types=list(types)).read()[1]
    assert all(isinstance(record, Record) for record in records)
    return records[0].blob if records and isinstance(records[0], Record) else None


def problem(body: str | bytes, **arguments: object) -> str:
    found = page_website(body, **arguments).only()
    assert isinstance(found, InvalidRecord)
    assert found.identifier == f"{SITE}/1"
    return found.error


def test_the_datum_is_the_canonical_json_of_the_page() -> None:
    """The same content has the same hash, whatever the order of its keys and its white space. No digit is lost."""
    assert blob('{"b": 1.10, "a": "é \\u00e9"}') == blob(' {"a":"é é",\n"b":1.10}') == '{"a":"é é","b":1.10}'
    found = page_website(html('{"a": 1}')).only()
    assert found == Record(f"{SITE}/1", parse_instant("2024-03-05"), False, '{"a":1}')


def test_several_blocks_are_a_list_and_empty_ones_do_not_count() -> None:
    """Sites add blocks for breadcrumbs and search."""
    assert blob('{"a": 1}', " ", '{"b": 2}') == '[{"a":1},{"b":2}]'
    assert blob('[{"a": 1}]') == '[{"a":1}]'


@pytest.mark.parametrize(
    ("block", "datum"),
    [
        ('{"@type": "Dataset", "n": 1}', '{"@type":"Dataset","n":1}'),
        (
            '{"@type": ["Thing", "https://schema.org/Dataset"]}',
            '{"@type":["Thing","https://schema.org/Dataset"]}',
        ),
        ('[{"@type": "WebSite"}, {"@type": "schema:Dataset"}]', '{"@type":"schema:Dataset"}'),
        (
            '{"@context": "c", "@graph": [{"@type": "Dataset"}, {"@type": "X"}, {"@type": "Dataset", "n": 2}]}',
            '[{"@context":"c","@type":"Dataset"},{"@context":"c","@type":"Dataset","n":2}]',
        ),
        ('{"@graph": [{"@type": "Dataset", "@context": "own"}]}', '{"@context":"own","@type":"Dataset"}'),
        ('{"@type": "WebSite", "about": {"@type": "Dataset"}}', None),
        ('"Dataset"', None),
        ('{"@type": 1}', None),
    ],
)
def test_types_select_objects(block, datum) -> None:
    """A page has more objects than its record. A page without one of the types has no record."""
    assert blob(block, types=("Dataset",)) == datum


@pytest.mark.parametrize(
    ("block", "error"),
    [
        ("{a: 1, b: 2}", "not valid"),
        ('{"a": ', "cut off"),
        ('{"a": 1, "a": 2}', "same key twice"),
        ('{"@graph": [], "@graph": []}', "same key twice"),
        ('{"a": NaN}', "not a JSON number"),
        ('{"a": "\\ud800"}', "surrogate"),
        ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
    ],
)
def test_an_invalid_block_makes_an_invalid_record(block, error) -> None:
    """A part of the record would be lost, also if another block is valid or no object has a type that counts."""
    assert error in problem(html('{"@type": "Dataset"}', block))
    assert error in problem(html(block), types=["Dataset"])


@pytest.mark.parametrize(
    "body",
    [
        html(),
        html('{"a": 1}', kind="text/javascript"),
        html().replace("<p>", '<!-- <script type="application/ld+json">{"a": 1}</script> --><p>'),
    ],
)
def test_a_page_without_json_ld_is_an_invalid_record(body) -> None:
    """It would be lost without notice."""
    assert "has no application/ld+json" in problem(body)


@pytest.mark.parametrize("kind", ["APPLICATION/LD+JSON", " application/ld+json; charset=utf-8 "])
def test_the_type_of_a_block_is_a_media_type(kind) -> None:
    """Its case and its parameters do not count."""
    assert not isinstance(page_website(html('{"a": 1}', kind=kind)).only(), InvalidRecord)


def test_an_element_with_too_many_attributes_costs_only_its_record() -> None:
    """Older parsers need the square of their number in time: minutes for a page of 4 MB."""
    attributes = " ".join(f'a{number}="x"' for number in range(600))
    assert "too many attributes" in problem(html('{"a": 1}').replace("<body>", f"<body {attributes}>"))


def test_markup_in_a_text_does_not_end_a_block() -> None:
    """Descriptions contain HTML."""
    assert blob('{"a": "<b>x</b> <!-- y --> &amp; <p"}') == '{"a":"<b>x</b> <!-- y --> &amp; <p"}'


def test_a_deep_page_is_read_to_its_end() -> None:
    """Parsers stop at a depth of 256 elements, and blocks after it would be lost."""
    page = html('{"a": 1}').replace("<body>", "<body>" + "<div>" * 5000)
    page = page.replace("</body>", '<script type="application/ld+json">{"b": 2}</script></body>')
    assert read_html(page.encode()).blocks == ('{"a": 1}', '{"b": 2}')


PAGE = html('{"a": "Žluťoučký"}')


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (PAGE.encode(), "text/html"),
        (PAGE.encode(), "text/html; charset=nonsense"),
        (PAGE.encode("iso-8859-2"), "text/html; charset=ISO-8859-2"),
        (PAGE.replace("<head>", '<head><meta charset="iso-8859-2">').encode("iso-8859-2"), "text/html"),
        (codecs.BOM_UTF8 + PAGE.encode(), "text/html; charset=iso-8859-1"),
        (codecs.BOM_UTF16_LE + PAGE.encode("utf-16-le"), "text/html"),
        (PAGE.replace("<p>", "\0<p>").encode(), ""),
    ],
)
def test_the_encoding_of_a_page_is_found(body, content_type) -> None:
    """A wrong encoding changes the content."""
    html_page = read_html(body, content_type)
    assert html_page.blocks == ('{"a": "Žluťoučký"}',)
    assert html_page.has_end


def test_bytes_that_are_not_valid_matter_only_in_a_block() -> None:
    """Replaced by U+FFFD, they would change the record. Elsewhere in a page they are common."""
    assert "not valid in the encoding" in problem(html('{"a": "Ä"}').encode("latin-1"))
    page = html('{"a": "\ufffd"}')
    assert not isinstance(page_website(page).only(), InvalidRecord)
    outside = html('{"a": 1}').replace("Text", "Täxt").encode("latin-1")
    assert not isinstance(page_website(outside).only(), InvalidRecord)
    assert read_html(b" ").blocks == ()


def test_a_page_that_is_gone_is_a_deleted_record_and_one_that_is_not_found_is_invalid() -> None:
    """410 says that the page was removed. 404 says nothing, and the sitemap says that the page is there."""
    found = page_website(410).only()
    assert isinstance(found, Record)
    assert (found.deleted, found.blob) == (True, f'{{"status":410,"url":"{SITE}/1"}}')
    assert "404" in problem(404)  # type: ignore[arg-type]


def test_another_kind_of_file_is_an_invalid_record() -> None:
    """Sitemaps list PDF files, too. They have no </html>, and are not cut off."""
    found = page_website(Answered(b"%PDF-1.7", f"{SITE}/1", content_type="application/pdf")).only()
    assert isinstance(found, InvalidRecord)


def test_an_invalid_record_can_be_parsed_again() -> None:
    """`harvest quarantine retry` has only its bytes, after a correction of the parser or of `types`."""
    source = page_website(html())
    invalid = source.only()
    assert isinstance(invalid, InvalidRecord)
    parser = SitemapParser(source.arguments)
    assert parser.single_record(invalid.datum, MARCH) == invalid
    for datum in (b'{"a": 1}', b"", b'{"size": 1}\n12', b"[]\n", join_pages([_page(b"a"), _page(b"b")])):
        assert parser.single_record(datum, MARCH) is None


def test_the_original_is_the_whole_page() -> None:
    """`keep_original` would have no effect."""
    parser = SitemapParser(page_website(html()).arguments)
    page = _page(html('{"a": 1}').encode())
    for kept, original in ((False, None), (True, page.body)):
        parser.keep_original = kept
        found = parser.parse(page)
        assert isinstance(found, Record)
        assert found.original == original


def test_pages_are_split_as_they_were_joined() -> None:
    """A page may contain any byte."""
    pages = [_page(b""), _page(b"\n{}\n\x1e\xff"), _page(b"a")]
    assert list(split_pages(join_pages(pages))) == pages


def _page(body: bytes) -> FetchedPage:
    return FetchedPage(f"{SITE}/1", "2024-03-05", 200, "text/html", body=body)
