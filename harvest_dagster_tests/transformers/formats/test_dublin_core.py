"""Dublin Core elements become a document: each element goes into its field, and nothing is lost."""

from __future__ import annotations

import pytest

from harvest_dagster.transformers.builder import DocumentBuilder
from harvest_dagster.transformers.document import (
    Agent,
    Date,
    Description,
    Document,
    Identifier,
    Language,
    Place,
    Related,
    Rights,
    Subject,
    Text,
    Title,
)
from harvest_dagster.transformers.formats.oai_dc.elements import Value, add_values

DC = "{http://purl.org/dc/elements/1.1/}"
TERMS = "{http://purl.org/dc/terms/}"


def document(*values: tuple[str, str], identifier: str = "oai:example.org:1") -> Document:
    builder = DocumentBuilder(identifier, "oai_dc", DC)
    named = [(element if "}" in element else DC + element, text) for element, text in values]
    add_values(builder, [Value(element, text) for element, text in (*named, (f"{DC}format", "x"))])
    return builder.build()


FIFTEEN = [
    ("title", "titles", (Title("x"),)),
    ("creator", "creators", (Agent("x"),)),
    ("contributor", "contributors", (Agent("x"),)),
    ("publisher", "publishers", (Agent("x"),)),
    ("date", "dates", (Date(text="x"),)),
    ("language", "languages", (Language(text="x"),)),
    ("type", "types", (Text("x"),)),
    ("subject", "subjects", (Subject("x"),)),
    ("description", "descriptions", (Description("x"),)),
    ("identifier", "identifiers", (Identifier("other", "x"),)),
    ("relation", "related", (Related(text="x"),)),
    ("source", "related", (Related(relation_text="source", text="x"),)),
    ("coverage", "coverage", (Text("x"),)),
    ("rights", "rights", (Rights("x"),)),
]


@pytest.mark.parametrize(("element", "field", "items"), FIFTEEN, ids=[row[0] for row in FIFTEEN])
def test_each_of_the_fifteen_elements_has_its_field(
    element: str, field: str, items: tuple[object, ...]
) -> None:
    assert getattr(document((element, "x")), field) == items


NAMESPACES = [
    "",
    "http://www.openarchives.org/OAI/2.0/",
    "http://www.openarchives.org/OAI/2.0/oai_dc/",
    "http://purl.org/dc/elements/1.1/",
    "http://purl.org/dc/elements/1.1",
    "http://purl.org/dc/elements/1.1#",
    "http://purl.org/dc/elements/1.0/",
    "http://purl.org/DC/elements/1.1/",
    " http://purl.org/dc/elements/1.1/ ",
    "https://purl.org/dc/elements/1.1/",
    "https://www.openarchives.org/OAI/2.0/oai_dc/",
    "http://purl.org/dc/terms/",
    "https://purl.org/dc/terms",
    "http://purl.org/dc",
    "http://dublincore.org/documents/dcmi-terms/",
]


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_an_element_in_a_similar_namespace_is_accepted(namespace: str) -> None:
    """Real repositories forget the namespace, use that of the container, or write it with https."""
    result = document((f"{{{namespace}}}title", "A"))
    assert result.title == "A"


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_a_term_in_the_namespace_of_the_fifteen_elements_keeps_its_role(namespace: str) -> None:
    """Dataverse writes dc:issued and dc:license (IQSS/dataverse#3368): the dates of its data sets were lost."""
    result = document(
        (f"{{{namespace}}}issued", "2016-09-21"),
        (f"{{{namespace}}}dateSubmitted", "2016-09-01"),
        (f"{{{namespace}}}license", "CC0"),
        (f"{{{namespace}}}isReferencedBy", "https://doi.org/10.1234/abc"),
        (f"{{{namespace}}}ALTERNATIVE", "B"),
    )
    assert result.dates == (
        Date("2016-09-21", role="Issued", role_text="issued"),
        Date("2016-09-01", role="Submitted", role_text="dateSubmitted"),
    )
    assert result.rights == (Rights("CC0"),)
    assert result.related == (
        Related("IsReferencedBy", "isReferencedBy", (Identifier("doi", "10.1234/abc"),)),
    )
    assert result.titles == (Title("B", role="alternative"),)
    assert result.unmapped == ()


@pytest.mark.parametrize(
    "namespace",
    ["http://purl.org/ontology/bibo/", "urn:x", "http://example.org/purl.org/dc/", "http://purl.org/dcx/"],
)
def test_an_element_of_the_same_name_in_another_namespace_is_unmapped(namespace: str) -> None:
    assert [item.path for item in document((f"{{{namespace}}}title", "A")).unmapped] == [
        f"{{{namespace}}}title"
    ]


def test_an_element_in_the_namespace_of_its_container_is_accepted() -> None:
    builder = DocumentBuilder("1", "oai_dc", "urn:x")
    add_values(builder, [Value("{urn:x}title", "A"), Value("{urn:y}title", "B")], frozenset({"urn:x"}))
    result = builder.build()
    assert (result.title, len(result.unmapped)) == ("A", 1)


def test_an_unknown_element_is_kept() -> None:
    """CyberLeninka sends bibo, and the Harvard repository sends ali:license_ref. Neither may be lost."""
    result = document(
        ("{http://purl.org/ontology/bibo/}issn", "1810-8997"), ("status", "Item is not available")
    )
    assert [(item.path, item.text) for item in result.unmapped] == [
        ("{http://purl.org/ontology/bibo/}issn", "1810-8997"),
        (f"{DC}status", "Item is not available"),
    ]


def test_refinements_go_into_the_field_of_their_element_with_their_role() -> None:
    result = document(
        (f"{TERMS}abstract", "An abstract"),
        (f"{TERMS}issued", "2004"),
        (f"{TERMS}isPartOf", "http://hdl.handle.net/11041/sldr000762"),
        (f"{TERMS}spatial", "Provence"),
        (f"{TERMS}license", "http://creativecommons.org/licenses/by/4.0/"),
        (f"{TERMS}extent", "12 p."),
    )
    assert result.descriptions == (Description("An abstract", role="Abstract"),)
    assert result.dates == (Date("2004", role="Issued", role_text="issued"),)
    assert result.issued == "2004"
    assert result.related == (Related("IsPartOf", "isPartOf", (Identifier("handle", "11041/sldr000762"),)),)
    assert result.places == (Place("Provence"),)
    assert result.rights[0].license == "https://creativecommons.org/licenses/by/4.0/"
    assert result.sizes == (Text("12 p."),)


def test_the_title_is_the_first_title_that_is_not_alternative() -> None:
    """People search for the record by its title."""
    result = document((f"{TERMS}alternative", "B"), ("title", "A"), ("title", "C"))
    assert result.title == "A"
    assert [title.text for title in result.titles] == ["A", "C", "B"]
    assert document((f"{TERMS}alternative", "B")).title == "B"
    assert document().title is None


def test_identifiers_keep_their_order_without_duplicates() -> None:
    result = document(
        ("identifier", "http://dx.doi.org/10.1000/ABC"),
        ("identifier", "Phys. Rev. 47"),
        ("identifier", "doi:10.1000/abc"),
        ("identifier", "http://example.org/?a=1&amp;b=2"),
    )
    assert result.identifiers == (
        Identifier("doi", "10.1000/abc"),
        Identifier("other", "Phys. Rev. 47"),
        Identifier("url", "http://example.org/?a=1&b=2"),
    )
    assert result.links == ("http://dx.doi.org/10.1000/ABC", "http://example.org/?a=1&b=2")


def test_the_identifier_of_the_record_is_added_if_it_names_the_resource() -> None:
    """arXiv and PubMed Central use the number of the article in the identifier of its OAI record."""
    arxiv = document(identifier="oai:arXiv.org:0706.0001")
    assert arxiv.id == "oai:arXiv.org:0706.0001"
    assert arxiv.identifiers == (Identifier("arxiv", "0706.0001"),)
    assert document(identifier="oai:pubmedcentral.nih.gov:13900").identifiers == (
        Identifier("pmcid", "PMC13900"),
    )
    assert document(identifier="oai:example.org:1").identifiers == ()


def test_two_people_with_the_same_name_are_both_kept() -> None:
    assert len(document(("creator", "Wang, Y."), ("creator", "Wang, Y.")).creators) == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2004", Date("2004")),
        ("c2004", Date("2004", "c2004")),
        ("December", Date(text="December")),
        (
            "info:eu-repo/date/embargoEnd/2015-01-01",
            Date("2015-01-01", "info:eu-repo/date/embargoEnd/2015-01-01", "Available", "embargoEnd"),
        ),
        (
            "info:eu-repo/date/embargoEnd/soon",
            Date(None, "info:eu-repo/date/embargoEnd/soon", "Available", "embargoEnd"),
        ),
    ],
)
def test_a_date_keeps_its_text_if_the_value_differs(text: str, expected: Date) -> None:
    assert document(("date", text)).dates == (expected,)


def test_terms_of_known_vocabularies_are_split_into_vocabulary_and_term() -> None:
    result = document(
        ("type", "info:eu-repo/semantics/article"),
        ("type", "http://purl.org/eprint/type/JournalArticle"),
        ("type", "https://purl.org/dc/dcmitype/Dataset"),
        ("rights", "info:eu-repo/semantics/openAccess"),
    )
    assert result.types == (
        Text("article", vocabulary="info:eu-repo/semantics"),
        Text("JournalArticle", vocabulary="http://purl.org/eprint/type"),
        Text("Dataset", vocabulary="http://purl.org/dc/dcmitype"),
    )
    assert result.rights == (Rights("openAccess", vocabulary="info:eu-repo/semantics"),)
    assert (result.kind, result.access) == ("JournalArticle", "open")


@pytest.mark.parametrize(
    ("text", "license_"),
    [
        ("http://creativecommons.org/licenses/by/4.0/", "licenses/by/4.0"),
        ("https://creativecommons.org/licenses/by-nc-sa/3.0", "licenses/by-nc-sa/3.0"),
        ("https://creativecommons.org/licenses/by/4.0/legalcode", "licenses/by/4.0"),
        ("https://creativecommons.org/licenses/by/4.0/deed.en", "licenses/by/4.0"),
        ("https://creativecommons.org/licenses/by-nc-nd/3.0/de/deed.de", "licenses/by-nc-nd/3.0/de"),
        ("http://creativecommons.org/licenses/by/3.0/us/", "licenses/by/3.0/us"),
        ("http://www.creativecommons.org/licenses/BY/3.0/igo/", "licenses/by/3.0/igo"),
        ("http://creativecommons.org/publicdomain/zero/1.0/", "publicdomain/zero/1.0"),
        ("License (http://creativecommons.org/licenses/by/2.0), which permits", "licenses/by/2.0"),
        ("CC BY http://creativecommons.org/licenses/by/3.0/. Or so.", "licenses/by/3.0"),
    ],
)
def test_a_creative_commons_url_names_the_license(text: str, license_: str) -> None:
    """One form for each license lets a query select what may be reused."""
    result = document(("rights", text)).rights[0]
    assert result.text == text
    assert result.license == f"https://creativecommons.org/{license_}/"


@pytest.mark.parametrize(
    "text",
    [
        "All rights reserved",
        "CC BY",
        # BioMed Central: one license for the article, the other for its data
        "http://creativecommons.org/licenses/by/2.0; http://creativecommons.org/publicdomain/zero/1.0/",
    ],
)
def test_no_license_is_guessed(text: str) -> None:
    assert document(("rights", text)).rights == (Rights(text),)
