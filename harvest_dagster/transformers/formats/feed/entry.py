"""Read the entries of feeds: RSS 2.0, RSS 1.0 and Atom, with the usual extensions.

- RSS 2.0: https://www.rssboard.org/rss-specification. RSS 1.0: https://web.resource.org/rss/1.0/spec, and the
  extension `content`: https://web.resource.org/rss/1.0/modules/content/.
- Atom: https://www.rfc-editor.org/rfc/rfc4287, and Atom 0.3.
- Dublin Core is read by `transformers.formats.oai_dc.elements`, and the other extensions by `formats.feed_extensions`.

The text of an entry is kept as it is. In most feeds, a description is HTML that is escaped once. The harvester leaves
`atom:updated` out of its records, because sources change it without changing the entry.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from harvest_dagster.errors import TransformError
from harvest_dagster.transformers.builder import DocumentBuilder
from harvest_dagster.transformers.document import (
    Affiliation,
    Container,
    Document,
    File,
    Identifier,
    Related,
    Subject,
    Title,
)
from harvest_dagster.transformers.formats.feed import extensions
from harvest_dagster.transformers.formats.feed.values import (
    RDF,
    Add,
    add_agent,
    add_date,
    add_description,
    add_link,
    add_rights,
    add_subject,
    agent_of,
    element_key,
    mailbox,
    take_value,
)
from harvest_dagster.transformers.formats.oai_dc import elements as dublin_core
from harvest_dagster.transformers.formats.oai_dc.elements import Value
from harvest_dagster.transformers.reading.xml_tree import (
    XML_LANG,
    leftovers,
    local_name,
    namespace,
    parse,
    take_all_text,
    take_attribute,
    take_language,
    take_text,
)
from harvest_dagster.transformers.recognition.identifiers import identify

if TYPE_CHECKING:
    from lxml.etree import _Element

_TEXTS = frozenset({"title", "summary", "content", "description", "rights", "copyright", "encoded"})


def read_document(identifier: str, datum: str) -> Document:
    """Return the document of one entry.

    Raises:
        TransformError: the datum is not XML, is not an entry of a feed, or nothing in it was recognized.
    """
    entry = parse(datum)
    _check_is_entry(entry)
    builder = DocumentBuilder(identifier, "feed", namespace(entry) or "RSS 2.0")
    _pass_language_on(entry)
    if about := take_attribute(entry, f"{RDF}about"):
        add_link(builder, about)
    read_elements(builder, entry)
    extensions.add_journal(builder, entry)
    extensions.add_position(builder, entry)
    return builder.build(leftovers(entry))


def read_elements(builder: DocumentBuilder, parent: _Element) -> None:
    """Add the values of the elements in an entry, or in a group of them."""
    for element in parent:
        tag = str(element.tag)
        key = element_key(tag)
        add = _ELEMENTS.get(key)
        if add is not None:
            add(builder, element)
        elif key.startswith("dc:") and dublin_core.is_known(tag):
            _dublin_core(builder, element, tag)


def _check_is_entry(root: _Element) -> None:
    key = element_key(str(root.tag))
    if key in ("rss:item", "atom:entry"):
        return
    if local_name(root) == "deleted-entry":
        message = "the entry is deleted. It has no document."
    elif local_name(root) in ("feed", "rss", "RDF", "channel"):
        message = (
            f"the datum is a whole feed, <{root.tag}>. Harvest it with the harvester `feed`, entry by entry."
        )
    else:
        message = (
            f"the datum is <{root.tag}>, not an entry of a feed. Name a transformer that reads this format."
        )
    raise TransformError(message)


def _pass_language_on(entry: _Element) -> None:
    """Move the `xml:lang` of an entry to its texts: it is the language of the elements inside."""
    texts = [element for element in entry if local_name(element) in _TEXTS]
    if not texts:
        return
    if language := take_language(entry):
        for element in texts:
            if XML_LANG not in element.attrib:
                element.set(XML_LANG, language)


def _title(builder: DocumentBuilder, element: _Element) -> None:
    if text := take_all_text(element):
        builder.titles.append(Title(text, take_language(element)))


def _content(builder: DocumentBuilder, element: _Element) -> None:
    """Add the content of an entry, or the file that has it (RFC 4287, section 4.1.3)."""
    if address := take_attribute(element, "src"):
        builder.files.append(File(address, format=take_attribute(element, "type")))
    add_description(builder, element, "content")


def _link(builder: DocumentBuilder, element: _Element) -> None:
    if text := take_text(element):
        add_link(builder, text)


def _author(builder: DocumentBuilder, element: _Element) -> None:
    """Add an author of RSS, `address (name)`, as in RFC 822."""
    if text := take_all_text(element):
        add_agent(builder.creators, agent_of(*mailbox(text), "aut"))


def _person(builder: DocumentBuilder, element: _Element, role: str) -> None:
    """Add a person of Atom (RFC 4287, section 3.2), with the affiliation that arXiv adds."""
    texts: dict[str, list[str]] = {"name": [], "uri": [], "email": [], "affiliation": []}
    for part in element:
        name = "uri" if local_name(part) == "url" else local_name(part)  # `url` in Atom 0.3
        if name in texts and not len(part) and (text := take_text(part)):
            texts[name].append(text)
    if own := take_text(element):
        texts["name"].append(own)
    names = texts["name"] or texts["email"] or texts["uri"]
    for name in names:
        identifiers = [identify(text) for text in texts["uri"]]
        identifiers += [Identifier("other", text, "email") for text in texts["email"]]
        affiliations = tuple(Affiliation(text) for text in texts["affiliation"])
        agent = agent_of(name, tuple(identifiers), role, affiliations)
        add_agent(builder.creators if role == "aut" else builder.contributors, agent)
    if not names:
        builder.contributors += [agent_of(text, (), role) for text in texts["affiliation"]]


def _category(builder: DocumentBuilder, element: _Element) -> None:
    """Add a category of RSS."""
    add_subject(builder, take_all_text(element), take_attribute(element, "domain"))


def _atom_category(builder: DocumentBuilder, element: _Element) -> None:
    term, label = take_attribute(element, "term"), take_attribute(element, "label")
    if text := label or term or take_text(element):
        code = term if label and term != label else None
        builder.subjects.append(
            Subject(text, take_language(element), take_attribute(element, "scheme"), code=code)
        )


def _enclosure(builder: DocumentBuilder, element: _Element) -> None:
    if address := take_attribute(element, "url"):
        media_type, size = take_attribute(element, "type"), take_attribute(element, "length")
        builder.files.append(File(address, format=media_type, size=size))


def _source(builder: DocumentBuilder, element: _Element) -> None:
    """Add the feed from which an entry was copied."""
    address, title = take_attribute(element, "url"), take_text(element)
    for part in element:
        name = local_name(part)
        if name == "id" and address is None:
            address = take_text(part)
        elif name == "title" and title is None:
            title = take_all_text(part)
    if address or title:
        identifiers = (identify(address),) if address else ()
        builder.related.append(Related(relation_text="source", identifiers=identifiers, title=title))


def _comments(builder: DocumentBuilder, element: _Element) -> None:
    if text := take_text(element):
        builder.related.append(Related(relation_text="comments", identifiers=(identify(text),)))


def _atom_link(builder: DocumentBuilder, element: _Element) -> None:
    """Add a link of Atom (RFC 4287, section 4.2.7). A link without `rel` is the page of the entry."""
    address = take_attribute(element, "href")
    if address is None:
        return
    relation = take_attribute(element, "rel") or "alternate"
    title, media_type = element.get("title"), element.get("type") or ""
    if relation == "alternate" or (relation == "related" and title == "doi"):
        add_link(builder, address)
    elif relation in ("self", "edit"):
        builder.record_identifiers.append(identify(address))
    elif relation == "license":
        add_rights(builder, address, address)
    elif relation == "enclosure" or media_type == "application/pdf":
        builder.files.append(_file(element, address))
    else:
        identifier, name = (identify(address),), take_attribute(element, "title")
        kind = take_attribute(element, "type")
        builder.related.append(Related(relation_text=relation, identifiers=identifier, title=name, kind=kind))
        return
    if relation not in ("alternate", "enclosure", "license"):
        element.set("rel", relation)


def _file(element: _Element, address: str) -> File:
    name, media_type = take_attribute(element, "title"), take_attribute(element, "type")
    return File(address, name, media_type, take_attribute(element, "length"))


def _rights(builder: DocumentBuilder, element: _Element) -> None:
    language = take_language(element)
    if text := take_all_text(element):
        add_rights(builder, text, language=language)


def _journal_reference(builder: DocumentBuilder, element: _Element) -> None:
    if text := take_all_text(element):
        builder.containers.append(Container(text=text))


def _dublin_core(builder: DocumentBuilder, element: _Element, tag: str) -> None:
    language, text = take_language(element), take_value(element)
    if text:
        dublin_core.add_values(builder, [Value(tag, text, language)])


_ELEMENTS: dict[str, Add] = {
    "rss:title": _title,
    "rss:link": _link,
    "rss:guid": _link,
    "rss:description": add_description,
    "rss:author": _author,
    "rss:category": _category,
    "rss:pubDate": partial(add_date, role="Issued"),
    "rss:enclosure": _enclosure,
    "rss:source": _source,
    "rss:comments": _comments,
    "content:encoded": partial(add_description, role="content"),
    "atom:id": _link,
    "atom:title": _title,
    "atom:summary": partial(add_description, role="Abstract"),
    "atom:content": _content,
    "atom:author": partial(_person, role="aut"),
    "atom:contributor": partial(_person, role="ctb"),
    "atom:category": _atom_category,
    "atom:link": _atom_link,
    "atom:published": partial(add_date, role="Issued"),
    "atom:issued": partial(add_date, role="Issued"),
    "atom:created": partial(add_date, role="Created"),
    "atom:updated": partial(add_date, role="Updated"),
    "atom:modified": partial(add_date, role="Updated"),
    "atom:rights": _rights,
    "atom:copyright": _rights,
    "atom:source": _source,
    "arxiv:comment": partial(add_description, role="comments"),
    "arxiv:journal_ref": _journal_reference,
    "arxiv:doi": _link,
    "media:group": read_elements,
    **extensions.ELEMENTS,
}
