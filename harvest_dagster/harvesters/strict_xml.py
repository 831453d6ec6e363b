"""Bytes of a source into a tree, or an error: nothing is recovered, nothing is fetched, nothing is expanded.

Half a page that parses in recovery mode is half a page lost (Lesson 1), so everything that is not well-formed
is refused. Entities are refused where they are declared, DTDs are never loaded; libxml2's limits on depth
(256), text (10 MB) and expansion stay on.

The encoding is, in this order: that of the byte order mark, that of the XML declaration, the charset of the
Content-Type, UTF-8. RFC 7303 would put the Content-Type second; but it is a web server's default, often
wrong, while the declaration was written by the program that wrote the document.
"""

from __future__ import annotations

import re
from email.message import Message
from typing import Any

from lxml import etree

from harvest_dagster.errors import MalformedResponse

_WHITE = b" \t\r\n"
_SEEN = 80  # characters of a body that go into a message
# A byte order mark, a declaration that names an encoding, or the zero bytes of UTF-16 and UTF-32.
_SELF_DECLARED = re.compile(rb"\xef\xbb\xbf|\xff\xfe|\xfe\xff|<\?xml[^>]*\sencoding\s*=|<?\0")
_HTML = re.compile(rb"\s*(<!doctype\s+html|<html|<head|<body)", re.IGNORECASE)


def parse(body: bytes, *, url: str, content_type: str = "") -> etree._Element:
    """The root of a document, without its comments and processing instructions.

    Args:
        body: content-encoding undone.
        url: where it came from, redacted; for the message.
        content_type: the header's value.

    Raises:
        MalformedResponse: empty, HTML, cut short, not well-formed, or with entities of its own.
    """
    if not body.strip():
        raise MalformedResponse(f"{url} answered with an empty body where XML should be. Try again later.")
    if _HTML.match(body):
        message = (
            f"{url} answered with HTML where XML should be, {seen(body)}. "
            "It may be a maintenance page, a bot wall or no endpoint at all: open the URL in a browser."
        )
        raise MalformedResponse(message)
    root = _well_formed(body, url=url, content_type=content_type)
    if _has_entities(root):
        message = (
            f"{url} answered with XML that brings entities of its own, {seen(body)}. "
            "They are never expanded; tell the operator of the source."
        )
        raise MalformedResponse(message)
    return root


def seen(body: bytes) -> str:
    """How a body begins, on one line, for a message."""
    start = body[: 4 * _SEEN].decode("utf-8", "replace").replace("\0", "")
    start = " ".join("".join(c if c.isprintable() else " " for c in start).split())
    return f"beginning {start[:_SEEN]!r}"


def _well_formed(body: bytes, *, url: str, content_type: str) -> etree._Element:
    try:
        # White space before the declaration is an error that many PHP servers make and that loses nothing.
        return etree.fromstring(body.lstrip(_WHITE), _parser(body, content_type))
    except (etree.XMLSyntaxError, ValueError, LookupError) as error:
        message = (
            f"{url} answered with XML that is cut short or not well-formed ({len(body)} bytes), "
            f"{seen(body)}: {error.args[0]}. Try again; where it stays so, tell the operator of the source."
        )
        raise MalformedResponse(message) from error


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
    )


def _charset(content_type: str) -> str | None:
    header = Message()
    header["Content-Type"] = content_type
    return header.get_content_charset()


def _has_entities(root: etree._Element) -> bool:
    dtd: Any = root.getroottree().docinfo.internalDTD
    if dtd is None:
        return False  # without a DOCTYPE a reference to an entity is not well-formed
    return any(True for _ in dtd.iterentities()) or any(True for _ in root.iter(etree.Entity))
