"""Read the names and titles of MODS: https://www.loc.gov/standards/mods/userguide/name.html and titleinfo.html."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from harvest_dagster.transformers.document import (
    Affiliation,
    Agent,
    AgentKind,
    Container,
    Identifier,
    Text,
    Title,
)
from harvest_dagster.transformers.reading.xml_tree import (
    local_name,
    take_all_text,
    take_attribute,
    take_language,
)
from harvest_dagster.transformers.recognition.identifiers import identify, identify_declared
from harvest_dagster.transformers.recognition.standard_forms import date_from, full_name
from harvest_dagster.transformers.recognition.vocabularies import relator

if TYPE_CHECKING:
    from lxml.etree import _Element

_KINDS: dict[str, AgentKind] = {"personal": "person", "corporate": "organization"}
_RELATORS = "http://id.loc.gov/vocabulary/relators/"
_TITLE_ROLES = {
    "abbreviated": "short",
    "translated": "translated",
    "alternative": "alternative",
    "uniform": "uniform",
}


_FEW = 6


def children_named(element: _Element, *names: str) -> list[_Element]:
    """Return the children with one of the names, in any namespace."""
    # For few children, a comparison in C is not worth its preparation.
    if len(element) < _FEW:
        return [part for part in element if local_name(part) in names]
    return list(element.iterchildren(*_in_any_namespace(names)))


@cache
def _in_any_namespace(names: tuple[str, ...]) -> tuple[str, ...]:
    # lxml compares these names in C: half of the time was spent on names of elements.
    return tuple(f"{{*}}{name}" for name in names)


def take_lang(element: _Element) -> str | None:
    """Take the language of an element: `lang` of MODS, or `xml:lang`."""
    return take_language(element) or take_attribute(element, "lang")


def take_texts(element: _Element, *names: str) -> list[str]:
    """Take the texts of the children with one of the names."""
    return [text for text in map(take_all_text, children_named(element, *names)) if text]


def take_titles(element: _Element) -> list[Title]:
    """Take a `titleInfo`: the title with its parts, and the subtitle after it."""
    kind, language = element.get("type"), take_lang(element)
    role = _TITLE_ROLES.get(kind) if kind else None
    if role:
        take_attribute(element, "type")
    subtitles = take_texts(element, "subTitle")
    text = _joined_title(element)
    if role or not text:
        whole = " : ".join(([text] if text else []) + subtitles)
        return [Title(whole, language=language, role=role or kind)] if whole else []
    return [
        Title(text, language=language, role=kind),
        *(Title(subtitle, language=language, role="subtitle") for subtitle in subtitles),
    ]


def _joined_title(element: _Element) -> str:
    """Take the title with the article before it and the part after it: `The title. Volume 1, Name`."""
    article = " ".join(take_texts(element, "nonSort"))
    if article and article[-1] not in "'\N{RIGHT SINGLE QUOTATION MARK}-":
        article += " "
    title = article + " ".join(take_texts(element, "title"))
    parts = ", ".join(take_texts(element, "partNumber", "partName"))
    return ". ".join(filter(None, (title.strip(), parts)))


def take_name(element: _Element) -> Agent | None:
    """Take a `name`: None if it has no text. Its role is that of the first `role` with a code."""
    kind = element.get("type")
    parts: dict[str, list[str]] = {}
    for part in children_named(element, "namePart"):
        place = take_attribute(part, "type") or ""
        if text := take_all_text(part):
            parts.setdefault(place, []).append(text)
    shown = take_texts(element, "displayForm")
    family, given = (" ".join(parts.pop(name, [])) or None for name in ("family", "given"))
    name = (". " if kind == "corporate" else " ").join(parts.pop("", []))
    name = name or full_name(family, given) or (shown[0] if shown else "")
    if not name:
        return None
    if kind in _KINDS:
        take_attribute(element, "type")
    code, role = _take_roles(element)
    others = [text for text in shown if text != name] + take_texts(element, "alternativeName")
    return Agent(
        name,
        kind=_KINDS.get(kind or ""),
        given=given,
        family=family,
        suffix=", ".join(text for texts in parts.values() for text in texts) or None,
        other_names=tuple(map(Text, others)),
        identifiers=_take_identifiers(element),
        role=code,
        role_text=role,
        affiliations=tuple(map(Affiliation, take_texts(element, "affiliation"))),
    )


def _take_identifiers(element: _Element) -> tuple[Identifier, ...]:
    found = []
    for part in children_named(element, "nameIdentifier"):
        declared = take_attribute(part, "type") or take_attribute(part, "typeURI")
        if text := take_all_text(part):
            found.append(identify_declared(declared, text))
    if address := take_attribute(element, "valueURI"):
        found.append(identify(address))
    return tuple(dict.fromkeys(found))


def _take_roles(element: _Element) -> tuple[str | None, str | None]:
    """Take the roles. Of several, the code is that of the first one with a code; the text has all."""
    words = []
    for role in children_named(element, "role"):
        for term in children_named(role, "roleTerm"):
            address = take_attribute(term, "valueURI")
            take_attribute(term, "type")
            words += [text for text in (take_all_text(term), address) if text]
            # The code of the document is that of this vocabulary, and its address says nothing else.
            if term.get("authority") in ("marcrelator", "marcrelators"):
                take_attribute(term, "authority")
    code = next((found for found in map(relator, words) if found), None)
    texts = [word for word in dict.fromkeys(words) if word not in (code, f"{_RELATORS}{code}")]
    return code, "; ".join(texts) or None


def take_conference(element: _Element) -> Container | None:
    """Take a `name` of the type conference. Its date is a part of the name."""
    titles: list[str] = []
    dates: list[str] = []
    for part in children_named(element, "namePart"):
        is_date = take_attribute(part, "type") == "date"
        if text := take_all_text(part):
            (dates if is_date else titles).append(text)
    titles = titles or take_texts(element, "displayForm")
    if not titles:
        return None
    take_attribute(element, "type")
    return Container(
        " ".join(titles),
        "conference",
        identifiers=_take_identifiers(element),
        dates=tuple(date_from(text) for text in dates),
    )
