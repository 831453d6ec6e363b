"""Bytes of a source into a tree, or an error: nothing is recovered, nothing is fetched, nothing is expanded.

Half a page that parses in recovery mode is half a page lost (Lesson 1), so everything that is not well-formed
is refused. So is every document type declaration: no protocol of ours has one; what it declares may read
files, ask other hosts and grow without bound; what it leaves unresolved would be missing from the text.
libxml2's limits on depth (256), text (10 MB) and expansion stay on.

The encoding is, in this order: that of the byte order mark, that of the XML declaration, the charset of the
Content-Type, UTF-8. RFC 7303 would put the Content-Type second; but it is a web server's default, often
wrong, while the declaration was written by the program that wrote the document.
"""

from __future__ import annotations

import re
from email.message import Message
from typing import NoReturn

from lxml import etree

from harvest_dagster.errors import EmptyBody, MalformedResponse, Truncated
from harvest_dagster.http.markup import COMMENT, after
from harvest_dagster.http.webpages import is_html, web_page_error
from harvest_dagster.texts import brief, seen

_WHITE = b" \t\r\n"
_LONGEST_REASON = 300
# A byte order mark, a declaration that names an encoding, or the zero bytes of UTF-16 and UTF-32.
_SELF_DECLARED = re.compile(rb"\xef\xbb\xbf|\xff\xfe|\xfe\xff|<\?xml[^>]*\sencoding\s*=|<?\0")
# What may come before the first tag; no DOCTYPE with a subset does.
_BEFORE = {b"<?": b"?>", **COMMENT, b"<!": b">"}
_ROOT = re.compile(rb"<([A-Za-z_][^\s<>/]{,99})(?=[\s<>/])")


class _NothingElse(etree.Resolver):
    """Raises a refusal when anything but the document itself is asked for.

    `load_dtd=False` alone does not hold: libxml2 2.14 still opens the local file that an external DTD names,
    and puts its entities into attribute values.
    """

    def __init__(self, refusal: MalformedResponse) -> None:
        self._refusal = refusal

    def resolve(self, *_: object) -> NoReturn:
        raise self._refusal


def parse(body: bytes, *, url: str, content_type: str = "") -> etree._Element:
    """The root of a document, without its comments and processing instructions.

    Args:
        body: content-encoding undone.
        url: where it came from, redacted; for the message.
        content_type: the header's value.

    Raises:
        EmptyBody: nothing, or white space.
        WebPage: HTML; a class for each kind.
        Truncated: the end tag of its root is missing.
        MalformedResponse: not well-formed, or with a DOCTYPE.
    """
    if not body or body.isspace():
        raise EmptyBody(f"{url} answered with an empty body where XML should be. Try again later.")
    if is_html(body, content_type):
        raise web_page_error(body, url=url)
    message = (
        f"{url} answered with XML that brings a document type declaration, {seen(body)}. "
        "Nothing that it names is loaded or expanded; tell the operator of the source."
    )
    refusal = MalformedResponse(message)
    root = _well_formed(body, content_type, url=url, refusal=refusal)
    if root.getroottree().docinfo.internalDTD is not None:
        raise refusal
    return root


def _well_formed(body: bytes, content_type: str, *, url: str, refusal: MalformedResponse) -> etree._Element:
    try:
        parser = _parser(body, content_type)
        parser.resolvers.add(_NothingElse(refusal))
        # White space before the declaration is an error that many PHP servers make and that loses nothing.
        return etree.fromstring(body.lstrip(_WHITE), parser)
    except (etree.XMLSyntaxError, ValueError, LookupError) as error:
        raise _unparsed(body, url=url, error=error) from error


def _unparsed(body: bytes, *, url: str, error: Exception) -> MalformedResponse:
    root = _ROOT.match(body, after(body, _BEFORE))
    if root is not None and re.search(rb"</" + re.escape(root[1]) + rb"\s*>", body) is None:
        missing = f"</{root[1].decode('utf-8', 'replace')}>"
        return Truncated(
            f"{url} answered with XML that breaks off: after {len(body)} bytes its end, {missing}, is missing, "
            f"{seen(body)}. Try again; where it stays so, tell the operator of the source."
        )
    return MalformedResponse(
        f"{url} answered with XML that is not well-formed ({len(body)} bytes), "
        f"{seen(body)}: {reason(error)}. Try again; where it stays so, tell the operator of the source."
    )


def reason(error: BaseException | None) -> str:
    """What a parser says, on one line."""
    return (
        brief(str(error.args[0]), _LONGEST_REASON) if error is not None and error.args else "no reason given"
    )


def _parser(body: bytes, content_type: str) -> etree.XMLParser:
    return etree.XMLParser(
        encoding=None if _SELF_DECLARED.match(body.lstrip(_WHITE)) else _charset(content_type),
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        recover=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        collect_ids=False,  # two records of a page may use the same xml:id
    )


def _charset(content_type: str) -> str | None:
    header = Message()
    header["Content-Type"] = content_type
    return header.get_content_charset()
