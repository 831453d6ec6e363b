"""Make the items of a document from the values of DataCite, whatever their encoding.

Here: the meaning of the properties, as far as XML (`xml_record`), JSON (`json_record`) and the elements of OpenAIRE
(`oai_openaire`) have it in common. Not here: where a value stands in a record.

Specification: https://datacite-metadata-schema.readthedocs.io/en/4.6/properties/. The names of older kernels differ in
few places; the functions say so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from harvest_dagster.transformers.builder import DocumentBuilder
from harvest_dagster.transformers.document import (
    Affiliation,
    Agent,
    AgentKind,
    Container,
    ContainerKind,
    Date,
    Identifier,
    Related,
    Rights,
    Text,
    Title,
)
from harvest_dagster.transformers.recognition.dates import parse_date
from harvest_dagster.transformers.recognition.licenses import license_address
from harvest_dagster.transformers.recognition.standard_forms import language_from
from harvest_dagster.transformers.recognition.vocabularies import access_of, date_type, relation_type, relator

# nameType, appendix 1 of the specification, and the words of schema.org, which older JSON has.
AGENT_KINDS: dict[str, AgentKind] = {
    "Personal": "person",
    "Person": "person",
    "Organizational": "organization",
    "Organization": "organization",
}
# titleType. `Other` and unknown words are kept as they are.
TITLE_ROLES = {
    "AlternativeTitle": "alternative",
    "Subtitle": "subtitle",
    "TranslatedTitle": "translated",
}
CONTAINER_KINDS: dict[str, ContainerKind] = {
    "Journal": "journal",
    "Book": "book",
    "Series": "series",
    "ConferenceProceeding": "conference",
    "DataRepository": "repository",
}
# The vocabulary of the general types. DataCite names it by the attribute.
GENERAL_TYPES = "resourceTypeGeneral"

_TERM = re.compile(
    r"(info:eu-repo/semantics|https?://purl\.org/coar/(?:access_right|resource_type|version))/([\w-]+)/?"
)


def split_term(text: str) -> tuple[str, str | None]:
    """Return the term and the vocabulary of an address of COAR or of info:eu-repo; other texts unchanged.

    >>> split_term("info:eu-repo/semantics/openAccess")
    ('openAccess', 'info:eu-repo/semantics')
    """
    match = _TERM.fullmatch(text)
    return (match[2], match[1].replace("https://", "http://", 1)) if match else (text, None)


def make_agent(
    name: str,
    parts: tuple[AgentKind | None, str | None, str | None],
    identifiers: Iterable[Identifier],
    affiliations: Iterable[Affiliation],
    role_text: str | None = None,
) -> Agent:
    """Return a creator or contributor.

    Args:
        name: in the form of the record.
        parts: the kind, the given and the family name.
        identifiers: of the agent.
        affiliations: of the agent.
        role_text: the contributorType.
    """
    kind, given, family = parts
    role = relator(role_text) if role_text else None
    return Agent(
        name,
        kind,
        given,
        family,
        identifiers=tuple(identifiers),
        role=role,
        role_text=None if role == role_text else role_text,
        affiliations=tuple(affiliations),
    )


def make_date(text: str, kind: str | None) -> Date:
    """Return a date with its dateType."""
    value = parse_date(text)
    role = date_type(kind) if kind else None
    return Date(value, None if value == text else text, role, None if role == kind else kind)


def add_date(builder: DocumentBuilder, text: str, kind: str | None) -> None:
    """Add a date. `Coverage` (4.6) is a time that the resource covers."""
    date = make_date(text, kind)
    if date.role == "Coverage":
        builder.periods.append(Date(date.value, date.text))
    else:
        builder.dates.append(date)


def add_publication_year(builder: DocumentBuilder, text: str) -> None:
    """Add the year of publication after all dates, because a date with the type Issued is more exact."""
    value = parse_date(text)
    if not any(date.role == "Issued" and date.value == value == text for date in builder.dates):
        builder.dates.append(Date(value, None if value == text else text, "Issued", "publicationYear"))


def add_language(builder: DocumentBuilder, text: str) -> None:
    """Add a language of the resource."""
    builder.languages.append(language_from(text))


def add_types(builder: DocumentBuilder, general: str | None, specific: str | None) -> None:
    """Add the resourceTypeGeneral and the resourceType."""
    if general:
        builder.add_type(Text(general, vocabulary=GENERAL_TYPES))
    if specific:
        builder.add_type(Text(specific))


@dataclass(frozen=True)
class RightsValues:
    """What a record says in one `rights` element."""

    text: str | None
    uri: str | None = None
    code: str | None = None
    scheme: str | None = None
    language: str | None = None
    start: str | None = None


def add_rights(builder: DocumentBuilder, values: RightsValues) -> None:
    """Add a license or an access right. The address of an access right is a term, not a license."""
    text, code, vocabulary, license_ = values.text, values.code, values.scheme, None
    builder.access = builder.access or access_of(values.uri or "") or access_of(text or "")
    if values.uri:
        term, of = split_term(values.uri)
        if of and not (text and code) and vocabulary is None:
            text, code, vocabulary = text or term, term if text else code, of
        else:
            license_ = license_address(values.uri) or values.uri
    statement = text or values.uri or code
    if statement:
        code = None if code == statement else code
        builder.rights.append(
            Rights(
                statement,
                values.language,
                vocabulary,
                license=license_ or license_address(statement),
                code=code,
                start=values.start,
            )
        )


@dataclass(frozen=True)
class RelatedLink:
    """The relation of a related identifier or item, in the words of the record."""

    relation: str | None
    # 4.7: a description of the relation, required for the relation type `Other`.
    information: str | None = None
    kind: str | None = None

    def words(self) -> tuple[str | None, str | None]:
        """Return the relation type, and what else the record says about it."""
        known = relation_type(self.relation) if self.relation else None
        texts = (None if known == self.relation else self.relation, self.information)
        return known, ": ".join(filter(None, texts)) or None


@dataclass
class RelatedItem:
    """A related item (4.4): a resource that may have no identifier."""

    link: RelatedLink
    identifiers: list[Identifier] = field(default_factory=list)
    titles: list[Title] = field(default_factory=list)
    agents: list[Agent] = field(default_factory=list)
    year: str | None = None
    publisher: str | None = None
    volume: str | None = None
    issue: str | None = None
    number: str | None = None
    edition: str | None = None
    first_page: str | None = None
    last_page: str | None = None

    @property
    def is_container(self) -> bool:
        """Whether the resource is published in it."""
        return self.link.relation == "IsPublishedIn"

    @property
    def has_values(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.identifiers or self.titles or self.agents or self.publisher or self.year)


def add_related_item(builder: DocumentBuilder, item: RelatedItem) -> None:
    """Add the item in which the resource is published as a container, and any other as a related resource."""
    year = make_date(item.year, "Issued") if item.year else None
    if item.is_container:
        builder.containers.append(_container(item, year))
        return
    position = Container(
        volume=item.volume,
        issue=item.issue,
        edition=item.edition,
        first_page=item.first_page,
        last_page=item.last_page,
        number=item.number,
    )
    relation, words = item.link.words()
    builder.related.append(
        Related(
            relation,
            words,
            tuple(item.identifiers),
            text="; ".join(title.text for title in item.titles[1:]) or None,
            title=item.titles[0].text if item.titles else None,
            kind=item.link.kind,
            agents=tuple(item.agents),
            date=year,
            container=None if position == Container() else position,
            publisher=item.publisher,
        )
    )


def _container(item: RelatedItem, year: Date | None) -> Container:
    publishers = (Agent(item.publisher, role="pbl"),) if item.publisher else ()
    return Container(
        item.titles[0].text if item.titles else None,
        CONTAINER_KINDS.get(item.link.kind or ""),
        tuple(Text(title.text, title.language) for title in item.titles[1:]),
        tuple(item.identifiers),
        item.volume,
        item.issue,
        item.edition,
        item.first_page,
        item.last_page,
        number=item.number,
        dates=(year,) if year else (),
        agents=(*item.agents, *publishers),
    )
