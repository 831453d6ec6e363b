"""The search results of Europe PMC."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from harvest_dagster import plugins
from harvest_dagster.errors import TransformError
from harvest_dagster.harvesters.formats.canonical_xml import canonical_xml
from harvest_dagster.harvesters.formats.strict_json import canonical_json
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
    Related,
    Rights,
    Subject,
    Text,
    Title,
    Version,
)
from harvest_dagster.transformers.formats.europepmc.transformer import FIELDS, EuropepmcTransformer
from harvest_dagster_tests.recorded import DATA, recorded, requires_recorded
from harvest_dagster_tests.transformers import accounting
from harvest_dagster_tests.transformers.injection import lost_in_json

CORE: dict[str, Any] = {
    "id": "39709209",
    "source": "MED",
    "pmid": "39709209",
    "pmcid": "PMC12124214",
    "doi": "10.1000/ABC",
    "fullTextIdList": {"fullTextId": ["PMC12124214"]},
    "title": "On &lt;i&gt;p&lt;/i&gt;53.",
    "authorString": "Doe J, X Group.",
    "authorList": {
        "author": [
            {
                "fullName": "Doe J",
                "firstName": "Jane",
                "lastName": "Doe",
                "initials": "J",
                "authorId": {"type": "ORCID", "value": "0000-0002-1825-0097"},
                "authorAffiliationDetailsList": {"authorAffiliation": [{"affiliation": "U, Bern."}]},
            },
            {"collectiveName": "X Group"},
        ]
    },
    "authorIdList": {"authorId": [{"type": "ORCID", "value": "0000-0002-1825-0097"}]},
    "affiliation": "U, Bern.",
    "journalInfo": {
        "issue": "1",
        "volume": "404",
        "journalIssueId": 3873742,
        "dateOfPublication": "2025 Dec",
        "monthOfPublication": 12,
        "yearOfPublication": 2025,
        "printPublicationDate": "2025-12-01",
        "journal": {
            "title": "Lancet (London, England)",
            "medlineAbbreviation": "Lancet",
            "nlmid": "2985213R",
            "issn": "0140-6736",
            "essn": "1474-547X",
        },
    },
    "pubYear": "2025",
    "pageInfo": "2603-2604",
    "abstractText": "<h4>Background</h4>H<sub>2</sub>O.<h4>Aim</h4>P < 1.",
    "language": "eng",
    "pubTypeList": {"pubType": ["Review", "Journal Article"]},
    "meshHeadingList": {
        "meshHeading": [
            {"majorTopic_YN": "Y", "descriptorName": "Humans"},
            {
                "descriptorName": "Neoplasms",
                "meshQualifierList": {"meshQualifier": [{"abbreviation": "TH", "qualifierName": "therapy"}]},
            },
        ]
    },
    "keywordList": {"keyword": ["Cancer"]},
    "chemicalList": {"chemical": [{"name": "Sulfides", "registryNumber": "0"}]},
    "grantsList": {"grant": [{"grantId": "P30", "agency": "NCI", "acronym": "CA"}]},
    "subsetList": {"subset": [{"code": "IM", "name": "Index Medicus"}]},
    "fullTextUrlList": {
        "fullTextUrl": [
            {
                "availability": "Open access",
                "availabilityCode": "OA",
                "documentStyle": "pdf",
                "site": "Europe_PMC",
                "url": "https://europepmc.org/articles/PMC1?pdf=render",
            }
        ]
    },
    "commentCorrectionList": {
        "commentCorrection": [
            {"id": "39293462", "source": "MED", "reference": "Lancet. 2024", "type": "Preprint in"}
        ]
    },
    "investigatorList": {"investigator": [{"fullName": "Roe R", "firstName": "R", "lastName": "Roe"}]},
    "license": "cc by",
    "isOpenAccess": "Y",
    "hasPDF": "N",
    "citedByCount": 0,
    "dateOfCreation": "2024-12-21",
    "dateOfRevision": "2024-12-22",
    "firstPublicationDate": "2025-12-02",
}


def transform(datum: str | dict[str, Any]) -> Document:
    text = datum if isinstance(datum, str) else json.dumps(datum)
    return EuropepmcTransformer(EuropepmcTransformer.Arguments()).transform("x", text)


def test_the_transformer_is_registered() -> None:
    assert plugins.load(plugins.TRANSFORMERS, "europepmc") is EuropepmcTransformer


def test_the_people_of_a_core_result() -> None:
    result = transform(CORE)
    assert result.creators == (
        Agent(
            "Doe J",
            None,
            "Jane",
            "Doe",
            identifiers=(Identifier("orcid", "0000-0002-1825-0097"),),
            role="aut",
            role_text="author",
            affiliations=(Affiliation("U, Bern."),),
        ),
        Agent("X Group", "organization", role="aut", role_text="author"),
    )
    assert result.contributors == (Agent("Roe R", None, "R", "Roe", role_text="investigator"),)
    assert result.funding == (Funding("NCI", award="P30", program="CA"),)


def test_the_description_of_a_core_result() -> None:
    result = transform(CORE)
    assert result.identifiers == (
        Identifier("pmid", "39709209"),
        Identifier("pmcid", "PMC12124214"),
        Identifier("doi", "10.1000/abc"),
    )
    assert result.titles == (Title("On p53."),)
    assert result.descriptions == (Description("Background H2O. Aim P < 1.", role="Abstract"),)
    assert result.subjects == (
        Subject("Cancer"),
        Subject("Humans", vocabulary="MeSH"),
        Subject("Neoplasms/therapy", vocabulary="MeSH", code="TH"),
        Subject("Sulfides", vocabulary="chemicalList", code="0"),
    )
    assert result.types == (Text("Review"), Text("Journal Article"))
    assert result.kind == "JournalArticle"
    assert [one.code for one in result.languages] == ["eng"]
    assert result.rights == (Rights("cc by", code="cc by"),)
    assert result.access == "open"
    assert result.files == (
        File(
            "https://europepmc.org/articles/PMC1?pdf=render",
            "Europe_PMC",
            "pdf",
            access="open",
            description="Open access (OA)",
        ),
    )
    assert result.related == (
        Related("IsNewVersionOf", "Preprint in", (Identifier("pmid", "39293462"),), "Lancet. 2024"),
    )


def test_the_journal_and_the_dates_of_a_core_result() -> None:
    result = transform(CORE)
    assert result.containers == (
        Container(
            "Lancet (London, England)",
            "journal",
            (Text("Lancet", vocabulary="medlineAbbreviation"),),
            (
                Identifier("issn", "0140-6736"),
                Identifier("issn", "1474-547X"),
                Identifier("other", "2985213R", "nlmid"),
                Identifier("other", "3873742", "journalIssueId"),
            ),
            volume="404",
            issue="1",
            first_page="2603",
            last_page="2604",
        ),
    )
    assert result.dates == (
        Date("2025-12-02", None, "Issued", "firstPublicationDate"),
        Date("2025-12-01", None, "Issued", "printPublicationDate"),
        Date("2025-12", "2025 Dec", "Issued", "dateOfPublication"),
        Date("2025", None, "Issued", "pubYear"),
    )
    provenance = result.provenance
    assert (provenance.agencies, provenance.sets) == (("MED",), ("IM: Index Medicus",))
    assert (provenance.created, provenance.updated) == ("2024-12-21", "2024-12-22")


def test_flags_and_counts_without_a_field_are_kept() -> None:
    """What the authors and the affiliation repeat is not there twice."""
    assert [(item.path, item.text) for item in transform(CORE).unmapped] == [
        ("meshHeadingList.meshHeading[0].majorTopic_YN", "Y"),
        ("hasPDF", "N"),
        ("citedByCount", "0"),
    ]


def test_what_differs_from_the_authors_is_kept() -> None:
    result = transform(CORE | {"authorString": "Doe J, Poe E.", "affiliation": "V"})
    kept = {item.path: item.text for item in result.unmapped}
    assert (kept["authorString"], kept["affiliation"]) == ("Doe J, Poe E.", "V")


def test_a_lite_result() -> None:
    result = transform(
        {
            "id": "PPR1",
            "source": "PPR",
            "title": "A",
            "authorString": "Doe J, O'Neill AF.",
            "journalTitle": "Lancet",
            "journalIssn": "0140-6736; 1474-547x; ",
            "journalVolume": "404",
            "issue": "2",
            "pageInfo": "e12807",
            "pubType": "preprint; journal article",
            "bookOrReportDetails": {
                "publisher": "bioRxiv",
                "yearOfPublication": 2025,
                "comprisingTitle": "B",
            },
            "versionNumber": 2,
            "versionList": {"version": [{"id": "PPR0", "source": "PPR", "firstPublishDate": "2024-01-02"}]},
            "bookid": "NBK1",
            "isOpenAccess": "N",
        }
    )
    assert result.creators == tuple(
        Agent(name, role="aut", role_text="author") for name in ("Doe J", "O'Neill AF")
    )
    assert result.identifiers == (Identifier("other", "PPR1", "PPR"), Identifier("other", "NBK1", "bookid"))
    assert result.containers == (
        Container(
            "Lancet",
            "journal",
            identifiers=(Identifier("issn", "0140-6736"), Identifier("issn", "1474-547X")),
            volume="404",
            issue="2",
            number="e12807",
        ),
        Container("B", "book"),
    )
    assert (result.publisher, result.issued, result.version) == ("bioRxiv", "2025", "2")
    assert result.types == (Text("preprint"), Text("journal article"))
    assert result.kind == "Preprint"
    date = Date("2024-01-02", None, "Issued", "firstPublishDate")
    assert result.versions == (Version(None, date, (Identifier("other", "PPR0", "PPR"),), "PPR"),)
    assert result.access is None


@pytest.mark.parametrize(
    ("types", "place", "kind"),
    [
        ("letter; comment", {"journalTitle": "Lancet"}, "JournalArticle"),
        ("published erratum", {}, None),
        ("book; review", {"bookOrReportDetails": {"comprisingTitle": "GeneReviews"}}, "BookChapter"),
        ("book", {"bookOrReportDetails": {"publisher": "P"}}, "Book"),
    ],
)
def test_the_journal_or_the_book_decides_the_kind_of_other_types(
    types: str, place: dict[str, Any], kind: str | None
) -> None:
    """Crossref calls a letter in a journal an article, too."""
    assert transform({"id": "1", "source": "MED", "pubType": types, **place}).kind == kind


@pytest.mark.parametrize(
    ("datum", "reason"),
    [
        ("[]", "is a JSON list"),
        ("<a/>", "the datum is <a>, not a <result> of Europe PMC"),
        ("<result>", "not well-formed XML"),
        ("<result>text</result>", "the result is a text"),
        ("{}", "the metadata of the record is empty"),
        ('{"x": {"y": 1}}', "recognizes nothing in the record, only x.y"),
    ],
)
def test_the_error_gives_the_reason(datum: str, reason: str) -> None:
    with pytest.raises(TransformError, match=reason):
        transform(datum)


def test_the_table_of_fields_names_fields_that_the_examples_have() -> None:
    """The table becomes the documentation."""
    example = transform(CORE | {"versionNumber": 1, "versionList": {"version": {"id": "1"}}})
    publisher = {"bookOrReportDetails": {"publisher": "P"}}
    present = json.loads(example.to_json()) | {"publishers": transform(CORE | publisher).publishers}
    for _, names in FIELDS:
        for name in names.split(", "):
            outer, _, inner = name.partition(".")
            assert present[outer][inner] if inner else present[outer], name


_KEYS = st.sampled_from([*CORE, "author", "journal", "value", "fullName", "version", "x"])
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=10,
)


@settings(max_examples=50)
@given(st.text() | st.dictionaries(_KEYS, _VALUES, max_size=6).map(lambda result: CORE | result))
def test_any_json_gives_a_document_or_a_transform_error(datum: str | dict[str, Any]) -> None:
    with contextlib.suppress(TransformError):
        assert transform(datum).to_json()


def test_no_place_of_a_result_is_read_and_dropped() -> None:
    """The type of an ORCID is that of its value, whatever the record says."""
    lost = list(lost_in_json(EuropepmcTransformer(EuropepmcTransformer.Arguments()), CORE))
    assert {path.rpartition(".")[2] for path in lost} <= {"type"}


def results() -> Iterator[Record]:
    """Yield the recorded results in JSON, each with the blob that the harvester makes."""
    for path in sorted(DATA.glob("europepmc_pyeuropepmc/*.json")):
        for result in find_results(json.loads(path.read_text(encoding="utf-8"))):
            yield Record(f"{result['source']}:{result['id']}", None, False, canonical_json(result))


def find_results(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict) and {"source", "id"} <= value.keys():
        yield value
    elif isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from find_results(inner)


@cache
def distinct_results() -> tuple[Record, ...]:
    """Return core results, and each fourth lite one, without tags of HTML: a document has no names of tags."""
    blobs = {record.blob: record for record in results()}
    chosen = [blob for place, blob in enumerate(blobs) if place % 4 == 0 or "authorList" in blob]
    tags = re.compile(r"(?:<|&lt;)/?(?:h4|i|b|sub|sup|u)(?:>|&gt;)")
    return tuple(Record(blobs[blob].identifier, None, False, tags.sub("", blob)) for blob in chosen)


@requires_recorded
def test_no_value_of_a_recorded_result_is_lost() -> None:
    account = accounting.account_for(
        EuropepmcTransformer(EuropepmcTransformer.Arguments()), distinct_results()
    )
    accounting.check("europepmc", account)


@requires_recorded
def test_recorded_texts_have_no_tags() -> None:
    marked = [record for record in results() if "</" in record.blob or "&lt;/" in record.blob]
    assert len(marked) > 25
    for record in marked:
        document = transform(record.blob)
        for text in (*document.titles, *document.descriptions):
            assert not re.search(r"</|&lt;/", text.text), text


@requires_recorded
def test_xml_and_json_give_the_same_document() -> None:
    """Europe PMC sends the same values in both forms."""
    folder = "europepmc_pyeuropepmc"
    root = etree.fromstring(recorded(folder, "fixtures__search_cancer.xml"))
    elements = {one.findtext("id"): transform(canonical_xml(one)) for one in root.iter("result")}
    same = json.loads(recorded(folder, "fixtures__search_cancer.json"))
    documents = {one["id"]: transform(canonical_json(one)) for one in find_results(same)}
    assert len(elements) == 25
    shared = elements.keys() & documents.keys()
    assert len(shared) > 20
    for name in shared:
        first, second = elements[name].as_dict(), documents[name].as_dict()
        # In XML, nothing tells a list with one item from a single value.
        rest = [
            {(item["path"].removesuffix("[0]"), item["text"]) for item in one.pop("unmapped")}
            for one in (first, second)
        ]
        assert first == second
        assert rest[0] == rest[1]


def test_what_an_author_has_besides_is_kept() -> None:
    """A group has no full name, a person has a name, and an identifier has only a type and a value."""
    author_id = {"type": "ORCID", "value": "0000-0002-1825-0097"}
    authors = [
        {"suffix": "Jr"},
        {"collectiveName": "X Group", "fullName": "Doe J"},
        {"fullName": "Roe R", "suffix": "III", "authorId": author_id},
    ]
    changed = {
        **CORE,
        "authorList": {"author": authors},
        "authorIdList": {"authorId": [{**author_id, "note": "N"}]},
    }
    document = transform(json.dumps(changed))
    assert [(one.name, one.suffix) for one in document.creators] == [("X Group", None), ("Roe R", "III")]
    assert {"Jr", "Doe J", "N"} <= {one.text for one in document.unmapped}
    assert author_id["type"] not in {one.text for one in document.unmapped}
