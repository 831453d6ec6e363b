"""Read the projects of a grant, which funders register with Crossref as works of the type `grant`.

https://www.crossref.org/documentation/schema-library/markup-guide-record-types/grants/. Amounts and planned ends of
awards have no field, and stay in `unmapped`.
"""

from __future__ import annotations

from harvest_dagster.transformers.builder import DocumentBuilder
from harvest_dagster.transformers.document import Description, Funding, Title
from harvest_dagster.transformers.formats.crossref.values import (
    plain_text,
    take_agents,
    take_funder_identifiers,
)
from harvest_dagster.transformers.reading.json_tree import Node, child, children, take

_INVESTIGATORS = ("lead-investigator", "co-lead-investigator", "investigator")


def add_projects(builder: DocumentBuilder, work: Node) -> None:
    """Add the titles, descriptions, people and funders of the projects of a grant."""
    award = take(work, "award")
    for project in children(work, "project"):
        _texts(builder, project)
        for key in _INVESTIGATORS:
            builder.contributors += take_agents(project, key)
        builder.funding += filter(None, (_funding(node, award) for node in children(project, "funding")))
    if award and not any(one.award == award for one in builder.funding):
        builder.funding.append(Funding(award=award))


def _texts(builder: DocumentBuilder, project: Node) -> None:
    for node in children(project, "project-title"):
        if text := take(node, "title"):
            builder.titles.append(Title(plain_text(text), take(node, "language")))
    for node in children(project, "project-description"):
        if text := take(node, "description"):
            language = take(node, "language")
            builder.descriptions.append(Description(plain_text(text), language, role="Abstract"))


def _funding(node: Node, award: str | None) -> Funding | None:
    funder = child(node, "funder")
    name = take(funder, "name")
    identifiers = tuple(take_funder_identifiers(funder))
    if not (name or identifiers):
        return None
    return Funding(name, identifiers, award, program=take(node, "scheme"))
