"""Strict XML: the parser recovers, fetches and expands nothing, and its error shows what the source sent."""

from __future__ import annotations

import socket
from itertools import pairwise

import pytest

from harvest_dagster.errors import EmptyBody, MaintenancePage, MalformedResponse, TruncatedResponse, WebPage
from harvest_dagster.harvesters.formats.canonical_xml import canonical_xml
from harvest_dagster.harvesters.formats.strict_xml import parse_xml

URL = "http://repository.test/oai?verb=ListRecords"


def root_text(body: bytes, content_type: str = "text/xml") -> str | None:
    return parse_xml(body, url=URL, content_type=content_type).text


def refusal(body: bytes, kind: type[MalformedResponse] = MalformedResponse) -> str:
    with pytest.raises(kind) as caught:
        parse_xml(body, url=URL)
    message = str(caught.value)
    assert URL in message
    assert "\n" not in message
    assert message.endswith(".")
    return message


def test_a_truncated_page_is_refused_at_every_length() -> None:
    """In recovery mode, half a page gives 50 of 100 records, no token and success.

    See docs/failures.md#truncated-page.
    """
    document = b'<?xml version="1.0"?><a><b>text</b><c x="1"/></a>'
    assert parse_xml(document, url=URL) is not None
    for length in range(len(document)):
        refusal(document[:length])
    for length in range(document.index(b"<b"), len(document)):
        assert f"its end tag </a> is missing after {length} bytes" in refusal(
            document[:length], TruncatedResponse
        )


@pytest.mark.parametrize(
    "body", [b"<a><b></a>", b"<a>\x0b</a>", b"<!-- <x> --><a>\x0b</a>", b"<p:a>\x0b</p:a >", b"a"]
)
def test_a_page_with_its_end_tag_is_malformed_and_not_truncated(body) -> None:
    """A second request brings the same page. The protocol decides whether its other records can be used."""
    with pytest.raises(MalformedResponse) as caught:
        parse_xml(body, url=URL)
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
def test_html_raises_the_error_for_its_kind_of_page(body) -> None:
    """At SHARE and DOAJ, a maintenance page with status 200 became a successful harvest of 0 records.

    See docs/failures.md#truncated-page.
    """
    if b"maintenance" in body:
        assert "a maintenance page in place of XML" in refusal(body, MaintenancePage)
    else:
        assert "HTML in place of XML" in refusal(body, WebPage)


@pytest.mark.parametrize("body", [b"", b" \n\t "])
def test_an_empty_body_raises_empty_body(body) -> None:
    assert "empty body" in refusal(body, EmptyBody)


def test_an_error_shows_the_beginning_of_the_body_on_one_line() -> None:
    """Otherwise nobody knows what the source sent. See docs/failures.md#report-without-numbers."""
    message = refusal(b"Fatal error:\r\n\tout of memory in \x1b[31m/oai.php\x00 " + b"x" * 1000)
    assert "beginning 'Fatal error: out of memory in [31m/oai.php…'" in message
    assert len(message) < 400


@pytest.mark.parametrize("cut", range(60, 90))
def test_an_error_never_shows_a_part_of_a_word(cut) -> None:
    """A secret that the server repeats is masked in the message. Half of a secret would not be recognized."""
    message = refusal(b"x " * (cut // 2) + b"key=S3cret0123456789 " + b"x" * 100)
    assert "S3cret0123456789" in message or "S3c" not in message


@pytest.mark.parametrize("character", [b"\x0b", b"\x00", b"&#11;", b"&#0;", b"\xff"])
def test_a_character_that_xml_forbids_is_refused(character) -> None:
    """As in metha#1 and the recorded pcurio.xml. Without that character, the record is not the source's record."""
    refusal(b"<a>one" + character + b"two</a>")


@pytest.mark.parametrize(
    "body", [b"<a/><b/>", b"<a/>text", b"<a></b>", b"<p:a/>", b"<a b='1' b='2'/>", b'{"a": 1}']
)
def test_xml_that_is_not_well_formed_is_refused(body) -> None:
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
def test_nothing_that_a_doctype_declares_is_loaded_or_expanded(doctype, content, tmp_path) -> None:
    """Even with load_dtd=False, libxml2 reads the file of an external DTD and expands its entities in attributes."""
    file = tmp_path / "a.dtd"
    file.write_text('<!ENTITY e "SECRET"><!ATTLIST a z CDATA "SECRET">')
    message = refusal(f"<!DOCTYPE a {doctype.replace('{file}', str(file))}>{content}".encode())
    assert "SECRET" not in message


def test_exponential_entity_expansion_is_refused() -> None:
    """The "billion laughs" attack makes 3 GB from 1 kB."""
    names = "abcdefghij"
    nested = "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in pairwise(names))
    refusal(f"<!DOCTYPE r [<!ENTITY a 'laugh'>{nested}]><r x='&j;'>&j;</r>".encode())


def test_an_external_dtd_is_not_fetched() -> None:
    """Such a request bypasses the session: it has no budget and no timeout, and goes to any host."""
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
def test_a_declared_encoding_is_used(encoding) -> None:
    named = "utf-16" if encoding.startswith("utf-16") else encoding
    assert (
        root_text(
            f'<?xml version="1.0" encoding="{named}"?><a>Zoë €</a>'.encode(encoding, "xmlcharrefreplace")
        )
        == "Zoë €"
    )


@pytest.mark.parametrize("mark", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_has_precedence_over_the_content_type(mark) -> None:
    assert root_text("<a>Zoë</a>".encode(mark), "text/xml; charset=iso-8859-1") == "Zoë"


def test_the_declaration_has_precedence_over_the_content_type() -> None:
    """Web servers add their default charset. The program that wrote the document wrote the declaration."""
    body = '<?xml version="1.0" encoding="UTF-8"?><a>Zoë</a>'.encode()
    assert root_text(body, "text/xml; charset=ISO-8859-1") == "Zoë"


@pytest.mark.parametrize("charset", ["ISO-8859-1", '"windows-1252"'])
def test_without_a_declaration_the_charset_of_the_content_type_is_used(charset) -> None:
    assert root_text("<a>Zoë</a>".encode("latin-1"), f"text/xml; charset={charset}") == "Zoë"


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/xml",
        "application/xml; q=1",
        ";;;",
        "text/html",
        "application/octet-stream",
        "text/xml; charset=klingon",
        "text/xml; charset=utf-16",
        'text/xml; charset="utf-8',
        "text/xml; charset=UTF-8,text/xml",
        "text/xml; charset=hex",
    ],
)
def test_the_default_encoding_is_utf_8(content_type) -> None:
    assert root_text('<?xml version="1.0"?><a>Zoë</a>'.encode(), content_type) == "Zoë"


def test_an_unknown_encoding_in_the_declaration_is_refused() -> None:
    with pytest.raises(MalformedResponse):
        parse_xml(b'<?xml version="1.0" encoding="klingon"?><a/>', url=URL, content_type="text/xml")


@pytest.mark.parametrize("label", ["UTF-16", "utf-16le", "UTF-32", "UCS-2", "ISO-10646-UCS-2"])
def test_a_label_of_utf_16_on_utf_8_is_ignored(label) -> None:
    """The bytes show that the label is wrong; the whole source failed (docs/failures.md#wrong-labels)."""
    body = f'<?xml version="1.0" encoding="{label}"?><a>Zoë</a>'.encode()
    assert root_text(body) == "Zoë"
    assert root_text(body, "text/xml; charset=utf-16") == "Zoë"


def test_a_label_of_utf_16_does_not_hide_bytes_that_are_no_utf_8() -> None:
    """Accepting the wrong label must not accept wrong characters."""
    with pytest.raises(MalformedResponse):
        root_text('<?xml version="1.0" encoding="UTF-16"?><a>Zoë</a>'.encode("latin-1"))


MARK = b"\xef\xbb\xbf"
DECLARED = '<?xml version="1.0" encoding="UTF-8"?><a>Zoë</a>'.encode()


@pytest.mark.parametrize(
    "body",
    [
        MARK + MARK + DECLARED,
        MARK + b"\r\n" + DECLARED,
        b"\n" + MARK + DECLARED,
        MARK + b"\n" + MARK + b" " + DECLARED,
        MARK + b"\n" + "<a>Zoë</a>".encode(),
        "\ufeff\ufeff<?xml version='1.0' encoding='UTF-16'?><a>Zoë</a>".encode("utf-16-le"),
        "\ufeff\ufeff\r\n<?xml version='1.0' encoding='UTF-16'?><a>Zoë</a>".encode("utf-16-be"),
    ],
)
def test_marks_and_blank_lines_before_the_declaration_are_accepted(body) -> None:
    """Programs that join texts repeat the byte order mark. Nothing is lost (docs/failures.md#wrong-labels)."""
    assert root_text(body, "text/xml; charset=iso-8859-1") == "Zoë"


def test_white_space_before_the_declaration_is_accepted() -> None:
    """An empty line after the closing ?> of a PHP file causes it. Nothing is lost."""
    assert root_text(b'\r\n\n<?xml version="1.0" encoding="UTF-8"?><a>text</a>') == "text"


def test_comments_and_processing_instructions_do_not_interrupt_the_text() -> None:
    assert canonical_xml(parse_xml(b"<a>one<!-- c -->two<?pi ?>three</a>", url=URL)) == "<a>onetwothree</a>"


def test_two_elements_may_have_the_same_xml_id() -> None:
    """Each record of a page is a separate document. Every TEI header, for example, has its own p1."""
    assert len(parse_xml(b'<a><b xml:id="p1"/><b xml:id="p1"/></a>', url=URL)) == 2


def test_a_page_of_many_megabytes_is_accepted() -> None:
    """libxml2 limits depth and the length of one text, not the length of a page. The session limits that."""
    assert len(parse_xml(b"<a>" + b"<b>0123456789</b>" * 1_000_000 + b"</a>", url=URL)) == 1_000_000
