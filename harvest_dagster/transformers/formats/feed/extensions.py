"""The extensions of feeds: media, podcasts, journals, places, licenses and threads.

- Media RSS: https://www.rssboard.org/media-rss
- Podcasts: https://help.apple.com/itc/podcasts_connect/#/itcb54353390
- PRISM 2 and 3, for journals: https://www.w3.org/submissions/2020/SUBM-prism-20200910/
- GeoRSS, simple and GML: https://docs.ogc.org/cs/17-002r1/17-002r1.html. WGS84 positions: https://www.w3.org/2003/01/geo/
- Creative Commons: https://www.rssboard.org/creative-commons. Threads: https://www.rfc-editor.org/rfc/rfc4685

GeoRSS writes the latitude first, and well-known text the longitude.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from harvest_dagster.transformers.builder import DocumentBuilder
from harvest_dagster.transformers.document import (
    Agent,
    Container,
    Description,
    File,
    Place,
    Related,
    Subject,
    Text,
    Title,
)
from harvest_dagster.transformers.formats.feed.values import (
    Add,
    add_agent,
    add_date,
    add_description,
    add_link,
    add_rights,
    add_subject,
    agent_of,
    element_key,
    take_value,
)
from harvest_dagster.transformers.reading.xml_tree import (
    local_name,
    take_all_text,
    take_attribute,
    take_language,
    take_text,
)
from harvest_dagster.transformers.recognition.identifiers import identify, identify_as
from harvest_dagster.transformers.recognition.vocabularies import relator

if TYPE_CHECKING:
    from lxml.etree import _Element

_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?", re.ASCII)


def _media_content(builder: DocumentBuilder, element: _Element) -> None:
    """Add a file of Media RSS, with the title, the text and the checksum that stand in it."""
    inner: dict[str, str | None] = {"title": None, "description": None, "hash": None}
    for part in element:
        name = local_name(part)
        if name in inner and inner[name] is None and not len(part):
            inner[name] = take_text(part)
            if name == "hash" and inner[name]:
                inner[name] = f"{take_attribute(part, 'algo') or 'md5'}:{inner[name]}"
    media_format = take_attribute(element, "type") or take_attribute(element, "medium")
    file = File(
        take_attribute(element, "url"),
        inner["title"],
        media_format,
        take_attribute(element, "fileSize"),
        inner["hash"],
        description=inner["description"],
    )
    if file != File():
        builder.files.append(file)


def _file(builder: DocumentBuilder, element: _Element, attribute: str) -> None:
    """Add a picture or a player, with the name of its element as the description."""
    if address := take_attribute(element, attribute):
        builder.files.append(File(address, description=local_name(element)))


def _other_title(builder: DocumentBuilder, element: _Element, role: str) -> None:
    language, text = take_language(element), take_all_text(element)
    if text and text not in {title.text for title in builder.titles}:
        builder.titles.append(Title(text, language, role=role))


def _other_description(builder: DocumentBuilder, element: _Element, role: str) -> None:
    language, text = take_language(element), take_all_text(element)
    if text and text not in {one.text for one in builder.descriptions}:
        builder.descriptions.append(Description(text, language, role=role))


def _keywords(builder: DocumentBuilder, element: _Element) -> None:
    for word in (take_all_text(element) or "").split(","):
        add_subject(builder, word.strip())


def _media_category(builder: DocumentBuilder, element: _Element) -> None:
    label, text = take_attribute(element, "label"), take_all_text(element)
    if label or text:
        code = text if label and text != label else None
        builder.subjects.append(
            Subject(label or text or "", vocabulary=take_attribute(element, "scheme"), code=code)
        )


def _credit(builder: DocumentBuilder, element: _Element) -> None:
    if name := take_all_text(element):
        role = take_attribute(element, "role")
        code = relator(role) if role else None
        builder.contributors.append(Agent(name, role=code, role_text=None if role == code else role))


def _license(builder: DocumentBuilder, element: _Element, attribute: str) -> None:
    """Add a license: its address is an attribute, or the text."""
    address, text = take_attribute(element, attribute), take_value(element)
    if text or address:
        is_address = text is not None and text.startswith(("http://", "https://"))
        add_rights(builder, text or address or "", address or (text if is_address else None))


def _author(builder: DocumentBuilder, element: _Element) -> None:
    if name := take_all_text(element):
        add_agent(builder.creators, agent_of(name, (), "aut"))


def _size(builder: DocumentBuilder, element: _Element) -> None:
    if text := take_value(element):
        builder.sizes.append(Text(text))


def _type(builder: DocumentBuilder, element: _Element) -> None:
    if text := take_value(element):
        builder.add_type(Text(text))


def _subject(builder: DocumentBuilder, element: _Element) -> None:
    add_subject(builder, take_value(element))


def _identifier(builder: DocumentBuilder, element: _Element) -> None:
    if text := take_value(element):
        add_link(builder, text)


def _version(builder: DocumentBuilder, element: _Element) -> None:
    if builder.version is None:
        builder.version = take_value(element)


def _reply(builder: DocumentBuilder, element: _Element) -> None:
    texts = [text for name in ("ref", "href") if (text := take_attribute(element, name))]
    if texts:
        identifiers = tuple(dict.fromkeys(map(identify, texts)))
        builder.related.append(Related(relation_text="in-reply-to", identifiers=identifiers))


_NUMBERS = {"prism:issn": "issn", "prism:eIssn": "issn", "prism:isbn": "isbn"}
_OTHER_TITLES = ("prism:alternateTitle", "prism:issueName")


def add_journal(builder: DocumentBuilder, entry: _Element) -> None:
    """Add the journal or the season of an entry. Each of its facts is an element of its own."""
    parts: dict[str, list[_Element]] = {}
    for element in entry:
        key = element_key(str(element.tag))
        if key.startswith(("prism:", "itunes:")):
            parts.setdefault(key, []).append(element)
    if not parts:
        return
    identifiers = [
        identify_as(scheme, text)
        for key, scheme in _NUMBERS.items()
        for element in parts.get(key, ())
        if (text := take_value(element))
    ]
    titles = [text for key in _OTHER_TITLES for one in parts.get(key, ()) if (text := take_value(one))]
    container = Container(
        title=_first_value(parts, "prism:publicationName"),
        other_titles=tuple(map(Text, titles)),
        identifiers=tuple(dict.fromkeys(identifiers)),
        volume=_first_value(parts, "prism:volume", "itunes:season"),
        issue=_first_value(parts, "prism:number", "prism:issueIdentifier"),
        edition=_first_value(parts, "prism:edition"),
        first_page=_first_value(parts, "prism:startingPage"),
        last_page=_first_value(parts, "prism:endingPage"),
        pages=_first_value(parts, "prism:pageRange"),
        number=_first_value(parts, "prism:articleNumber", "itunes:episode"),
    )
    if container != Container():
        builder.containers.append(container)


def _first_value(parts: dict[str, list[_Element]], *keys: str) -> str | None:
    for key in keys:
        for element in parts.get(key, ()):
            if text := take_value(element):
                return text
    return None


def _points(text: str | None) -> list[str] | None:
    """Return the positions of a text, longitude first; None if it is not a list of pairs of numbers."""
    numbers = (text or "").replace(",", " ").split()
    if not numbers or len(numbers) % 2 or not all(map(_NUMBER.fullmatch, numbers)):
        return None
    return [
        f"{longitude} {latitude}" for latitude, longitude in zip(numbers[::2], numbers[1::2], strict=True)
    ]


def _geometry(shape: str, points: Sequence[str]) -> str | None:
    """Return well-known text; None if the number of positions does not fit the shape."""
    if shape == "point" and len(points) == 1:
        return f"POINT ({points[0]})"
    if shape == "line" and len(points) > 1:
        return f"LINESTRING ({', '.join(points)})"
    if shape == "polygon" and len(points) > 3:  # noqa: PLR2004 - a triangle, closed
        return f"POLYGON (({', '.join(points)}))"
    if shape == "box" and len(points) == 2:  # noqa: PLR2004 - two corners
        (west, south), (east, north) = (point.split() for point in points)
        corners = (
            f"{west} {south}",
            f"{east} {south}",
            f"{east} {north}",
            f"{west} {north}",
            f"{west} {south}",
        )
        return f"POLYGON (({', '.join(corners)}))"
    return None


def _place(builder: DocumentBuilder, element: _Element, shape: str) -> None:
    points = _points(element.text)
    if points and not len(element) and (geometry := _geometry(shape, points)):
        element.text = None
        builder.places.append(Place(geometry=geometry))


def _where(builder: DocumentBuilder, element: _Element) -> None:
    """Add the geometry of GML in `georss:where`."""
    for part in element.iterdescendants():
        name = local_name(part)
        if name == "pos" and local_name(_parent(part)) == "Point":
            _place(builder, part, "point")
        elif name == "posList":
            _place(builder, part, "polygon" if local_name(_parent(part)) == "LinearRing" else "line")
        elif name == "Envelope":
            corners = [corner for corner in part if local_name(corner).endswith("Corner")]
            points = _points(" ".join(corner.text or "" for corner in corners))
            if points and (geometry := _geometry("box", points)):
                for corner in corners:
                    corner.text = None
                builder.places.append(Place(geometry=geometry))


def _parent(element: _Element) -> _Element:
    parent = element.getparent()
    return element if parent is None else parent


def _place_name(builder: DocumentBuilder, element: _Element) -> None:
    if text := take_all_text(element):
        builder.places.append(Place(text))


def add_position(builder: DocumentBuilder, entry: _Element) -> None:
    """Add the position whose latitude and longitude are two elements, in the entry or in a `geo:Point`."""
    for parent in (entry, *(one for one in entry if element_key(str(one.tag)) == "geo:Point")):
        found = {element_key(str(element.tag)): element for element in parent}
        if "geo:lat" in found and "geo:long" in found:
            latitude, longitude = found["geo:lat"], found["geo:long"]
            points = _points(f"{latitude.text} {longitude.text}")
            if points and (geometry := _geometry("point", points)):
                latitude.text = longitude.text = None
                builder.places.append(Place(geometry=geometry))


ELEMENTS: dict[str, Add] = {
    "media:content": _media_content,
    "media:thumbnail": partial(_file, attribute="url"),
    "media:player": partial(_file, attribute="url"),
    "media:title": partial(_other_title, role="alternative"),
    "media:description": partial(_other_description, role="media"),
    "media:keywords": _keywords,
    "media:category": _media_category,
    "media:credit": _credit,
    "media:copyright": partial(_license, attribute="url"),
    "media:license": partial(_license, attribute="href"),
    "itunes:author": _author,
    "itunes:title": partial(_other_title, role="short"),
    "itunes:subtitle": partial(_other_title, role="subtitle"),
    "itunes:summary": partial(_other_description, role="summary"),
    "itunes:keywords": _keywords,
    "itunes:duration": _size,
    "itunes:image": partial(_file, attribute="href"),
    "prism:doi": _identifier,
    "prism:url": _identifier,
    "prism:publicationDate": partial(add_date, role="Issued"),
    "prism:coverDate": partial(add_date, role="Issued"),
    "prism:coverDisplayDate": partial(add_date, role="Issued"),
    "prism:creationDate": partial(add_date, role="Created"),
    "prism:modificationDate": partial(add_date, role="Updated"),
    "prism:embargoDate": partial(add_date, role="Available"),
    "prism:section": _subject,
    "prism:keyword": _subject,
    "prism:genre": _type,
    "prism:teaser": partial(add_description, role="teaser"),
    "prism:copyright": partial(_license, attribute="url"),
    "prism:byteCount": _size,
    "prism:versionIdentifier": _version,
    "cc:license": partial(_license, attribute="href"),
    "georss:point": partial(_place, shape="point"),
    "georss:line": partial(_place, shape="line"),
    "georss:polygon": partial(_place, shape="polygon"),
    "georss:box": partial(_place, shape="box"),
    "georss:where": _where,
    "georss:featurename": _place_name,
    "thr:in-reply-to": _reply,
}
