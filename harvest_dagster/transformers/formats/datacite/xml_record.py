"""Read DataCite metadata in XML, kernels 2 to 4: https://schema.datacite.org/.

Elements are identified by their local name, because each kernel has its own namespace and sources write it with
`https`, without the number or not at all. The element `resource` stands in a record alone, or in the `payload` of an
`oai_datacite` (https://oai.datacite.org/), which adds the version of the schema and the data centre.

The names that differ between the kernels: `rights` without `rightsList` (2), points and boxes as one text (3.0 to 3.1),
`lastMetadataUpdate` and `metadataVersionNumber` (2), `StartDate` and `EndDate` (2).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from harvest_dagster.errors import TransformError
from harvest_dagster.transformers.builder import DocumentBuilder
from harvest_dagster.transformers.document import (
    Affiliation,
    Agent,
    AgentKind,
    Description,
    Document,
    Funding,
    Identifier,
    Related,
    Subject,
    Text,
    Title,
)
from harvest_dagster.transformers.formats.datacite import places, values
from harvest_dagster.transformers.reading.xml_tree import (
    XmlRecord,
    add_envelope,
    leftovers,
    local_name,
    namespace,
    read_record,
    take_all_text,
    take_attribute,
    take_language,
    take_text,
)
from harvest_dagster.transformers.recognition.dates import parse_date
from harvest_dagster.transformers.recognition.identifiers import identify_declared
from harvest_dagster.transformers.recognition.standard_forms import full_name

if TYPE_CHECKING:
    from lxml.etree import _Element

Read = Callable[[DocumentBuilder, "_Element"], None]


def read_document(identifier: str, datum: str) -> Document:
    """Return the document of one record.

    Raises:
        TransformError: the datum is not well-formed XML, has no DataCite metadata, or nothing in it is recognized.
    """
    record = read_record(datum)
    wrapper, resource = _find_resource(record)
    builder = DocumentBuilder(identifier, "datacite", namespace(resource).replace("https://", "http://", 1))
    if wrapper is not None:
        _read_wrapper(builder, wrapper)
    read_resource(builder, resource, ELEMENTS)
    add_envelope(builder, record)
    return builder.build(rest for element in record.metadata for rest in leftovers(element))


def _find_resource(record: XmlRecord) -> tuple[_Element | None, _Element]:
    """Return the element around `resource`, if there is one, and `resource`."""
    for element in record.metadata:
        if local_name(element) == "resource" and _is_datacite(namespace(element)):
            return None, element
        if "datacite" in local_name(element).lower() or "datacite" in namespace(element).lower():
            inner = next(element.iter("{*}resource"), None)
            if inner is not None:
                return element, inner
    found = ", ".join(f"<{element.tag}>" for element in record.metadata)
    message = (
        f"the metadata is {found}, not DataCite. Harvest with the metadata prefix of the source for DataCite, such as "
        "`oai_datacite` or `datacite`, or name a transformer that reads this format."
    )
    raise TransformError(message)


def _is_datacite(name: str) -> bool:
    return not name or "datacite" in name.lower()


def _read_wrapper(builder: DocumentBuilder, wrapper: _Element) -> None:
    for part in wrapper:
        name = local_name(part)
        if name == "schemaVersion" and (text := take_text(part)):
            builder.rules.append(f"schemaVersion {text}")
        elif name == "datacentreSymbol" and (text := take_text(part)):
            builder.agencies.append(text)


def read_resource(builder: DocumentBuilder, resource: _Element, elements: dict[str, Read]) -> None:
    """Read the elements of a resource. The year of publication comes last, after the exact dates."""
    years = []
    for part in resource:
        name = local_name(part)
        if (read := elements.get(name)) is not None:
            read(builder, part)
        elif name == "publicationYear" and (text := take_text(part)):
            years.append(text)
    for year in years:
        values.add_publication_year(builder, year)


def _identifier(builder: DocumentBuilder, element: _Element, kind: str = "identifierType") -> None:
    if text := take_text(element):
        builder.add_identifier(identify_declared(take_attribute(element, kind), text), text)


def _title_of(element: _Element) -> Title | None:
    text = take_all_text(element)
    if text is None:
        return None
    kind = take_attribute(element, "titleType")
    return Title(text, take_language(element), role=values.TITLE_ROLES.get(kind, kind) if kind else None)


def _title_of_item(element: _Element, in_container: bool) -> Title | None:
    """Take the title of a related item. What has no field there stays: the type, and the language."""
    text = take_all_text(element)
    return Title(text, take_language(element) if in_container else None) if text else None


def _title(builder: DocumentBuilder, element: _Element) -> None:
    if title := _title_of(element):
        builder.titles.append(title)


_NAMES = frozenset({"creatorName", "contributorName"})


def _agent_of(element: _Element, role: str | None = None) -> Agent | None:
    """Return a creator or contributor; None, and take nothing but empty names, if it has no name."""
    parts: dict[str, list[_Element]] = {}
    for part in element:
        parts.setdefault(local_name(part), []).append(part)
    named = next((part for name, found in parts.items() if name in _NAMES for part in found), None)
    text = take_all_text(named) if named is not None else None
    given, family = (_first_text(parts.get(name, [])) for name in ("givenName", "familyName"))
    text = text or full_name(family, given)
    if not text:
        return None
    kind = _agent_kind(named) if named is not None else None
    identifiers = map(_name_identifier, parts.get("nameIdentifier", ()))
    affiliations = map(_affiliation, parts.get("affiliation", ()))
    return values.make_agent(
        text, (kind, given, family), filter(None, identifiers), filter(None, affiliations), role
    )


def _first_text(elements: list[_Element]) -> str | None:
    return take_text(elements[0]) if elements else None


def _agent_kind(element: _Element) -> AgentKind | None:
    """Take the nameType and return its term. An unknown word stays."""
    kind = values.AGENT_KINDS.get(str(element.get("nameType", "")))
    if kind is not None:
        take_attribute(element, "nameType")
    return kind


def _name_identifier(element: _Element) -> Identifier | None:
    text = take_text(element)
    return identify_declared(_scheme(element, "nameIdentifierScheme"), text) if text else None


def _scheme(element: _Element, name: str) -> str | None:
    """Take the name of a scheme, or else its address."""
    return take_attribute(element, name) or take_attribute(element, "schemeURI")


def _affiliation(element: _Element) -> Affiliation | None:
    text = take_all_text(element)
    if text is None:
        return None
    code = take_attribute(element, "affiliationIdentifier")
    identifiers = (identify_declared(_scheme(element, "affiliationIdentifierScheme"), code),) if code else ()
    return Affiliation(text, identifiers)


def _creator(builder: DocumentBuilder, element: _Element) -> None:
    if agent := _agent_of(element):
        builder.creators.append(agent)


def _contributor_of(element: _Element) -> Agent | None:
    role = str(element.get("contributorType", "")) or None
    agent = _agent_of(element, role)
    if agent is not None:
        take_attribute(element, "contributorType")
    return agent


def _contributor(builder: DocumentBuilder, element: _Element) -> None:
    if agent := _contributor_of(element):
        builder.contributors.append(agent)


def _publisher(builder: DocumentBuilder, element: _Element) -> None:
    if text := take_all_text(element):
        code = take_attribute(element, "publisherIdentifier")
        found = (identify_declared(_scheme(element, "publisherIdentifierScheme"), code),) if code else ()
        builder.publishers.append(Agent(text, identifiers=found))


def _subject(builder: DocumentBuilder, element: _Element) -> None:
    if text := take_all_text(element):
        subject = Subject(
            text,
            take_language(element),
            _scheme(element, "subjectScheme"),
            code=take_attribute(element, "classificationCode"),
            uri=take_attribute(element, "valueURI"),
        )
        builder.subjects.append(subject)


def _date(builder: DocumentBuilder, element: _Element) -> None:
    if text := take_text(element):
        values.add_date(builder, text, take_attribute(element, "dateType"))


def _language(builder: DocumentBuilder, element: _Element) -> None:
    if text := take_text(element):
        values.add_language(builder, text)


def _resource_type(builder: DocumentBuilder, element: _Element) -> None:
    values.add_types(builder, take_attribute(element, values.GENERAL_TYPES), take_all_text(element))


def _link(element: _Element, kind: str) -> values.RelatedLink:
    relation = take_attribute(element, "relationType")
    return values.RelatedLink(
        relation, take_attribute(element, "relationTypeInformation"), take_attribute(element, kind)
    )


def _related_identifier(builder: DocumentBuilder, element: _Element) -> None:
    if text := take_text(element):
        link = _link(element, "resourceTypeGeneral")
        found = identify_declared(take_attribute(element, "relatedIdentifierType"), text)
        builder.related.append(Related(*link.words(), identifiers=(found,), kind=link.kind))


_ITEM_TEXTS = {
    "publicationYear": "year",
    "publisher": "publisher",
    "volume": "volume",
    "issue": "issue",
    "number": "number",
    "edition": "edition",
    "firstPage": "first_page",
    "lastPage": "last_page",
}


def _related_item(builder: DocumentBuilder, element: _Element) -> None:
    item = values.RelatedItem(_link(element, "relatedItemType"))
    if item.is_container and item.link.kind and item.link.kind not in values.CONTAINER_KINDS:
        element.set("relatedItemType", item.link.kind)  # no field has it
    for part in element:
        name = local_name(part)
        if name in _ITEM_TEXTS:
            setattr(item, _ITEM_TEXTS[name], take_text(part))
        elif name == "relatedItemIdentifier" and (text := take_text(part)):
            scheme = take_attribute(part, "relatedItemIdentifierType")
            item.identifiers.append(identify_declared(scheme, text))
        elif name == "titles":
            item.titles += filter(None, (_title_of_item(title, item.is_container) for title in part))
        elif name == "creators":
            item.agents += filter(None, (_agent_of(creator, "cre") for creator in part))
        elif name == "contributors":
            item.agents += filter(None, map(_contributor_of, part))
    values.add_related_item(builder, item)


def _text(field: str, builder: DocumentBuilder, element: _Element) -> None:
    if text := take_all_text(element):
        getattr(builder, field).append(Text(text, take_language(element)))


def _version(builder: DocumentBuilder, element: _Element) -> None:
    if builder.version is None:
        builder.version = take_text(element)


def _rights(builder: DocumentBuilder, element: _Element) -> None:
    text = take_all_text(element)
    uri, code = take_attribute(element, "rightsURI"), take_attribute(element, "rightsIdentifier")
    if text or uri or code:
        scheme = take_attribute(element, "rightsIdentifierScheme")
        values.add_rights(builder, values.RightsValues(text, uri, code, scheme, take_language(element)))


def _description(builder: DocumentBuilder, element: _Element) -> None:
    if text := take_all_text(element):
        kind = take_attribute(element, "descriptionType")
        builder.descriptions.append(Description(text, take_language(element), role=kind))


def _funding(builder: DocumentBuilder, element: _Element) -> None:
    """Add a fundingReference. OpenAIRE adds the stream. An awardURI without a number is kept, too."""
    texts: dict[str, str | None] = {}
    funders: tuple[Identifier, ...] = ()
    awards: tuple[Identifier, ...] = ()
    for part in element:
        name = local_name(part)
        if name == "awardNumber" and (address := take_attribute(part, "awardURI")):
            awards = (identify_declared(None, address),)
        text = take_text(part) if name in _FUNDING_TEXTS and not texts.get(name) else None
        if name == "funderIdentifier" and text:
            funders = (identify_declared(_scheme(part, "funderIdentifierType"), text),)
        texts[name] = texts.get(name) or text
    funding = Funding(
        texts.get("funderName"),
        funders,
        texts.get("awardNumber"),
        texts.get("awardTitle"),
        awards,
        texts.get("fundingStream"),
    )
    if funding != Funding():
        builder.funding.append(funding)


_FUNDING_TEXTS = frozenset({"funderName", "funderIdentifier", "awardNumber", "awardTitle", "fundingStream"})


def _updated(builder: DocumentBuilder, element: _Element) -> None:
    if text := take_text(element):
        builder.updated = parse_date(text) or text


def _metadata_version(builder: DocumentBuilder, element: _Element) -> None:
    if text := take_text(element):
        builder.rules.append(f"metadataVersionNumber {text}")


def _each(name: str, builder: DocumentBuilder, element: _Element) -> None:
    for part in element:
        if local_name(part) == name:
            _SINGLE[name](builder, part)


_SINGLE: dict[str, Read] = {
    "identifier": _identifier,
    "alternateIdentifier": partial(_identifier, kind="alternateIdentifierType"),
    "title": _title,
    "creator": _creator,
    "contributor": _contributor,
    "publisher": _publisher,
    "subject": _subject,
    "date": _date,
    "language": _language,
    "resourceType": _resource_type,
    "relatedIdentifier": _related_identifier,
    "relatedItem": _related_item,
    "size": partial(_text, "sizes"),
    "format": partial(_text, "formats"),
    "version": _version,
    "rights": _rights,
    "description": _description,
    "fundingReference": _funding,
    "geoLocation": places.add_xml,
    "lastMetadataUpdate": _updated,
    "metadataVersionNumber": _metadata_version,
}
_LISTS = {"rightsList": "rights", **{f"{name}s": name for name in _SINGLE if name != "rights"}}
# The function that reads each element. OpenAIRE has some of the single ones without the list.
ELEMENTS: dict[str, Read] = _SINGLE | {name: partial(_each, one) for name, one in _LISTS.items()}
