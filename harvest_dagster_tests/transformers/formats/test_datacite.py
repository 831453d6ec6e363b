"""DataCite metadata in XML and in JSON.

Sixty records in XML (Zenodo, kernel 4.5) and one in JSON were recorded. The other records here are invented. They
follow the specification of each kernel.
"""

from __future__ import annotations

import base64
import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster import plugins
from harvest_dagster.errors import TransformError
from harvest_dagster.records import Record
from harvest_dagster.transformers.document import (
    Affiliation,
    Agent,
    Container,
    Date,
    Description,
    Document,
    File,
    Funding,
    Identifier,
    Language,
    Place,
    Related,
    Rights,
    Subject,
    Text,
    Title,
    Unmapped,
)
from harvest_dagster.transformers.formats.datacite.transformer import FIELDS, DataciteTransformer
from harvest_dagster.transformers.recognition.licenses import license_address
from harvest_dagster_tests.recorded import recorded, requires_recorded
from harvest_dagster_tests.transformers import accounting
from harvest_dagster_tests.transformers.formats.test_recorded_dublin_core import records
from harvest_dagster_tests.transformers.injection import lost_in_xml

KERNEL_4 = "http://datacite.org/schema/kernel-4"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
ORCID = Identifier("orcid", "0000-0002-1825-0097")
RING = ("8 47", "9 47", "9 48", "8 47")


def transform(datum: str) -> Document:
    return DataciteTransformer(DataciteTransformer.Arguments()).transform("oai:example.org:1", datum)


def resource(elements: str, namespace: str = KERNEL_4) -> str:
    return f'<resource xmlns="{namespace}" xmlns:xsi="{XSI}" xsi:schemaLocation="a b">{elements}</resource>'


def of_xml(elements: str, namespace: str = KERNEL_4) -> Document:
    return transform(resource(elements, namespace))


def of_json(**attributes: Any) -> Document:
    datum = {"id": "10.1000/abc", "type": "dois", "attributes": {"doi": "10.1000/ABC", **attributes}}
    return transform(json.dumps(datum))


def test_the_transformer_is_registered() -> None:
    assert plugins.load(plugins.TRANSFORMERS, "datacite") is DataciteTransformer


@pytest.mark.parametrize(
    "namespace",
    [
        "http://datacite.org/schema/kernel-2.2",
        "https://datacite.org/schema/kernel-3",
        "http://datacite.org/schema/kernel-4.0",
        "",
    ],
)
def test_every_kernel_is_read(namespace: str) -> None:
    document = of_xml("<titles><title>A</title></titles>", namespace)
    assert document.title == "A"
    assert document.provenance.format == namespace.replace("https", "http")


def test_the_wrapper_of_oai_datacite_gives_the_schema_and_the_data_centre() -> None:
    datum = oai_datacite('<identifier identifierType="DOI">10.1000/A</identifier>')
    document = transform(datum)
    assert document.identifiers == (Identifier("doi", "10.1000/a"),)
    assert document.provenance.rules == ("schemaVersion 3.1",)
    assert document.provenance.agencies == ("CDL.X",)
    assert document.provenance.sets == ("CDL",)
    assert document.unmapped == (Unmapped("oai_datacite/isReferenceQuality", "true"),)


def oai_datacite(elements: str) -> str:
    return (
        '<record xmlns="http://www.openarchives.org/OAI/2.0/"><header><setSpec>CDL</setSpec></header><metadata>'
        '<oai_datacite xmlns="http://schema.datacite.org/oai/oai-1.1/"><isReferenceQuality>true</isReferenceQuality>'
        "<schemaVersion>3.1</schemaVersion><datacentreSymbol>CDL.X</datacentreSymbol><payload>"
        f"{resource(elements)}</payload></oai_datacite></metadata></record>"
    )


CREATOR = (
    '<creatorName nameType="Personal" xml:lang="en">Doe, Jane</creatorName><givenName>Jane</givenName>'
    "<familyName>Doe</familyName>"
    '<nameIdentifier nameIdentifierScheme="ORCID" schemeURI="https://orcid.org">0000-0002-1825-0097</nameIdentifier>'
    '<affiliation affiliationIdentifier="https://ror.org/02mhbdp94" affiliationIdentifierScheme="ROR">U</affiliation>'
    "<affiliation>V</affiliation>"
)
JANE = Agent(
    "Doe, Jane",
    "person",
    "Jane",
    "Doe",
    identifiers=(ORCID,),
    affiliations=(Affiliation("U", (Identifier("ror", "02mhbdp94"),)), Affiliation("V")),
)


def test_agents_keep_their_names_identifiers_and_affiliations() -> None:
    document = of_xml(
        f"<creators><creator>{CREATOR}</creator><creator><givenName>R.</givenName><familyName>Roe</familyName>"
        "</creator><creator><creatorName/></creator></creators>"
        '<contributors><contributor contributorType="ProjectLeader"><contributorName nameType="Organizational">X'
        '</contributorName></contributor><contributor contributorType="DataCollector"><contributorName>Y'
        "</contributorName></contributor></contributors>"
    )
    assert document.creators == (JANE, Agent("Roe, R.", given="R.", family="Roe"))
    assert document.contributors == (
        Agent("X", "organization", role="pdr", role_text="ProjectLeader"),
        Agent("Y", role_text="DataCollector"),
    )
    assert {item.text for item in document.unmapped} == {"en", "https://orcid.org"}


def test_a_contributor_without_a_name_stays_whole_in_unmapped() -> None:
    document = of_xml(
        '<titles><title>A</title></titles><contributors><contributor contributorType="Editor"><contributorName/>'
        "<affiliation>U</affiliation></contributor></contributors>"
    )
    assert [item.text for item in document.unmapped] == ["Editor", "U"]


def test_titles_subjects_and_descriptions_keep_their_kind_and_language() -> None:
    document = of_xml(
        '<titles><title titleType="Subtitle">S</title><title xml:lang="en">A</title><title titleType="Other">O</title>'
        '<title titleType="TranslatedTitle">T</title><title titleType="AlternativeTitle">B</title></titles>'
        '<subjects><subject subjectScheme="DDC" classificationCode="004" valueURI="http://dewey.info/class/004/"'
        ' xml:lang="en">Computing</subject><subject schemeURI="http://x.org">Y</subject></subjects>'
        '<descriptions><description descriptionType="Methods" xml:lang="en">One<br/>two</description></descriptions>'
    )
    assert document.titles == (
        Title("A", "en"),
        Title("S", role="subtitle"),
        Title("O", role="Other"),
        Title("T", role="translated"),
        Title("B", role="alternative"),
    )
    assert document.subjects == (
        Subject("Computing", "en", "DDC", code="004", uri="http://dewey.info/class/004/"),
        Subject("Y", vocabulary="http://x.org"),
    )
    assert document.descriptions == (Description("One two", "en", role="Methods"),)
    assert document.unmapped == ()


def test_the_exact_date_of_issue_comes_before_the_year() -> None:
    """The year of publication comes first in a record, and would be `issued`."""
    document = of_xml(
        '<publicationYear>2023</publicationYear><dates><date dateType="Issued">2023-10-10</date>'
        '<date dateType="Collected">2004-03-02/</date><date dateType="StartDate">soon</date>'
        '<date dateType="Coverage" dateInformation="reign">1848/1916</date></dates>'
    )
    assert document.issued == "2023-10-10"
    assert document.dates == (
        Date("2023-10-10", role="Issued"),
        Date("2004-03-02/", role="Collected"),
        Date(text="soon", role_text="StartDate"),
        Date("2023", role="Issued", role_text="publicationYear"),
    )
    assert document.periods == (Date("1848/1916"),)
    assert document.unmapped == (Unmapped("resource/dates/date[4]/@dateInformation", "reign"),)


def test_the_year_is_not_repeated() -> None:
    document = of_xml(
        '<publicationYear>2023</publicationYear><dates><date dateType="Issued">2023</date></dates>'
    )
    assert document.dates == (Date("2023", role="Issued"),)


def test_the_simple_properties_have_fields() -> None:
    document = of_xml(
        '<publisher publisherIdentifier="https://ror.org/02mhbdp94" publisherIdentifierScheme="ROR">P</publisher>'
        '<language>ger</language><resourceType resourceTypeGeneral="Text">Thesis</resourceType>'
        '<alternateIdentifiers><alternateIdentifier alternateIdentifierType="Local">12</alternateIdentifier>'
        "</alternateIdentifiers><sizes><size>1 MB</size></sizes><formats><format>text/csv</format></formats>"
        "<version>2</version><metadataVersionNumber>3</metadataVersionNumber>"
        "<lastMetadataUpdate>2012-02-29</lastMetadataUpdate>"
    )
    assert document.publishers == (Agent("P", identifiers=(Identifier("ror", "02mhbdp94"),)),)
    assert [one.text for one in document.languages] == ["ger"]
    assert document.types == (Text("Text", vocabulary="resourceTypeGeneral"), Text("Thesis"))
    assert document.kind == "Dissertation"
    assert document.identifiers == (Identifier("other", "12", "Local"),)
    assert (document.sizes, document.formats) == ((Text("1 MB"),), (Text("text/csv"),))
    assert document.version == "2"
    assert document.provenance.rules == ("metadataVersionNumber 3",)
    assert document.provenance.updated == "2012-02-29"
    assert document.unmapped == ()


def test_relations_have_their_type_and_their_kind() -> None:
    document = of_xml(
        '<relatedIdentifiers><relatedIdentifier relatedIdentifierType="DOI" relationType="IsPartOf" '
        'resourceTypeGeneral="Book">10.1000/B</relatedIdentifier><relatedIdentifier '
        'relatedIdentifierType="URL" relationType="Other" relationTypeInformation="inspired" schemeType="XSD">http://x.org/</relatedIdentifier></relatedIdentifiers>'
    )
    assert document.related == (
        Related("IsPartOf", identifiers=(Identifier("doi", "10.1000/b"),), kind="Book"),
        Related("Other", "inspired", (Identifier("url", "http://x.org/"),)),
    )
    assert [item.text for item in document.unmapped] == ["XSD"]


ITEM = (
    '<relatedItemIdentifier relatedItemIdentifierType="ISSN">0378-5955</relatedItemIdentifier>'
    "<creators><creator><creatorName>Doe, Jane</creatorName></creator></creators><titles><title>J</title><title "
    'titleType="Subtitle" xml:lang="en">K</title></titles><publicationYear>1990</publicationYear><volume>1</volume>'
    '<issue>2</issue><number numberType="Article">3</number><firstPage>4</firstPage><lastPage>5</lastPage>'
    '<publisher>P</publisher><edition>6</edition><contributors><contributor contributorType="Editor">'
    "<contributorName>Roe</contributorName></contributor></contributors>"
)
ITEM_AGENTS = (Agent("Doe, Jane", role="cre"), Agent("Roe", role="edt", role_text="Editor"))


def test_the_item_in_which_a_resource_is_published_is_a_container() -> None:
    document = of_xml(
        f'<relatedItems><relatedItem relatedItemType="Journal" relationType="IsPublishedIn">{ITEM}'
        "</relatedItem></relatedItems>"
    )
    assert document.containers == (
        Container(
            "J",
            "journal",
            (Text("K", "en"),),
            (Identifier("issn", "0378-5955"),),
            "1",
            "2",
            "6",
            "4",
            "5",
            number="3",
            dates=(Date("1990", role="Issued"),),
            agents=(*ITEM_AGENTS, Agent("P", role="pbl")),
        ),
    )
    assert document.related == ()
    assert [item.text for item in document.unmapped] == ["Subtitle", "Article"]


def test_no_place_of_a_related_item_is_read_and_dropped() -> None:
    """The type of the identifier is that of its value, whatever the record says."""
    transformer = DataciteTransformer(DataciteTransformer.Arguments())
    for kind, relation in (("Collection", "IsPublishedIn"), ("Text", "Cites")):
        item = f'<relatedItem relatedItemType="{kind}" relationType="{relation}">{ITEM}</relatedItem>'
        datum = f'<resource xmlns="{KERNEL_4}"><relatedItems>{item}</relatedItems></resource>'
        lost = [place.rpartition("@")[2] for place in lost_in_xml(transformer, datum)]
        assert lost == ["relatedItemIdentifierType"]


def test_another_related_item_is_a_related_resource() -> None:
    document = of_xml(
        f'<relatedItems><relatedItem relatedItemType="Text" relationType="Cites">{ITEM}'
        "</relatedItem></relatedItems>"
    )
    assert document.related == (
        Related(
            "Cites",
            identifiers=(Identifier("issn", "0378-5955"),),
            text="K",
            title="J",
            kind="Text",
            agents=ITEM_AGENTS,
            date=Date("1990", role="Issued"),
            container=Container(
                volume="1", issue="2", edition="6", first_page="4", last_page="5", number="3"
            ),
            publisher="P",
        ),
    )


def test_rights_are_licenses_or_access_rights() -> None:
    document = of_xml(
        '<rightsList><rights rightsURI="https://creativecommons.org/licenses/by/4.0/legalcode" rightsIdentifierScheme='
        '"SPDX" rightsIdentifier="CC-BY-4.0" xml:lang="en">CC</rights><rights '
        'rightsURI="info:eu-repo/semantics/openAccess"/>'
        '<rights rightsURI="http://rightsstatements.org/vocab/InC/1.0/"/></rightsList>'
    )
    assert document.rights == (
        Rights("CC", "en", "SPDX", license="https://creativecommons.org/licenses/by/4.0/", code="CC-BY-4.0"),
        Rights("openAccess", vocabulary="info:eu-repo/semantics"),
        Rights(
            "http://rightsstatements.org/vocab/InC/1.0/",
            license="http://rightsstatements.org/vocab/InC/1.0/",
        ),
    )
    assert document.access == "open"


def test_the_rights_of_kernel_2_stand_alone() -> None:
    assert of_xml("<rights>CC by-nd</rights>", "http://datacite.org/schema/kernel-2.2").rights == (
        Rights("CC by-nd"),
    )


def test_a_grant_has_its_funder_and_its_number() -> None:
    document = of_xml(
        "<fundingReferences><fundingReference><funderName>EC</funderName><funderIdentifier funderIdentifierType="
        '"ROR">https://ror.org/00k4n6c32</funderIdentifier><awardNumber awardURI="https://x.org/1">1</awardNumber>'
        "<awardTitle>T</awardTitle></fundingReference></fundingReferences>"
    )
    assert document.funding == (
        Funding("EC", (Identifier("ror", "00k4n6c32"),), "1", "T", (Identifier("url", "https://x.org/1"),)),
    )


def test_geometries_are_well_known_text_with_the_longitude_first() -> None:
    ring = "".join(f"<polygonPoint>{xml_point(one)}</polygonPoint>" for one in RING)
    document = of_xml(
        f"<geoLocations><geoLocation><geoLocationPlace>Z</geoLocationPlace><geoLocationPoint>{xml_point('8.5 47.4')}"
        "</geoLocationPoint></geoLocation><geoLocation><geoLocationBox><westBoundLongitude>8</westBoundLongitude>"
        "<eastBoundLongitude>9</eastBoundLongitude><southBoundLatitude>47</southBoundLatitude><northBoundLatitude>48"
        f"</northBoundLatitude></geoLocationBox><geoLocationPolygon>{ring}<inPolygonPoint>{xml_point('1 2')}"
        "</inPolygonPoint></geoLocationPolygon></geoLocation></geoLocations>"
    )
    assert document.places == (
        Place("Z", geometry="POINT (8.5 47.4)"),
        Place(
            geometry="GEOMETRYCOLLECTION (POLYGON ((8 47, 9 47, 9 48, 8 48, 8 47)), "
            "POLYGON ((8 47, 9 47, 9 48, 8 47)))"
        ),
    )
    assert [item.text for item in document.unmapped] == ["1", "2"]


def xml_point(text: str) -> str:
    longitude, latitude = text.split()
    return f"<pointLongitude>{longitude}</pointLongitude><pointLatitude>{latitude}</pointLatitude>"


def test_kernel_3_writes_the_latitude_first() -> None:
    document = of_xml(
        "<geoLocations><geoLocation><geoLocationPoint>31.233 -67.302</geoLocationPoint><geoLocationBox>41.09 -71.032 "
        "42.893 -68.211</geoLocationBox></geoLocation></geoLocations>",
        "http://datacite.org/schema/kernel-3",
    )
    assert document.places == (
        Place(
            geometry="GEOMETRYCOLLECTION (POINT (-67.302 31.233), POLYGON ((-71.032 41.09, -68.211 41.09, "
            "-68.211 42.893, -71.032 42.893, -71.032 41.09)))"
        ),
    )


def test_an_invalid_geometry_stays_in_unmapped() -> None:
    document = of_xml(
        "<geoLocations><geoLocation><geoLocationPlace>Z</geoLocationPlace><geoLocationPoint>here</geoLocationPoint>"
        f"<geoLocationPolygon><polygonPoint>{xml_point('1 2')}</polygonPoint></geoLocationPolygon>"
        "</geoLocation></geoLocations>"
    )
    assert document.places == (Place("Z"),)
    assert [item.text for item in document.unmapped] == ["here", "1", "2"]


PERSON = {
    "name": "Doe, Jane",
    "nameType": "Personal",
    "givenName": "Jane",
    "familyName": "Doe",
    "nameIdentifiers": [{"nameIdentifier": "0000-0002-1825-0097", "nameIdentifierScheme": "ORCID"}],
    "affiliation": [
        {"name": "U", "affiliationIdentifier": "https://ror.org/02mhbdp94"},
        {"name": "V"},
    ],
}


def test_json_has_the_same_properties() -> None:
    document = of_json(
        prefix="10.1000",
        suffix="abc",
        alternateIdentifiers=[{"alternateIdentifier": "12", "alternateIdentifierType": "Local"}],
        creators=[PERSON],
        contributors=[{"name": "X", "contributorType": "Editor"}],
        titles=[{"title": "A", "lang": "en"}, {"title": "S", "titleType": "Subtitle"}],
        publisher={"name": "P", "publisherIdentifier": "https://ror.org/02mhbdp94"},
        publicationYear=2023,
        published="2023",
        dates=[{"date": "2023", "dateType": "Issued"}, {"date": "1848/1916", "dateType": "Coverage"}],
        language="eng",
        types={"resourceTypeGeneral": "Text", "resourceType": "Slides", "schemaOrg": "ScholarlyArticle"},
        subjects=[
            {"subject": "Y", "subjectScheme": "DDC", "classificationCode": "1", "valueUri": "http://x.org"}
        ],
        descriptions=[{"description": "D", "descriptionType": "Abstract"}],
        sizes=["1 MB"],
        formats=["text/csv"],
        version="2",
        relatedIdentifiers=[
            {"relatedIdentifier": "10.1000/B", "relatedIdentifierType": "DOI", "relationType": "IsPartOf"}
        ],
        rightsList=[{"rights": "CC", "rightsUri": "https://creativecommons.org/licenses/by/4.0/legalcode"}],
        fundingReferences=[{"funderName": "EC", "awardNumber": "1", "awardUri": "https://x.org/1"}],
        url="https://x.org/landing",
        contentUrl="https://x.org/file",
        schemaVersion="http://datacite.org/schema/kernel-4",
        created="2018-12-07T09:48:20.000Z",
        updated="2020-07-20T10:31:10.000Z",
    )
    assert document.identifiers == (
        Identifier("doi", "10.1000/abc"),
        Identifier("other", "12", "Local"),
        Identifier("url", "https://x.org/landing"),
    )
    assert document.links == ("https://x.org/landing",)
    assert document.creators == (JANE,)
    assert document.contributors == (Agent("X", role="edt", role_text="Editor"),)
    assert document.titles == (Title("A", "en"), Title("S", role="subtitle"))
    assert document.publishers == (Agent("P", identifiers=(Identifier("ror", "02mhbdp94"),)),)
    assert document.dates == (Date("2023", role="Issued"),)
    assert document.periods == (Date("1848/1916"),)
    assert len(document.languages) == 1
    assert isinstance(document.languages[0], Language)
    assert document.types[2] == Text("ScholarlyArticle", vocabulary="schemaOrg")
    assert document.kind == "Text"  # the API makes every text without another word a ScholarlyArticle
    assert document.subjects == (Subject("Y", vocabulary="DDC", code="1", uri="http://x.org"),)
    assert document.descriptions == (Description("D", role="Abstract"),)
    assert document.related == (Related("IsPartOf", identifiers=(Identifier("doi", "10.1000/b"),)),)
    assert document.rights == (Rights("CC", license="https://creativecommons.org/licenses/by/4.0/"),)
    assert document.funding[0].award_identifiers == (Identifier("url", "https://x.org/1"),)
    assert document.files == (File("https://x.org/file"),)
    assert (document.version, document.sizes, document.formats) == ("2", (Text("1 MB"),), (Text("text/csv"),))
    assert document.provenance.created == "2018-12-07T09:48:20.000Z"
    assert document.provenance.updated == "2020-07-20T10:31:10.000Z"
    assert document.provenance.rules == ("schemaVersion http://datacite.org/schema/kernel-4",)
    assert document.unmapped == ()


def test_json_has_containers_items_and_places() -> None:
    item = {
        "relatedItemType": "Book",
        "relationType": "IsPublishedIn",
        "relatedItemIdentifier": {
            "relatedItemIdentifier": "0378-5955",
            "relatedItemIdentifierType": "ISSN",
        },
        "titles": [{"title": "J"}],
        "creators": [{"name": "Doe, Jane"}],
        "volume": "1",
    }
    corners = [dict(zip(("pointLongitude", "pointLatitude"), one.split(), strict=True)) for one in RING]
    document = of_json(
        relatedItems=[item],
        container={"type": "Series", "title": "S", "identifier": "0378-5955", "identifierType": "ISSN"},
        geoLocations=[
            {"geoLocationPlace": "Z", "geoLocationPoint": {"pointLongitude": "8.5", "pointLatitude": 47}},
            {"geoLocationPolygon": [{"polygonPoint": corner} for corner in corners]},
        ],
    )
    issn = (Identifier("issn", "0378-5955"),)
    assert document.containers == (
        Container("J", "book", identifiers=issn, volume="1", agents=(Agent("Doe, Jane", role="cre"),)),
        Container("S", "series", identifiers=issn),
    )
    assert document.places == (
        Place("Z", geometry="POINT (8.5 47)"),
        Place(geometry=f"POLYGON (({', '.join(RING)}))"),
    )
    assert document.unmapped == ()


def test_relationships_give_the_client_and_related_dois() -> None:
    relationships = {
        "client": {"data": {"id": "cdl.x", "type": "clients"}},
        "citations": {"data": [{"id": "10.1000/C", "type": "dois"}]},
        "references": {"data": []},
    }
    datum = {"type": "dois", "attributes": {"doi": "10.1000/ABC"}, "relationships": relationships}
    for one in (datum, {"data": datum}):
        document = transform(json.dumps(one))
        assert document.provenance.agencies == ("cdl.x",)
        assert document.related == (Related("IsCitedBy", identifiers=(Identifier("doi", "10.1000/c"),)),)
        assert [item.text for item in document.unmapped] == ["clients"]


def test_only_what_the_xml_adds_to_the_json_is_kept_of_it() -> None:
    """The XML repeats the record in base64. A version that only the XML has must not be lost."""
    xml = resource(
        '<identifier identifierType="DOI">10.1000/ABC</identifier><titles><title>A</title></titles><version>1</version>'
    )
    document = of_json(titles=[{"title": "A"}], xml=base64.b64encode(xml.encode()).decode())
    assert document.unmapped == (
        Unmapped("attributes.xml/resource/identifier/@identifierType", "DOI"),
        Unmapped("attributes.xml/resource/version", "1"),
    )


@pytest.mark.parametrize("xml", ["", "%%%", base64.b64encode(b"<a").decode(), 7, ["a"]])
def test_an_xml_that_cannot_be_read_is_kept(xml: Any) -> None:
    expected = [] if xml == "" else ["a"] if isinstance(xml, list) else [str(xml)]
    assert [item.text for item in of_json(xml=xml).unmapped] == expected


def test_the_attributes_may_stand_alone() -> None:
    document = transform(
        '{"id": "https://doi.org/10.1000/abc", "doi": "10.1000/abc", "agency": "DataCite", "creators": '
        '[{"type": "Person", "id": "https://orcid.org/0000-0002-1825-0097", "name": "Doe"}]}'
    )
    assert document.identifiers == (Identifier("doi", "10.1000/abc"),)
    assert document.creators == (Agent("Doe", "person", identifiers=(ORCID,)),)
    assert document.provenance.agencies == ("DataCite",)
    assert document.unmapped == ()


@pytest.mark.parametrize(
    ("datum", "message"),
    [
        ("<a><b/></a>", "the metadata is <a>, not DataCite"),
        (
            '<oai_dc:dc xmlns:oai_dc="http://www.openarchives.org/OAI/2.0/oai_dc/"><title>A</title></oai_dc:dc>',
            "oai_dc",
        ),
        (resource(""), "is empty"),
        (resource("<a>x</a>"), "recognizes nothing"),
        ('{"type": "clients", "attributes": {"name": "A"}}', "an object of the type 'clients', not a DOI"),
        ('{"type": "clients", "attributes": {"doi": "10.1000/a"}}', "'clients'"),
        ('{"a": 1}', r"an object with \['a'\]"),
        ('{"data": []}', "not a DOI"),
        ("[]", "JSON list"),
        ("", "not JSON"),
    ],
)
def test_other_data_is_an_error_that_says_what_it_is(datum: str, message: str) -> None:
    with pytest.raises(TransformError, match=message):
        transform(datum)


@given(
    st.text()
    | st.recursive(st.none() | st.text() | st.integers(), lambda inner: st.lists(inner, max_size=2)).map(
        lambda value: json.dumps(
            {"doi": "10.1000/a", "titles": value, "geoLocations": [{"geoLocationPolygon": value}]}
        )
    )
)
def test_any_text_gives_a_document_or_an_error(datum: str) -> None:
    with contextlib.suppress(TransformError):
        transform(datum)


def test_each_documented_field_is_filled() -> None:
    """The table of the documentation must not name a field that the transformer never fills."""
    xml = oai_datacite(
        '<identifier identifierType="DOI">10.1000/A</identifier><titles><title>A</title></titles><creators><creator>'
        "<creatorName>A</creatorName></creator></creators><contributors><contributor><contributorName>A"
        "</contributorName></contributor></contributors><publisher>P</publisher><publicationYear>2020"
        '</publicationYear><dates><date dateType="Coverage">2020</date></dates><language>en</language>'
        '<resourceType resourceTypeGeneral="Text"/><subjects><subject>S</subject></subjects><descriptions>'
        "<description>D</description></descriptions><relatedIdentifiers><relatedIdentifier>a</relatedIdentifier>"
        '</relatedIdentifiers><relatedItems><relatedItem relationType="IsPublishedIn"><titles><title>J</title></titles>'
        "</relatedItem></relatedItems><fundingReferences><fundingReference><funderName>F</funderName>"
        "</fundingReference></fundingReferences><rightsList><rights>R</rights></rightsList><geoLocations><geoLocation>"
        "<geoLocationPlace>Z</geoLocationPlace></geoLocation></geoLocations><sizes><size>1</size></sizes><formats>"
        "<format>f</format></formats><version>1</version><lastMetadataUpdate>2020-01-01</lastMetadataUpdate>"
    )
    filled = {*accounting.count_fields(transform(xml).as_dict())} | {
        *accounting.count_fields(of_json(contentUrl="https://x.org/f", created="2020-01-01").as_dict())
    }
    assert {field for _, field in FIELDS} <= filled


def is_a_word_of_a_vocabulary(leaf: accounting.Leaf) -> bool:
    """Return whether the document has another word for this one: a term, or the one address of a license."""
    if leaf.path.endswith("rightsURI"):
        return license_address(leaf.text) is not None
    return leaf.path.endswith("nameType") and leaf.text in ("Personal", "Organizational")


@requires_recorded
def test_no_value_of_a_recorded_record_is_lost() -> None:
    transformer = DataciteTransformer(DataciteTransformer.Arguments())
    recorded_xml = [record for record in records("scythe_zenodo_oai") if KERNEL_4 in record.blob]
    assert len(recorded_xml) == 60
    accounting.check("datacite", accounting.account_for(transformer, recorded_xml, is_a_word_of_a_vocabulary))


def test_no_value_of_the_recorded_json_is_lost() -> None:
    datum = recorded("datacite_lupo_vcr", "0044_updates_the_record.json").decode()
    account = accounting.account_for(
        DataciteTransformer(DataciteTransformer.Arguments()),
        [Record("10.7272/q6g15xs4", None, False, datum)],
        # The XML is there value by value, and `dois` is the type of every object.
        lambda leaf: is_a_word_of_a_vocabulary(leaf) or leaf.path in ("data.attributes.xml", "data.type"),
    )
    assert account.lost == []
    assert account.records == 1
    document = transform(datum)
    known = {item.text for item in document.unmapped}
    xml = base64.b64decode(json.loads(datum)["data"]["attributes"]["xml"]).decode()
    assert "1" in known  # the version, which only the XML has
    places = {leaf.text for leaf in accounting.leaves(xml.partition("?>")[2]) if "/geoLocation/" in leaf.path}
    assert places
    assert places <= known


@pytest.mark.parametrize("other", [None, 1, True, "x"])
def test_a_member_of_a_list_of_polygons_that_is_no_polygon_is_kept(other: Any) -> None:
    """A TypeError would say nothing about the record."""
    place = {"geoLocationPolygon": [[], other]}
    document = of_json(titles=[{"title": "A"}], geoLocations=[place])
    expected = [] if other is None else [str(other).lower()]
    assert [one.text for one in document.unmapped if "Polygon" in one.path] == expected
