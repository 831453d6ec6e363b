"""Read the references of JATS (`ref-list`), and other citations (`product`, `related-article`).

A citation becomes one related resource. If its text is mixed (`mixed-citation`, `citation` of NLM), the text is kept
whole, and the parts are read from it as well. Otherwise, the text has what no field takes, so that a long list of
references does not flood `unmapped`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from harvest_dagster.transformers.document import Agent, Container, ContainerKind, Date, Identifier, Related
from harvest_dagster.transformers.formats.jats import agents
from harvest_dagster.transformers.formats.jats.values import (
    inside,
    joined,
    parts,
    prose,
    take_date,
    take_prose,
    typed_identifier,
)
from harvest_dagster.transformers.reading.xml_tree import (
    XLINK_HREF,
    local_name,
    own_text,
    take_all_text,
    take_attribute,
)
from harvest_dagster.transformers.recognition.identifiers import identify
from harvest_dagster.transformers.recognition.vocabularies import relator

if TYPE_CHECKING:
    from lxml.etree import _Element

_CITATIONS = (
    "element-citation",
    "mixed-citation",
    "nlm-citation",
    "citation",
    "citation-alternatives",
    "note",
)
_IDENTIFIERS = ("pub-id", "object-id", "isbn", "issn", "ext-link", "uri")
_TITLES = ("article-title", "chapter-title", "data-title", "part-title")
_NAMES = ("name", "string-name", "name-alternatives", "collab", "collab-alternatives", "anonymous")
_KINDS: dict[str, ContainerKind] = {
    "journal": "journal",
    "book": "book",
    "confproc": "conference",
    "conference": "conference",
}
_FIELDS = {
    "volume": "volume",
    "issue": "issue",
    "edition": "edition",
    "fpage": "first_page",
    "lpage": "last_page",
    "page-range": "pages",
    "elocation-id": "number",
}


Parts = dict[str, list["_Element"]]


def read_references(root: _Element) -> Iterator[Related]:
    """Take the references of a `ref-list` out of the tree, those of the lists in it too."""
    for reference in inside(root, "ref"):
        label = " ".join(
            filter(None, (take_all_text(one) for one in reference if local_name(one) == "label"))
        )
        for element in reference:
            name = local_name(element)
            if name in _CITATIONS:
                forms = list(parts(element, *_CITATIONS)) if name == "citation-alternatives" else [element]
                citations = (found for form in forms if (found := read_citation(form, "References")))
                yield from (replace(citation, label=label or None) for citation in citations)


def read_citation(
    element: _Element, relation: str | None, relation_text: str | None = None, kind: str | None = None
) -> Related | None:
    """Take one citation out of the tree; None if it is empty.

    Args:
        element: with the parts of the citation.
        relation: of the cited resource.
        relation_text: the word of the source for it.
        kind: the type of the cited resource; that of the element if it is None.
    """
    text = prose(element) if own_text(element) else None
    kind = kind or take_attribute(element, "publication-type") or take_attribute(element, "citation-type")
    by_name: Parts = {}
    for one in element:
        by_name.setdefault(local_name(one), []).append(one)
    identifiers, serials = _identifiers(element)
    agents = tuple(_agents(element))
    title = _texts(by_name, *_TITLES, separator=". ")
    source = _texts(by_name, "source", separator=". ")
    date = _date(element, by_name)
    publisher = _texts(by_name, "publisher-name")
    container = _container(by_name, source if title else None, kind, serials)
    rest = take_all_text(element)
    title = title or source
    if not (identifiers or text or rest or title or agents or container):
        return None
    # What no field takes is in `rest`. Mixed text has it already.
    return Related(
        relation,
        relation_text,
        identifiers,
        text or rest,
        title,
        kind,
        agents,
        date,
        container,
        publisher,
    )


def _texts(by_name: Parts, *names: str, separator: str = ", ") -> str | None:
    return joined(*(take_prose(one) for name in names for one in by_name.get(name, ())), separator=separator)


def _identifiers(element: _Element) -> tuple[tuple[Identifier, ...], tuple[Identifier, ...]]:
    """Take the identifiers out of a citation. Return those of the resource, and the ISSNs of its journal."""
    found: list[Identifier] = []
    for one in inside(element, *_IDENTIFIERS):
        name, link = local_name(one), take_attribute(one, XLINK_HREF)
        text = prose(one)
        if name in ("ext-link", "uri"):
            # The text of a link may be a sentence. It stays, unless it is the address.
            if target := link or text:
                found.append(typed_identifier(take_attribute(one, "ext-link-type"), target))
            if text == target:
                take_all_text(one)
        elif text:
            declared = take_attribute(one, "pub-id-type")
            take_all_text(one)
            found.append(typed_identifier(name if name in ("isbn", "issn") else declared, text))
            if link and identify(link) != found[-1]:
                found.append(identify(link))
    serials = [one for one in found if one.scheme == "issn"]
    return tuple(dict.fromkeys(one for one in found if one.scheme != "issn")), tuple(serials)


def _agents(element: _Element) -> Iterator[Agent]:
    for one in element:
        name = local_name(one)
        if name == "person-group":
            kind = take_attribute(one, "person-group-type")
            named = [agent for inner in parts(one, *_NAMES) if (agent := agents.read_name(inner))]
            if not named and (text := take_prose(one)):
                named = [Agent(text)]
            yield from (_with_role(agent, kind) for agent in named)
        elif name in _NAMES and (agent := agents.read_name(one)):
            yield agent


def _with_role(agent: Agent, kind: str | None) -> Agent:
    return msgspec.structs.replace(agent, role=relator(kind) if kind else None, role_text=kind)


def _date(element: _Element, by_name: Parts) -> Date | None:
    date = take_date(element)
    for one in by_name.get("date", ())[:1] if date is None else ():
        date = take_date(one, role_text=take_attribute(one, "date-type"))
    return date


def _container(
    by_name: Parts, title: str | None, kind: str | None, identifiers: tuple[Identifier, ...]
) -> Container | None:
    values = {field: text for name, field in _FIELDS.items() if (text := _texts(by_name, name))}
    names = ("publisher-loc", "conf-loc")
    places = tuple(text for name in names for one in by_name.get(name, ()) if (text := take_prose(one)))
    if not (title or values or places or identifiers):
        return None
    container = Container(
        title, _KINDS.get(kind or "") if title else None, identifiers=identifiers, places=places
    )
    return msgspec.structs.replace(container, **values)
