"""Read records that follow the OpenAIRE guidelines for literature repositories 4.0.

https://openaire-guidelines-for-literature-repository-managers.readthedocs.io/en/v4.0.0/application_profile.html. The
profile takes most of its elements from DataCite 4 (`datacite.xml_record`) and five from Dublin Core. Elements
are identified by their local name, because the profile has no two with the same name. The element that contains them is
`oaire:resource` in the schema, and `resources` in some repositories.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harvest_dagster.errors import TransformError
from harvest_dagster.transformers.builder import DocumentBuilder
from harvest_dagster.transformers.document import (
    Container,
    Date,
    Document,
    File,
    Related,
    Text,
)
from harvest_dagster.transformers.formats.datacite import values
from harvest_dagster.transformers.formats.datacite.xml_record import ELEMENTS, Read, read_resource
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
from harvest_dagster.transformers.recognition.identifiers import identify
from harvest_dagster.transformers.recognition.vocabularies import access_of

if TYPE_CHECKING:
    from lxml.etree import _Element

_NAMESPACE = "openaire"


def read_document(identifier: str, datum: str) -> Document:
    """Return the document of one record.

    Raises:
        TransformError: the datum is not well-formed XML, is in another format, or nothing in it is recognized.
    """
    record = read_record(datum)
    resource = _find_resource(record)
    builder = DocumentBuilder(
        identifier, "oai_openaire", namespace(resource).replace("https://", "http://", 1)
    )
    read_resource(builder, resource, _ELEMENTS)
    container = _container(resource)
    if container != Container():
        builder.containers.append(container)
    add_envelope(builder, record)
    return builder.build(rest for element in record.metadata for rest in leftovers(element))


def _find_resource(record: XmlRecord) -> _Element:
    for element in record.metadata:
        if local_name(element) in ("resource", "resources") and _NAMESPACE in namespace(element).lower():
            # `resources` may contain the elements, or `resource`.
            inner = next((part for part in element if local_name(part) == "resource"), None)
            return element if inner is None else inner
    found = ", ".join(f"<{element.tag}>" for element in record.metadata)
    message = (
        f"the metadata is {found}, not that of OpenAIRE 4. Harvest with `metadata_prefix: oai_openaire`, or name a "
        "transformer that reads this format."
    )
    raise TransformError(message)


_CITATION = frozenset(
    f"citation{name}"
    for name in (
        *("Title", "Volume", "Issue", "Edition", "StartPage", "EndPage"),
        *("ConferencePlace", "ConferenceDate"),
    )
)


def _container(resource: _Element) -> Container:
    """Return the journal, book or conference, whose parts are elements of the resource."""
    texts: dict[str, str] = {}
    places: list[str] = []
    dates: list[Date] = []
    for part in resource:
        name = local_name(part)
        text = take_text(part) if name in _CITATION and name not in texts else None
        if text is None:
            continue
        if name == "citationConferencePlace":
            places.append(text)
        elif name == "citationConferenceDate":
            dates.append(_conference_date(text))
        else:
            texts[name] = text
    return Container(
        texts.get("citationTitle"),
        volume=texts.get("citationVolume"),
        issue=texts.get("citationIssue"),
        edition=texts.get("citationEdition"),
        first_page=texts.get("citationStartPage"),
        last_page=texts.get("citationEndPage"),
        places=tuple(places),
        dates=tuple(dates),
    )


def _conference_date(text: str) -> Date:
    """Return the date of a conference. The guidelines write a range as `2013-09-22 - 2013-09-26`."""
    value = parse_date(text.replace(" - ", "/")) or parse_date(text)
    return Date(value, None if value == text else text)


# https://vocabularies.coar-repositories.org/resource_types/, version 3.1. The text of a type may be in any language.
_COAR_TYPES = """
JournalArticle c_6501 c_2df8fbb1 c_dcae04bc; DataPaper c_beb9; Book c_2f33; BookChapter c_3248;
ConferencePaper c_5794 c_18cp; ConferenceProceeding c_f744; Poster c_6670 c_18co; Presentation R60J-J5BD;
Dissertation c_46ec c_7a1f c_bdcc c_db06; Preprint c_816b; PeerReview H9BQ-739P; Journal c_0640;
Report c_93fc c_18ws c_18gh c_18ww c_186u c_18hj c_18op c_18wq c_8042; OutputManagementPlan c_ab20;
Dataset c_ddb1 ACF7-8YT9 c_cb28 FXF3-D3G7 AM6W-6QAW 63NG-B465 A8F1-NPV9 2H0M-X761 DD58-GFSX FF4C-28RK CQMR-7K63
W2XT-7017 NHD0-W6SY; Software c_5ce6 c_c950 QH80-2R4E; Image c_c513 c_ecc8; Audiovisual c_8a7e c_12ce; Sound c_18cc;
InteractiveResource c_e9a0; Workflow c_393c; Text c_18cf; Other c_1843
"""
_KINDS = {
    code: row.split()[0] for row in _COAR_TYPES.replace("\n", " ").split(";") for code in row.split()[1:]
}


def _resource_type(builder: DocumentBuilder, element: _Element) -> None:
    """Add the type. Its general type (`literature`) is not one of DataCite; its address is one of COAR."""
    text, general = take_all_text(element), take_attribute(element, values.GENERAL_TYPES)
    if text:
        builder.add_type(Text(text, take_language(element)))
    if uri := take_attribute(element, "uri"):
        term, vocabulary = values.split_term(uri)
        builder.types.append(Text(term, vocabulary=vocabulary))
        builder.kind = builder.kind or _KINDS.get(term)
    if general:
        builder.add_type(Text(general, vocabulary=values.GENERAL_TYPES))


def _rights(builder: DocumentBuilder, element: _Element) -> None:
    """Add the access right. DSpace names the attribute with its address `uri`."""
    text = take_all_text(element)
    uri = take_attribute(element, "rightsURI") or take_attribute(element, "uri")
    if text or uri:
        values.add_rights(builder, values.RightsValues(text, uri, language=take_language(element)))


def _license(builder: DocumentBuilder, element: _Element) -> None:
    text, uri = take_all_text(element), take_attribute(element, "uri")
    if text or uri:
        start = take_attribute(element, "startDate")
        rights = values.RightsValues(text, uri, language=take_language(element), start=start)
        values.add_rights(builder, rights)


def _version(builder: DocumentBuilder, element: _Element) -> None:
    """Take the version: `AM`, or a number. The address of a COAR version type stays."""
    if builder.version is None:
        builder.version = take_text(element) or take_attribute(element, "uri")


def _file(builder: DocumentBuilder, element: _Element) -> None:
    if address := take_text(element):
        access = access_of(str(element.get("accessRightsURI", "")))
        if access is not None:
            take_attribute(element, "accessRightsURI")
        file = File(
            address,
            format=take_attribute(element, "mimeType"),
            version=take_attribute(element, "version"),
            access=access,
            description=take_attribute(element, "objectType"),
        )
        builder.files.append(file)


def _source(builder: DocumentBuilder, element: _Element) -> None:
    if text := take_all_text(element):
        found = identify(text)
        known = found.scheme != "other"
        builder.related.append(
            Related(None, "source", (found,) if known else (), text=None if known else text)
        )


def _coverage(builder: DocumentBuilder, element: _Element) -> None:
    if text := take_all_text(element):
        builder.coverage.append(Text(text, take_language(element)))


_ELEMENTS: dict[str, Read] = ELEMENTS | {
    "resourceType": _resource_type,
    "rights": _rights,
    "licenseCondition": _license,
    "version": _version,
    "file": _file,
    "source": _source,
    "coverage": _coverage,
}
