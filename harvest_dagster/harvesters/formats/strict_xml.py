"""Parse XML strictly: recover nothing, fetch nothing, expand nothing.

In recovery mode a parser returns the first half of a truncated page and reports no error, so a harvester loses the
other half (docs/failures.md#truncated-page). Everything that is not well-formed is refused. Every document type
declaration is refused, too: no protocol that we harvest uses one. Its entities may read files, send requests to
other hosts and grow without bound, and an entity that stays unresolved would be missing from the text. libxml2's
limits on depth (256), text (10 MB) and expansion stay on.

The encoding comes from the first of these that exists: the byte order mark, the XML declaration, the charset of the
Content-Type, UTF-8. RFC 7303, section 3.2, puts the Content-Type before the declaration. But the charset is often
only the default of a web server and wrong, while the program that wrote the document also wrote the declaration.

A label that the bytes contradict does not count: one that names UTF-16 or UTF-32 although the document begins with the
bytes of ASCII, and a charset that does not exist. Byte order marks and white space before the document are removed.
Both lose nothing, because the document must still be valid in its encoding (docs/failures.md#wrong-labels).
"""

from __future__ import annotations

import codecs
import re
from email.message import Message
from typing import NoReturn

from lxml import etree

from harvest_dagster.errors import EmptyBody, MalformedResponse, TruncatedResponse
from harvest_dagster.harvesters.formats.page_limits import raise_if_costly_xml
from harvest_dagster.http.html.page_detection import is_html, web_page_error
from harvest_dagster.http.html.tags import COMMENT, content_start
from harvest_dagster.response_limits import ResponseLimits
from harvest_dagster.texts import describe_start, shorten

_DOCTYPE = b"<!DOCTYPE"
_LONGEST_REASON = 300  # characters
# The body itself tells its encoding: a byte order mark, a declaration that names one, or the zero bytes of UTF-16
# and UTF-32.
_SELF_DECLARED = re.compile(rb"\xef\xbb\xbf|\xff\xfe|\xfe\xff|<\?xml[^>]*\sencoding\s*=|<?\0")
# Byte order marks and white space before a document. Programs that join texts repeat the mark, and PHP files end with
# an empty line.
_BEFORE_DOCUMENT = re.compile(rb"(?:\xef\xbb\xbf|[ \t\r\n])*")
_BEFORE_UTF_16 = {
    "UTF-16LE": re.compile(rb"(?!\xff\xfe\0\0)\xff\xfe(?:\xff\xfe|[ \t\r\n]\0)*"),
    "UTF-16BE": re.compile(rb"\xfe\xff(?:\xfe\xff|\0[ \t\r\n])*"),
}
# The names of UTF-16 and UTF-32, in a declaration whose bytes are those of ASCII.
_WIDE_LABEL = re.compile(
    rb"<\?xml[^>]{0,200}?\sencoding\s{0,20}=\s{0,20}[\"'](?:utf-?16|utf-?32|ucs-|iso-10646-ucs)",
    re.IGNORECASE,
)
# What may precede the root element. A DOCTYPE with an internal subset is not matched; it is refused anyway.
_PROLOG = {b"<?": b"?>", **COMMENT, b"<!": b">"}
_ROOT = re.compile(rb"<([A-Za-z_][^\s<>/]{,99})(?=[\s<>/])")


class _RefusingResolver(etree.Resolver):
    """Raises an error when the parser wants to load anything other than the document.

    `load_dtd=False` alone does not prevent that. libxml2 2.14 still opens the local file that an external DTD names,
    and expands its entities in attribute values.
    """

    def __init__(self, refusal: MalformedResponse) -> None:
        self._refusal = refusal

    def resolve(self, *_: object) -> NoReturn:
        raise self._refusal


def parse_xml(
    body: bytes, *, url: str, content_type: str = "", limits: ResponseLimits | None = None
) -> etree._Element:
    """Return the root element of a document, without comments and processing instructions.

    Args:
        body: the bytes after content decoding.
        url: the redacted URL of the response, for error messages.
        content_type: the value of the Content-Type header.
        limits: what the page may cost; the defaults of ResponseLimits if they are left out.

    Raises:
        EmptyBody: the body is empty or white space.
        WebPage: the body is HTML; the subclass names the kind of page.
        TruncatedResponse: the end tag of the root element is missing.
        MalformedResponse: the document is not well-formed, contains a document type declaration, or has an element with
            too many attributes.
        ResponseTooLarge: the document has too many tags and attributes.
    """
    body, encoding = _without_marks(body)
    if not body or body.isspace():
        raise EmptyBody(f"{url} answered with an empty body instead of XML. Try again later.")
    if is_html(body, content_type):
        raise web_page_error(body, url=url)
    message = (
        f"{url} answered with XML that contains a document type declaration, {describe_start(body)}. "
        "It is refused because it could load files or expand without bound. Tell the operator of the source."
    )
    refusal = MalformedResponse(message)
    raise_if_costly_xml(body, url=url, limits=limits or ResponseLimits())
    if _has_doctype(body):  # its default attributes would be added to each element of the tree
        raise refusal
    root = _parse_well_formed(body, encoding or _encoding(body, content_type), url=url, refusal=refusal)
    if root.getroottree().docinfo.internalDTD is not None:
        raise refusal
    return root


def _has_doctype(body: bytes) -> bool:
    beginning = body.replace(b"\0", b"") if b"\0" in body[:8] else body
    start = content_start(beginning, {b"<?": b"?>", **COMMENT})
    return beginning.startswith(_DOCTYPE, start)


def _without_marks(body: bytes) -> tuple[bytes, str | None]:
    """Return the document without what precedes it, and its encoding if a byte order mark that was removed names it."""
    for encoding, pattern in _BEFORE_UTF_16.items():
        before = pattern.match(body)
        if before is not None and before.end() > len(codecs.BOM_UTF16):  # the parser reads a single mark
            return body[before.end() :], encoding
    before = _BEFORE_DOCUMENT.match(body)
    if before is None or not before[0]:
        return body, None
    return body[before.end() :], "UTF-8" if codecs.BOM_UTF8 in before[0] else None


def _parse_well_formed(
    body: bytes, encoding: str | None, *, url: str, refusal: MalformedResponse
) -> etree._Element:
    try:
        parser = _parser(encoding)
        parser.resolvers.add(_RefusingResolver(refusal))
        return etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError, LookupError) as error:
        raise _syntax_error(body, url=url, error=error) from error


def _syntax_error(body: bytes, *, url: str, error: Exception) -> MalformedResponse:
    root = _ROOT.match(body, content_start(body, _PROLOG))
    if root is not None and re.search(rb"</" + re.escape(root[1]) + rb"\s*>", body) is None:
        missing = f"</{root[1].decode('utf-8', 'replace')}>"
        return TruncatedResponse(
            f"{url} answered with XML that is cut off: its end tag {missing} is missing after {len(body)} bytes, "
            f"{describe_start(body)}. Try again. If the error persists, tell the operator of the source."
        )
    return MalformedResponse(
        f"{url} answered with XML that is not well-formed ({len(body)} bytes), "
        f"{describe_start(body)}: {parser_message(error)}. "
        "Try again. If the error persists, tell the operator of the source."
    )


def parser_message(error: BaseException | None) -> str:
    """Return the parser's error message on one line, at most 300 characters."""
    return (
        shorten(str(error.args[0]), _LONGEST_REASON)
        if error is not None and error.args
        else "the parser gives no reason"
    )


def _parser(encoding: str | None) -> etree.XMLParser:
    return etree.XMLParser(
        encoding=encoding,
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        recover=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        collect_ids=False,  # two records of a page may contain the same xml:id
    )


def _encoding(body: bytes, content_type: str) -> str | None:
    """Return the encoding that the parser must use, or None if the parser finds it in the body."""
    if _WIDE_LABEL.match(body):
        return _charset(content_type) or "UTF-8"
    return None if _SELF_DECLARED.match(body) else _charset(content_type)


def _charset(content_type: str) -> str | None:
    """Return the charset of a Content-Type, or None if it is missing, does not exist, or does not extend ASCII.

    A document without a declaration that is in UTF-16 or UTF-32 shows it by its zero bytes.
    """
    header = Message()
    header["Content-Type"] = content_type
    charset = (header.get_content_charset() or "").partition(",")[0].strip("\"' ")
    try:
        return charset if charset and "<".encode(charset) == b"<" else None
    except (LookupError, ValueError):
        return None
