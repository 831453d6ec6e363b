"""Values in the entries of feeds: the names of elements, mail addresses, dates, and how they are added."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

from harvest_dagster.transformers.builder import DocumentBuilder
from harvest_dagster.transformers.document import (
    Affiliation,
    Agent,
    Date,
    Description,
    Identifier,
    Rights,
    Subject,
)
from harvest_dagster.transformers.reading.xml_tree import (
    local_name,
    take_all_text,
    take_attribute,
    take_language,
)
from harvest_dagster.transformers.recognition.dates import parse_date, parse_mail_date
from harvest_dagster.transformers.recognition.identifiers import identify
from harvest_dagster.transformers.recognition.licenses import license_address

if TYPE_CHECKING:
    from lxml.etree import _Element

Add = Callable[[DocumentBuilder, "_Element"], None]

RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"

# The short name of each namespace, without `http://`, `www.` and the slash or # at the end, in lower case.
_NAMESPACES = {
    "": "rss",
    "purl.org/rss/1.0": "rss",
    "my.netscape.com/rdf/simple/0.9": "rss",
    "backend.userland.com/rss2": "rss",
    "w3.org/2005/atom": "atom",
    "purl.org/atom/ns": "atom",
    "purl.org/dc/elements/1.1": "dc",
    "purl.org/dc/terms": "dc",
    "purl.org/rss/1.0/modules/content": "content",
    "search.yahoo.com/mrss": "media",
    "itunes.com/dtds/podcast-1.0.dtd": "itunes",
    "georss.org/georss": "georss",
    "w3.org/2003/01/geo/wgs84_pos": "geo",
    "arxiv.org/schemas/atom": "arxiv",
    "purl.org/syndication/thread/1.0": "thr",
    "backend.userland.com/creativecommonsrssmodule": "cc",
    "web.resource.org/cc": "cc",
    "creativecommons.org/ns": "cc",
}
_PRISM = re.compile(r"prismstandard\.org/namespaces/.*")
_START = re.compile(r"https?://(?:www\.)?")

_MAILBOX = re.compile(
    r"(?:mailto:)?([^\s()<>@]+@[^\s()<>@]+) \(([^()]+)\)|([^<>@]+) <([^\s()<>@]+@[^\s()<>@]+)>"
)


@lru_cache(maxsize=1024)
def element_key(tag: str) -> str:
    """Return the usual prefix and the local name of an element: `atom:title`; `rss` for no namespace.

    An element of another namespace keeps its tag.
    """
    uri, _, name = tag.rpartition("}")
    short = _START.sub("", uri[1:].strip().lower(), count=1).rstrip("/#")
    prefix = "prism" if _PRISM.fullmatch(short) else _NAMESPACES.get(short)
    return f"{prefix}:{name}" if prefix else tag


def parse_feed_date(text: str) -> str | None:
    """Return a date of ISO 8601 or of RFC 822 in EDTF; None if the text is none.

    >>> parse_feed_date("Mon, 06 Sep 2010 00:01:00 -0400"), parse_feed_date("yesterday")
    ('2010-09-06T04:01:00Z', None)
    """
    return parse_date(text) or parse_mail_date(text)


def take_value(element: _Element) -> str | None:
    """Take the text of an element, or the address in its `rdf:resource`."""
    return take_all_text(element) or take_attribute(element, f"{RDF}resource")


def add_link(builder: DocumentBuilder, text: str) -> None:
    """Add an identifier of the entry, which is usually its address."""
    builder.add_identifier(identify(text), text)


def add_date(builder: DocumentBuilder, element: _Element, role: str) -> None:
    """Add a date with its name in the feed."""
    if text := take_value(element):
        value, name = parse_feed_date(text), local_name(element)
        builder.dates.append(
            Date(value, None if value == text else text, role, None if name == role.lower() else name)
        )


def add_description(builder: DocumentBuilder, element: _Element, role: str | None = None) -> None:
    """Add a text, unless it is empty."""
    language = take_language(element)
    if text := take_all_text(element):
        builder.descriptions.append(Description(text, language, role=role))


def add_rights(
    builder: DocumentBuilder, text: str, address: str | None = None, language: str | None = None
) -> None:
    """Add a license or a statement about rights."""
    license_of_text = license_address(address or text)
    builder.rights.append(Rights(text, language, license=license_of_text or address))


def add_subject(builder: DocumentBuilder, text: str | None, vocabulary: str | None = None) -> None:
    """Add a subject. A vocabulary without a term is a subject, too."""
    if text or vocabulary:
        builder.subjects.append(Subject(text or vocabulary or "", vocabulary=vocabulary if text else None))


def agent_of(
    name: str,
    identifiers: tuple[Identifier, ...],
    role: str | None,
    affiliations: tuple[Affiliation, ...] = (),
) -> Agent:
    """Return an agent of an entry."""
    return Agent(name, identifiers=identifiers, role=role, affiliations=affiliations)


def add_agent(agents: list[Agent], agent: Agent) -> None:
    """Add an agent, unless there is one with its name already and it says nothing more."""
    if agent.identifiers or agent.affiliations or agent.name not in {one.name for one in agents}:
        agents.append(agent)


def mailbox(text: str) -> tuple[str, tuple[Identifier, ...]]:
    """Return the name and the mail address of an author: `a@example.org (Ada)` or `Ada <a@example.org>`.

    The name is the whole text if it has another form.
    """
    match = _MAILBOX.fullmatch(text)
    if match is None:
        return text, ()
    address, name = (match[1], match[2]) if match[1] else (match[4], match[3])
    return name.strip(), (Identifier("other", address, "email"),)
