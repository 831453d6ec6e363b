"""Strict XML: nothing is recovered, fetched or expanded; a refusal says what was seen."""

from __future__ import annotations

import socket
from itertools import pairwise

import pytest

from harvest_dagster.errors import EmptyBody, MaintenancePage, MalformedResponse, Truncated, WebPage
from harvest_dagster.harvesters.canonical_xml import canonical
from harvest_dagster.harvesters.strict_xml import parse

URL = "http://repository.test/oai?verb=ListRecords"


def read(body: bytes, content_type: str = "text/xml") -> str | None:
    return parse(body, url=URL, content_type=content_type).text


def refusal(body: bytes, kind: type[MalformedResponse] = MalformedResponse) -> str:
    with pytest.raises(kind) as caught:
        parse(body, url=URL)
    message = str(caught.value)
    assert URL in message
    assert "\n" not in message
    assert message.endswith(".")
    return message


def test_a_page_that_is_cut_anywhere_is_refused() -> None:
    """Lesson 1: a page cut in half was parsed in recovery mode: 50 of 100 records, no token, success."""
    whole = b'<?xml version="1.0"?><a><b>text</b><c x="1"/></a>'
    assert parse(whole, url=URL) is not None
    for length in range(len(whole)):
        refusal(whole[:length])
    for length in range(whole.index(b"<b"), len(whole)):
        assert f"after {length} bytes its end, </a>, is missing" in refusal(whole[:length], Truncated)


@pytest.mark.parametrize(
    "body", [b"<a><b></a>", b"<a>\x0b</a>", b"<!-- <x> --><a>\x0b</a>", b"<p:a>\x0b</p:a >", b"a"]
)
def test_what_has_its_end_is_not_called_cut_short(body) -> None:
    """To try again would bring the same; whether the rest can be saved is for the protocol to say."""
    with pytest.raises(MalformedResponse) as caught:
        parse(body, url=URL)
    assert type(caught.value) is MalformedResponse


@pytest.mark.parametrize(
    "body",
    [
        b"<!DOCTYPE html><html><body>Down for maintenance</body></html>",
        b"\n <HTML><head/></HTML>",
        b'<html xmlns="http://www.w3.org/1999/xhtml"><body/></html>',
        b"\xef\xbb\xbf<!doctype HTML public '-//W3C//DTD HTML 4.01//EN'><html></html>",
        b'<?xml version="1.0"?>\n<!DOCTYPE html><html><body/></html>',
    ],
)
def test_html_is_named_as_what_it_is(body) -> None:
    """Lesson 1: a maintenance page with status 200 was a harvest of 0 records, success (SHARE, DOAJ)."""
    if b"maintenance" in body:
        assert "a maintenance page where XML should be" in refusal(body, MaintenancePage)
    else:
        assert "HTML where XML should be" in refusal(body, WebPage)


@pytest.mark.parametrize("body", [b"", b" \n\t "])
def test_an_empty_body_is_named_as_what_it_is(body) -> None:
    assert "empty body" in refusal(body, EmptyBody)


def test_a_refusal_shows_the_first_characters_on_one_line() -> None:
    """Lesson 31: nobody could tell what a source had sent."""
    message = refusal(b"Fatal error:\r\n\tout of memory in \x1b[31m/oai.php\x00 " + b"x" * 1000)
    assert "beginning 'Fatal error: out of memory in [31m/oai.php…'" in message
    assert len(message) < 400


@pytest.mark.parametrize("cut", range(60, 90))
def test_a_refusal_shows_a_word_whole_or_not_at_all(cut) -> None:
    """A secret that the server repeats is masked in the message; half of one would not be recognised."""
    message = refusal(b"x " * (cut // 2) + b"key=S3cret0123456789 " + b"x" * 100)
    assert "S3cret0123456789" in message or "S3c" not in message


@pytest.mark.parametrize("character", [b"\x0b", b"\x00", b"&#11;", b"&#0;", b"\xff"])
def test_a_character_that_xml_does_not_know_is_refused(character) -> None:
    """metha#1, and the recorded pcurio.xml. Without it, it would be another record than the source's."""
    refusal(b"<a>one" + character + b"two</a>")


@pytest.mark.parametrize(
    "body", [b"<a/><b/>", b"<a/>text", b"<a></b>", b"<p:a/>", b"<a b='1' b='2'/>", b'{"a": 1}']
)
def test_what_is_not_well_formed_is_refused(body) -> None:
    refusal(body)


@pytest.mark.parametrize(
    "doctype",
    [
        '[<!ENTITY e "text">]',
        '[<!ENTITY e SYSTEM "{file}">]',
        '[<!ENTITY % p SYSTEM "{file}"> %p;]',
        '[<!ENTITY % p SYSTEM "nowhere.dtd"> %p;]',
        'SYSTEM "{file}"',
        'SYSTEM "nowhere.dtd"',
        'PUBLIC "-//NOBODY//DTD Nothing//EN" "{file}"',
        '[<!ATTLIST a z CDATA "text">]',
        "",
    ],
)
@pytest.mark.parametrize("content", ["<a>before &e; after</a>", "<a x='&e;'/>", "<a/>"])
def test_nothing_that_a_doctype_names_is_ever_loaded_or_expanded(doctype, content, tmp_path) -> None:
    """libxml2 reads the file of an external DTD even with load_dtd=False, and expands it in attributes."""
    file = tmp_path / "a.dtd"
    file.write_text('<!ENTITY e "SECRET"><!ATTLIST a z CDATA "SECRET">')
    message = refusal(f"<!DOCTYPE a {doctype.replace('{file}', str(file))}>{content}".encode())
    assert "SECRET" not in message


def test_entities_that_grow_without_bound_are_refused_at_once() -> None:
    """A billion laughs: 3 GB from 1 kB."""
    names = "abcdefghij"
    nested = "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in pairwise(names))
    refusal(f"<!DOCTYPE r [<!ENTITY a 'laugh'>{nested}]><r x='&j;'>&j;</r>".encode())


def test_an_external_dtd_is_not_fetched() -> None:
    """It would be a request past the session: no budget, no timeout, any host."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/a.dtd"
        assert "document type declaration" in refusal(f'<!DOCTYPE a SYSTEM "{url}"><a>text</a>'.encode())
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-16", "utf-16-le", "utf-16-be", "iso-8859-1", "windows-1252", "iso-8859-15", "gb18030"],
)
def test_any_declared_encoding_is_read(encoding) -> None:
    named = "utf-16" if encoding.startswith("utf-16") else encoding
    assert (
        read(f'<?xml version="1.0" encoding="{named}"?><a>Zoë €</a>'.encode(encoding, "xmlcharrefreplace"))
        == "Zoë €"
    )


@pytest.mark.parametrize("mark", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_tells_the_encoding(mark) -> None:
    assert read("<a>Zoë</a>".encode(mark), "text/xml; charset=iso-8859-1") == "Zoë"


def test_the_declaration_wins_over_the_content_type() -> None:
    """Web servers add the charset they default to; the document's own program wrote the declaration."""
    body = '<?xml version="1.0" encoding="UTF-8"?><a>Zoë</a>'.encode()
    assert read(body, "text/xml; charset=ISO-8859-1") == "Zoë"


@pytest.mark.parametrize("charset", ["ISO-8859-1", '"windows-1252"'])
def test_without_a_declaration_the_content_type_tells_the_encoding(charset) -> None:
    assert read("<a>Zoë</a>".encode("latin-1"), f"text/xml; charset={charset}") == "Zoë"


@pytest.mark.parametrize("content_type", ["", "text/xml", "application/xml; q=1", ";;;"])
def test_without_any_word_on_it_the_encoding_is_utf_8(content_type) -> None:
    assert read('<?xml version="1.0"?><a>Zoë</a>'.encode(), content_type) == "Zoë"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [(b'<?xml version="1.0" encoding="klingon"?><a/>', "text/xml"), (b"<a/>", "text/xml; charset=klingon")],
)
def test_an_unknown_encoding_is_refused(body, content_type) -> None:
    with pytest.raises(MalformedResponse):
        parse(body, url=URL, content_type=content_type)


def test_white_space_before_the_declaration_is_forgiven() -> None:
    """A line after the closing ?> of some PHP file; nothing is lost by it."""
    assert read(b'\r\n\n<?xml version="1.0" encoding="UTF-8"?><a>text</a>') == "text"


def test_comments_and_processing_instructions_do_not_cut_the_text() -> None:
    assert canonical(parse(b"<a>one<!-- c -->two<?pi ?>three</a>", url=URL)) == "<a>onetwothree</a>"


def test_two_elements_may_have_the_same_xml_id() -> None:
    """Each record of a page is a document of its own: TEI headers all have their own p1."""
    assert len(parse(b'<a><b xml:id="p1"/><b xml:id="p1"/></a>', url=URL)) == 2


def test_a_page_of_many_megabytes_is_read() -> None:
    """libxml2's limits are on a text and on depth, not on a page; the session bounds that."""
    assert len(parse(b"<a>" + b"<b>0123456789</b>" * 1_000_000 + b"</a>", url=URL)) == 1_000_000
