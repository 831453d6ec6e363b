"""DCAT. No record was recorded: these follow the examples of DCAT-AP 3, of data.europa.eu and of ckanext-dcat.

https://semiceu.github.io/DCAT-AP/releases/3.0.0/, https://docs.ckan.org/projects/ckanext-dcat/
"""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvest_dagster import plugins
from harvest_dagster.errors import TransformError
from harvest_dagster.records import Record
from harvest_dagster.transformers.document import (
    Agent,
    Date,
    Description,
    Document,
    File,
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
from harvest_dagster.transformers.formats.dcat.transformer import FIELDS, DcatTransformer
from harvest_dagster_tests.transformers import accounting

EU = "http://publications.europa.eu/resource/authority"
DISTRIBUTOR = "http://inspire.ec.europa.eu/metadata-codelist/ResponsiblePartyRole/distributor"
RDF = f"""<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:dcat="http://www.w3.org/ns/dcat#"
 xmlns:dct="http://purl.org/dc/terms/" xmlns:foaf="http://xmlns.com/foaf/0.1/" xmlns:vcard="http://www.w3.org/2006/vcard/ns#"
 xmlns:adms="http://www.w3.org/ns/adms#" xmlns:locn="http://www.w3.org/ns/locn#" xmlns:skos="http://www.w3.org/2004/02/skos/core#"
 xmlns:spdx="http://spdx.org/rdf/terms#" xmlns:prov="http://www.w3.org/ns/prov#" xmlns:x="urn:example:x/">
<dcat:Catalog rdf:about="https://data.example.org/"><dct:title xml:lang="en">Open data</dct:title>
 <dct:publisher rdf:resource="https://data.example.org/publisher"/><dcat:dataset rdf:resource="https://data.example.org/set/1"/>
 <dcat:record rdf:resource="https://data.example.org/record/1"/></dcat:Catalog>
<dcat:CatalogRecord rdf:about="https://data.example.org/record/1">
 <foaf:primaryTopic rdf:resource="https://data.example.org/set/1"/><dct:issued>2020-01-02</dct:issued>
 <dct:modified>2021-02-03</dct:modified><dct:language rdf:resource="{EU}/language/DEU"/>
 <dct:conformsTo rdf:resource="http://data.europa.eu/r5r/"/></dcat:CatalogRecord>
<dcat:Dataset rdf:about="https://data.example.org/set/1">
 <dct:title xml:lang="de">Bäume</dct:title><dct:title xml:lang="en">Trees</dct:title>
 <dct:alternative>T</dct:alternative>
 <dct:description xml:lang="en">All  trees.</dct:description><adms:versionNotes>First.</adms:versionNotes>
 <dct:provenance><dct:ProvenanceStatement><rdf:value>Counted.</rdf:value></dct:ProvenanceStatement></dct:provenance>
 <dct:identifier>https://doi.org/10.5555/TREES</dct:identifier>
 <adms:identifier><adms:Identifier><skos:notation>B 12</skos:notation><adms:schemaAgency>shelf</adms:schemaAgency>
  </adms:Identifier></adms:identifier>
 <dct:creator>Doe, Jane</dct:creator>
 <dct:publisher><foaf:Organization rdf:about="https://data.example.org/publisher"><foaf:name>City</foaf:name>
  <foaf:homepage rdf:resource="https://city.example.org"/></foaf:Organization></dct:publisher>
 <dcat:contactPoint><vcard:Organization><vcard:fn>Help desk</vcard:fn>
  <vcard:hasEmail rdf:resource="mailto:h@example.org"/></vcard:Organization></dcat:contactPoint>
 <prov:qualifiedAttribution><prov:Attribution><prov:agent><foaf:Person><foaf:name>Roe</foaf:name></foaf:Person></prov:agent>
  <dcat:hadRole rdf:resource="{DISTRIBUTOR}"/>
  </prov:Attribution></prov:qualifiedAttribution>
 <dct:issued rdf:datatype="http://www.w3.org/2001/XMLSchema#date">2019-05-06</dct:issued>
 <dct:modified rdf:datatype="http://www.w3.org/2001/XMLSchema#date">2019-02-30</dct:modified>
 <dct:language rdf:resource="{EU}/language/DEU"/>
 <dcat:keyword xml:lang="en">tree</dcat:keyword>
 <dcat:theme rdf:resource="{EU}/data-theme/ENVI"/>
 <dct:subject><skos:Concept rdf:about="http://eurovoc.europa.eu/1"><skos:prefLabel xml:lang="en">forest</skos:prefLabel>
  <skos:inScheme rdf:resource="http://eurovoc.europa.eu/100141"/></skos:Concept></dct:subject>
 <dct:accessRights rdf:resource="{EU}/access-right/PUBLIC"/>
 <dct:license rdf:resource="http://creativecommons.org/licenses/by/4.0/"/>
 <dct:accrualPeriodicity rdf:resource="{EU}/frequency/ANNUAL"/>
 <dcat:landingPage rdf:resource="https://data.example.org/trees"/>
 <foaf:page rdf:resource="https://data.example.org/trees/doc"/>
 <dct:isPartOf rdf:resource="https://data.example.org/set/0"/>
 <dcat:inSeries rdf:resource="https://data.example.org/series/1"/>
 <dcat:version>1.10</dcat:version>
 <dct:spatial rdf:resource="{EU}/country/DEU"/>
 <dct:spatial><dct:Location><skos:prefLabel>City</skos:prefLabel>
  <dcat:bbox rdf:datatype="http://www.opengis.net/ont/geosparql#wktLiteral">POLYGON((8 47,9 47,9 48,8 47))</dcat:bbox>
  <locn:geometry rdf:datatype="https://www.iana.org/assignments/media-types/application/vnd.geo+json">{{}}</locn:geometry>
  </dct:Location></dct:spatial>
 <dct:temporal><dct:PeriodOfTime><dcat:startDate>2018-01-01</dcat:startDate><dcat:endDate>2018-12-31</dcat:endDate>
  </dct:PeriodOfTime></dct:temporal>
 <dcat:distribution><dcat:Distribution rdf:about="https://data.example.org/set/1/csv">
  <dct:title>CSV</dct:title><dcat:accessURL rdf:resource="https://data.example.org/csv"/>
  <dcat:downloadURL rdf:resource="https://data.example.org/csv/trees.csv"/>
  <dcat:mediaType rdf:resource="http://www.iana.org/assignments/media-types/text/csv"/>
  <dct:format rdf:resource="{EU}/file-type/CSV"/><dcat:byteSize>00120</dcat:byteSize>
  <dct:license rdf:resource="http://dcat-ap.de/def/licenses/dl-by-de/2.0"/>
  <spdx:checksum><spdx:Checksum><spdx:algorithm rdf:resource="http://spdx.org/rdf/terms#checksumAlgorithm_sha1"/>
   <spdx:checksumValue>ab12</spdx:checksumValue></spdx:Checksum></spdx:checksum></dcat:Distribution></dcat:distribution>
 <x:own>extra</x:own>
</dcat:Dataset></rdf:RDF>"""

JSON_LD: dict[str, Any] = {
    "@context": {
        "dcat": "http://www.w3.org/ns/dcat#",
        "dct": "http://purl.org/dc/terms/",
        "foaf": "http://xmlns.com/foaf/0.1/",
        "title": {"@id": "dct:title", "@container": "@language"},
        "own": "urn:example:x/own",
    },
    "@graph": [
        {
            "@id": "_:set",
            "@type": "dcat:Dataset",
            "title": {"de": "Bäume", "en": "Trees"},
            "dct:publisher": {"@id": "https://data.example.org/publisher"},
            "dct:temporal": {"@type": "dct:PeriodOfTime", "dcat:startDate": "2018"},
            "dct:issued": {"@value": "2019-05-06", "@type": "http://www.w3.org/2001/XMLSchema#date"},
            "dcat:keyword": ["tree", "wood"],
            "dcat:byteSize": 1.5,
            "own": "extra",
        },
        {"@id": "https://data.example.org/publisher", "@type": "foaf:Organization", "foaf:name": "City"},
    ],
}


def transform(datum: Any, identifier: str = "1") -> Document:
    cls = plugins.load(plugins.TRANSFORMERS, "dcat")
    document: Document = cls(cls.Arguments()).transform(
        identifier, datum if isinstance(datum, str) else json.dumps(datum)
    )
    return document


def url(value: str) -> tuple[Identifier, ...]:
    return (Identifier("url", value),)


def test_a_dataset_in_rdf_xml() -> None:
    document = transform(RDF)
    assert document.titles == (Title("Bäume", "de"), Title("Trees", "en"), Title("T", role="alternative"))
    assert document.types == (Text("Dataset", vocabulary="http://www.w3.org/ns/dcat#"),)
    assert (document.kind, document.access, document.version, document.issued) == (
        "Dataset",
        "open",
        "1.10",
        "2019-05-06",
    )
    assert document.descriptions == (
        Description("All trees.", "en"),
        Description("First.", role="versionNotes"),
        Description("Counted.", role="provenance"),
    )
    assert document.identifiers == (
        *url("https://data.example.org/set/1"),
        Identifier("doi", "10.5555/trees"),
        Identifier("other", "B 12", "shelf"),
        *url("https://data.example.org/trees"),
    )
    assert document.creators == (Agent("Doe, Jane"),)
    publisher = "https://data.example.org/publisher"
    city = (*url(publisher), *url("https://city.example.org"))
    assert document.publishers == (Agent("City", kind="organization", identifiers=city),)
    assert document.contributors == (
        Agent("Help desk", kind="organization", role_text="contactPoint"),
        Agent("Roe", kind="person", role="dst", role_text=DISTRIBUTOR),
    )
    assert document.dates == (Date("2019-05-06", role="Issued"), Date(None, "2019-02-30", "Updated"))
    assert document.languages == (Language("deu", f"{EU}/language/DEU"),)
    assert document.subjects == (
        Subject("tree", "en"),
        Subject(f"{EU}/data-theme/ENVI", uri=f"{EU}/data-theme/ENVI"),
        Subject("forest", "en", "http://eurovoc.europa.eu/100141", uri="http://eurovoc.europa.eu/1"),
    )
    assert document.rights == (
        Rights(f"{EU}/access-right/PUBLIC"),
        Rights(
            "http://creativecommons.org/licenses/by/4.0/",
            license="https://creativecommons.org/licenses/by/4.0/",
        ),
    )


def test_the_relations_the_coverage_and_the_files_of_a_dataset() -> None:
    document = transform(RDF)
    assert document.related == (
        Related("IsDocumentedBy", "page", url("https://data.example.org/trees/doc")),
        Related("IsPartOf", "isPartOf", url("https://data.example.org/set/0")),
        Related("IsPartOf", "inSeries", url("https://data.example.org/series/1")),
    )
    assert document.places == (
        Place(identifiers=url(f"{EU}/country/DEU")),
        Place("City", geometry="POLYGON((8 47,9 47,9 48,8 47))"),
    )
    assert document.periods == (Date("2018-01-01/2018-12-31"),)
    assert document.files == (
        File(
            "https://data.example.org/csv/trees.csv",
            "CSV",
            "http://www.iana.org/assignments/media-types/text/csv",
            "00120",
            "sha1:ab12",
            license="http://dcat-ap.de/def/licenses/dl-by-de/2.0",
        ),
    )


def test_the_catalog_and_the_catalog_record() -> None:
    document = transform(RDF)
    (catalog,) = document.containers
    assert (catalog.title, catalog.kind, catalog.identifiers) == (
        "Open data",
        "repository",
        url("https://data.example.org/"),
    )
    assert [agent.name for agent in catalog.agents] == ["City"]
    provenance = document.provenance
    assert (provenance.created, provenance.updated) == ("2020-01-02", "2021-02-03")
    assert provenance.identifiers == url("https://data.example.org/record/1")
    assert provenance.languages == (f"{EU}/language/DEU",)
    assert provenance.rules == ("http://data.europa.eu/r5r/",)


def test_each_other_triple_is_in_unmapped() -> None:
    assert set(transform(RDF).unmapped) == {
        Unmapped("dcat:contactPoint/vcard:hasEmail", "mailto:h@example.org"),
        Unmapped("dct:accrualPeriodicity", f"{EU}/frequency/ANNUAL"),
        Unmapped("dct:spatial/locn:geometry", "{}"),
        Unmapped("dcat:distribution", "https://data.example.org/set/1/csv"),
        Unmapped("dcat:distribution/dcat:accessURL", "https://data.example.org/csv"),
        Unmapped("dcat:distribution/dct:format", f"{EU}/file-type/CSV"),
        Unmapped("urn:example:x/own", "extra"),
        Unmapped("dcat:Catalog/dcat:record", "https://data.example.org/record/1"),
    }


def test_a_dataset_in_json_ld() -> None:
    document = transform(JSON_LD)
    assert document.titles == (Title("Bäume", "de"), Title("Trees", "en"))
    assert document.publishers == (
        Agent("City", kind="organization", identifiers=url("https://data.example.org/publisher")),
    )
    assert document.periods == (Date("2018/.."),)
    assert document.subjects == (Subject("tree"), Subject("wood"))
    assert set(document.unmapped) == {
        Unmapped("dcat:byteSize", "1.5"),
        Unmapped("urn:example:x/own", "extra"),
    }


@pytest.mark.parametrize(
    "context", ["https://data.example.org/context.jsonld", ["https://x.example.org/", {"@version": 1.1}]]
)
def test_names_of_a_context_that_is_only_an_address_are_read(context: Any) -> None:
    """DCAT-US writes them so. The context is not loaded."""
    datum = {
        "@context": context,
        "@type": "dcat:Dataset",
        "title": "Trees",
        "keyword": ["tree"],
        "publisher": {"@type": "org:Organization", "name": "City"},
        "accessLevel": "public",
    }
    document = transform(datum)
    assert (document.title, document.publisher, document.subjects) == ("Trees", "City", (Subject("tree"),))
    assert Unmapped("accessLevel", "public") in document.unmapped


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was opened")

    for name in ("socket.socket.connect", "socket.getaddrinfo", "urllib.request.urlopen"):
        monkeypatch.setattr(name, refuse)


@pytest.mark.usefixtures("no_network")
def test_no_context_and_no_entity_is_loaded() -> None:
    """rdflib would load them. A record could then make this machine send requests to any address."""
    far = "https://context.example.org/c.jsonld"
    nested = {"@context": far, "@type": "foaf:Agent", "foaf:name": "City"}
    scoped = {"@context": {"t": {"@id": "dct:title", "@context": far}, "@import": far}}
    datum = {**JSON_LD, "@context": [far, JSON_LD["@context"], scoped["@context"]]}
    datum["@graph"][0]["dct:creator"] = nested
    assert transform(datum).creators == (Agent("City"),)
    doctype = f'<!DOCTYPE r [<!ENTITY e SYSTEM "{far}">]>'
    with pytest.raises(TransformError, match="document type declaration"):
        transform(doctype + RDF)


def test_of_several_datasets_the_named_one_is_the_resource() -> None:
    """Portals repeat the datasets to which a dataset refers."""
    other = '<dcat:Dataset rdf:about="https://data.example.org/set/2"><dct:title>Other</dct:title></dcat:Dataset></rdf:RDF>'
    datum = RDF.replace("</rdf:RDF>", other)
    assert transform(datum, "https://data.example.org/set/2").title == "Other"
    assert transform(datum).title == "Bäume"  # the topic of the catalog record
    without = re.sub(r"<dcat:CatalogRecord.*</dcat:CatalogRecord>", "", datum, flags=re.DOTALL)
    with pytest.raises(TransformError, match="has 2 datasets: https://data"):
        transform(without)
    refers = without.replace("/set/0", "/set/2")
    document = transform(refers)
    assert (document.title, document.related[1].title) == ("Bäume", "Other")


def test_an_oai_record_has_its_envelope() -> None:
    oai = "http://www.openarchives.org/OAI/2.0/"
    document = transform(
        f'<record xmlns="{oai}"><header><setSpec>s</setSpec></header><metadata>{RDF}</metadata></record>'
    )
    assert (document.title, document.provenance.sets) == ("Bäume", ("s",))


@pytest.mark.parametrize(
    ("datum", "reason"),
    [
        ("<x/>", "the metadata is <x>, not DCAT"),
        ("<rdf:RDF/>", "not well-formed"),
        ("3", "JSON int, not an object"),
        ({"@type": "foaf:Agent", "foaf:name": "x"}, "no dcat:Dataset"),
        ({"@id": "_:a", "@type": "dcat:Dataset", "@context": {"a": {"@id": 3}}}, "the datum is not JSON-LD"),
    ],
)
def test_the_error_gives_the_reason(datum: Any, reason: str) -> None:
    with pytest.raises(TransformError, match=reason):
        transform(datum)


def test_the_table_of_fields_names_fields_that_the_examples_have() -> None:
    examples = [transform(datum).as_dict() for datum in (RDF, JSON_LD)]
    for _, names in FIELDS:
        for name in names.split(", "):
            outer, _, inner = name.partition(".")
            assert any(one[outer].get(inner) if inner else one[outer] for one in examples), name


def test_no_value_of_the_examples_is_lost() -> None:
    """Addresses of nodes, of types and of datatypes belong to RDF, and are structure."""
    transformer = DcatTransformer(DcatTransformer.Arguments())
    account = accounting.account_for(
        transformer, [Record("1", None, False, RDF)], lambda leaf: leaf.path.endswith("@datatype")
    )
    assert {leaf.text for _, leaf in account.lost} == {"http://spdx.org/rdf/terms#checksumAlgorithm_sha1"}


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["_:a", "x", "https://a.example.org/", "dcat:Dataset"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["@id", "@type", "@value", "@list", "dct:title", "dct:spatial", "dct:creator"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@settings(max_examples=40)
@given(st.text(max_size=20) | _VALUES.map(json.dumps))
def test_any_text_gives_a_document_or_a_transform_error(datum: str) -> None:
    with contextlib.suppress(TransformError):
        assert transform(datum).to_json()
