"""Read `article-meta` of JATS: everything about the article itself.

The other parts of the front matter: `agents` (contributors), `journal` (journal, conference, pages),
`rights` (permissions, funding).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from harvest_dagster.transformers.builder import DocumentBuilder
from harvest_dagster.transformers.document import Date, Description, File, Related, Subject, Text, Title
from harvest_dagster.transformers.formats.jats import rights
from harvest_dagster.transformers.formats.jats.agents import Affiliations, read_group
from harvest_dagster.transformers.formats.jats.citations import read_citation
from harvest_dagster.transformers.formats.jats.values import (
    inside,
    joined,
    part,
    parts,
    role_of_date,
    take_date,
    take_identifiers,
    take_prose,
    typed_identifier,
)
from harvest_dagster.transformers.reading.xml_tree import (
    XLINK_HREF,
    fold,
    local_name,
    take_all_text,
    take_attribute,
    take_language,
)
from harvest_dagster.transformers.recognition.identifiers import identify, web_address
from harvest_dagster.transformers.recognition.vocabularies import relation_type

if TYPE_CHECKING:
    from lxml.etree import _Element

_XLINK_TITLE = "{http://www.w3.org/1999/xlink}title"
# What the related article is to this one, from `related-article-type` and `related-object-type`:
# https://jats.nlm.nih.gov/archiving/tag-library/1.3/attribute/related-article-type.html
_RELATIONS = {
    "addended-article": "IsSupplementTo",
    "addendum": "IsSupplementedBy",
    "companion": None,
    "peer-reviewed-article": "Reviews",
    "peer-reviewed-material": "Reviews",
    "reviewed-article": "Reviews",
    "preprint": "IsNewVersionOf",
    "republished-article": "IsVariantFormOf",
    "translated-article": "IsTranslationOf",
    "translation": "HasTranslation",
    "updated-article": "IsNewVersionOf",
}

_ROLES_OF_TITLES = {
    "article-title": None,
    "subtitle": "subtitle",
    "alt-title": "alternative",
    "trans-title": "translated",
    "trans-subtitle": "subtitle",
}


def read_article_meta(meta: _Element, builder: DocumentBuilder, affiliations: Affiliations) -> None:
    """Take the metadata of an article out of the tree, and add them to the document."""
    for element in list(meta):
        if (reader := _READERS.get(local_name(element))) is not None:
            reader(builder, element)
    for group in parts(meta, "contrib-group"):
        authors, others = read_group(group, affiliations)
        builder.creators += authors
        builder.contributors += others
    rights.read_permissions(builder, meta)
    rights.read_old_grants(builder, meta)


def _identifier(builder: DocumentBuilder, element: _Element) -> None:
    for found in take_identifiers((element,), "pub-id-type"):
        builder.add_identifier(found)


def _version(builder: DocumentBuilder, element: _Element) -> None:
    for one in inside(element, "article-version"):
        if text := take_all_text(one):
            builder.version = builder.version or text


def _categories(builder: DocumentBuilder, element: _Element) -> None:
    for group in parts(element, "subj-group"):
        _subjects(builder, group, None, None)


def _subjects(
    builder: DocumentBuilder, group: _Element, vocabulary: str | None, language: str | None
) -> None:
    """Add the subjects of a group, and those of the groups in it: each level of a path is a subject."""
    vocabulary = take_attribute(group, "subj-group-type") or vocabulary
    language = take_language(group) or language
    for one in group:
        name = local_name(one)
        if name == "subject" and (text := take_prose(one)):
            builder.subjects.append(Subject(text, language, vocabulary))
        elif name == "compound-subject":
            texts = [text for inner in parts(one, "compound-subject-part") if (text := take_prose(inner))]
            if texts:
                builder.subjects.append(Subject(", ".join(texts), language, vocabulary))
        elif name == "subj-group":
            _subjects(builder, one, vocabulary, language)


def _titles(builder: DocumentBuilder, element: _Element, language: str | None = None) -> None:
    """Add the titles of a group; a group in it, `trans-title-group`, may name their language."""
    for one in element:
        name = local_name(one)
        if name in _ROLES_OF_TITLES:
            _title(builder, one, take_attribute(one, "alt-title-type") or _ROLES_OF_TITLES[name], language)
        elif name == "trans-title-group":
            _titles(builder, one, take_language(one))
        elif name in ("fn", "fn-group"):
            _notes(builder, one)


def _title(
    builder: DocumentBuilder, element: _Element, role: str | None, language: str | None = None
) -> None:
    if text := take_prose(element):
        builder.titles.append(Title(text, take_language(element) or language, role=role))


def _author_notes(builder: DocumentBuilder, element: _Element) -> None:
    for one in parts(element, "corresp", "fn", "p"):
        _note(builder, one, "author-notes")


def _notes(builder: DocumentBuilder, element: _Element) -> None:
    for one in inside(element, "fn"):
        _note(builder, one, "fn")


def _note(builder: DocumentBuilder, element: _Element, role: str) -> None:
    for label in parts(element, "label"):
        take_all_text(label)
    kind = take_attribute(element, "fn-type")
    name = local_name(element)
    if text := take_prose(element):
        role = kind or ("corresp" if name == "corresp" else role)
        builder.descriptions.append(Description(text, take_language(element), role=role))


def _publication_date(builder: DocumentBuilder, element: _Element) -> None:
    words = [take_attribute(element, name) for name in ("date-type", "pub-type", "publication-format")]
    if date := take_date(element, *role_of_date(*words)):
        builder.dates.append(date)


def _history(builder: DocumentBuilder, element: _Element) -> None:
    """Add the dates of `history`, and the events of `pub-history` (JATS 1.2)."""
    for one in inside(element, "date", "event"):
        if local_name(one) == "event":
            _event(builder, one)
        elif date := take_date(one, *role_of_date(take_attribute(one, "date-type"))):
            builder.dates.append(date)


def _event(builder: DocumentBuilder, element: _Element) -> None:
    """Add an event. One with an identifier is another version of the article, such as its preprint."""
    kind = take_attribute(element, "event-type")
    description = joined(*(take_prose(one) for one in parts(element, "event-desc")))
    dates: list[Date] = []
    for one in parts(element, "date", "pub-date"):
        words = [take_attribute(one, name) for name in ("date-type", "pub-type")]
        if date := take_date(one, *role_of_date(*words, kind)):
            dates.append(date)
    identifiers = [*take_identifiers(parts(element, "article-id"), "pub-id-type")]
    content = None
    for one in parts(element, "self-uri"):
        content = take_attribute(one, "content-type") or content
        if link := take_attribute(one, XLINK_HREF) or take_all_text(one):
            identifiers.append(identify(link))
    if not identifiers:
        builder.dates += dates
        if description:
            builder.descriptions.append(Description(description, role="event"))
        return
    word = kind or content
    relation = _RELATIONS.get(word or "")
    date = dates[0] if dates else None
    builder.related.append(
        Related(relation, word, tuple(dict.fromkeys(identifiers)), description, kind=content, date=date)
    )
    builder.dates += dates[1:]


def _abstract(builder: DocumentBuilder, element: _Element) -> None:
    role = take_attribute(element, "abstract-type")
    if text := take_prose(element):
        builder.descriptions.append(Description(text, take_language(element), role=role or "Abstract"))


def _keywords(builder: DocumentBuilder, element: _Element) -> None:
    language = take_language(element)
    named = take_attribute(element, "vocab") or take_attribute(element, "kwd-group-type")
    vocabulary = named or take_attribute(element, "vocab-identifier")
    title = part(element, "title")
    if title is not None and named and _key(title.text or "") == _key(named):
        take_all_text(title)
    for one in inside(element, "kwd", "compound-kwd", "unstructured-kwd-group"):
        own = take_attribute(one, "vocab") or vocabulary
        uri, term = take_attribute(one, "vocab-term-identifier"), one.get("vocab-term")
        if local_name(one) == "compound-kwd":
            text = joined(*(take_prose(inner) for inner in parts(one, "compound-kwd-part")))
        else:
            text = take_prose(one, frozenset({"nested-kwd", "kwd", "xref", "fn", "tex-math"}))
        if text and term is not None and fold(term) == text:
            del one.attrib["vocab-term"]
        if text:
            builder.subjects.append(Subject(text, take_language(one) or language, own, uri=uri))


def _key(text: str) -> str:
    return "".join(filter(str.isalnum, text.lower()))


def _self_uri(builder: DocumentBuilder, element: _Element) -> None:
    address = take_attribute(element, XLINK_HREF)
    content, title = take_attribute(element, "content-type"), take_attribute(element, _XLINK_TITLE)
    text = take_all_text(element)
    shown = text if text != address else None
    target = address or text
    # Some publishers write only the name of a file.
    url = web_address(target) if target else None
    names = [one for one in (None if url else target, shown if address else None, title) if one]
    if url or names:
        builder.files.append(File(url, names[0] if names else None, content, description=joined(*names[1:])))


def _supplement(builder: DocumentBuilder, element: _Element) -> None:
    """Add a supplementary file, with its label and its caption."""
    address = take_attribute(element, XLINK_HREF)
    media = take_attribute(element, "mimetype"), take_attribute(element, "mime-subtype")
    for one in parts(element, "media"):
        address = address or take_attribute(one, XLINK_HREF)
    name = joined(*(take_all_text(one) for one in parts(element, "label")))
    text = take_prose(element)
    if address or name or text:
        builder.files.append(File(address, name, joined(*media, separator="/"), description=text))


def _related(builder: DocumentBuilder, element: _Element) -> None:
    """Add a related article or object: a link, or a whole citation."""
    name = local_name(element)
    word = take_attribute(element, f"{name}-type")
    link, kind = take_attribute(element, XLINK_HREF), take_attribute(element, "ext-link-type")
    object_id = take_attribute(element, "object-id") or take_attribute(element, "document-id")
    id_type = take_attribute(element, "object-id-type") or take_attribute(element, "document-id-type")
    cited = read_citation(element, None)
    found = [typed_identifier(kind, link)] if link else []
    if object_id:
        found.append(typed_identifier(id_type, object_id))
    identifiers = tuple(dict.fromkeys((*found, *(cited.identifiers if cited else ()))))
    relation = _RELATIONS.get(word or "") or (relation_type(word) if word else None)
    if not identifiers and cited is None:
        return
    cited = cited or Related()
    text, title = cited.text, cited.title
    builder.related.append(
        Related(
            relation,
            word or name,
            identifiers,
            text,
            title,
            cited.kind,
            cited.agents,
            cited.date,
            cited.container,
            cited.publisher,
        )
    )


def _product(builder: DocumentBuilder, element: _Element) -> None:
    """Add what the article reviews: a book, a film, a program."""
    kind = take_attribute(element, "product-type")
    if found := read_citation(element, "Reviews", "product", kind):
        builder.related.append(found)


def _link(builder: DocumentBuilder, element: _Element) -> None:
    kind, address = take_attribute(element, "ext-link-type"), take_attribute(element, XLINK_HREF)
    text = take_all_text(element)
    if target := address or text:
        found = Related(None, kind, (identify(target),), text if text != target else None)
        builder.related.append(found)


def _counts(builder: DocumentBuilder, element: _Element) -> None:
    for one in element:
        count = take_attribute(one, "count")
        name = take_attribute(one, "count-type") or local_name(one)
        if count:
            builder.sizes.append(Text(f"{count} pages" if name == "page-count" else f"{name}: {count}"))


def _funding(builder: DocumentBuilder, element: _Element) -> None:
    rights.read_funding(builder, element)


_READERS: dict[str, Callable[[DocumentBuilder, _Element], None]] = {
    "article-id": _identifier,
    "article-version": _version,
    "article-version-alternatives": _version,
    "article-categories": _categories,
    "title-group": _titles,
    "trans-title-group": _titles,
    "author-notes": _author_notes,
    "pub-date": _publication_date,
    "pub-date-not-available": _publication_date,
    "history": _history,
    "pub-history": _history,
    "abstract": _abstract,
    "trans-abstract": _abstract,
    "kwd-group": _keywords,
    "self-uri": _self_uri,
    "supplementary-material": _supplement,
    "related-article": _related,
    "related-object": _related,
    "product": _product,
    "ext-link": _link,
    "uri": _link,
    "counts": _counts,
    "funding-group": _funding,
}
