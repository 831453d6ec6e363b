"""Read the small parts that many elements of JATS have in common: texts, identifiers, dates.

Specification: https://jats.nlm.nih.gov/archiving/tag-library/1.3/. Elements are identified by their local name, because
JATS has no namespace, while PubMed Central sends one for each version.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from harvest_dagster.transformers.document import Date, Identifier
from harvest_dagster.transformers.reading.xml_tree import (
    XLINK_HREF,
    fold,
    local_name,
    take_all_text,
    take_attribute,
    take_text,
)
from harvest_dagster.transformers.recognition.dates import parse_date, parse_parts
from harvest_dagster.transformers.recognition.identifiers import identify, identify_as
from harvest_dagster.transformers.recognition.vocabularies import date_type

if TYPE_CHECKING:
    from lxml.etree import _Element

# Marks that lead to a footnote, and other ways to write a formula: no part of a sentence.
_ASIDE = frozenset({"fn", "label", "object-id", "tex-math", "xref"})
# Elements that mark up a part of a sentence, and those that end one:
# https://jats.nlm.nih.gov/archiving/tag-library/1.3/ , parameter entities emphasis.class and block-display.class.
_INLINE_NAMES = """
abbrev bold email ext-link fixed-case fraktur hybrid inline-formula inline-graphic italic math mfenced mfrac mi mn mo
monospace mover mrow mspace mstyle msub msubsup msup mtext munder munderover named-content num overline
roman sans-serif sc semantics strike styled-content sub sup underline uri xref
"""
_BLOCK_NAMES = """
break caption def-list disp-formula disp-quote fig label list list-item p sec table-wrap title verse-group
"""
_INLINE = frozenset(_INLINE_NAMES.split())
_BLOCKS = frozenset(_BLOCK_NAMES.split())
_LINKS = frozenset({"ext-link", "uri"})
_NO_CONTENT = ("id", "rid", "ref-type", "{http://www.w3.org/1999/xlink}type")

# Types that say nothing about the scheme.
_UNTYPED = frozenset({"", "ext-link", "other", "uri", "url", "urn"})
_DATE_PARTS = frozenset({"day", "era", "month", "season", "string-date", "year"})


def parts(element: _Element, *names: str) -> Iterator[_Element]:
    """Yield the elements of these names in an element, in any namespace."""
    return element.iterchildren(*_any_namespace(names))


def part(element: _Element, name: str) -> _Element | None:
    """Return the first element of a name in an element."""
    return next(parts(element, name), None)


def inside(element: _Element, *names: str) -> Iterator[_Element]:
    """Yield the elements of these names at any depth of an element, and the element itself."""
    return element.iter(*_any_namespace(names))


@lru_cache(maxsize=1024)
def _any_namespace(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{{*}}{name}" for name in names)


def take_part(element: _Element, name: str) -> str | None:
    """Take the text of the first element of a name."""
    found = part(element, name)
    return None if found is None else take_prose(found)


def take_prose(element: _Element, aside: frozenset[str] = _ASIDE) -> str | None:
    """Take the text of an element without marks of footnotes, labels and second forms of a formula, which stay."""
    if not len(element):
        return take_text(element)
    texts: list[str] = []
    _collect(element, aside, texts, taken=True)
    return fold("".join(texts)) or None


def prose(element: _Element) -> str:
    """Return the text of an element and of all elements in it, which stays in the tree."""
    texts: list[str] = []
    _collect(element, frozenset(), texts, taken=False)
    return fold("".join(texts))


def _collect(element: _Element, aside: frozenset[str], texts: list[str], *, taken: bool) -> None:
    """Add the texts of an element to a list, with spaces between those that are not part of one sentence.

    The recursion ends at the depth of 256, which the parser allows.
    """
    mixed = _is_mixed(element)
    texts.append(element.text or "")
    if taken:
        element.text = None
    for place, one in enumerate(element):
        name, tail = local_name(one), one.tail or ""
        if name not in aside:
            if taken and name in _LINKS:
                _drop_shown_address(one)
            ends_line = mixed and name in _BLOCKS
            texts.append(" " if ends_line or (place and not mixed and name not in _INLINE) else "")
            _collect(one, aside, texts, taken=taken)
            texts.append(" " if ends_line else "")
        texts.append(tail)
        if taken:
            one.tail = None


def _is_mixed(element: _Element) -> bool:
    """Return whether an element has text of its own beside its elements."""
    if element.text and not element.text.isspace():
        return True
    return any(one.tail and not one.tail.isspace() for one in element)


def _drop_shown_address(element: _Element) -> None:
    """Drop the address of a link that its text contains."""
    address = element.get(XLINK_HREF)
    if address and address in "".join(map(str, element.itertext())):
        del element.attrib[XLINK_HREF]
        element.attrib.pop("ext-link-type", "")


def drop_links(element: _Element) -> None:
    """Drop the attributes that link elements of the record to each other. See `jats` about what is no content."""
    from lxml import etree  # noqa: PLC0415 - loading the catalog needs no parser

    etree.strip_attributes(element, *_NO_CONTENT)


def typed_identifier(kind: str | None, text: str) -> Identifier:
    """Return an identifier whose type is declared.

    >>> typed_identifier("pmc", "2999999").value, typed_identifier("pii", "S1").scheme_text
    ('PMC2999999', 'pii')
    """
    if kind is None or kind.lower() in _UNTYPED:
        return identify(text)
    return identify_as(kind, text)


def take_identifiers(elements: Iterable[_Element], attribute: str) -> Iterator[Identifier]:
    """Take identifiers out of the tree. The attribute declares the type."""
    for element in elements:
        kind, text = take_attribute(element, attribute), take_all_text(element)
        if text:
            yield typed_identifier(kind, text)


def take_date(element: _Element, role: str | None = None, role_text: str | None = None) -> Date | None:
    """Take a date out of an element with `day`, `month`, `season`, `year` or `string-date`; None if it has none."""
    pairs = [
        (local_name(one), text)
        for one in element
        if local_name(one) in _DATE_PARTS and (text := take_all_text(one))
    ]
    year = part(element, "year")
    standard = take_attribute(element, "iso-8601-date")
    if standard is None and year is not None:
        standard = take_attribute(year, "iso-8601-date")
    if not pairs and not standard:
        return None
    found = date_of_parts(pairs)
    value = (parse_date(standard) if standard else None) or found
    text = " ".join(text for _, text in pairs) if value != found or not _is_whole(pairs, value) else None
    if standard and standard != value:
        text = f"{standard} {text}" if text else standard
    return Date(value, text or None, role, role_text if role_text != role else None)


def _is_whole(pairs: list[tuple[str, str]], value: str | None) -> bool:
    """Return whether a value has all that the parts of a date say."""
    if value is None or not all(text.isdecimal() and name != "string-date" for name, text in pairs):
        return False
    # A day or month that does not exist is not in the value.
    return sorted(int(text) for _, text in pairs) == sorted(map(int, re.findall("[0-9]+", value)))


def date_of_parts(pairs: list[tuple[str, str]]) -> str | None:
    """Return the date that the parts make, in EDTF; None if they make none.

    >>> date_of_parts([("year", "2004"), ("season", "Spring")]), date_of_parts([("year", "2004"), ("season", "Q1")])
    ('2004-21', '2004')
    """
    named = dict(pairs)
    if "string-date" in named:
        return parse_date(named["string-date"])
    named.pop("era", None)
    season, year = named.pop("season", None), named.get("year")
    found = parse_parts(sorted(named.items())) or (parse_date(year) if year else None)
    return (parse_date(f"{season} {year}") if season and len(named) == 1 else None) or found


def role_of_date(*words: str | None) -> tuple[str | None, str | None]:
    """Return the kind of a date in the words of DataCite, and in the words of the source."""
    known = [word for word in words if word]
    role = next(filter(None, map(date_type, known)), None)
    return role, " ".join(known) or None


def joined(*texts: str | None, separator: str = ", ") -> str | None:
    """Return the texts that there are in one."""
    return fold(separator.join(filter(None, texts))) or None
