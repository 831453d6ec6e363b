"""Read the dates, publishers and places of MODS: https://www.loc.gov/standards/mods/userguide/origininfo.html."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec.structs import replace

from harvest_dagster.transformers.document import Agent, Date
from harvest_dagster.transformers.formats.mods.names import children_named, take_name, take_texts
from harvest_dagster.transformers.reading.xml_tree import local_name, take_all_text, take_attribute
from harvest_dagster.transformers.recognition.dates import parse_date
from harvest_dagster.transformers.recognition.vocabularies import date_type

if TYPE_CHECKING:
    from lxml.etree import _Element

_DATES = {
    "dateIssued": "Issued",
    "dateCreated": "Created",
    "dateCaptured": "Collected",
    "dateValid": "Valid",
    "dateModified": "Updated",
    "copyrightDate": "Copyrighted",
    "dateOther": None,
}
# Of an event that is not publication: the code of the agent.
_EVENTS = {"distribution": "dst", "manufacture": "mfr", "production": "pro", "producer": "pro"}
_QUALIFIERS = {"approximate": "~", "questionable": "?"}
_MARC_UNKNOWN = re.compile(r"[0-9]{2}(?:uu|[0-9]u)", re.ASCII)
_OPEN = ("9999", "uuuu")


@dataclass
class Origin:
    """What an `originInfo` says. `others` are agents of other events than publication."""

    publishers: list[Agent] = field(default_factory=list)
    others: list[Agent] = field(default_factory=list)
    dates: list[Date] = field(default_factory=list)
    editions: list[str] = field(default_factory=list)
    issuances: list[str] = field(default_factory=list)
    frequencies: list[str] = field(default_factory=list)


def take_origin(element: _Element) -> Origin:
    """Take an `originInfo`. Its places stay in the tree if it has no publisher."""
    origin = Origin(
        dates=take_dates(element),
        editions=take_texts(element, "edition"),
        issuances=take_texts(element, "issuance"),
        frequencies=take_texts(element, "frequency"),
    )
    event = element.get("eventType") or ""
    role = _EVENTS.get(event)
    agents = [
        Agent(text, role=role, role_text=event if role else None) for text in take_texts(element, "publisher")
    ]
    agents += [agent for agent in map(take_name, children_named(element, "agent")) if agent]
    if agents and (places := _take_places(element)):
        agents[0] = replace(agents[0], places=tuple(places))
    if role:
        take_attribute(element, "eventType")
    (origin.others if role else origin.publishers).extend(agents)
    return origin


def _take_places(element: _Element) -> list[str]:
    """Take the names and the codes of places, each once."""
    places = []
    for place in children_named(element, "place"):
        for term in children_named(place, "placeTerm"):
            take_attribute(term, "type")
            if text := take_all_text(term):
                places.append(text)
    return list(dict.fromkeys(places))


def take_dates(element: _Element, roles: Mapping[str, str | None] = _DATES) -> list[Date]:
    """Take the dates. A start and an end of the same kind are a range, wherever the two stand."""
    parts = children_named(element, *roles)
    ends = {(local_name(part), part.get("type")): part for part in parts if part.get("point") == "end"}
    dates: list[Date] = []
    for part in parts:
        point, name = part.get("point"), local_name(part)
        key = (name, part.get("type"))
        if point == "start":
            dates.append(_take_range(part, ends.pop(key, None), roles[name]))
        elif point != "end":
            dates.append(_take_range(part, None, roles[name]))
    dates += [_take_range(None, part, roles[name]) for (name, _), part in ends.items()]
    return list(dict.fromkeys(date for date in dates if date.value or date.text))


def _take_range(start: _Element | None, end: _Element | None, role: str | None) -> Date:
    """Take a date, or the range between two. A range without its start or its end has an unknown one: `1990/`."""
    is_range = end is not None or (start is not None and start.get("point") == "start")
    role, word = _take_role(end if start is None else start, role)
    if end is not None and start is not None:
        take_attribute(end, "type")
    first, first_text = _take_value(start)
    last, last_text = _take_value(end)
    if not is_range:
        return Date(first, None if first == first_text else first_text, role, word)
    if last_text in _OPEN:
        last = ".."
    texts = (first_text, last_text)
    # A bound that is not recognized, or is a range, gives no range.
    known = all(
        value is not None and "/" not in value
        for value, text in zip((first, last), texts, strict=True)
        if text
    )
    value = f"{first or ''}/{last or ''}" if known and (first_text or last_text) else None
    text = "/".join(texts)
    return Date(value, None if text in (value, "/") else text, role, word)


def _take_role(part: _Element | None, role: str | None) -> tuple[str | None, str | None]:
    """Return the kind of date: that of the element, or for `dateOther` that of its type, which is taken."""
    if role is not None or part is None:
        return role, None
    word = take_attribute(part, "type")
    role = date_type(word) if word else None
    return role, None if word == role else word


def _take_value(part: _Element | None) -> tuple[str | None, str]:
    """Take a date: its value in EDTF, and its text. The qualifier becomes a sign of EDTF."""
    text = (take_all_text(part) or "") if part is not None else ""
    if part is None or not text:
        return None, ""
    value = _parse(text, part.get("encoding"))
    if value:
        take_attribute(part, "encoding")
    take_attribute(part, "point")
    sign = _QUALIFIERS.get(part.get("qualifier") or "")
    if value and sign:
        # A date that already has a sign, an instant and a range take none.
        if value[-1] in "0123456789X" and "T" not in value and "/" not in value:
            value += sign
        if value[-1] == sign:
            take_attribute(part, "qualifier")
    return value, text


def _parse(text: str, encoding: str | None) -> str | None:
    if encoding == "marc" and _MARC_UNKNOWN.fullmatch(text):
        return text.replace("u", "X")
    if encoding == "marc" and text in _OPEN:
        return None
    return parse_date(text, declared=encoding == "edtf")
