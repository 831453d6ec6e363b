"""Read the subjects of MODS: https://www.loc.gov/standards/mods/userguide/subject.html."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harvest_dagster.transformers.document import Date, Description, Place, Subject
from harvest_dagster.transformers.formats.mods.names import (
    children_named,
    take_lang,
    take_name,
    take_texts,
    take_titles,
)
from harvest_dagster.transformers.reading.xml_tree import local_name, take_all_text, take_attribute
from harvest_dagster.transformers.recognition.dates import parse_date
from harvest_dagster.transformers.recognition.identifiers import identify

if TYPE_CHECKING:
    from lxml.etree import _Element

    from harvest_dagster.transformers.builder import DocumentBuilder

_HEADINGS = frozenset({"topic", "geographic", "temporal", "titleInfo", "name", "genre", "occupation"})
# `8.5, 47.4` has no order that all agree on: only degrees with a letter are read.
_POINT = re.compile(r"([NS]) ?([0-9]+\.[0-9]+)°?[ ,]+([EW]) ?([0-9]+\.[0-9]+)°?")


def read_subject(builder: DocumentBuilder, element: _Element) -> None:
    """Add a `subject`: a heading of all its terms, or a place or a time if it is one."""
    parts = [part for part in element if local_name(part) in _HEADINGS]
    if [local_name(part) for part in parts] == ["temporal"]:
        _read_period(builder, parts[0])
    elif parts:
        _read_heading(builder, element, parts)
    _read_places(builder, element)


def _read_period(builder: DocumentBuilder, part: _Element) -> None:
    """Add a time that stands alone. It has no room for a vocabulary."""
    if text := take_all_text(part):
        value = parse_date(text, declared=part.get("encoding") == "edtf")
        if value:
            take_attribute(part, "encoding")
        builder.periods.append(Date(value, None if value == text else text))


def _read_heading(builder: DocumentBuilder, element: _Element, parts: list[_Element]) -> None:
    """Add a heading: as a place if it begins with one, and as a subject if it has a topic or several terms."""
    is_place = local_name(parts[0]) == "geographic"
    texts = [text for text in map(_take_term, parts) if text]
    vocabulary, uri = _take_authority(element, parts)
    language = take_lang(element)
    if not texts:
        if uri:
            builder.subjects.append(Subject(uri, language=language, vocabulary=vocabulary, uri=uri))
        return
    if is_place:
        identifiers = (identify(uri),) if uri and len(texts) == 1 else ()
        builder.places.append(
            Place(texts[0], language=language, vocabulary=vocabulary, identifiers=identifiers)
        )
    if not is_place or len(texts) > 1:
        heading = " -- ".join(texts)
        builder.subjects.append(Subject(heading, language=language, vocabulary=vocabulary, uri=uri))


def _take_authority(element: _Element, parts: list[_Element]) -> tuple[str | None, str | None]:
    """Take the vocabulary and the address. A subject has room for one of each; others stay in the tree."""
    vocabulary = take_attribute(element, "authority")
    uri = take_attribute(element, "valueURI")
    for part in parts:
        own = part.get("authority")
        if own and vocabulary in (None, own):
            vocabulary = take_attribute(part, "authority")
        uri = uri or take_attribute(part, "valueURI")
    return vocabulary, uri


def _take_term(part: _Element) -> str | None:
    """Take the text of a term. A title or a name is a heading with its parts."""
    name = local_name(part)
    if name == "titleInfo":
        return " : ".join(title.text for title in take_titles(part)) or None
    if name != "name":
        return take_all_text(part)
    address = part.get("valueURI")
    agent = take_name(part)
    if agent is None:
        return None
    if address:
        part.set("valueURI", address)
    titles = [text for inner in children_named(part, "titleInfo") for text in take_texts(inner, "title")]
    others = [other.text for other in agent.other_names] + [agent.role_text or agent.role or ""]
    others += [one.value for one in agent.identifiers if one.value != identify(address or "").value]
    return ". ".join([", ".join(filter(None, (agent.name, agent.suffix, *others))), *titles])


def _read_places(builder: DocumentBuilder, element: _Element) -> None:
    """Add the codes of places, hierarchies of places, and coordinates."""
    for part in children_named(element, "geographicCode"):
        scheme = take_attribute(part, "authority") or take_attribute(element, "authority")
        if text := take_all_text(part):
            builder.places.append(Place(text, vocabulary=scheme, code=text))
    for part in children_named(element, "hierarchicalGeographic"):
        if names := [text for text in map(take_all_text, part) if text]:
            scheme = take_attribute(part, "authority") or take_attribute(element, "authority")
            builder.places.append(Place(" -- ".join(names), vocabulary=scheme))
    for part in children_named(element, "cartographics"):
        builder.places += [_located(text) for text in take_texts(part, "coordinates")]
        for text in take_texts(part, "scale", "projection"):
            builder.descriptions.append(Description(text, role="TechnicalInfo"))


def _located(text: str) -> Place:
    """Return the place of coordinates. The text is kept, because few forms of it are recognized."""
    match = _POINT.fullmatch(text)
    if not match:
        return Place(text)
    latitude = f"-{match[2]}" if match[1] == "S" else match[2]
    longitude = f"-{match[4]}" if match[3] == "W" else match[4]
    return Place(text, geometry=f"POINT ({longitude} {latitude})")
