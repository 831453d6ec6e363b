"""JSON-LD with schema.org. One real page was recorded; the other records follow the examples of the documentation.

https://developers.google.com/search/docs/appearance/structured-data/dataset, https://schema.org/ScholarlyArticle,
https://schema.org/PublicationIssue, https://schema.org/Thesis, https://schema.org/SoftwareSourceCode
"""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster import plugins
from harvest_dagster.errors import TransformError
from harvest_dagster.harvesters.sitemap.json_ld import read_html
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
    Place,
    Related,
    Rights,
    Subject,
    Text,
    Title,
    Unmapped,
)
from harvest_dagster.transformers.formats.schema_org.transformer import FIELDS, SchemaOrgTransformer
from harvest_dagster_tests.recorded import recorded, requires_recorded
from harvest_dagster_tests.transformers import accounting

DATASET = {
    "@context": "https://schema.org/",
    "@type": "Dataset",
    "@id": "https://doi.org/10.5555/STORMS",
    "name": "Storm events",
    "alternateName": ["Storms", "SE"],
    "description": "Storm data for states. Since 1950.",
    "url": "https://data.example.org/storms",
    "sameAs": "https://catalog.example.org/dataset/storms",
    "identifier": [
        {
            "@type": "PropertyValue",
            "propertyID": "https://registry.identifiers.org/registry/doi",
            "value": "doi:10.5555/storms",
        },
        {"@type": "PropertyValue", "propertyID": "shelf", "value": "B 12"},
    ],
    "keywords": ["ATMOSPHERE > WIND", "storm, hail"],
    "license": "https://creativecommons.org/publicdomain/zero/1.0/",
    "isAccessibleForFree": True,
    "creator": {
        "@type": "Organization",
        "name": "Centers for Data",
        "url": "https://www.example.org/",
        "contactPoint": {"@type": "ContactPoint", "email": "help@example.org"},
    },
    "funder": {"@type": "Organization", "sameAs": "https://ror.org/00tgqzw13", "name": "National Service"},
    "includedInDataCatalog": {"@type": "DataCatalog", "name": "data.example.org"},
    "distribution": [
        {
            "@type": "DataDownload",
            "encodingFormat": "CSV",
            "contentUrl": "https://data.example.org/storms.csv",
            "contentSize": "3 MB",
            "sha256": "ab12",
        },
        "https://data.example.org/storms.json",
    ],
    "temporalCoverage": "1950-01-01/..",
    "spatialCoverage": {"@type": "Place", "geo": {"@type": "GeoShape", "box": "18.0 -65.0 72.0 172.0"}},
    "variableMeasured": [{"@type": "PropertyValue", "name": "wind"}],
    "measurementTechnique": "radar",
    "version": 3,
    "dateModified": "2020-02-30",
    "sdDatePublished": "2021-01-01",
    "sdPublisher": {"@type": "Organization", "name": "A crawler"},
    "sdLicense": "CC0",
    "size": "1 GB",
}

ARTICLE = {
    "@context": {"@vocab": "http://schema.org/", "@language": "en"},
    "@graph": [
        {
            "@id": "#issue",
            "@type": "PublicationIssue",
            "issueNumber": "5",
            "datePublished": "2012",
            "isPartOf": {"@id": "#volume"},
        },
        {
            "@id": "#volume",
            "@type": "PublicationVolume",
            "volumeNumber": "50",
            "isPartOf": {"@id": "#journal"},
        },
        {
            "@id": "#journal",
            "@type": "Periodical",
            "name": "Cataloging Quarterly",
            "issn": ["0163-9374", "1544-4554"],
        },
        {
            "@type": "ScholarlyArticle",
            "@id": "#article",
            "headline": "Be careful",
            "abstract": {"de": "Ein Text.", "fr": ["Un texte."]},
            "author": [
                {
                    "@type": "Person",
                    "givenName": "Jane",
                    "familyName": "Doe",
                    "honorificPrefix": "Dr",
                    "@id": "https://orcid.org/0000-0002-1825-0097",
                    "affiliation": {
                        "@type": "Organization",
                        "name": "Lab",
                        "@id": "https://ror.org/02mhbdp94",
                    },
                },
                "Roe, R.",
                {"@type": "Role", "roleName": "translator", "author": {"@type": "Person", "name": "P. Poe"}},
            ],
            "editor": {"@id": "#ed"},
            "publisher": {"@id": "#pub"},
            "isPartOf": {"@id": "#issue"},
            "pageStart": 1,
            "pageEnd": "9",
            "datePublished": {"@type": "Date", "@value": "2012-10-01"},
            "sameAs": "https://doi.org/10.1080/01639374.2012.682254",
            "inLanguage": {"@type": "Language", "name": "English", "alternateName": "en"},
            "about": {"@type": "DefinedTerm", "name": "Works", "inDefinedTermSet": "LCSH", "termCode": "W1"},
            "citation": [
                "Doe, J. (2001). A book.",
                {
                    "@type": "Book",
                    "name": "A book",
                    "isbn": "x",
                    "author": "Doe, J.",
                    "datePublished": "2001",
                },
            ],
            "funding": {
                "@type": "Grant",
                "identifier": "G-1",
                "name": "Grant one",
                "funder": {"@id": "#pub"},
            },
            "license": {"@type": "CreativeWork", "name": "CC BY 4.0", "url": "https://example.org/l"},
        },
        {
            "@id": "#pub",
            "@type": "Organization",
            "name": "Press",
            "address": {"@type": "PostalAddress", "addressLocality": "Rome"},
        },
        {"@id": "#ed", "@type": "Person", "name": "E. Ditor"},
        {"@type": "WebSite", "name": "A site"},
    ],
}


def transform(datum: Any) -> Document:
    cls = plugins.load(plugins.TRANSFORMERS, "schema_org")
    document: Document = cls(cls.Arguments()).transform(
        "1", datum if isinstance(datum, str) else json.dumps(datum, sort_keys=True)
    )
    return document


def test_a_dataset() -> None:
    document = transform(DATASET)
    assert document.titles == (
        Title("Storm events"),
        Title("Storms", role="alternative"),
        Title("SE", role="alternative"),
    )
    assert (document.kind, document.access, document.version) == ("Dataset", "open", "3")
    assert document.types == (Text("Dataset", vocabulary="schema.org"),)
    assert document.creators == (
        Agent(
            "Centers for Data",
            kind="organization",
            identifiers=(Identifier("url", "https://www.example.org/"),),
        ),
    )
    assert document.identifiers == (
        Identifier("doi", "10.5555/storms"),
        Identifier("other", "B 12", "shelf"),
        Identifier("url", "https://data.example.org/storms"),
    )
    assert document.related == (
        Related(
            "IsIdenticalTo", "sameAs", (Identifier("url", "https://catalog.example.org/dataset/storms"),)
        ),
    )
    assert document.subjects == (Subject("ATMOSPHERE > WIND"), Subject("storm"), Subject("hail"))
    zero = "https://creativecommons.org/publicdomain/zero/1.0/"
    assert document.rights == (Rights(zero, license=zero),)
    assert document.funding == (Funding("National Service", (Identifier("ror", "00tgqzw13"),)),)
    assert document.containers == (Container("data.example.org", "repository"),)
    csv = "https://data.example.org/storms.csv"
    assert document.files == (
        File(csv, format="CSV", size="3 MB", checksum="sha256:ab12"),
        File("https://data.example.org/storms.json"),
    )
    assert document.periods == (Date("1950-01-01/.."),)
    box = "POLYGON ((-65.0 18.0, 172.0 18.0, 172.0 72.0, -65.0 72.0, -65.0 18.0))"
    assert document.places == (Place(geometry=box),)
    assert document.descriptions == (
        Description("Storm data for states. Since 1950."),
        Description("radar", role="Methods"),
    )
    assert document.dates == (Date(None, "2020-02-30", "Updated"),)
    assert document.sizes == (Text("1 GB"),)
    assert document.provenance.created == "2021-01-01"
    assert (document.provenance.agencies, document.provenance.rules) == (("A crawler",), ("CC0",))
    assert document.unmapped == (
        Unmapped("creator.contactPoint['@type']", "ContactPoint"),
        Unmapped("creator.contactPoint.email", "help@example.org"),
        Unmapped("variableMeasured[0]['@type']", "PropertyValue"),
        Unmapped("variableMeasured[0].name", "wind"),
    )


def test_an_article_whose_journal_and_people_are_references() -> None:
    """Many sites write a graph. Without its references, an article would have neither journal nor publisher."""
    document = transform(ARTICLE)
    assert (document.kind, document.title, document.issued) == ("JournalArticle", "Be careful", "2012-10-01")
    lab = Affiliation("Lab", (Identifier("ror", "02mhbdp94"),))
    assert document.creators == (
        Agent(
            "Doe, Jane",
            kind="person",
            given="Jane",
            family="Doe",
            prefix="Dr",
            identifiers=(Identifier("orcid", "0000-0002-1825-0097"),),
            affiliations=(lab,),
        ),
        Agent("Roe, R."),
        Agent("P. Poe", kind="person", role="trl", role_text="translator"),
    )
    assert document.contributors == (Agent("E. Ditor", kind="person", role="edt", role_text="editor"),)
    press = Agent("Press", kind="organization", places=("Rome",))
    assert document.publishers == (press,)
    assert document.containers == (
        Container(
            "Cataloging Quarterly",
            "journal",
            identifiers=(Identifier("issn", "0163-9374"), Identifier("issn", "1544-4554")),
            volume="50",
            issue="5",
            first_page="1",
            last_page="9",
            dates=(Date("2012", role="Issued"),),
        ),
    )
    assert {(one.text, one.language, one.role) for one in document.descriptions} == {
        ("Ein Text.", "de", "Abstract"),
        ("Un texte.", "fr", "Abstract"),
    }
    assert document.subjects == (Subject("Works", "en", "LCSH", "W1"),)
    assert document.rights == (Rights("CC BY 4.0", license="https://example.org/l"),)
    assert document.funding == (Funding("Press", award="G-1", award_title="Grant one"),)
    citations = [one for one in document.related if one.relation == "References"]
    assert citations == [
        Related("References", "citation", text="Doe, J. (2001). A book."),
        Related(
            "References",
            "citation",
            title="A book",
            kind="Book",
            agents=(Agent("Doe, J."),),
            date=Date("2001", role="Issued"),
        ),
    ]
    assert [(one.path, one.text) for one in document.unmapped] == [
        ("['@graph'][3].citation[1].isbn", "x"),
        ("['@graph'][3].inLanguage.name", "English"),
        ("['@graph'][6]['@type']", "WebSite"),
        ("['@graph'][6].name", "A site"),
    ]


@pytest.mark.parametrize(
    "context",
    [
        "https://schema.org",
        "http://schema.org/",
        ["http://www.schema.org/"],
        {"@vocab": "https://schema.org/"},
    ],
)
def test_each_form_of_the_context_is_read(context: Any) -> None:
    document = transform({"@context": context, "@type": "Book", "name": "A"})
    assert (document.title, document.kind, document.unmapped) == ("A", "Book", ())


@pytest.mark.parametrize("prefix", ["schema:", "sdo:", "http://schema.org/", "https://schema.org/"])
def test_names_with_a_prefix_or_an_address_are_read(prefix: str) -> None:
    datum = {
        "@context": {"sdo": "https://schema.org/", "schema": "http://schema.org/"},
        "@type": f"{prefix}Thesis",
        f"{prefix}name": {"@value": "Über", "@language": "de"},
        f"{prefix}author": {"@type": f"{prefix}Person", f"{prefix}name": "Doe"},
    }
    document = transform(datum)
    assert document.titles == (Title("Über", "de"),)
    assert (document.kind, document.creators) == ("Dissertation", (Agent("Doe", kind="person"),))


def test_of_several_objects_the_work_is_the_resource() -> None:
    """A page has breadcrumbs and the organization of the site, too."""
    page = {
        "@type": "WebPage",
        "name": "Page",
        "mainEntity": {
            "@type": "SoftwareSourceCode",
            "name": "Tool",
            "codeRepository": "https://git.example.org/t",
        },
    }
    document = transform([{"@type": "Organization", "name": "Org"}, page])
    assert (document.title, document.kind) == ("Tool", "Software")
    assert document.files == (File("https://git.example.org/t", description="codeRepository"),)
    assert Unmapped("[0].name", "Org") in document.unmapped
    assert Unmapped("[1].name", "Page") in document.unmapped


def test_a_resource_that_names_this_one_is_related() -> None:
    """DataCite and PANGAEA write the article of a dataset so."""
    reverse = {"isBasedOn": {"@type": "Article", "@id": "https://doi.org/10.5555/a", "issueNumber": "7(1)"}}
    document = transform({"@type": "Dataset", "name": "A", "@reverse": reverse})
    assert document.related == (
        Related(
            "IsSourceOf",
            "@reverse isBasedOn",
            (Identifier("doi", "10.5555/a"),),
            kind="Article",
            container=Container(issue="7(1)"),
        ),
    )


def test_references_in_a_circle_end() -> None:
    graph = [
        {"@type": "Dataset", "name": "A", "author": {"@id": "#a"}},
        {"@id": "#a", "name": "a", "memberOf": {"@id": "#b"}},
        {"@id": "#b", "name": "b", "memberOf": {"@id": "#a"}},
    ]
    assert transform({"@graph": graph}).creators[0].affiliations[0].name == "b"


def test_no_address_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The context of a record may be any address."""

    def refuse(*_: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    assert (
        transform({"@context": "https://context.example.org/", "@type": "Dataset", "name": "A"}).title == "A"
    )


@pytest.mark.parametrize(
    ("datum", "reason"),
    [
        ("<html/>", "is not JSON"),
        ("3", "JSON int, not an object"),
        ({"@type": "Organization", "address": "x"}, "recognizes nothing in the record"),
        ({}, "the metadata of the record is empty"),
    ],
)
def test_the_error_gives_the_reason(datum: Any, reason: str) -> None:
    with pytest.raises(TransformError, match=reason):
        transform(datum)


EXTRA = {
    "@type": "Book",
    "name": "A",
    "headline": "B",
    "isbn": "9783161484100",
    "genre": "essay",
    "dateCreated": "2001",
    "copyrightYear": 2002,
    "encodingFormat": "text/html",
    "translationOfWork": "https://doi.org/10.5555/b",
    "publisher": "P",
    "hasPart": "C",
    "usageInfo": "free",
    "contributor": "D",
    "inLanguage": "de",
    "schemaVersion": "http://datacite.org/schema/kernel-4",
}


def test_the_table_of_fields_names_fields_that_the_examples_have() -> None:
    examples = [transform(datum).as_dict() for datum in (DATASET, ARTICLE, EXTRA)]
    for _, names in FIELDS:
        for name in names.split(", "):
            outer, _, inner = name.partition(".")
            assert any(one[outer].get(inner) if inner else one[outer] for one in examples), name


def structural(leaf: accounting.Leaf) -> bool:
    """Return whether a value belongs to JSON-LD: contexts, names inside the page, types that their place says."""
    return leaf.path.endswith(("@context", "@type", "@context.@vocab", "propertyID")) or leaf.text.startswith(
        "#"
    )


def test_no_value_of_the_examples_is_lost() -> None:
    data = [DATASET, ARTICLE, EXTRA]
    made = [Record(str(at), None, False, json.dumps(one, sort_keys=True)) for at, one in enumerate(data)]
    account = accounting.account_for(SchemaOrgTransformer(SchemaOrgTransformer.Arguments()), made, structural)
    lost = [
        one for _, one in account.lost if one.text not in ("storm, hail", "18.0 -65.0 72.0 172.0", "true")
    ]
    assert lost == []


@requires_recorded
def test_no_value_of_the_recorded_page_is_lost() -> None:
    page = read_html(recorded("datacite_lupo_vcr", "0054_from_schema_org_url.html"))
    transformer = SchemaOrgTransformer(SchemaOrgTransformer.Arguments())
    made = [Record("1", None, False, block) for block in page.blocks]
    accounting.check("schema_org", accounting.account_for(transformer, made, structural))


_NAMES = st.sampled_from(
    ["@id", "@type", "@graph", "@value", "@context", "name", "author", "isPartOf", "geo", "box"]
)
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["#a", "Dataset", "Periodical", "x", "https://schema.org/"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=4),
    max_leaves=12,
)


@given(st.text(max_size=20) | _VALUES.map(json.dumps))
def test_any_text_gives_a_document_or_a_transform_error(datum: str) -> None:
    with contextlib.suppress(TransformError):
        assert transform(datum).to_json()


ORGANIZATION: dict[str, Any] = {
    "@type": "Organization",
    "@id": "https://ror.org/02mhbdp94",
    "name": ["Lab", "zname"],
    "legalName": "zlegal",
    "alternateName": "zalternate",
    "address": {"@type": "PostalAddress", "addressLocality": "zRome"},
    "affiliation": {"name": "zparent", "alternateName": "zshort"},
}


@pytest.mark.parametrize(
    "values",
    [
        {"funder": ORGANIZATION},
        {"sdPublisher": ORGANIZATION},
        {"author": {"name": "Doe, J.", "affiliation": ORGANIZATION}},
        {
            "funding": {
                "@type": "Grant",
                "identifier": ["z1", "z2"],
                "funder": [ORGANIZATION, {"name": "zsecond"}],
            }
        },
        {"about": {"@type": "DefinedTerm", "name": "Rain", "inDefinedTermSet": ["zfirst", "zsecond"]}},
    ],
)
def test_what_has_no_field_in_a_funder_or_an_affiliation_is_kept(values: dict[str, Any]) -> None:
    """A funder has only a name and identifiers in the document, an organization of a page has much more."""
    datum = json.dumps({"@context": "https://schema.org", "@type": "Book", "name": "A", **values})
    text = transform(datum).to_json()
    assert [word for word in re.findall('"(z[a-zA-Z0-9]+)"', json.dumps(values)) if word not in text] == []
    assert "ror.org/02mhbdp94" not in [one.text for one in transform(datum).unmapped]
