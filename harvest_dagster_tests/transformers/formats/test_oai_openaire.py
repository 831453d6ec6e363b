"""Records that follow the OpenAIRE guidelines for literature repositories 4.0.

No response in this format was recorded. The records here are invented. They follow the guidelines, element by element.
"""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster import plugins
from harvest_dagster.errors import TransformError
from harvest_dagster.records import Record
from harvest_dagster.transformers.document import (
    Agent,
    Container,
    Date,
    Description,
    Document,
    File,
    Funding,
    Identifier,
    Place,
    Related,
    Rights,
    Subject,
    Text,
    Title,
    Unmapped,
)
from harvest_dagster.transformers.formats.oai_openaire.transformer import FIELDS, OaiOpenaireTransformer
from harvest_dagster_tests.transformers import accounting

OAIRE = "http://namespace.openaire.eu/schema/oaire/"
NAMESPACES = (
    f'xmlns:oaire="{OAIRE}" xmlns:datacite="http://datacite.org/schema/kernel-4" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/"'
)
ORCID = Identifier("orcid", "0000-0002-1825-0097")

ARTICLE = """
<datacite:titles><datacite:title xml:lang="en">A title</datacite:title><datacite:title titleType="Subtitle">S
</datacite:title></datacite:titles>
<datacite:creators><datacite:creator><datacite:creatorName nameType="Personal">Doe, Jane</datacite:creatorName>
<datacite:givenName>Jane</datacite:givenName><datacite:familyName>Doe</datacite:familyName>
<datacite:nameIdentifier nameIdentifierScheme="ORCID">0000-0002-1825-0097</datacite:nameIdentifier>
</datacite:creator></datacite:creators>
<datacite:contributors><datacite:contributor contributorType="Editor"><datacite:contributorName>Roe, R.
</datacite:contributorName></datacite:contributor></datacite:contributors>
<oaire:fundingReferences><oaire:fundingReference><oaire:funderName>EC</oaire:funderName>
<oaire:funderIdentifier funderIdentifierType="Crossref Funder ID">http://doi.org/10.13039/100010661</oaire:funderIdentifier>
<oaire:fundingStream>H2020</oaire:fundingStream><oaire:awardNumber awardURI="http://x.org/643410">643410</oaire:awardNumber>
<oaire:awardTitle>OpenAIRE 2020</oaire:awardTitle></oaire:fundingReference></oaire:fundingReferences>
<datacite:alternateIdentifiers><datacite:alternateIdentifier alternateIdentifierType="DOI">10.1000/ABC
</datacite:alternateIdentifier></datacite:alternateIdentifiers>
<datacite:relatedIdentifiers><datacite:relatedIdentifier relatedIdentifierType="ISSN" relationType="IsPartOf">0378-5955
</datacite:relatedIdentifier></datacite:relatedIdentifiers>
<datacite:dates><datacite:date dateType="Accepted">2011-12-01</datacite:date><datacite:date dateType="Available">
2012-12-01</datacite:date></datacite:dates><datacite:date dateType="Issued">2012</datacite:date>
<dc:language>eng</dc:language><dc:publisher>P</dc:publisher>
<oaire:resourceType resourceTypeGeneral="literature" uri="http://purl.org/coar/resource_type/c_6501">journal article
</oaire:resourceType><dc:description xml:lang="en">D</dc:description><dc:format>application/pdf</dc:format>
<datacite:identifier identifierType="Handle">http://hdl.handle.net/10161/10834</datacite:identifier>
<datacite:rights rightsURI="http://purl.org/coar/access_right/c_f1cf">embargoed access</datacite:rights>
<dc:source>Ecology Letters</dc:source>
<datacite:subjects><datacite:subject subjectScheme="DDC" valueURI="http://dewey.info/">Ecology</datacite:subject>
</datacite:subjects><oaire:licenseCondition startDate="2019-02-01" uri="http://creativecommons.org/licenses/by-nc/4.0/">
CC BY-NC</oaire:licenseCondition><dc:coverage>Bonn</dc:coverage>
<datacite:sizes><datacite:size>15 pages</datacite:size></datacite:sizes>
<datacite:geoLocations><datacite:geoLocation><datacite:geoLocationPlace>Bonn</datacite:geoLocationPlace>
</datacite:geoLocation></datacite:geoLocations>
<oaire:version uri="http://purl.org/coar/version/c_be7fb7dd8ff6fe43">AM</oaire:version>
<oaire:file accessRightsURI="http://purl.org/coar/access_right/c_abf2" mimeType="application/pdf" objectType="fulltext">
http://x.org/1.pdf</oaire:file>
<oaire:citationTitle>J</oaire:citationTitle><oaire:citationVolume>1</oaire:citationVolume>
<oaire:citationIssue>2</oaire:citationIssue><oaire:citationStartPage>3</oaire:citationStartPage>
<oaire:citationEndPage>4</oaire:citationEndPage><oaire:citationEdition>5</oaire:citationEdition>
<oaire:citationConferencePlace>Berlin</oaire:citationConferencePlace>
<oaire:citationConferenceDate>2013-09-22 - 2013-09-26</oaire:citationConferenceDate>
<dcterms:audience>Researchers</dcterms:audience>
"""


def transform(datum: str) -> Document:
    return OaiOpenaireTransformer(OaiOpenaireTransformer.Arguments()).transform("oai:example.org:1", datum)


def resource(elements: str, name: str = "resource") -> str:
    return f"<oaire:{name} {NAMESPACES}>{elements}</oaire:{name}>"


def test_the_transformer_is_registered() -> None:
    assert plugins.load(plugins.TRANSFORMERS, "oai_openaire") is OaiOpenaireTransformer


def test_the_elements_of_datacite_are_read() -> None:
    document = transform(resource(ARTICLE))
    assert document.titles == (Title("A title", "en"), Title("S", role="subtitle"))
    assert document.creators == (Agent("Doe, Jane", "person", "Jane", "Doe", identifiers=(ORCID,)),)
    assert document.contributors == (Agent("Roe, R.", role="edt", role_text="Editor"),)
    assert document.identifiers == (Identifier("doi", "10.1000/abc"), Identifier("handle", "10161/10834"))
    assert document.links == ("http://hdl.handle.net/10161/10834",)
    assert document.dates == (
        Date("2011-12-01", role="Accepted"),
        Date("2012-12-01", role="Available"),
        Date("2012", role="Issued"),
    )
    assert document.issued == "2012"
    assert document.subjects == (Subject("Ecology", vocabulary="DDC", uri="http://dewey.info/"),)
    assert document.sizes == (Text("15 pages"),)
    assert document.places == (Place("Bonn"),)


def test_the_elements_of_dublin_core_are_read() -> None:
    document = transform(resource(ARTICLE))
    assert [one.code for one in document.languages] == ["eng"]
    assert document.publishers == (Agent("P"),)
    assert document.descriptions == (Description("D", "en"),)
    assert document.formats == (Text("application/pdf"),)
    assert document.coverage == (Text("Bonn"),)
    assert document.related == (
        Related("IsPartOf", identifiers=(Identifier("issn", "0378-5955"),)),
        Related(relation_text="source", text="Ecology Letters"),
    )


def test_the_elements_of_openaire_are_read() -> None:
    document = transform(resource(ARTICLE))
    assert document.types == (
        Text("journal article"),
        Text("c_6501", vocabulary="http://purl.org/coar/resource_type"),
        Text("literature", vocabulary="resourceTypeGeneral"),
    )
    assert document.kind == "JournalArticle"
    assert document.access == "embargoed"
    assert document.rights == (
        Rights("embargoed access", vocabulary="http://purl.org/coar/access_right", code="c_f1cf"),
        Rights("CC BY-NC", license="https://creativecommons.org/licenses/by-nc/4.0/", start="2019-02-01"),
    )
    assert document.files == (
        File("http://x.org/1.pdf", format="application/pdf", access="open", description="fulltext"),
    )
    assert document.version == "AM"
    assert document.funding == (
        Funding(
            "EC",
            (Identifier("fundref", "10.13039/100010661"),),
            "643410",
            "OpenAIRE 2020",
            (Identifier("url", "http://x.org/643410"),),
            "H2020",
        ),
    )
    assert document.containers == (
        Container(
            "J",
            volume="1",
            issue="2",
            edition="5",
            first_page="3",
            last_page="4",
            places=("Berlin",),
            dates=(Date("2013-09-22/2013-09-26", "2013-09-22 - 2013-09-26"),),
        ),
    )
    assert document.provenance.format == OAIRE


def test_what_the_schema_has_no_field_for_is_unmapped() -> None:
    assert [one.text for one in transform(resource(ARTICLE)).unmapped] == [
        "http://purl.org/coar/version/c_be7fb7dd8ff6fe43",
        "Researchers",
    ]


@pytest.mark.parametrize(
    "datum",
    [
        resource(ARTICLE, "resources"),
        f"<oaire:resources {NAMESPACES}>{resource(ARTICLE)}</oaire:resources>",
        resource(ARTICLE).replace(OAIRE, "https://namespace.openaire.eu/schema/oaire/"),
        f'<record xmlns="http://www.openarchives.org/OAI/2.0/"><header/><metadata>{resource(ARTICLE)}</metadata></record>',
    ],
)
def test_other_containers_of_the_elements_are_read(datum: str) -> None:
    first, second = transform(resource(ARTICLE)).as_dict(), transform(datum).as_dict()
    assert {**first, "unmapped": 0} == {**second, "unmapped": 0}
    assert [one["text"] for one in first["unmapped"]] == [one["text"] for one in second["unmapped"]]


def test_dspace_names_the_address_of_the_access_right_differently() -> None:
    document = transform(
        resource(
            '<datacite:rights uri="http://purl.org/coar/access_right/c_16ec">restricted access</datacite:rights>'
        )
    )
    assert document.access == "restricted"
    assert document.unmapped == ()


@pytest.mark.parametrize(
    ("code", "kind"), [("c_6501", "JournalArticle"), ("R60J-J5BD", "Presentation"), ("x", None)]
)
def test_the_address_of_a_type_gives_its_kind_in_any_language(code: str, kind: str | None) -> None:
    uri = f"http://purl.org/coar/resource_type/{code}"
    document = transform(resource(f'<oaire:resourceType uri="{uri}">artigo</oaire:resourceType>'))
    assert document.kind == kind
    assert document.types == (Text("artigo"), Text(code, vocabulary="http://purl.org/coar/resource_type"))


def test_a_file_with_an_unknown_access_right_keeps_its_address() -> None:
    document = transform(resource('<oaire:file accessRightsURI="http://x.org/a">http://x.org/1</oaire:file>'))
    assert document.files == (File("http://x.org/1"),)
    assert document.unmapped == (Unmapped("resource/file/@accessRightsURI", "http://x.org/a"),)


@pytest.mark.parametrize(
    ("datum", "message"),
    [
        ('<resource xmlns="http://datacite.org/schema/kernel-4"/>', "not that of OpenAIRE 4"),
        ("<a/>", "the metadata is <a>"),
        (resource(""), "is empty"),
        (resource("<oaire:x>y</oaire:x>"), "recognizes nothing"),
        ("{}", "not well-formed XML"),
    ],
)
def test_other_metadata_is_an_error_that_says_what_it_is(datum: str, message: str) -> None:
    with pytest.raises(TransformError, match=message):
        transform(datum)


_NAMES = st.sampled_from(
    [
        "oaire:file",
        "oaire:version",
        "datacite:dates",
        "datacite:date",
        "oaire:citationTitle",
        "datacite:rights",
        "dc:x",
    ]
)
_TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="<&"), max_size=10)


@given(st.text() | st.lists(st.tuples(_NAMES, _NAMES, _TEXTS), max_size=4))
def test_any_text_gives_a_document_or_an_error(content: str | list[tuple[str, str, str]]) -> None:
    if isinstance(content, list):
        inside = (f"<{one}>{text}<{two}>{text}</{two}></{one}>" for one, two, text in content)
        content = resource("".join(inside))
    with contextlib.suppress(TransformError):
        assert transform(content).to_json()


def test_each_documented_field_is_filled() -> None:
    """The table of the documentation must not name a field that the transformer never fills."""
    filled = {*accounting.count_fields(transform(resource(ARTICLE)).as_dict())}
    assert {field for _, field in FIELDS} <= filled


def test_no_value_of_the_article_is_lost() -> None:
    account = accounting.account_for(
        OaiOpenaireTransformer(OaiOpenaireTransformer.Arguments()),
        [Record("oai:example.org:1", None, False, resource(ARTICLE))],
        # `person`, `fundref` and `open` are the document's words for these.
        lambda leaf: leaf.path.endswith(("@nameType", "@funderIdentifierType", "@accessRightsURI")),
    )
    assert account.lost == []
