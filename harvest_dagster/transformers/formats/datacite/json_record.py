"""Read DataCite metadata in JSON: the objects of the REST API, and the same attributes without an envelope.

https://support.datacite.org/docs/api and https://support.datacite.org/docs/datacite-content-resolver. An object of the
API has `attributes` and `relationships`; it may stand in `data`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from harvest_dagster.errors import TransformError
from harvest_dagster.transformers.builder import DocumentBuilder
from harvest_dagster.transformers.document import (
    Affiliation,
    Agent,
    AgentKind,
    Container,
    Description,
    Document,
    File,
    Funding,
    Related,
    Subject,
    Text,
    Title,
)
from harvest_dagster.transformers.formats.datacite import places, values
from harvest_dagster.transformers.formats.datacite.deposited_xml import rest_of_xml
from harvest_dagster.transformers.reading import json_tree
from harvest_dagster.transformers.reading.json_tree import Node, child, children, take, take_texts
from harvest_dagster.transformers.recognition.dates import parse_date
from harvest_dagster.transformers.recognition.identifiers import identify_declared
from harvest_dagster.transformers.recognition.standard_forms import date_from, full_name

FORMAT = "DataCite JSON"

# The relationships of a DOI to other DOIs, and their relation types.
_RELATIONSHIPS = {
    "references": "References",
    "citations": "IsCitedBy",
    "parts": "HasPart",
    "partOf": "IsPartOf",
    "versions": "HasVersion",
    "versionOf": "IsVersionOf",
    "translations": "HasTranslation",
    "translationOf": "IsTranslationOf",
}
# https://support.datacite.org/docs/api: the words for the type in other formats. The API derives them.
_DERIVED_TYPES = ("schemaOrg", "citeproc", "bibtex", "ris")
_OF_DATACITE = frozenset({"doi", "titles", "creators", "publicationYear"})


def read_document(identifier: str, datum: str) -> Document:
    """Return the document of one record.

    Raises:
        TransformError: the datum is not a JSON object, is an object of another type, or nothing in it is recognized.
    """
    root = json_tree.parse(datum)
    path, record = ("data.", root["data"]) if isinstance(root.get("data"), dict) else ("", root)
    kind = record.get("type")
    attributes = child(record, "attributes") if "attributes" in record else record
    if not _OF_DATACITE & attributes.keys() or (attributes is not record and kind not in ("dois", None)):
        raise TransformError(_not_a_doi(record))
    builder = DocumentBuilder(identifier, "datacite", FORMAT)
    if "xml" in attributes:
        prefix = "" if attributes is record else "attributes."
        builder.unmapped += rest_of_xml(attributes, f"{path}{prefix}xml")
    _read_attributes(builder, attributes)
    _read_envelope(builder, record)
    return builder.build(json_tree.leftovers(root))


def _not_a_doi(record: Node) -> str:
    kind = record.get("type")
    found = (
        f"an object of the type {kind!r}" if isinstance(kind, str) else f"an object with {sorted(record)[:8]}"
    )
    return (
        f"the datum is {found}, not a DOI of DataCite. Harvest https://api.datacite.org/dois, or name a "
        "transformer that reads this format."
    )


def _read_attributes(builder: DocumentBuilder, attributes: Node) -> None:
    _doi(builder, attributes)
    for key, read in _LISTS.items():
        for item in children(attributes, key):
            read(builder, item)
    for key, add in _TEXTS.items():
        for text in take_texts(attributes, key):
            add(builder, text)
    _types(builder, child(attributes, "types"))
    _container(builder, child(attributes, "container"))
    if year := take(attributes, "publicationYear"):
        values.add_publication_year(builder, year)
    _published(builder, attributes)


def _doi(builder: DocumentBuilder, attributes: Node) -> None:
    """Add the DOI. The prefix and the suffix are parts of it."""
    if doi := take(attributes, "doi"):
        builder.add_identifier(identify_declared("DOI", doi), doi)
        for part in ("prefix", "suffix"):
            if str(attributes.get(part)).lower() in doi.lower():
                take(attributes, part)


def _published(builder: DocumentBuilder, attributes: Node) -> None:
    """Add the date that the API makes of the dates and the year, unless it is one of them."""
    text = take(attributes, "published")
    dates = [date for date in builder.dates if date.role == "Issued"]
    if text and not any((date.text or date.value) == text for date in dates):
        builder.dates.append(date_from(text, "Issued", "published"))


def _read_envelope(builder: DocumentBuilder, record: Node) -> None:
    """Read what stands beside the attributes. `type` is `dois`: the scheme of the identifier says so, too."""
    if record.get("type") == "dois":
        take(record, "type")
    if text := take(record, "id"):
        builder.add_identifier(identify_declared("DOI", text), text)
    relationships = child(record, "relationships")
    for key in ("client", "provider"):
        for node in children(child(relationships, key), "data"):
            builder.agencies += filter(None, [take(node, "id")])
    for key, relation in _RELATIONSHIPS.items():
        builder.related += filter(
            None, map(partial(_linked, relation), children(child(relationships, key), "data"))
        )


def _linked(relation: str, node: Node) -> Related | None:
    text = take(node, "id")
    if text is None:
        return None
    if node.get("type") == "dois":
        take(node, "type")
    return Related(relation, identifiers=(identify_declared("DOI", text),))


def _identifier(builder: DocumentBuilder, node: Node, *, key: str = "identifier") -> None:
    if text := take(node, key):
        builder.add_identifier(identify_declared(take(node, f"{key}Type"), text), text)


def _scheme(node: Node, key: str) -> str | None:
    """Take the name of a scheme, or else its address."""
    return take(node, key) or _take_uri(node, "scheme")


def _take_uri(node: Node, name: str) -> str | None:
    """Take an address. The API writes `schemeUri`; the schema of the JSON had `schemeURI` before."""
    return take(node, f"{name}Uri") or take(node, f"{name}URI")


def _agent_of(node: Node, role: str | None = None) -> Agent | None:
    given, family = take(node, "givenName"), take(node, "familyName")
    name = take(node, "name") or full_name(family, given)
    if not name:
        return None
    kind = _agent_kind(node)
    identifiers = [
        identify_declared(_scheme(one, "nameIdentifierScheme"), text)
        for one in children(node, "nameIdentifiers")
        if (text := take(one, "nameIdentifier"))
    ]
    # The JSON of crosscite, before version 4.3 of the schema, has one identifier without a scheme.
    identifiers += (identify_declared(None, text) for text in filter(None, [take(node, "id")]))
    affiliations = [Affiliation(text) for text in take_texts(node, "affiliation")]
    affiliations += filter(None, map(_affiliation, children(node, "affiliation")))
    return values.make_agent(name, (kind, given, family), identifiers, affiliations, role)


def _agent_kind(node: Node) -> AgentKind | None:
    """Take the nameType, or the `type` of crosscite, and return its term. An unknown word stays."""
    for key in ("nameType", "type"):
        if (kind := values.AGENT_KINDS.get(str(node.get(key)))) is not None:
            take(node, key)
            return kind
    return None


def _affiliation(node: Node) -> Affiliation | None:
    name = take(node, "name")
    if name is None:
        return None
    code = take(node, "affiliationIdentifier")
    found = (identify_declared(_scheme(node, "affiliationIdentifierScheme"), code),) if code else ()
    return Affiliation(name, found)


def _creator(builder: DocumentBuilder, node: Node) -> None:
    if agent := _agent_of(node):
        builder.creators.append(agent)


def _contributor_of(node: Node) -> Agent | None:
    role = node.get("contributorType")
    agent = _agent_of(node, role if isinstance(role, str) and role else None)
    if agent is not None:
        take(node, "contributorType")
    return agent


def _contributor(builder: DocumentBuilder, node: Node) -> None:
    if agent := _contributor_of(node):
        builder.contributors.append(agent)


def _publisher(builder: DocumentBuilder, node: Node) -> None:
    if name := take(node, "name"):
        code = take(node, "publisherIdentifier")
        found = (identify_declared(_scheme(node, "publisherIdentifierScheme"), code),) if code else ()
        builder.publishers.append(Agent(name, identifiers=found))


def _title_of(node: Node) -> Title | None:
    text = take(node, "title")
    if text is None:
        return None
    kind = take(node, "titleType")
    return Title(text, take(node, "lang"), role=values.TITLE_ROLES.get(kind, kind) if kind else None)


def _title_of_item(node: Node, in_container: bool) -> Title | None:
    """Take the title of a related item. What has no field there stays: the type, and the language."""
    text = take(node, "title")
    return Title(text, take(node, "lang") if in_container else None) if text else None


def _title(builder: DocumentBuilder, node: Node) -> None:
    if title := _title_of(node):
        builder.titles.append(title)


def _subject(builder: DocumentBuilder, node: Node) -> None:
    if text := take(node, "subject"):
        subject = Subject(
            text,
            take(node, "lang"),
            _scheme(node, "subjectScheme"),
            code=take(node, "classificationCode"),
            uri=_take_uri(node, "value"),
        )
        builder.subjects.append(subject)


def _date(builder: DocumentBuilder, node: Node) -> None:
    if text := take(node, "date"):
        values.add_date(builder, text, take(node, "dateType"))


def _link(node: Node, kind: str) -> values.RelatedLink:
    return values.RelatedLink(
        take(node, "relationType"), take(node, "relationTypeInformation"), take(node, kind)
    )


def _related_identifier(builder: DocumentBuilder, node: Node) -> None:
    if text := take(node, "relatedIdentifier"):
        link = _link(node, "resourceTypeGeneral")
        found = identify_declared(take(node, "relatedIdentifierType"), text)
        builder.related.append(Related(*link.words(), identifiers=(found,), kind=link.kind))


def _related_item(builder: DocumentBuilder, node: Node) -> None:
    link = _link(node, "relatedItemType")
    is_container = link.relation == "IsPublishedIn"
    if is_container and link.kind and link.kind not in values.CONTAINER_KINDS:
        node["relatedItemType"] = link.kind  # no field has it
    titles = (_title_of_item(one, is_container) for one in children(node, "titles"))
    identifiers = [
        identify_declared(take(one, "relatedItemIdentifierType"), text)
        for one in children(node, "relatedItemIdentifier")
        if (text := take(one, "relatedItemIdentifier"))
    ]
    creators = (_agent_of(one, "cre") for one in children(node, "creators"))
    contributors = map(_contributor_of, children(node, "contributors"))
    item = values.RelatedItem(
        link,
        identifiers,
        list(filter(None, titles)),
        list(filter(None, (*creators, *contributors))),
        take(node, "publicationYear"),
        take(node, "publisher"),
        take(node, "volume"),
        take(node, "issue"),
        take(node, "number"),
        take(node, "edition"),
        take(node, "firstPage"),
        take(node, "lastPage"),
    )
    values.add_related_item(builder, item)


def _rights(builder: DocumentBuilder, node: Node) -> None:
    text, uri, code = take(node, "rights"), _take_uri(node, "rights"), take(node, "rightsIdentifier")
    if text or uri or code:
        scheme = take(node, "rightsIdentifierScheme")
        values.add_rights(builder, values.RightsValues(text, uri, code, scheme, take(node, "lang")))


def _description(builder: DocumentBuilder, node: Node) -> None:
    if text := take(node, "description"):
        kind = take(node, "descriptionType")
        builder.descriptions.append(Description(text, take(node, "lang"), role=kind))


def _funding(builder: DocumentBuilder, node: Node) -> None:
    code, address = take(node, "funderIdentifier"), _take_uri(node, "award")
    funders = (identify_declared(_scheme(node, "funderIdentifierType"), code),) if code else ()
    awards = (identify_declared(None, address),) if address else ()
    funding = Funding(
        take(node, "funderName"), funders, take(node, "awardNumber"), take(node, "awardTitle"), awards
    )
    if funding != Funding():
        builder.funding.append(funding)


def _types(builder: DocumentBuilder, node: Node) -> None:
    values.add_types(builder, take(node, values.GENERAL_TYPES), take(node, "resourceType"))
    builder.types += (Text(text, vocabulary=key) for key in _DERIVED_TYPES if (text := take(node, key)))


def _container(builder: DocumentBuilder, node: Node) -> None:
    """Add the container that the API makes of a SeriesInformation or a related item."""
    kind = values.CONTAINER_KINDS.get(str(node.get("type")))
    code = take(node, "identifier")
    container = Container(
        take(node, "title"),
        kind,
        identifiers=(identify_declared(take(node, "identifierType"), code),) if code else (),
        volume=take(node, "volume"),
        issue=take(node, "issue"),
        edition=take(node, "edition"),
        first_page=take(node, "firstPage"),
        last_page=take(node, "lastPage"),
        number=take(node, "number") or take(node, "chapterNumber"),
    )
    if container not in (Container(), Container(kind=kind)):
        if kind:
            take(node, "type")
        builder.containers.append(container)


def _add_text(field: str, builder: DocumentBuilder, text: str) -> None:
    getattr(builder, field).append(Text(text))


def _set(field: str, builder: DocumentBuilder, text: str) -> None:
    setattr(builder, field, text)


def _set_date(field: str, builder: DocumentBuilder, text: str) -> None:
    setattr(builder, field, parse_date(text) or text)


_LISTS: dict[str, Callable[[DocumentBuilder, Node], None]] = {
    "identifiers": _identifier,
    "alternateIdentifiers": partial(_identifier, key="alternateIdentifier"),
    "titles": _title,
    "creators": _creator,
    "contributors": _contributor,
    "publisher": _publisher,
    "subjects": _subject,
    "dates": _date,
    "relatedIdentifiers": _related_identifier,
    "relatedItems": _related_item,
    "rightsList": _rights,
    "descriptions": _description,
    "fundingReferences": _funding,
    "geoLocations": places.add_json,
}
_TEXTS: dict[str, Callable[[DocumentBuilder, str], None]] = {
    "url": lambda builder, text: builder.add_identifier(identify_declared(None, text), text),
    "publisher": lambda builder, text: builder.publishers.append(Agent(text)),
    "language": values.add_language,
    "version": partial(_set, "version"),
    "created": partial(_set_date, "created"),
    "updated": partial(_set_date, "updated"),
    "sizes": partial(_add_text, "sizes"),
    "formats": partial(_add_text, "formats"),
    "contentUrl": lambda builder, text: builder.files.append(File(text)),
    "agency": lambda builder, text: builder.agencies.append(text),
    "clientId": lambda builder, text: builder.agencies.append(text),
    "providerId": lambda builder, text: builder.agencies.append(text),
    "schemaVersion": lambda builder, text: builder.rules.append(f"schemaVersion {text}"),
}
