"""Read `relatedItem` and `part` of MODS: https://www.loc.gov/standards/mods/userguide/relateditem.html.

A host or a series is a container; all others are related resources. What a container or a related resource has no
field for stays in the tree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from harvest_dagster.transformers.document import (
    Agent,
    Container,
    ContainerKind,
    Date,
    Identifier,
    Related,
    Text,
    Title,
)
from harvest_dagster.transformers.formats.mods.names import children_named, take_name, take_texts, take_titles
from harvest_dagster.transformers.formats.mods.origin import Origin, take_dates, take_origin
from harvest_dagster.transformers.reading.xml_tree import XLINK_HREF, take_all_text, take_attribute
from harvest_dagster.transformers.recognition.identifiers import identify, identify_declared
from harvest_dagster.transformers.recognition.vocabularies import relation_type

if TYPE_CHECKING:
    from lxml.etree import _Element

    from harvest_dagster.transformers.builder import DocumentBuilder

_RELATIONS: dict[str, str] = {
    "preceding": "Continues",
    "succeeding": "IsContinuedBy",
    "original": "IsVariantFormOf",
    "constituent": "HasPart",
    "otherVersion": "IsVersionOf",
    "otherFormat": "IsVariantFormOf",
    "isReferencedBy": "IsReferencedBy",
    "references": "References",
    "reviewOf": "Reviews",
}
_CONTAINERS = ("host", "series")
_KINDS: dict[str, ContainerKind] = {
    "journal": "journal",
    "periodical": "journal",
    "academic journal": "journal",
    "newspaper": "journal",
    "serial": "journal",
    "continuing": "journal",
    "book": "book",
    "series": "series",
    "conference publication": "conference",
    "proceedings": "conference",
}
# The types of `detail` in a part.
_DETAILS = {
    "volume": "volume",
    "issue": "issue",
    "number": "issue",
    "no": "issue",
    "article": "number",
    "article number": "number",
    "chapter": "number",
    "edition": "edition",
}
_PAGES = ("page", "pages", "pp")


def read_related_item(builder: DocumentBuilder, element: _Element) -> None:
    """Add a `relatedItem` to the containers or to the related resources."""
    if element.get("type") in _CONTAINERS:
        if container := take_container(element):
            builder.containers.append(container)
        # The series of the journal or book is also a container of the resource.
        for inner in children_named(element, "relatedItem"):
            read_related_item(builder, inner)
    elif related := _take_related(element):
        builder.related.append(related)


def take_container(element: _Element) -> Container | None:
    """Take a host or a series; None if it has no text."""
    kind = "series" if element.get("type") == "series" else None
    titles = [title for part in children_named(element, "titleInfo") for title in take_titles(part)]
    identifiers = _take_identifiers(element)
    origins = [take_origin(part) for part in children_named(element, "originInfo")]
    notes = take_texts(element, "note")
    container = Container(
        titles[0].text if titles else None,
        _kind(element, identifiers, origins) if kind is None else "series",
        other_titles=tuple(Text(title.text, language=title.language) for title in titles[1:]),
        identifiers=identifiers,
        edition=next((text for origin in origins for text in origin.editions), None),
        dates=tuple(date for origin in origins for date in origin.dates),
        agents=_take_agents(element) + _publishers(origins),
        text="; ".join([*notes, *_more(origins)]) or None,
    )
    for part in children_named(element, "part"):
        container = take_part(part, container)
    if container == Container(kind=container.kind):
        return None
    take_attribute(element, "type")
    return container


def _more(origins: list[Origin]) -> list[str]:
    """Return the texts of origins for which a container has no field."""
    return [
        text for origin in origins for text in (*origin.editions[1:], *origin.issuances, *origin.frequencies)
    ]


def _publishers(origins: list[Origin]) -> tuple[Agent, ...]:
    publishers = [agent for origin in origins for agent in origin.publishers]
    others = [agent for origin in origins for agent in origin.others]
    return (*(replace(agent, role="pbl") for agent in publishers), *others)


def _take_agents(element: _Element) -> tuple[Agent, ...]:
    return tuple(agent for agent in map(take_name, children_named(element, "name")) if agent)


def _kind(
    element: _Element, identifiers: tuple[Identifier, ...], origins: list[Origin]
) -> ContainerKind | None:
    """Return what a host is: by its genre, its issuance or its number. Only a serial has an ISSN."""
    words = [(part.text or "").strip().lower() for part in children_named(element, "genre")]
    words += [text.lower() for origin in origins for text in origin.issuances]
    for word in words:
        if word in _KINDS:
            return _KINDS[word]
    schemes = {identifier.scheme for identifier in identifiers}
    if "isbn" in schemes:
        return "book"
    return "journal" if "issn" in schemes else None


def _take_identifiers(element: _Element) -> tuple[Identifier, ...]:
    """Take the identifiers and addresses. An invalid identifier stays in the tree."""
    found = [
        identify_declared(take_attribute(part, "type"), text)
        for part in children_named(element, "identifier")
        if part.get("invalid") != "yes" and (text := take_all_text(part))
    ]
    for location in children_named(element, "location"):
        found += [identify(text) for text in take_texts(location, "url")]
    for record in children_named(element, "recordInfo"):
        for part in children_named(record, "recordIdentifier"):
            if text := take_all_text(part):
                found.append(Identifier("other", text, take_attribute(part, "source")))
    if address := take_attribute(element, XLINK_HREF):
        found.append(identify(address))
    return tuple(dict.fromkeys(found))


def _take_related(element: _Element) -> Related | None:
    """Take another related resource; None if it has no text."""
    word = element.get("type") or element.get("otherType")
    relation = _RELATIONS.get(word or "") or (relation_type(word) if word else None)
    titles: list[Title] = [
        title for part in children_named(element, "titleInfo") for title in take_titles(part)
    ]
    identifiers = _take_identifiers(element)
    agents = _take_agents(element)
    origins = [take_origin(part) for part in children_named(element, "originInfo")]
    dates = [date for origin in origins for date in origin.dates]
    publishers = [agent for origin in origins for agent in (*origin.publishers, *origin.others)]
    notes = take_texts(element, "note")
    kinds = take_texts(element, "genre") or take_texts(element, "typeOfResource")
    texts = [title.text for title in titles[1:]] + notes + _spare(origins, dates, publishers) + kinds[1:]
    related = Related(
        relation,
        None if word == relation else word,
        identifiers,
        "; ".join(texts) or None,
        titles[0].text if titles else None,
        kinds[0] if kinds else None,
        agents,
        dates[0] if dates else None,
        _take_inner_container(element),
        publishers[0].name if publishers else None,
    )
    if related == Related(relation, related.relation_text):
        return None
    for name in ("type", "otherType"):
        take_attribute(element, name)
    return related


def _spare(origins: list[Origin], dates: list[Date], publishers: list[Agent]) -> list[str]:
    """Return the texts of origins for which a related resource has no field."""
    texts = [text for origin in origins for text in origin.editions[:1]] + _more(origins)
    texts += [text for date in dates[1:] for text in (date.text or date.value,) if text]
    texts += [place for agent in publishers for place in agent.places]
    return texts + [agent.name for agent in publishers[1:]]


def _take_inner_container(element: _Element) -> Container | None:
    """Take the host of a related resource, or the place of the resource in it."""
    hosts = [part for part in children_named(element, "relatedItem") if part.get("type") in _CONTAINERS]
    container = take_container(hosts[0]) if hosts else None
    for part in children_named(element, "part"):
        container = take_part(part, container or Container())
    return None if container == Container() else container


def take_part(element: _Element, container: Container) -> Container:
    """Take a `part` into a container: its volume, issue, pages and date. A second value stays in the tree."""
    found: dict[str, str] = {}
    for detail in children_named(element, "detail"):
        name = _DETAILS.get((detail.get("type") or "").lower())
        if not name or name in found or getattr(container, name) is not None:
            continue
        if texts := take_texts(detail, "number") or take_texts(detail, "title"):
            found[name] = " ".join(texts)
            take_attribute(detail, "type")
    for extent in children_named(element, "extent"):
        if (extent.get("unit") or "page").lower() in _PAGES and not (container.first_page or container.pages):
            found |= _take_pages(extent)
            break
    dates = tuple(dict.fromkeys((*container.dates, *take_dates(element, {"date": None}))))
    texts = [*([container.text] if container.text else []), *take_texts(element, "text")]
    return replace(container, **found, dates=dates, text="; ".join(texts) or None)


def _take_pages(extent: _Element) -> dict[str, str]:
    take_attribute(extent, "unit")
    names = {"start": "first_page", "end": "last_page", "list": "pages"}
    texts = {place: take_texts(extent, name) for name, place in names.items()}
    return {place: ", ".join(values) for place, values in texts.items() if values}
