"""Read one article of JATS: its attributes, its front matter, its references, and its sub-articles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harvest_dagster.errors import TransformError
from harvest_dagster.transformers.builder import DocumentBuilder
from harvest_dagster.transformers.document import Agent, Description, Identifier, Related, Text
from harvest_dagster.transformers.formats.jats.agents import Affiliations, read_group
from harvest_dagster.transformers.formats.jats.article import read_article_meta
from harvest_dagster.transformers.formats.jats.citations import read_references
from harvest_dagster.transformers.formats.jats.journal import read_journal
from harvest_dagster.transformers.formats.jats.values import (
    drop_links,
    part,
    parts,
    take_identifiers,
    take_prose,
)
from harvest_dagster.transformers.reading import xml_tree
from harvest_dagster.transformers.reading.xml_tree import local_name, take_attribute, take_language
from harvest_dagster.transformers.recognition.standard_forms import language_from

if TYPE_CHECKING:
    from lxml.etree import _Element

    from harvest_dagster.transformers.document import Document

_FULL_TEXT = ("body", "floats-group", "floats-wrap")
_PARTS = ("sub-article", "response")


def read_document(identifier: str, datum: str, in_journals: frozenset[str]) -> Document:
    """Return the document of one article.

    Args:
        identifier: the record's identifier in the source.
        datum: the record.
        in_journals: types of articles that name no general type themselves.

    Raises:
        TransformError: the datum is not XML, or not an article of JATS, or an article without front matter.
    """
    record = xml_tree.read_record(datum)
    article = next((one for root in record.metadata if (one := _article(root)) is not None), None)
    if article is None:
        message = (
            f"the metadata is <{record.metadata[0].tag}>, not an article of JATS. Harvest PubMed Central with "
            "`metadata_prefix: pmc_fm` or `pmc`, or name a transformer that reads this format."
        )
        raise TransformError(message)
    name = xml_tree.namespace(article) or local_name(article)
    builder = DocumentBuilder(identifier, "jats", name)
    xml_tree.add_envelope(builder, record)
    read_article(builder, article, in_journals)
    return builder.build(value for element in record.metadata for value in xml_tree.leftovers(element))


def _article(element: _Element) -> _Element | None:
    """Return the article in an element: itself, or the only one in it (`pmc-articleset`)."""
    if local_name(element) == "article":
        return element
    inner = [one for one in element if local_name(one) == "article"]
    return inner[0] if len(inner) == 1 and local_name(element) == "pmc-articleset" else None


def read_article(builder: DocumentBuilder, article: _Element, in_journals: frozenset[str]) -> None:
    """Take the metadata of an article out of the tree, and remove its full text.

    Args:
        builder: of the document.
        article: the root of the article.
        in_journals: types of articles that name no general type themselves.
    """
    _attributes(builder, article, in_journals)
    removed = [f"article/{name}" for name in _remove_full_text(article)]
    for front in parts(article, "front"):
        _front(builder, front)
    for back in parts(article, "back"):
        for references in parts(back, "ref-list"):
            builder.related += read_references(references)
        if _remove_other_parts(back):
            removed.append("article/back")
    for element in parts(article, *_PARTS):
        builder.related.append(_sub_article(element))
        names = _remove_full_text(element) + (["back"] if _remove(element, "back") else [])
        removed += [f"article/{local_name(element)}/{name}" for name in names]
    drop_links(article)
    if removed:
        builder.rules.append(f"full text not in the document: {', '.join(dict.fromkeys(removed))}")


def _front(builder: DocumentBuilder, front: _Element) -> None:
    affiliations = Affiliations(front)
    read_journal(builder, front, affiliations)
    for meta in parts(front, "article-meta"):
        read_article_meta(meta, builder, affiliations)
    for notes in parts(front, "notes"):
        role = take_attribute(notes, "notes-type") or "notes"
        if text := take_prose(notes):
            builder.descriptions.append(Description(text, role=role))


def _attributes(builder: DocumentBuilder, article: _Element, in_journals: frozenset[str]) -> None:
    kind = take_attribute(article, "article-type")
    if kind:
        builder.add_type(Text(kind))
        if builder.kind is None and kind in in_journals:
            builder.kind = "JournalArticle"
    if text := take_language(article):
        builder.languages.append(language_from(text))
    if version := take_attribute(article, "dtd-version"):
        builder.rules.append(f"dtd-version: {version}")
    for element in parts(article, "processing-meta"):
        for name in list(element.attrib):
            if text := take_attribute(element, str(name)):
                builder.rules.append(f"{name!s}: {text}")


def _remove_full_text(element: _Element) -> list[str]:
    return [name for name in _FULL_TEXT if _remove(element, name)]


def _remove(element: _Element, name: str) -> bool:
    """Remove the elements of a name. Return whether one of them had text."""
    found = list(parts(element, name))
    has_text = any("".join(map(str, one.itertext())).strip() for one in found)
    for one in found:
        element.remove(one)
    return has_text


def _remove_other_parts(back: _Element) -> bool:
    """Remove everything but the references from the back matter. Return whether it had text."""
    has_text = False
    for one in list(back):
        if local_name(one) != "ref-list":
            has_text = has_text or bool("".join(map(str, one.itertext())).strip())
            back.remove(one)
            continue
        for heading in list(one.iter()):
            # The headings and paragraphs of the list are text of the article, not of a reference.
            inside = heading.getparent()
            if (
                inside is not None
                and local_name(heading) in ("title", "p")
                and local_name(inside) == "ref-list"
            ):
                inside.remove(heading)
    return has_text


def _sub_article(element: _Element) -> Related:
    """Return a sub-article, or a response: its identifiers, title, authors and type."""
    name, kind = local_name(element), take_attribute(element, "article-type")
    kind = kind or take_attribute(element, "response-type")
    relation = "HasTranslation" if kind == "translation" else "HasPart"
    identifiers, agents, title = list[Identifier](), list[Agent](), None
    for stub in parts(element, "front-stub", "front"):
        inner = part(stub, "article-meta")
        meta = stub if inner is None else inner
        affiliations = Affiliations(stub)
        identifiers += take_identifiers(parts(meta, "article-id"), "pub-id-type")
        for group in parts(meta, "title-group"):
            for one in parts(group, "article-title"):
                title = title or take_prose(one)
        for group in parts(meta, "contrib-group"):
            authors, others = read_group(group, affiliations)
            agents += (*authors, *others)
    return Related(relation, name, tuple(identifiers), None, title, kind, tuple(agents))
