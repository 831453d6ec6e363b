"""Read the names of MARC: fields 100 to 111 and 700 to 711 (https://www.loc.gov/marc/bibliographic/bdx00.html)."""

from __future__ import annotations

from harvest_dagster.transformers.document import (
    Affiliation,
    Agent,
    Container,
    Identifier,
    Text,
)
from harvest_dagster.transformers.formats.marcxml.punctuation import without_full_stop
from harvest_dagster.transformers.formats.marcxml.record import MarcField
from harvest_dagster.transformers.recognition.authorities import identify_authority
from harvest_dagster.transformers.recognition.standard_forms import date_from
from harvest_dagster.transformers.recognition.vocabularies import relator

_NAME = "ab"


def take_identifiers(field: MarcField) -> tuple[Identifier, ...]:
    """Take the subfields 0 and 1: identifiers of the authority record, and of the thing that it describes."""
    return tuple(identify_authority(text) for text in field.take_each("01")) if field.has("01") else ()


def take_person(field: MarcField) -> Agent | None:
    """Take the name of a person or a family (X00)."""
    form = field.take_indicator(1)
    name = field.take_text(_NAME)
    if not name:
        return None
    name = without_full_stop(name)
    family, comma, given = name.partition(", ") if form == "1" else ("", "", "")
    fuller = field.take_each("q")
    titles = [without_full_stop(text) for text in field.take_each("cd")]
    return _with_others(
        field,
        Agent(
            name,
            kind=None if form == "3" else "person",
            family=family if comma else None,
            given=given if comma else None,
            suffix=", ".join(titles) or None,
            other_names=tuple(Text(without_full_stop(text).strip("()")) for text in fuller),
        ),
        role_codes="ej",
    )


def take_organization(field: MarcField) -> Agent | None:
    """Take the name of an organization (X10), with its units, and the number, place and date of its meeting."""
    field.take_indicator(1)
    name = _take_unit_name(field, _NAME)
    if not name:
        return None
    places = tuple(without_full_stop(place.strip("()")) for place in field.take_each("c"))
    suffix = ", ".join(without_full_stop(text.strip("()")) for text in field.take_each("nd")) or None
    return _with_others(field, Agent(name, kind="organization", places=places, suffix=suffix), role_codes="e")


def take_conference(field: MarcField) -> Container | None:
    """Take a conference (X11), with its number, date and place."""
    field.take_indicator(1)
    title = _take_unit_name(field, "aeq")
    if not title:
        return None
    number = " ".join(_unpacked(text) for text in field.take_each("n")) or None
    dates = tuple(date_from(_unpacked(text)) for text in field.take_each("d"))
    places = tuple(_unpacked(text) for text in field.take_each("c"))
    return Container(
        title, "conference", identifiers=take_identifiers(field), number=number, dates=dates, places=places
    )


def _take_unit_name(field: MarcField, codes: str) -> str | None:
    """Take a name and its subordinate units: `Harvard University. Library`."""
    # The full stop between them is kept: it is how people write such a name.
    name = field.take_text(codes)
    return without_full_stop(name) if name else None


def _unpacked(text: str) -> str:
    """Return a text without the separators and parentheses of `(3rd : 1999 : Paris)`."""
    return without_full_stop(text).strip("()").removesuffix(" :")


def _with_others(field: MarcField, agent: Agent, role_codes: str) -> Agent:
    """Return an agent with its role, affiliations, identifiers and its names in other scripts."""
    code, text = _take_role(field, role_codes)
    affiliations = field.take_each("u")
    scripts: tuple[Text, ...] = ()
    for one in field.alternates:
        other = _other_name(one)
        scripts += (Text(other),) if other else ()
    return Agent(
        agent.name,
        kind=agent.kind,
        given=agent.given,
        family=agent.family,
        suffix=agent.suffix,
        other_names=agent.other_names + scripts,
        identifiers=take_identifiers(field),
        role=code,
        role_text=text,
        affiliations=tuple(Affiliation(without_full_stop(name)) for name in affiliations),
        places=agent.places,
    )


def _other_name(alternate: MarcField) -> str | None:
    alternate.take_indicator(1)
    name = alternate.take_text(_NAME)
    return without_full_stop(name) if name else None


def _take_role(field: MarcField, term_codes: str) -> tuple[str | None, str | None]:
    """Take the role. Of several, the code is that of the first one with a code; the text has all."""
    if not field.has(term_codes + "4"):
        return None, None
    terms = [without_full_stop(text) for text in field.take_each(term_codes)]
    codes = field.take_each("4")
    code = next((found for found in map(relator, codes + terms) if found), None)
    # A code beside its own term adds nothing.
    texts = [text for text in dict.fromkeys(terms + codes) if text != code]
    return code, "; ".join(texts) or None
