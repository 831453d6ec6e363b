"""Read the places of DataCite metadata, and write their geometries as well-known text (OGC 06-103r4).

Specification: https://datacite-metadata-schema.readthedocs.io/en/4.6/properties/geolocation/. A geoLocation is one
place. If it has several geometries, they become one collection. A geometry that is not valid stays in the record.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harvest_dagster.transformers.builder import DocumentBuilder
from harvest_dagster.transformers.document import Place
from harvest_dagster.transformers.reading.json_tree import Node, child, children, take
from harvest_dagster.transformers.reading.xml_tree import local_name, take_all_text

if TYPE_CHECKING:
    from lxml.etree import _Element

_NUMBER = re.compile(r"[-+]?[0-9]+(?:\.[0-9]+)?", re.ASCII)
_MIN_RING = 4  # OGC 06-103r4, 7.2.2: a ring has three different points, and ends where it begins
_BOUNDS = ("westBoundLongitude", "eastBoundLongitude", "southBoundLatitude", "northBoundLatitude")

Point = tuple[str, str]  # longitude, latitude


def add_xml(builder: DocumentBuilder, element: _Element) -> None:
    """Add the place of a `geoLocation` element."""
    names: list[str] = []
    geometries: list[str] = []
    for part in element:
        name = local_name(part)
        if name == "geoLocationPlace":
            names += filter(None, [take_all_text(part)])
        elif name == "geoLocationPolygons":  # 4.0
            geometries += filter(None, map(_xml_polygon, part))
        elif name in _XML_GEOMETRIES:
            geometries += filter(None, [_XML_GEOMETRIES[name](part)])
    if names or geometries:
        builder.places.append(Place(names[0] if names else None, geometry=_joined(geometries)))
        builder.places += map(Place, names[1:])


def _xml_point(element: _Element) -> str | None:
    """Return a point. Kernel 3 writes `latitude longitude`."""
    if not len(element):
        numbers = _read_numbers(element.text or "")
        if len(numbers) != 2:  # noqa: PLR2004 - latitude and longitude
            return None
        element.text = None
        return f"POINT ({numbers[1]} {numbers[0]})"
    found = _peek_xml_point(element)
    if found is None:
        return None
    _take_texts(element)
    return f"POINT ({found[0]} {found[1]})"


def _peek_xml_point(element: _Element) -> Point | None:
    texts = {local_name(part): (part.text or "").strip() for part in element}
    return _valid_point(texts.get("pointLongitude"), texts.get("pointLatitude"))


def _take_texts(element: _Element) -> None:
    for part in element.iter():
        part.text = None


def _xml_box(element: _Element) -> str | None:
    """Return a box. Kernel 3 writes the south-west and the north-east corner, each `latitude longitude`."""
    if not len(element):
        corners = _read_numbers(element.text or "")
        south, west, north, east = corners if len(corners) == len(_BOUNDS) else ("", "", "", "")
    else:
        texts = {local_name(part): (part.text or "").strip() for part in element}
        west, east, south, north = (texts.get(name, "") for name in _BOUNDS)
    if not (_valid_point(west, south) and _valid_point(east, north)):
        return None
    _take_texts(element)
    return _box_text(west, east, south, north)


def _xml_polygon(element: _Element) -> str | None:
    """Return a polygon. A point inside it (`inPolygonPoint`) has no field."""
    corners = [part for part in element if local_name(part) == "polygonPoint"]
    points = [_peek_xml_point(corner) for corner in corners]
    if not _is_ring(points):
        return None
    for corner in corners:
        _take_texts(corner)
    return _polygon_text([found for found in points if found])


_XML_GEOMETRIES = {
    "geoLocationPoint": _xml_point,
    "geoLocationBox": _xml_box,
    "geoLocationPolygon": _xml_polygon,
}


def add_json(builder: DocumentBuilder, node: Node) -> None:
    """Add the place of an object in `geoLocations`."""
    geometries = [
        geometry
        for key, read in _JSON_GEOMETRIES.items()
        if isinstance(node.get(key), (dict, list)) and (geometry := read(node[key]))
    ]
    place = Place(take(node, "geoLocationPlace"), geometry=_joined(geometries))
    if place != Place():
        builder.places.append(place)


def _peek_json_point(node: Any) -> Point | None:
    if not isinstance(node, dict):
        return None
    return _valid_point(str(node.get("pointLongitude")), str(node.get("pointLatitude")))


def _json_point(node: Any) -> str | None:
    found = _peek_json_point(node)
    if found is None:
        return None
    for key in ("pointLongitude", "pointLatitude"):
        take(node, key)
    return f"POINT ({found[0]} {found[1]})"


def _json_box(node: Any) -> str | None:
    if not isinstance(node, dict):
        return None
    west, east, south, north = (str(node.get(key)) for key in _BOUNDS)
    if not (_valid_point(west, south) and _valid_point(east, north)):
        return None
    for key in _BOUNDS:
        take(node, key)
    return _box_text(west, east, south, north)


def _json_polygons(node: Any) -> str | None:
    """Return one polygon or several. The API writes a list of points, or a list of such lists."""
    rings = node if isinstance(node, list) and node and isinstance(node[0], list) else [node]
    return _joined([found for ring in rings if (found := _json_polygon(ring))])


def _json_polygon(node: Any) -> str | None:
    if isinstance(node, dict):
        corners = children(node, "polygonPoint")
    elif not isinstance(node, list):
        return None
    else:
        corners = [
            child(one, "polygonPoint") for one in node if isinstance(one, dict) and "polygonPoint" in one
        ]
    points = [_peek_json_point(corner) for corner in corners]
    if not _is_ring(points):
        return None
    for corner in corners:
        _json_point(corner)
    return _polygon_text([found for found in points if found])


_JSON_GEOMETRIES = {
    "geoLocationPoint": _json_point,
    "geoLocationBox": _json_box,
    "geoLocationPolygon": _json_polygons,
}


def _read_numbers(text: str) -> list[str]:
    """Return the numbers of a text with blanks or commas between them; none if it has anything else."""
    numbers = text.replace(",", " ").split()
    return numbers if all(map(_NUMBER.fullmatch, numbers)) else []


def _valid_point(longitude: str | None, latitude: str | None) -> Point | None:
    """Return a point if both are numbers."""
    if longitude and latitude and _NUMBER.fullmatch(longitude) and _NUMBER.fullmatch(latitude):
        return longitude, latitude
    return None


def _box_text(west: str, east: str, south: str, north: str) -> str:
    """Return the polygon of a box."""
    return _polygon_text([(west, south), (east, south), (east, north), (west, north), (west, south)])


def _polygon_text(points: Sequence[Point]) -> str:
    """Return the text of a polygon."""
    return f"POLYGON (({', '.join(f'{longitude} {latitude}' for longitude, latitude in points)}))"


def _is_ring(points: Sequence[Point | None]) -> bool:
    """Return whether the points make a polygon."""
    return len(points) >= _MIN_RING and None not in points and points[0] == points[-1]


def _joined(geometries: Sequence[str]) -> str | None:
    """Return the geometry of a place, which may have a point, a box and polygons."""
    if len(geometries) > 1:
        return f"GEOMETRYCOLLECTION ({', '.join(geometries)})"
    return geometries[0] if geometries else None
