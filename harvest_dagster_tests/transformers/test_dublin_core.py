"""Dublin Core into a document: each element to its field, nothing of it lost."""

from __future__ import annotations

import pytest

from harvest_dagster.transformers.document import (
    Agent,
    Date,
    Document,
    Identifier,
    Language,
    Related,
    Rights,
    Text,
)
from harvest_dagster.transformers.dublin_core import Value, read

DC = "{http://purl.org/dc/elements/1.1/}"
TERMS = "{http://purl.org/dc/terms/}"


def document(*values: tuple[str, str], identifier: str = "oai:example.org:1") -> Document:
    return read(
        identifier, [Value(element if "}" in element else DC + element, text) for element, text in values]
    )


FIFTEEN = [
    ("title", "titles", (Text("x"),)),
    ("creator", "creators", (Agent("x"),)),
    ("contributor", "contributors", (Agent("x"),)),
    ("publisher", "publishers", (Agent("x"),)),
    ("date", "dates", (Date(text="x"),)),
    ("language", "languages", (Language(text="x"),)),
    ("type", "types", (Text("x"),)),
    ("subject", "subjects", (Text("x"),)),
    ("description", "descriptions", (Text("x"),)),
    ("identifier", "identifiers", (Identifier("other", "x"),)),
    ("relation", "related", (Related("other", "x"),)),
    ("source", "related", (Related("other", "x", "source"),)),
    ("coverage", "coverage", (Text("x"),)),
    ("format", "formats", (Text("x"),)),
    ("rights", "rights", (Rights("x"),)),
]


@pytest.mark.parametrize(("element", "field", "entries"), FIFTEEN, ids=[row[0] for row in FIFTEEN])
def test_each_of_the_fifteen_elements_has_its_field(
    element: str, field: str, entries: tuple[object, ...]
) -> None:
    assert getattr(document((element, "x")), field) == entries


@pytest.mark.parametrize(
    "namespace",
    ["", "{http://www.openarchives.org/OAI/2.0/oai_dc/}", "{http://purl.org/dc/elements/1.0/}", TERMS],
)
def test_an_element_in_a_neighbouring_namespace_is_read_as_meant(namespace: str) -> None:
    """Real repositories forget the namespace, or inherit that of the container."""
    read_ = document((f"{namespace}title", "A") if namespace else ("{}title", "A"))
    assert read_.title == "A"


def test_an_element_of_nobody_we_know_is_kept() -> None:
    """CyberLeninka sends bibo, the Harvard repository ali:license_ref: neither may be dropped."""
    ours = document(
        ("{http://purl.org/ontology/bibo/}issn", "1810-8997"), ("status", "Item is not available")
    )
    assert [(entry.element, entry.text) for entry in ours.unmapped] == [
        ("{http://purl.org/ontology/bibo/}issn", "1810-8997"),
        (f"{DC}status", "Item is not available"),
    ]


def test_refinements_go_with_their_element_and_keep_their_role() -> None:
    ours = document(
        (f"{TERMS}abstract", "An abstract"),
        (f"{TERMS}issued", "2004"),
        (f"{TERMS}isPartOf", "http://hdl.handle.net/11041/sldr000762"),
        (f"{TERMS}spatial", "Provence"),
        (f"{TERMS}license", "http://creativecommons.org/licenses/by/4.0/"),
        (f"{TERMS}extent", "12 p."),
    )
    assert ours.descriptions == (Text("An abstract"),)
    assert ours.dates == (Date("2004", role="issued"),)
    assert ours.related == (Related("handle", "11041/sldr000762", "isPartOf"),)
    assert ours.coverage == (Text("Provence"),)
    assert ours.rights[0].license == "https://creativecommons.org/licenses/by/4.0/"
    assert ours.formats == (Text("12 p."),)


def test_the_title_is_the_first_one_that_is_no_alternative() -> None:
    """People look for the record by it."""
    ours = document((f"{TERMS}alternative", "B"), ("title", "A"), ("title", "C"))
    assert ours.title == "A"
    assert [title.text for title in ours.titles] == ["A", "C", "B"]
    assert document((f"{TERMS}alternative", "B")).title == "B"
    assert document().title is None


def test_identifiers_keep_their_order_and_stand_there_once() -> None:
    ours = document(
        ("identifier", "http://dx.doi.org/10.1000/ABC"),
        ("identifier", "Phys. Rev. 47"),
        ("identifier", "doi:10.1000/abc"),
        ("identifier", "http://example.org/?a=1&amp;b=2"),
    )
    assert ours.identifiers == (
        Identifier("doi", "10.1000/abc"),
        Identifier("other", "Phys. Rev. 47"),
        Identifier("url", "http://example.org/?a=1&b=2"),
    )
    assert ours.links == ("http://dx.doi.org/10.1000/ABC", "http://example.org/?a=1&b=2")


def test_the_records_own_identifier_counts_where_it_names_the_resource() -> None:
    """arXiv and PubMed Central number their OAI records as they number their articles."""
    arxiv = document(identifier="oai:arXiv.org:0706.0001")
    assert arxiv.id == "oai:arXiv.org:0706.0001"
    assert arxiv.identifiers == (Identifier("arxiv", "0706.0001"),)
    assert document(identifier="oai:pubmedcentral.nih.gov:13900").identifiers == (
        Identifier("pmcid", "PMC13900"),
    )
    assert document(identifier="oai:example.org:1").identifiers == ()


def test_two_people_of_one_name_stay_two() -> None:
    assert len(document(("creator", "Wang, Y."), ("creator", "Wang, Y.")).creators) == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2004", Date("2004")),
        ("c2004", Date("2004", "c2004")),
        ("December", Date(text="December")),
        (
            "info:eu-repo/date/embargoEnd/2015-01-01",
            Date("2015-01-01", "info:eu-repo/date/embargoEnd/2015-01-01", "embargoEnd"),
        ),
        ("info:eu-repo/date/embargoEnd/soon", Date(None, "info:eu-repo/date/embargoEnd/soon", "embargoEnd")),
    ],
)
def test_a_date_keeps_what_its_value_does_not_say(text: str, expected: Date) -> None:
    assert document(("date", text)).dates == (expected,)


def test_terms_of_known_vocabularies_are_readable() -> None:
    ours = document(
        ("type", "info:eu-repo/semantics/article"),
        ("type", "http://purl.org/eprint/type/JournalArticle"),
        ("rights", "info:eu-repo/semantics/openAccess"),
    )
    assert ours.types == (
        Text("article", vocabulary="info:eu-repo/semantics"),
        Text("JournalArticle", vocabulary="http://purl.org/eprint/type"),
    )
    assert ours.rights == (Rights("openAccess", vocabulary="info:eu-repo/semantics"),)


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
def test_a_creative_commons_url_names_the_licence(text: str, license_: str) -> None:
    """In one form, so that what may be reused can be selected."""
    ours = document(("rights", text)).rights[0]
    assert ours.text == text
    assert ours.license == f"https://creativecommons.org/{license_}/"


@pytest.mark.parametrize(
    "text",
    [
        "All rights reserved",
        "CC BY",
        # BioMed Central: the article under the one, its data under the other
        "http://creativecommons.org/licenses/by/2.0; http://creativecommons.org/publicdomain/zero/1.0/",
    ],
)
def test_no_licence_is_guessed(text: str) -> None:
    assert document(("rights", text)).rights == (Rights(text),)
