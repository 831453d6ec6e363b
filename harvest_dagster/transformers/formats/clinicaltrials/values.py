"""What the two formats of ClinicalTrials.gov have in common: dates, people, references and numbers of registries."""

from __future__ import annotations

import re

from harvest_dagster.transformers.builder import DocumentBuilder
from harvest_dagster.transformers.document import (
    Affiliation,
    Agent,
    AgentKind,
    Description,
    Identifier,
    Place,
    Related,
)
from harvest_dagster.transformers.recognition.identifiers import identify, identify_as
from harvest_dagster.transformers.recognition.standard_forms import date_from
from harvest_dagster.transformers.recognition.vocabularies import relator

_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?", re.ASCII)

# The classes of sponsors. Some people are sponsors of the class OTHER, so it does not say what they are.
KINDS: dict[str, AgentKind] = {
    **dict.fromkeys(("INDUSTRY", "NIH", "FED", "U.S. FED", "OTHER_GOV", "NETWORK"), "organization"),
    "INDIV": "person",
}
# The kinds of reference, and how the registered study relates to the publication.
RELATIONS = {"BACKGROUND": "References", "RESULT": "IsDescribedBy"}


def registry_number(text: str, registry: str | None) -> Identifier:
    """Return the number of a study in a registry."""
    return Identifier("other", text, registry)


def add_date(builder: DocumentBuilder, text: str, name: str, role: str | None) -> None:
    """Add a date with its name in the record."""
    builder.dates.append(date_from(text, role, name))


def add_description(builder: DocumentBuilder, text: str | None, role: str) -> None:
    """Add a text, if there is one."""
    if text:
        builder.descriptions.append(Description(text, role=role))


def person(
    name: str | None, role_text: str | None, affiliation: str | None = None, mail: str | None = None
) -> Agent | None:
    """Return a person or an office; None without a name."""
    if not name:
        return None
    role = relator(role_text) if role_text else None
    return Agent(
        name,
        identifiers=(Identifier("other", mail, "email"),) if mail else (),
        role=role,
        role_text=role_text,
        affiliations=(Affiliation(affiliation),) if affiliation else (),
    )


def add_contributor(builder: DocumentBuilder, agent: Agent | None) -> None:
    """Add a contributor, unless it is the same as another."""
    if agent is not None and agent not in builder.contributors:
        builder.contributors.append(agent)


def place_of(parts: list[str | None], latitude: str | None = None, longitude: str | None = None) -> Place:
    """Return a place with the parts of its address, and its position if that is two numbers."""
    numbers = (longitude or "", latitude or "")
    has_position = all(map(_NUMBER.fullmatch, numbers))
    name = ", ".join(part for part in parts if part)
    return Place(name or None, geometry=f"POINT ({' '.join(numbers)})" if has_position else None)


def add_reference(
    builder: DocumentBuilder, citation: str | None, pmid: str | None, relation: str | None, kind: str | None
) -> None:
    """Add a publication that the study refers to, or that reports its results."""
    if not (citation or pmid):
        return
    found = identify_as("pmid", pmid) if pmid else None
    builder.related.append(
        Related(relation, kind, identifiers=(found,) if found else (), text=citation or None)
    )


def add_page(builder: DocumentBuilder, address: str | None, title: str | None, relation: str) -> None:
    """Add another page about the study."""
    if address or title:
        identifiers = (identify(address),) if address else ()
        builder.related.append(Related(relation_text=relation, identifiers=identifiers, title=title))
