"""Read the rights and the funding of JATS: `permissions`, `funding-group`, and what NLM 2.x has in their place."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from harvest_dagster.transformers.builder import DocumentBuilder
from harvest_dagster.transformers.document import Agent, Funding, Identifier, Rights
from harvest_dagster.transformers.formats.jats.values import (
    inside,
    joined,
    part,
    parts,
    take_identifiers,
    take_prose,
)
from harvest_dagster.transformers.reading.xml_tree import (
    XLINK_HREF,
    local_name,
    take_all_text,
    take_attribute,
    take_language,
)
from harvest_dagster.transformers.recognition.identifiers import identify
from harvest_dagster.transformers.recognition.licenses import license_address
from harvest_dagster.transformers.recognition.standard_forms import date_from
from harvest_dagster.transformers.recognition.vocabularies import access_of

if TYPE_CHECKING:
    from lxml.etree import _Element


def read_permissions(builder: DocumentBuilder, meta: _Element) -> None:
    """Take the permissions out of the tree. In NLM 2.0 to 2.2, they stand in `article-meta` itself."""
    for place in (meta, *parts(meta, "permissions")):
        for element in place:
            if (reader := _READERS.get(local_name(element))) is not None:
                reader(builder, element)


def _copyright_statement(builder: DocumentBuilder, element: _Element) -> None:
    if text := take_prose(element):
        builder.rights.append(Rights(text, take_language(element)))


def _copyright_holder(builder: DocumentBuilder, element: _Element) -> None:
    if text := take_prose(element):
        builder.contributors.append(Agent(text, role="cph", role_text="copyright-holder"))


def _copyright_year(builder: DocumentBuilder, element: _Element) -> None:
    if text := take_all_text(element):
        builder.dates.append(date_from(text, "Copyrighted", "copyright-year"))


def _license(builder: DocumentBuilder, element: _Element) -> None:
    """Add a license: its text, and each address with the day from which it applies (NISO RP-22, `ali:license_ref`)."""
    code, language = take_attribute(element, "license-type"), take_language(element)
    link = take_attribute(element, XLINK_HREF)
    references = [
        (address, take_attribute(one, "start_date"), take_attribute(one, "applies_to"))
        for one in inside(element, "license_ref")
        if (address := take_all_text(one))
    ]
    for one in inside(element, "free_to_read"):
        _free_to_read(builder, one)
    address = link or (references[0][0] if references else _linked_license(element))
    normal = (license_address(address) or address) if address else None
    _drop_links(element, normal)
    text = take_prose(element)
    if builder.access is None and code:
        builder.access = access_of(code.replace("-", " "))
    start, applies_to = next(
        ((start, scope) for one, start, scope in references if one == address), (None, None)
    )
    if shown := text or address or code:
        normal = normal or (license_address(text) if text else None)
        builder.rights.append(
            Rights(shown, language, license=normal, code=code, start=start, applies_to=applies_to)
        )
    for other, start, applies_to in references:
        if other != address:
            normal = license_address(other) or other
            builder.rights.append(Rights(other, license=normal, start=start, applies_to=applies_to))


def _linked_license(element: _Element) -> str | None:
    """Return the address of a Creative Commons license to which the text of a license links."""
    links = (one.get(XLINK_HREF) for one in inside(element, "ext-link", "uri"))
    return next((link for link in links if link and license_address(link)), None)


def _drop_links(element: _Element, address: str | None) -> None:
    """Drop the links in the text of a license that lead to the license itself."""
    for one in inside(element, "ext-link", "uri"):
        link = one.get(XLINK_HREF)
        if link and (license_address(link) or link) == address:
            del one.attrib[XLINK_HREF]
            one.attrib.pop("ext-link-type", "")


def _free_to_read(builder: DocumentBuilder, element: _Element) -> None:
    """Add `ali:free_to_read`. Without dates, everybody may read the article (NISO RP-22, section 4)."""
    start, end = take_attribute(element, "start_date"), take_attribute(element, "end_date")
    if start is None and end is None:
        builder.access = builder.access or "open"
    text = joined("free_to_read", f"end_date {end}" if end else None)
    builder.rights.append(Rights(text or "free_to_read", start=start))


def read_funding(builder: DocumentBuilder, group: _Element) -> None:
    """Take a `funding-group` out of the tree. The recipients of an award have no field, and stay."""
    for element in parts(group, "award-group"):
        program = take_attribute(element, "award-type")
        sources = [_source(one) for one in inside(element, "funding-source", "support-source")]
        awards = [text for one in parts(element, "award-id") if (text := take_prose(one))]
        titles = [text for one in parts(element, "award-name", "award-desc") if (text := take_prose(one))]
        links = [
            identify(link) for one in parts(element, "award-id") if (link := take_attribute(one, XLINK_HREF))
        ]
        links += take_identifiers(inside(element, "object-id"), "pub-id-type")
        builder.funding += _grants(sources, awards, titles, tuple(links), program)
    for element in parts(group, "funding-statement", "open-access"):
        language = take_language(element)
        if text := take_prose(element):
            if local_name(element) == "open-access":
                builder.rights.append(Rights(text, language))
            else:
                builder.funding.append(Funding(text=text))


def _grants(
    sources: list[tuple[str | None, tuple[Identifier, ...]]],
    awards: list[str],
    titles: list[str],
    links: tuple[Identifier, ...],
    program: str | None,
) -> list[Funding]:
    """Return one grant for each award. Of several sources and awards, nothing says which is whose."""
    title = joined(*titles)
    if len(sources) <= 1:
        name, identifiers = sources[0] if sources else (None, ())
        numbers: list[str | None] = [*awards] or [None]
        found = [Funding(name, identifiers, award, title, links, program) for award in numbers]
    else:
        award = ", ".join(awards) or None
        found = [Funding(name, identifiers, award, title, links, program) for name, identifiers in sources]
    return [one for one in found if one != Funding()]


def _source(element: _Element) -> tuple[str | None, tuple[Identifier, ...]]:
    identifiers = [*take_identifiers(inside(element, "institution-id"), "institution-id-type")]
    if link := take_attribute(element, XLINK_HREF):
        identifiers.append(identify(link))
    wraps = [one for one in element if local_name(one) in ("institution-wrap", "institution")]
    if wraps and part(element, "institution-wrap") is not None:
        name = joined(*(take_prose(one) for wrap in wraps for one in inside(wrap, "institution")))
        return joined(name, take_prose(element)), tuple(identifiers)
    return take_prose(element), tuple(identifiers)


def read_old_grants(builder: DocumentBuilder, meta: _Element) -> None:
    """Take the grants of NLM 2.x out of the tree: numbers and sponsors, which `rid` joins."""
    sponsors = {
        one.get("id") or f"{place}": text
        for place, one in enumerate(parts(meta, "grant-sponsor", "contract-sponsor"))
        if (text := take_prose(one))
    }
    used: set[str] = set()
    for one in parts(meta, "grant-num", "contract-num"):
        sponsor = one.get("rid", "")
        if text := take_prose(one):
            builder.funding.append(Funding(sponsors.get(sponsor), award=text))
            used.add(sponsor)
    builder.funding += (Funding(text) for name, text in sponsors.items() if name not in used)


_READERS: dict[str, Callable[[DocumentBuilder, _Element], None]] = {
    "copyright-statement": _copyright_statement,
    "copyright-year": _copyright_year,
    "copyright-holder": _copyright_holder,
    "license": _license,
    "free_to_read": _free_to_read,
}
