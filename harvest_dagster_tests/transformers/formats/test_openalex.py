"""Works of OpenAlex become documents: each field, other entities, and the recorded works without loss."""

from __future__ import annotations

import json
import re
import time
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvest_dagster.errors import TransformError
from harvest_dagster.records import Record
from harvest_dagster.transformers.document import Document
from harvest_dagster.transformers.formats.openalex.transformer import FIELDS, OpenAlexTransformer
from harvest_dagster.transformers.recognition.languages import language_code
from harvest_dagster_tests.recorded import recorded
from harvest_dagster_tests.transformers.accounting import Leaf, account_for, check, count_fields
from harvest_dagster_tests.transformers.injection import lost_in_json

OA = "https://openalex.org"
LOCATION: dict[str, Any] = {
    "id": "doi:10.1000/abc",
    "is_oa": True,
    "landing_page_url": "https://doi.org/10.1000/ABC",
    "pdf_url": "https://example.org/a.pdf",
    "license": "cc-by",
    "license_id": f"{OA}/licenses/cc-by",
    "version": "publishedVersion",
    "is_published": True,
    "raw_type": "journal-article",
    "raw_source_name": "Journal of Examples, The",
    "source": {
        "id": f"{OA}/S1",
        "display_name": "The Journal of Examples",
        "type": "journal",
        "issn_l": "0378-5955",
        "issn": ["0378-5955", "1234-5678"],
        "host_organization": f"{OA}/P7",
        "host_organization_name": "Example Press",
        "is_in_doaj": False,
    },
}
COPY: dict[str, Any] = {
    "id": "pmh:oai:arXiv.org:2101.00001",
    "is_oa": False,
    "landing_page_url": "https://arxiv.org/abs/2101.00001",
    "raw_source_name": "Examples 3 (2), 7-9",
    "source": {
        "display_name": "arXiv",
        "type": "repository",
        "host_organization": f"{OA}/I9",
        "host_organization_name": "Cornell University",
    },
}
AUTHORSHIP: dict[str, Any] = {
    "author": {
        "id": f"{OA}/A5",
        "display_name": "Ada Lovelace",
        "orcid": "https://orcid.org/0000-0002-1825-0097",
    },
    "raw_author_name": "A. Lovelace",
    "author_position": "first",
    "countries": ["GB"],
    "institutions": [
        {"id": f"{OA}/I2", "display_name": "Example U", "ror": "https://ror.org/02mhbdp94"},
    ],
    "affiliations": [
        {
            "raw_affiliation_string": "Dept. of Maths, Example U",
            "institution_ids": [f"{OA}/I2", f"{OA}/I3"],
        }
    ],
    "raw_affiliation_strings": ["Dept. of Maths, Example U", "At home"],
}
WORK: dict[str, Any] = {
    "id": f"{OA}/W1",
    "doi": "https://doi.org/10.1000/abc",
    "ids": {
        "openalex": f"{OA}/W1",
        "mag": "77",
        "pmid": "https://pubmed.ncbi.nlm.nih.gov/123",
        "pmcid": "PMC1234",
    },
    "title": "A title",
    "display_name": "A title",
    "type": "review",
    "publication_date": "2022-05-04",
    "publication_year": 2022,
    "language": "en",
    "authorships": [AUTHORSHIP],
    "primary_location": LOCATION,
    "best_oa_location": LOCATION,
    "locations": [LOCATION, COPY, {"id": "pmh:oai:example.org:7"}],
    "biblio": {"volume": "3", "issue": "2", "first_page": "7", "last_page": "9"},
    "open_access": {"is_oa": True, "oa_status": "gold", "oa_url": "https://example.org/other"},
    "content_urls": {"pdf": "https://content.example.org/W1.pdf"},
    "primary_topic": {"id": f"{OA}/T1", "display_name": "Testing"},
    "topics": [
        {"id": f"{OA}/T1", "display_name": "Testing"},
        {
            "id": f"{OA}/T2",
            "display_name": "Trees",
            "score": 0.25,
            "field": {"id": f"{OA}/fields/17", "display_name": "Computing"},
        },
    ],
    "keywords": [{"id": f"{OA}/keywords/loss", "display_name": "Loss"}],
    "concepts": [
        {
            "id": f"{OA}/C41",
            "wikidata": "https://www.wikidata.org/wiki/Q21198",
            "display_name": "Computer science",
        },
        {"id": f"{OA}/C42", "display_name": "Biology"},
    ],
    "mesh": [
        {
            "descriptor_ui": "D001",
            "descriptor_name": "Asthma",
            "qualifier_ui": "Q1",
            "qualifier_name": "therapy",
        }
    ],
    "sustainable_development_goals": [
        {"id": "https://metadata.un.org/sdg/4", "display_name": "Quality education"}
    ],
    "abstract_inverted_index": {"to": [0, 4], "be": [1, 5], "or": [2], "not": [3]},
    "funders": [
        {"id": f"{OA}/F1", "display_name": "Example Fund", "ror": "https://ror.org/0097mvx21"},
        {"id": f"{OA}/F2", "display_name": "Other Fund"},
    ],
    "awards": [
        {
            "id": f"{OA}/G1",
            "funder_award_id": "X-1",
            "funder_id": f"{OA}/F1",
            "funder_display_name": "Example Fund",
        }
    ],
    "referenced_works": [f"{OA}/W2"],
    "related_works": [f"{OA}/W3"],
    "created_date": "2022-06-01",
    "updated_date": "2024-01-02T03:04:05Z",
    "cited_by_count": 4,
}


def document_of(work: Any) -> Document:
    transformer = OpenAlexTransformer(OpenAlexTransformer.Arguments())
    return transformer.transform(f"{OA}/W1", json.dumps(work))


def items(field: str, work: dict[str, Any] = WORK) -> Any:
    return document_of(work).as_dict()[field]


def url(value: str) -> dict[str, str]:
    return {"scheme": "url", "value": f"{OA}/{value}"}


def host(name: str, address: str, role: str) -> dict[str, Any]:
    named = {"name": name, "kind": "organization", "identifiers": [url(address)]}
    return {**named, "role": role, "role_text": "host_organization"}


ROR = {"scheme": "ror", "value": "02mhbdp94"}
EXPECTED: dict[str, Any] = {
    "kind": "JournalArticle",
    "title": "A title",
    "publisher": "Example Press",
    "issued": "2022-05-04",
    "access": "open",
    "titles": [{"text": "A title"}],
    "creators": [
        {
            "name": "Ada Lovelace",
            "other_names": [{"text": "A. Lovelace"}],
            "identifiers": [{"scheme": "orcid", "value": "0000-0002-1825-0097"}, url("A5")],
            "role": "aut",
            "affiliations": [
                {"name": "Example U", "identifiers": [ROR, url("I2")]},
                {"name": "Dept. of Maths, Example U", "identifiers": [ROR, url("I2"), url("I3")]},
                {"name": "At home"},
            ],
            "places": ["GB"],
        }
    ],
    "publishers": [host("Example Press", "P7", "pbl")],
    "dates": [{"value": "2022-05-04", "role": "Issued"}],
    "types": [{"text": "review"}, {"text": "journal-article"}],
    "subjects": [
        {"text": "Testing", "vocabulary": "OpenAlex topics", "uri": f"{OA}/T1"},
        {"text": "Trees", "vocabulary": "OpenAlex topics", "uri": f"{OA}/T2"},
        {"text": "Computing", "vocabulary": "OpenAlex fields", "uri": f"{OA}/fields/17"},
        {"text": "Loss", "vocabulary": "OpenAlex keywords", "uri": f"{OA}/keywords/loss"},
        {
            "text": "Computer science",
            "vocabulary": "OpenAlex concepts",
            "code": "C41",
            "uri": "https://www.wikidata.org/wiki/Q21198",
        },
        {"text": "Biology", "vocabulary": "OpenAlex concepts", "uri": f"{OA}/C42"},
        {"text": "Asthma/therapy", "vocabulary": "MeSH", "code": "D001/Q1"},
        {
            "text": "Quality education",
            "vocabulary": "United Nations Sustainable Development Goals",
            "uri": "https://metadata.un.org/sdg/4",
        },
    ],
    "descriptions": [{"text": "to be or not to be", "role": "Abstract"}],
    "identifiers": [
        {"scheme": "doi", "value": "10.1000/abc"},
        url("W1"),
        {"scheme": "pmid", "value": "123"},
        {"scheme": "pmcid", "value": "PMC1234"},
        {"scheme": "other", "value": "77", "scheme_text": "mag"},
        {"scheme": "arxiv", "value": "2101.00001"},
    ],
    "links": [
        "https://doi.org/10.1000/abc",
        f"{OA}/W1",
        "https://pubmed.ncbi.nlm.nih.gov/123",
        "https://doi.org/10.1000/ABC",
        "https://arxiv.org/abs/2101.00001",
    ],
    "containers": [
        {
            "title": "The Journal of Examples",
            "kind": "journal",
            "other_titles": [{"text": "Journal of Examples, The"}],
            "identifiers": [
                {"scheme": "issn", "value": "0378-5955"},
                {"scheme": "other", "value": "1234-5678", "scheme_text": "issn"},
                url("S1"),
            ],
            "volume": "3",
            "issue": "2",
            "first_page": "7",
            "last_page": "9",
        },
        {
            "title": "arXiv",
            "kind": "repository",
            "agents": [host("Cornell University", "I9", "his")],
            "text": "Examples 3 (2), 7-9",
        },
    ],
    "funding": [
        {
            "funder": "Example Fund",
            "funder_identifiers": [{"scheme": "ror", "value": "0097mvx21"}, url("F1")],
            "award": "X-1",
            "award_identifiers": [url("G1")],
        },
        {"funder": "Other Fund", "funder_identifiers": [url("F2")]},
    ],
    "rights": [
        {"text": "gold", "vocabulary": "OpenAlex oa_status"},
        {
            "text": "cc-by",
            "license": f"{OA}/licenses/cc-by",
            "code": "cc-by",
            "applies_to": "publishedVersion",
        },
    ],
    "related": [
        {"relation": "References", "identifiers": [url("W2")]},
        {"relation_text": "related_works", "identifiers": [url("W3")]},
    ],
    "files": [
        {
            "url": "https://example.org/a.pdf",
            "format": "pdf",
            "version": "publishedVersion",
            "access": "open",
            "license": f"{OA}/licenses/cc-by",
        },
        {"url": "https://arxiv.org/abs/2101.00001"},
        {"url": "https://example.org/other", "access": "open"},
        {"url": "https://content.example.org/W1.pdf", "format": "pdf"},
    ],
    "provenance": {
        "transformer": "openalex",
        "format": "OpenAlex work",
        "created": "2022-06-01",
        "updated": "2024-01-02T03:04:05Z",
        "identifiers": [{"scheme": "oai", "value": "oai:example.org:7"}],
    },
    "unmapped": [
        {"path": "authorships[0].author_position", "text": "first"},
        {"path": "primary_location.source.is_in_doaj", "text": "false"},
        {"path": "primary_location.is_published", "text": "true"},
        {"path": "locations[1].is_oa", "text": "false"},
        {"path": "topics[1].score", "text": "0.25"},
        {"path": "cited_by_count", "text": "4"},
    ],
}


@pytest.mark.parametrize("field", EXPECTED)
def test_each_value_of_a_work_is_in_its_field(field: str) -> None:
    found, expected = items(field), EXPECTED[field]
    if field == "unmapped":  # the order of the keys of an object says nothing
        found, expected = (sorted(one, key=lambda item: item["path"]) for one in (found, expected))
    assert found == expected


def test_the_language_has_a_code() -> None:
    assert items("languages")[0]["code"] == language_code("en")


@pytest.mark.parametrize(("source", "fields"), FIELDS)
def test_each_row_of_the_table_of_fields_holds(source: str, fields: str) -> None:
    """The table is the documentation of the format."""
    filled = set(count_fields(document_of(WORK).as_dict()))
    assert set(fields.split(", ")) <= filled | {"provenance"}
    assert re.split(r"[.\[,]", source)[0] in WORK


@pytest.mark.parametrize(
    ("index", "text", "kept"),
    [
        ({"gap": [9], "A": [2]}, "A gap", 0),
        ({"b": [0], "a": [0]}, "a b", 0),
        ({"good": [0], "bad": ["x"]}, "good", 1),
        ({"far": [10**15]}, "far", 0),
    ],
)
def test_an_irregular_index_of_an_abstract_loses_no_word(index: dict[str, Any], text: str, kept: int) -> None:
    document = document_of({"id": f"{OA}/W1", "abstract_inverted_index": index})
    assert [description.text for description in document.descriptions] == [text]
    assert len(document.unmapped) == kept


def test_a_primary_location_that_is_not_among_the_locations_is_read_beside_them() -> None:
    work = {
        "id": f"{OA}/W1",
        "primary_location": LOCATION,
        "locations": [COPY],
        "biblio": {"volume": "8"},
    }
    found = [(one["title"], one.get("volume")) for one in items("containers", work)]
    assert found == [("The Journal of Examples", "8"), ("arXiv", None)]


def test_a_chapter_is_in_its_book_and_not_in_the_platform_of_the_book() -> None:
    source = {"display_name": "Example eBooks", "type": "ebook platform"}
    location = {"source": source, "raw_source_name": "The book"}
    assert items("containers", {"id": f"{OA}/W1", "primary_location": location}) == [
        {"title": "The book", "kind": "book", "other_titles": [{"text": "Example eBooks"}]}
    ]


def test_a_volume_without_a_location_is_kept() -> None:
    assert items("containers", {"id": f"{OA}/W1", "biblio": {"volume": "8"}}) == [{"volume": "8"}]


def test_the_version_of_a_location_without_address_is_kept() -> None:
    work = {"id": f"{OA}/W1", "locations": [{"version": "acceptedVersion"}]}
    assert items("unmapped", work) == [{"path": "locations[0].version", "text": "acceptedVersion"}]


def test_the_grants_of_older_records_are_funding() -> None:
    grant = {"funder": f"{OA}/F1", "funder_display_name": "Example Fund", "award_id": "X-1"}
    assert items("funding", {"id": f"{OA}/W1", "grants": [grant]}) == [
        {"funder": "Example Fund", "funder_identifiers": [url("F1")], "award": "X-1"}
    ]


@pytest.mark.parametrize(("status", "access"), [("closed", "closed"), ("bronze", "open"), ("unknown", None)])
def test_the_status_decides_the_access_if_nothing_else_does(status: str, access: str | None) -> None:
    assert items("access", {"id": f"{OA}/W1", "open_access": {"oa_status": status}}) == access


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"id": f"{OA}/A5", "display_name": "Ada", "works_count": 3}, "an author of OpenAlex, not a work"),
        ({"id": f"{OA}/S5", "display_name": "J"}, "a source of OpenAlex"),
        ({"id": f"{OA}/I5", "display_name": "U"}, "an institution of OpenAlex"),
        ({"id": f"{OA}/keywords/loss", "display_name": "Loss"}, "without the id of a work"),
        ({"meta": {"count": 1}, "results": []}, "`records: results`"),
        ([], "not an object"),
    ],
)
def test_what_is_not_a_work_is_refused_with_the_reason(record: Any, reason: str) -> None:
    with pytest.raises(TransformError, match=re.escape(reason)):
        document_of(record)


def test_no_value_of_a_work_can_be_lost() -> None:
    transformer = OpenAlexTransformer(OpenAlexTransformer.Arguments())
    # The numbers in the index are places.
    work = {key: value for key, value in WORK.items() if key != "abstract_inverted_index"}
    assert not list(lost_in_json(transformer, work))


VALUES = st.sampled_from(
    [None, True, 3, "", "text", [], {}, [None], ["a"], [{}], [[1]], {"id": "x"}, "W\ud800"]
)
PATHS = st.sampled_from(
    [
        *((key,) for key in sorted(WORK)),
        ("primary_location", "source"),
        ("authorships", 0, "author"),
        ("authorships", 0, "affiliations"),
        ("locations", 1),
        ("awards", 0),
    ]
)


@settings(max_examples=40)
@given(PATHS, VALUES)
def test_any_json_gives_a_document_or_a_transform_error(path: tuple[Any, ...], value: Any) -> None:
    work = deepcopy(WORK)
    node: Any = work
    for name in path[:-1]:
        node = node[name]
    node[path[-1]] = value
    try:
        document = document_of(work)
    except TransformError:
        return
    assert document.titles or path in {("title",), ("display_name",)}


def recorded_works() -> list[dict[str, Any]]:
    body = recorded("findpapers_2026_samples", "openalex__sample_response.json")
    works: list[dict[str, Any]] = json.loads(body)["results"]
    return works


def is_checked_elsewhere(leaf: Leaf) -> bool:
    """Return whether a value is the place of a word, or loses its prefix: the last two tests read these."""
    return leaf.path.startswith("abstract_inverted_index.") or leaf.path in {"concepts.id", "locations.id"}


def test_no_value_of_the_recorded_works_is_lost() -> None:
    records = [Record(work["id"], None, deleted=False, blob=json.dumps(work)) for work in recorded_works()]
    account = account_for(OpenAlexTransformer(OpenAlexTransformer.Arguments()), records, is_checked_elsewhere)
    assert not account.failures
    check("openalex", account)


def test_each_word_of_the_recorded_abstracts_is_in_its_place() -> None:
    for work in recorded_works():
        index = work["abstract_inverted_index"] or {}
        words = " ".join(one["text"] for one in items("descriptions", work)).split()
        in_order = sorted((place, word) for word, places in index.items() for place in places)
        assert words == " ".join(word for _, word in in_order).split()


def test_each_recorded_concept_and_location_keeps_its_identifier() -> None:
    for work in recorded_works():
        document = document_of(work)
        codes = {one.code for one in document.subjects if one.vocabulary == "OpenAlex concepts"}
        assert {f"{OA}/{code}" for code in codes} == {one["id"] for one in work["concepts"]}
        found = [*document.identifiers, *document.provenance.identifiers]
        for text in (location["id"].lower() for location in work["locations"]):
            assert any(text.endswith(one.value.lower().removeprefix("pmc")) for one in found), text


def test_many_locations_take_linear_time() -> None:
    """Comparing each location with all others takes minutes for a record of a few megabytes."""
    location = '{"landing_page_url": "http://example.org/%d", "source": {"display_name": "s%d"}}'
    locations = ", ".join(location % (place, place) for place in range(20_000))
    started = time.process_time()
    datum = f'{{"id": "{OA}/W1", "title": "T", "locations": [{locations}]}}'
    OpenAlexTransformer(OpenAlexTransformer.Arguments()).transform("1", datum)
    assert time.process_time() - started < 15  # it is about a second; with comparisons, it was 40 seconds
