"""Read the JSON of a study: https://clinicaltrials.gov/data-api/about-api/study-data-structure."""

from __future__ import annotations

from collections.abc import Iterable

from harvest_dagster.errors import TransformError
from harvest_dagster.transformers.builder import DocumentBuilder
from harvest_dagster.transformers.document import (
    Agent,
    File,
    Funding,
    Related,
    Rights,
    Subject,
    Text,
    Title,
    Unmapped,
)
from harvest_dagster.transformers.formats.clinicaltrials.values import (
    KINDS,
    RELATIONS,
    add_contributor,
    add_date,
    add_description,
    add_page,
    add_reference,
    person,
    place_of,
    registry_number,
)
from harvest_dagster.transformers.reading.json_tree import (
    Node,
    child,
    children,
    leftovers,
    parse,
    take,
    take_texts,
)
from harvest_dagster.transformers.recognition.identifiers import identify

# The type of a second number that is that of a grant: the name of the funder, or `OTHER_GRANT`.
_GRANTS = frozenset({"NIH", "FDA", "VA", "CDC", "AHRQ", "SAMHSA", "OTHER_GRANT"})
# The date of each name, and its kind in the words of DataCite.
_DATES = (
    ("studyFirstPostDateStruct", "Issued"),
    ("studyFirstSubmitDate", "Submitted"),
    ("studyFirstSubmitQcDate", None),
    ("startDateStruct", None),
    ("primaryCompletionDateStruct", None),
    ("completionDateStruct", None),
    ("resultsFirstSubmitDate", None),
    ("resultsFirstSubmitQcDate", None),
    ("resultsFirstPostDateStruct", None),
    ("dispFirstSubmitDate", None),
    ("dispFirstSubmitQcDate", None),
    ("dispFirstPostDateStruct", None),
    ("lastUpdateSubmitDate", "Updated"),
    ("lastUpdatePostDateStruct", "Updated"),
    ("statusVerifiedDate", None),
)


def read_study(builder: DocumentBuilder, datum: str) -> Iterable[Unmapped]:
    """Add the values of a study, and return those that have no field.

    Raises:
        TransformError: the datum is not the JSON of a study.
    """
    study = parse(datum)
    if not isinstance(study.get("protocolSection"), dict):
        raise TransformError(_not_a_study(study))
    builder.format = "ClinicalTrials.gov API 2"
    protocol = child(study, "protocolSection")
    for name, add in _MODULES.items():
        add(builder, child(protocol, name))
    _mesh(builder, child(study, "derivedSection"))
    _documents(builder, child(child(study, "documentSection"), "largeDocumentModule"))
    return leftovers(study)


def _not_a_study(record: Node) -> str:
    if isinstance(record.get("studies"), list):
        return "the datum is a page of studies, not one study. Harvest with `records: studies`."
    keys = ", ".join(list(record)[:5]) or "nothing"
    return (
        f"the datum is not a study of ClinicalTrials.gov: it has {keys}, but no `protocolSection`. Harvest "
        "https://clinicaltrials.gov/api/v2/studies, or name a transformer that reads this format."
    )


def _identification(builder: DocumentBuilder, module: Node) -> None:
    for text in (take(module, "nctId"), *take_texts(module, "nctIdAliases")):
        if text:
            builder.identifiers.append(registry_number(text, "NCT"))
    _own_number(builder, child(module, "orgStudyIdInfo"))
    for number in children(module, "secondaryIdInfos"):
        _second_number(builder, number)
    for key, role in (("briefTitle", None), ("officialTitle", "official"), ("acronym", "acronym")):
        if text := take(module, key):
            builder.titles.append(Title(text, role=role))
    if text := take(child(module, "organization"), "fullName"):
        builder.agencies.append(text)


def _own_number(builder: DocumentBuilder, number: Node) -> None:
    if text := take(number, "id"):
        builder.identifiers.append(registry_number(text, take(number, "type")))
    _address(builder, number)


def _second_number(builder: DocumentBuilder, number: Node) -> None:
    """Add the number of a study in another registry, or that of a grant."""
    text = take(number, "id")
    is_grant = str(number.get("type")) in _GRANTS
    if text and is_grant:
        key = "domain" if number.get("domain") else "type"
        builder.funding.append(Funding(take(number, key), award=text))
    elif text:
        key = "domain" if number.get("type") == "OTHER" else "type"
        builder.identifiers.append(registry_number(text, take(number, key)))
    _address(builder, number)


def _address(builder: DocumentBuilder, number: Node) -> None:
    if address := take(number, "link"):
        builder.add_identifier(identify(address), address)


def _status(builder: DocumentBuilder, module: Node) -> None:
    for key, role in _DATES:
        struct = child(module, key)
        text = take(struct, "date") if struct else take(module, key)
        if text:
            add_date(builder, text, key.removesuffix("Struct"), role)
    add_description(builder, take(module, "whyStopped"), "whyStopped")


def _sponsors(builder: DocumentBuilder, module: Node) -> None:
    for key, agents in (("leadSponsor", builder.creators), ("collaborators", builder.contributors)):
        for sponsor in children(module, key):
            if name := take(sponsor, "name"):
                role = "spn" if key == "leadSponsor" else None
                kind = KINDS.get(str(sponsor.get("class")))
                agents.append(Agent(name, kind, role=role, role_text=key))
    party = child(module, "responsibleParty")
    for name_key, affiliation_key in (
        ("investigatorFullName", "investigatorAffiliation"),
        ("oldNameTitle", "oldOrganization"),
    ):
        if name := take(party, name_key):
            affiliation = take(party, affiliation_key)
            add_contributor(builder, person(name, "responsibleParty", affiliation))


def _texts(builder: DocumentBuilder, module: Node) -> None:
    add_description(builder, take(module, "briefSummary"), "Abstract")
    add_description(builder, take(module, "detailedDescription"), "detailedDescription")


def _eligibility(builder: DocumentBuilder, module: Node) -> None:
    for key in ("eligibilityCriteria", "studyPopulation"):
        add_description(builder, take(module, key), key)


def _conditions(builder: DocumentBuilder, module: Node) -> None:
    for key in ("conditions", "keywords"):
        builder.subjects += [Subject(text) for text in take_texts(module, key)]


def _interventions(builder: DocumentBuilder, module: Node) -> None:
    for intervention in children(module, "interventions"):
        if name := take(intervention, "name"):
            builder.subjects.append(Subject(name))


def _design(builder: DocumentBuilder, module: Node) -> None:
    if text := take(module, "studyType"):
        builder.add_type(Text(text))


def _contacts_and_locations(builder: DocumentBuilder, module: Node) -> None:
    for official in children(module, "overallOfficials"):
        _contact(builder, official)
    for contact in children(module, "centralContacts"):
        _contact(builder, contact)
    for location in children(module, "locations"):
        facility = take(location, "facility")
        parts = [facility, *(take(location, key) for key in ("city", "state", "zip", "country"))]
        point = child(location, "geoPoint")
        place = place_of(parts, _text_of(point, "lat"), _text_of(point, "lon"))
        if place.geometry:
            take(point, "lat")
            take(point, "lon")
        if place.name or place.geometry:
            builder.places.append(place)
        for contact in children(location, "contacts"):
            _contact(builder, contact, facility)


def _text_of(node: Node, key: str) -> str | None:
    value = node.get(key)
    return None if value is None or isinstance(value, (dict, list, bool)) else str(value)


def _contact(builder: DocumentBuilder, contact: Node, affiliation: str | None = None) -> None:
    if name := take(contact, "name"):
        affiliation = take(contact, "affiliation") or affiliation
        add_contributor(builder, person(name, take(contact, "role"), affiliation, take(contact, "email")))


def _references(builder: DocumentBuilder, module: Node) -> None:
    for reference in children(module, "references"):
        citation, pmid = take(reference, "citation"), take(reference, "pmid")
        if citation or pmid:
            kind = take(reference, "type")
            add_reference(builder, citation, pmid, RELATIONS.get(kind or ""), kind)
    for link in children(module, "seeAlsoLinks"):
        add_page(builder, take(link, "url"), take(link, "label"), "seeAlsoLinks")
    for data in children(module, "availIpds"):
        texts = (take(data, "url"), take(data, "id"))
        kind, comment = take(data, "type"), take(data, "comment")
        identifiers = tuple(identify(text) for text in texts if text)
        if identifiers or comment:
            builder.related.append(
                Related(relation_text="availIpds", identifiers=identifiers, text=comment, kind=kind)
            )


def _sharing(builder: DocumentBuilder, module: Node) -> None:
    """Add what the study says about sharing the data of the participants."""
    if text := take(module, "accessCriteria"):
        builder.rights.append(Rights(text))
    add_description(builder, take(module, "description"), "ipdSharing")
    add_page(builder, take(module, "url"), None, "ipdSharing")


def _mesh(builder: DocumentBuilder, section: Node) -> None:
    for name in ("conditionBrowseModule", "interventionBrowseModule"):
        for heading in children(child(section, name), "meshes"):
            if term := take(heading, "term"):
                builder.subjects.append(Subject(term, vocabulary="MeSH", code=take(heading, "id")))


def _documents(builder: DocumentBuilder, module: Node) -> None:
    for document in children(module, "largeDocs"):
        name, label, size = (take(document, key) for key in ("filename", "label", "size"))
        if name or label:
            builder.files.append(File(name=name, size=size, description=label))
        elif size:
            builder.files.append(File(size=size))


_MODULES = {
    "identificationModule": _identification,
    "statusModule": _status,
    "sponsorCollaboratorsModule": _sponsors,
    "contactsLocationsModule": _contacts_and_locations,
    "descriptionModule": _texts,
    "eligibilityModule": _eligibility,
    "conditionsModule": _conditions,
    "armsInterventionsModule": _interventions,
    "designModule": _design,
    "referencesModule": _references,
    "ipdSharingStatementModule": _sharing,
}
