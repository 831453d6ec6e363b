"""Works of Crossref's REST API: 3,746 recorded works, and invented ones for each rule."""

from __future__ import annotations

import contextlib
import html
import json
import re
from collections.abc import Iterator
from functools import cache
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
    Related,
    Rights,
    Subject,
    Text,
    Title,
)
from harvest_dagster.transformers.formats.crossref.transformer import FIELDS, CrossrefTransformer
from harvest_dagster.transformers.formats.crossref.values import plain_text
from harvest_dagster_tests.recorded import DATA, requires_recorded
from harvest_dagster_tests.transformers import accounting
from harvest_dagster_tests.transformers.injection import lost_in_json

FOLDERS = ("crossref_rcrossref", "scrapi_oai_and_rest", "share_sample_harvester_data", "datacite_lupo_vcr")
DOI = Identifier("doi", "10.1000/abc")
ISSN = (Identifier("issn", "0378-5955"),)
DAY = {"date-parts": [[2021, 3, 5]]}
INSTANT = {**DAY, "date-time": "2021-03-05T00:00:00Z", "timestamp": 1614902400000}


def transform(datum: str) -> Document:
    return CrossrefTransformer(CrossrefTransformer.Arguments()).transform("10.1000/abc", datum)


def work(kind: str = "journal-article", **values: Any) -> Document:
    keys = {key.replace("_", "-"): value for key, value in values.items()}
    return transform(json.dumps({"DOI": "10.1000/ABC", "type": kind, **keys}))


def test_the_transformer_is_registered() -> None:
    assert plugins.load(plugins.TRANSFORMERS, "crossref") is CrossrefTransformer


def test_identifiers_and_addresses() -> None:
    resource = {"primary": {"URL": "https://x.org/1"}, "secondary": [{"URL": "https://y.org/1"}]}
    document = work(
        prefix="http://id.crossref.org/prefix/10.1000",
        URL="http://dx.doi.org/10.1000/abc",
        alternative_id=["S1"],
        aliases=["10.1000/old"],
        resource=resource,
    )
    assert document.identifiers == (
        DOI,
        Identifier("doi", "10.1000/old"),
        Identifier("other", "S1", "alternative-id"),
        Identifier("url", "https://x.org/1"),
        Identifier("url", "https://y.org/1"),
    )
    assert document.links == ("http://dx.doi.org/10.1000/abc", "https://x.org/1", "https://y.org/1")
    assert document.unmapped == ()


def test_a_prefix_that_is_not_that_of_the_doi_is_kept() -> None:
    """A DOI keeps its prefix when the journal moves to another publisher."""
    assert [one.text for one in work(prefix="10.2000").unmapped] == ["10.2000"]


def test_titles_have_roles_and_no_mark_up() -> None:
    document = work(
        title=["H<sub>2</sub>O", "B"], subtitle=["S"], short_title=["T"], original_title=["O"], language="de"
    )
    assert document.titles == (
        Title("H2O"),
        Title("B"),
        Title("S", role="subtitle"),
        Title("T", role="short"),
        Title("O", role="original"),
    )
    assert [one.text for one in document.languages] == ["de"]


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("<jats:title>Abstract</jats:title><jats:p>One.</jats:p><jats:p>Two.</jats:p>", "One. Two."),
        (
            "<jats:sec><jats:title>Aim</jats:title><jats:p>To <jats:italic>go</jats:italic>.</jats:p></jats:sec>",
            "Aim To go.",
        ),
        ("a <mml:math><mml:mi>x</mml:mi><mml:mo>=</mml:mo><mml:mn>1</mml:mn></mml:math> b", "a x=1 b"),
        ("List<T> and a < b", "List<T> and a < b"),
        ("<jats:p>A &amp; B</jats:p>", "A & B"),
        ("<!DOCTYPE a>", "<!DOCTYPE a>"),
    ],
)
def test_mark_up_is_removed_only_if_it_is_well_formed(text: str, plain: str) -> None:
    assert plain_text(text) == plain
    assert work(abstract=text).descriptions == (Description(plain, role="Abstract"),)


def test_people_and_organizations_have_their_roles() -> None:
    affiliation = {
        "name": "U",
        "department": ["D"],
        "place": ["Bonn"],
        "id": [{"id": "https://ror.org/02mhbdp94", "id-type": "ROR", "asserted-by": "publisher"}],
    }
    jane = {
        "given": "Jane",
        "family": "Doe",
        "suffix": "Jr.",
        "sequence": "first",
        "ORCID": "http://orcid.org/0000-0002-1825-0097",
        "authenticated-orcid": False,
        "affiliation": [affiliation],
    }
    document = work(
        author=[jane, {"name": "X Group", "sequence": "additional"}],
        editor=[{"family": "Roe", "sequence": "additional"}],
        chair=[{"family": "Low"}],
        standards_body={"name": "B", "acronym": "BSI"},
    )
    assert document.creators == (
        Agent(
            "Doe, Jane",
            "person",
            "Jane",
            "Doe",
            suffix="Jr.",
            identifiers=(Identifier("orcid", "0000-0002-1825-0097"),),
            role="aut",
            role_text="author",
            affiliations=(Affiliation("D, U, Bonn", (Identifier("ror", "02mhbdp94"),)),),
        ),
        Agent("X Group", "organization", role="aut", role_text="author"),
    )
    assert document.contributors == (
        Agent("Roe", "person", family="Roe", role="edt", role_text="editor"),
        Agent("Low", "person", family="Low", role_text="chair"),
        Agent("B", "organization", other_names=(Text("BSI"),), role="stn", role_text="standards-body"),
    )
    # The order of the list does not say `additional` of the first editor.
    assert [one.text for one in document.unmapped] == ["false", "publisher", "additional"]


def test_the_institution_grants_the_degree_or_hosts_the_preprint() -> None:
    institution = [{"name": "U", "acronym": ["UI"], "place": ["Iowa"], "department": ["Art"]}]
    thesis, preprint = (work(kind, institution=institution) for kind in ("dissertation", "posted-content"))
    agent = Agent(
        "U",
        "organization",
        other_names=(Text("UI"),),
        role="dgg",
        role_text="institution",
        places=("Iowa",),
    )
    assert thesis.contributors == (agent,)
    assert preprint.contributors[0].role == "his"
    assert [one.text for one in thesis.unmapped] == ["Art"]


def test_dates_have_their_kind_and_their_precision() -> None:
    document = work(
        "posted-content",
        subtype="preprint",
        issued={"date-parts": [[2021, 3]]},
        published={"date-parts": [[2021, 3]]},
        published_print={"date-parts": [["2021"]]},
        posted=DAY,
        accepted={"date-parts": [[2021, 13, 1]]},
        published_online={"date-parts": [[None]]},
        created=INSTANT,
        deposited={**INSTANT, "date-parts": [[2021, 3, 6]]},
        indexed=INSTANT,
        publisher="P",
        publisher_location="Bonn",
    )
    assert document.dates == (
        Date("2021-03", role="Issued"),
        Date("2021", role="Issued", role_text="published-print"),
        Date("2021-03-05", role="Available", role_text="posted"),
    )
    assert document.issued == "2021-03"
    assert document.kind == "Preprint"
    assert document.publishers == (Agent("P", places=("Bonn",)),)
    assert document.provenance.created == document.provenance.updated == "2021-03-05T00:00:00Z"
    # A date that is not valid, and one that differs from its other form, are kept.
    assert [one.text for one in document.unmapped] == [
        *("2021", "13", "1"),
        *("2021", "3", "6"),
        "2021-03-05T00:00:00Z",
    ]


def test_the_history_the_copyright_and_the_type_are_found_among_the_assertions() -> None:
    document = work(
        assertion=[
            {"name": "received", "value": "17 June 2019", "label": "Received", "order": 1},
            {"name": "copyright", "value": "© 2019 A"},
            {"name": "article_type", "value": "paper"},
            {"name": "received", "value": "soon"},
            {"name": "x", "URL": "https://x.org"},
        ]
    )
    assert document.dates == (Date("2019-06-17", "17 June 2019", "Submitted", "received"),)
    assert document.rights == (Rights("© 2019 A"),)
    assert document.types == (Text("journal-article"), Text("paper", vocabulary="article_type"))
    assert [one.text for one in document.unmapped] == [
        *("Received", "1", "copyright", "received", "soon", "x", "https://x.org")
    ]


def test_an_article_is_in_a_journal() -> None:
    document = work(
        container_title=["J", "K"],
        short_container_title=["J.", "J"],
        ISSN=["0378-5955"],
        issn_type=[{"type": "print", "value": "0378-5955"}],
        volume="1",
        issue="2",
        journal_issue={"issue": "2", "published-print": DAY},
        page="4-5",
        article_number="e7",
    )
    assert document.containers == (
        Container(
            "J",
            "journal",
            (Text("K"), Text("J.")),
            ISSN,
            "1",
            "2",
            first_page="4",
            last_page="5",
            number="e7",
            dates=(Date("2021-03-05", role="Issued", role_text="published-print"),),
        ),
    )
    assert [one.text for one in document.unmapped] == ["print"]


@pytest.mark.parametrize("page", ["n/a-n/a", "1-2, 5", "1-2-3"])
def test_pages_that_are_not_a_range_stay_as_they_are(page: str) -> None:
    assert work(page=page).containers == (Container(kind="journal", pages=page),)


@pytest.mark.parametrize(
    ("page", "container"),
    [
        ("22-24", Container(kind="journal", first_page="22", last_page="24")),
        ("e1660-e1676", Container(kind="journal", first_page="e1660", last_page="e1676")),
        ("1227-39", Container(kind="journal", first_page="1227", last_page="1239")),
        ("ii\u2013iv", Container(kind="journal", first_page="ii", last_page="iv")),
        ("S57", Container(kind="journal", first_page="S57")),
        ("e0178914", Container(kind="journal", number="e0178914")),
    ],
)
def test_pages_are_split_as_in_the_other_formats(page: str, container: Container) -> None:
    """The same article has the same pages from JATS, OpenAlex and Europe PMC."""
    assert work(page=page).containers == (container,)


def test_entities_are_no_part_of_a_text() -> None:
    """Publishers escape texts twice. A search for the journal would not find it."""
    document = work(
        title=["On &lt;scp&gt;X&lt;/scp&gt;", "p &lt; 1"],
        container_title=["Organic &amp; Biomolecular Chemistry"],
        short_container_title=["Org. &amp; Bio."],
        author=[{"family": "Doe", "affiliation": [{"name": "1<sup>st</sup> Clinic &amp; School"}]}],
        link=[{"URL": "http://x.org/?id=1&amp;copy=2&lt=3"}],
        reference=[
            {
                "article-title": "Of <italic>E. coli</italic>",
                "journal-title": "Ecology &amp; Evolution",
                "DOI": "10.1892/19&lt;115:utm&gt;2.0.co;2",
            },
            {"unstructured": "Nguyen <etal>et al</etal>. 5&apos;-phosphate"},
        ],
    )
    assert document.titles == (Title("On X"), Title("p < 1"))
    assert document.containers[0].title == "Organic & Biomolecular Chemistry"
    assert document.containers[0].other_titles == (Text("Org. & Bio."),)
    assert document.creators[0].affiliations == (Affiliation("1st Clinic & School"),)
    assert [file.url for file in document.files] == ["http://x.org/?id=1&copy=2&lt=3"]
    first, second = document.related
    assert first.title == "Of E. coli"
    assert first.container == Container("Ecology & Evolution")
    assert first.identifiers == (Identifier("doi", "10.1892/19<115:utm>2.0.co;2"),)
    assert second.text == "Nguyen et al. 5'-phosphate"


@pytest.mark.parametrize(
    ("kind", "general"),
    [("reference-entry", "BookChapter"), ("journal-issue", "Text"), ("component", None)],
)
def test_types_of_crossref_have_a_general_type(kind: str, general: str | None) -> None:
    assert work(kind).kind == general


def test_the_approval_of_a_thesis_or_standard_is_a_date_of_acceptance() -> None:
    assert work("standard", approved=DAY).dates == (Date("2021-03-05", None, "Accepted", "approved"),)


def test_a_book_has_its_own_isbn_and_edition_and_is_in_a_series() -> None:
    values: dict[str, Any] = {
        "ISBN": ["9783161484100"],
        "ISSN": ["0378-5955"],
        "edition_number": "2",
        "container_title": ["S"],
    }
    isbn = Identifier("isbn", "9783161484100")
    book, chapter, journal = work("book", **values), work("book-chapter", **values), work("journal", **values)
    assert book.identifiers == (DOI, isbn)
    assert book.version == "2"
    assert book.containers == (Container("S", "series", identifiers=ISSN),)
    assert chapter.identifiers == (DOI,)
    assert chapter.containers == (Container("S", "book", identifiers=(*ISSN, isbn), edition="2"),)
    assert journal.identifiers == (DOI, *ISSN)


def test_a_paper_has_its_conference() -> None:
    event = {
        "name": "C",
        "acronym": "C '21",
        "location": "Bonn",
        "number": "5",
        "sponsor": ["ACM"],
        "start": DAY,
        "end": {"date-parts": [[2021, 3, 7]]},
        "theme": "T",
    }
    document = work("proceedings-article", container_title=["Proc."], event=event)
    assert document.containers == (
        Container("Proc.", "conference"),
        Container(
            "C",
            "conference",
            (Text("C '21"),),
            number="5",
            places=("Bonn",),
            dates=(Date("2021-03-05/2021-03-07"),),
            agents=(Agent("ACM", role="spn"),),
        ),
    )
    assert [one.text for one in document.unmapped] == ["T"]


def test_each_award_is_a_grant() -> None:
    document = work(
        funder=[
            {
                "name": "N",
                "DOI": "10.13039/100000001",
                "doi-asserted-by": "publisher",
                "award": ["1", "2"],
                "id": [{"id": "10.13039/100000001", "id-type": "DOI"}],
            },
            {"name": "M"},
        ]
    )
    funder = (Identifier("fundref", "10.13039/100000001"),)
    assert document.funding == (Funding("N", funder, "1"), Funding("N", funder, "2"), Funding("M"))


def test_a_grant_has_its_project() -> None:
    funding = {
        "type": "award",
        "scheme": "Fellowships",
        "funder": {
            "name": "N",
            "id": [{"id": "10.13039/100000001", "id-type": "DOI", "asserted-by": "publisher"}],
        },
    }
    project = {
        "project-title": [{"title": "A", "language": "en"}],
        "project-description": [{"description": "<jats:p>D</jats:p>", "language": "en"}],
        "lead-investigator": [{"given": "Jane", "family": "Doe"}],
        "funding": [funding],
    }
    document = work("grant", award="1", project=[project])
    assert document.kind == "Award"
    assert document.titles == (Title("A", "en"),)
    assert document.descriptions == (Description("D", "en", role="Abstract"),)
    assert document.contributors == (
        Agent("Doe, Jane", "person", "Jane", "Doe", role_text="lead-investigator"),
    )
    assert document.funding == (
        Funding("N", (Identifier("fundref", "10.13039/100000001"),), "1", program="Fellowships"),
    )
    assert [one.text for one in document.unmapped] == ["award", "publisher"]
    assert work("grant", award="1").funding == (Funding(award="1"),)


def test_licenses_files_and_subjects() -> None:
    address = "http://creativecommons.org/licenses/by/4.0/"
    document = work(
        license=[{"URL": address, "start": INSTANT, "delay-in-days": 0, "content-version": "vor"}],
        link=[
            {
                "URL": "https://x.org/1.pdf",
                "content-type": "application/pdf",
                "content-version": "am",
                "intended-application": "text-mining",
            }
        ],
        subject=["Genetics"],
        group_title="Ecology",
        source="Crossref",
        member="297",
    )
    assert document.rights == (
        Rights(
            address,
            license=address.replace("http:", "https:"),
            start="2021-03-05",
            applies_to="vor",
        ),
    )
    assert document.files == (
        File("https://x.org/1.pdf", format="application/pdf", version="am", description="text-mining"),
    )
    assert document.subjects == (Subject("Genetics"), Subject("Ecology", vocabulary="group-title"))
    assert document.provenance.agencies == ("Crossref", "member 297")
    assert [one.text for one in document.unmapped] == ["0"]


def test_a_reference_is_one_related_resource() -> None:
    """As separate fields, the parts of thirty references could not be told apart."""
    document = work(
        reference=[
            {
                "key": "ref1",
                "DOI": "10.1000/B",
                "doi-asserted-by": "crossref",
                "author": "Doe",
                "year": "2016a",
                "article-title": "T",
                "journal-title": "J",
                "volume": "1",
                "issue": "2",
                "first-page": "3",
                "ISSN": "http://id.crossref.org/issn/0378-5955",
            },
            {"key": "ref2", "volume-title": "Book", "series-title": "S", "year": "2015", "edition": "2"},
            {"key": "ref3", "unstructured": "Roe, 2014."},
            {"key": "ref4"},
            {"key": "ref5", "standard-designator": "ISO 1", "standards-body": "ISO"},
        ]
    )
    assert document.related == (
        Related(
            "References",
            identifiers=(Identifier("doi", "10.1000/b"),),
            title="T",
            agents=(Agent("Doe"),),
            date=Date(text="2016a"),
            container=Container("J", identifiers=ISSN, volume="1", issue="2", first_page="3"),
            label="ref1",
        ),
        Related(
            "References", title="Book", date=Date("2015"), container=Container("S", edition="2"), label="ref2"
        ),
        Related("References", text="Roe, 2014.", label="ref3"),
        Related("References", label="ref4"),
        Related(
            "References",
            identifiers=(Identifier("other", "ISO 1", "standard-designator"),),
            publisher="ISO",
            label="ref5",
        ),
    )
    assert [one.text for one in document.unmapped] == ["crossref"]


def test_relations_updates_and_trials_are_related() -> None:
    document = work(
        relation={
            "is-preprint-of": [{"id": "10.1000/B", "id-type": "doi", "asserted-by": "subject"}],
            "cites": [],
        },
        update_to=[{"DOI": "10.1000/C", "type": "correction", "label": "Correction", "updated": INSTANT}],
        updated_by=[{"DOI": "10.1000/D", "type": "retraction"}],
        clinical_trial_number=[{"clinical-trial-number": "isrctn1", "registry": "10.18810/isrctn"}],
    )
    assert document.related == (
        Related("IsPreviousVersionOf", "is-preprint-of", (Identifier("doi", "10.1000/b"),)),
        Related(
            None,
            "update-to: correction",
            (Identifier("doi", "10.1000/c"),),
            text="Correction",
            date=Date("2021-03-05", role="Updated"),
        ),
        Related(None, "updated-by: retraction", (Identifier("doi", "10.1000/d"),)),
        Related(None, "clinical-trial-number", (Identifier("other", "isrctn1", "10.18810/isrctn"),)),
    )
    assert [one.text for one in document.unmapped] == ["subject"]


def test_the_kind_of_a_review_is_a_type() -> None:
    document = work("peer-review", review={"type": "referee-report", "stage": "pre-publication"})
    assert document.types == (Text("peer-review"), Text("referee-report"))
    assert document.kind == "PeerReview"


def test_single_texts_are_read_like_lists() -> None:
    """Content negotiation gives single texts."""
    document = work(title="A", container_title="J", ISSN="0378-5955")
    assert document.title == "A"
    assert document.containers == (Container("J", "journal", identifiers=ISSN),)


def test_the_answer_about_one_work_is_read() -> None:
    document = transform('{"status": "ok", "message-type": "work", "message": {"DOI": "10.1000/ABC"}}')
    assert document.identifiers == (DOI,)
    assert [(one.path, one.text) for one in document.unmapped] == [("status", "ok")]


@pytest.mark.parametrize(
    ("datum", "message"),
    [
        (
            '{"message-type": "member-list", "message": {"items": []}}',
            "of the type 'member-list', not a work",
        ),
        ('{"id": 1, "primary-name": "A", "prefixes": []}', "'primary-name'.*not a work of Crossref"),
        ('{"DOI": "10.1000/a", "agency": {"id": "datacite"}}', "not a work"),
        ('{"message-type": "work"}', "of the type 'work'"),
        ('{"DOI": 1}', "not a work"),
        ("[]", "JSON list"),
        ("<a/>", "not JSON"),
    ],
)
def test_what_is_not_a_work_is_an_error(datum: str, message: str) -> None:
    with pytest.raises(TransformError, match=message):
        transform(datum)


_VALUES = st.recursive(
    st.none() | st.text(max_size=5) | st.integers() | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["date-parts", "date-time", "name", "DOI", "id"]), inner, max_size=2
        )
    ),
    max_leaves=5,
)
_KEYS = (
    "title",
    "author",
    "issued",
    "created",
    "reference",
    "relation",
    "license",
    "event",
    "assertion",
    "abstract",
)


@given(st.text() | st.dictionaries(st.sampled_from(_KEYS), _VALUES, max_size=4))
def test_any_value_gives_a_document_or_an_error(values: str | dict[str, Any]) -> None:
    datum = values if isinstance(values, str) else json.dumps({"DOI": "10.1000/a", **values})
    with contextlib.suppress(TransformError):
        assert transform(datum).to_json()


def test_each_documented_field_is_filled() -> None:
    """The table of the documentation must not name a field that the transformer never fills."""
    document = work(
        "book",
        URL="https://doi.org/10.1000/abc",
        title=["A"],
        author=[{"name": "A"}],
        editor=[{"name": "A"}],
        publisher="P",
        issued=DAY,
        language="en",
        subject=["S"],
        abstract="A",
        container_title=["S"],
        funder=[{"name": "N"}],
        license=[{"URL": "https://x.org"}],
        reference=[{"unstructured": "R"}],
        link=[{"URL": "https://x.org/1"}],
        edition_number="1",
        source="Crossref",
        created=INSTANT,
        deposited=INSTANT,
    )
    filled = {*accounting.count_fields(document.as_dict())}
    assert {field for _, field in FIELDS} <= filled


@cache
def recorded_works() -> tuple[Record, ...]:
    return tuple(_recorded_works())


def _recorded_works() -> Iterator[Record]:
    for _, answer in recorded_answers():
        if answer["message-type"] == "work":
            yield _record(answer["message"]["DOI"], answer)
        elif answer["message-type"] == "work-list":
            for item in answer["message"]["items"]:
                yield _record(item["DOI"], item)


def _record(doi: str, datum: Any) -> Record:
    return Record(doi, None, False, json.dumps(datum, ensure_ascii=False))


@cache
def recorded_answers() -> tuple[tuple[str, dict[str, Any]], ...]:
    return tuple(_recorded_answers())


def _recorded_answers() -> Iterator[tuple[str, dict[str, Any]]]:
    for folder in FOLDERS:
        for path in sorted((DATA / folder).glob("*.json")):
            with contextlib.suppress(ValueError):
                answer = json.loads(path.read_text(encoding="utf-8"), parse_float=str)
                if isinstance(answer, dict) and "message-type" in answer:
                    yield path.read_text(encoding="utf-8"), answer


_REPEATED = re.compile(
    r"(?:message\.)?(?:author|editor)\.sequence|message-type"
    r"|(?:message\.)?(?:created|deposited|indexed|license\.start|update-to\.updated)\.(?:date-parts|date-time|timestamp)"
)


_MARK_UP = re.compile("<|&[#0-9A-Za-z]+;")
_TEXTS_WITH_MARK_UP = ("title", "abstract", "unstructured", "affiliation.name", "reference.DOI")


def is_in_another_form(leaf: accounting.Leaf) -> bool:
    """Return whether the tests above show what becomes of a value that the accounting does not find.

    The order, an instant written three times, the prefix of the DOI, two pages, a text with mark-up.
    """
    return (
        _REPEATED.fullmatch(leaf.path) is not None
        or leaf.text.startswith(("http://id.crossref.org/prefix/", "http://id.crossref.org/issn/"))
        or (leaf.path.endswith("page") and leaf.text.count("-") == 1)
        or (_MARK_UP.search(leaf.text) is not None and leaf.path.endswith(_TEXTS_WITH_MARK_UP))
    )


@pytest.mark.slow
@requires_recorded
def test_no_value_of_the_recorded_works_is_lost() -> None:
    transformer = CrossrefTransformer(CrossrefTransformer.Arguments())
    accounting.check("crossref", accounting.account_for(transformer, recorded_works(), is_in_another_form))


@requires_recorded
def test_no_value_of_some_recorded_works_is_lost() -> None:
    transformer = CrossrefTransformer(CrossrefTransformer.Arguments())
    some = recorded_works()[::20]
    account = accounting.account_for(transformer, some, is_in_another_form)
    assert account.lost == []
    assert account.records == len(some) > 150


@requires_recorded
def test_no_place_of_the_richest_recorded_works_is_read_and_dropped() -> None:
    """The type of an identifier is that of its value, whatever the record says."""
    short = [one for one in recorded_works() if len(one.blob) < _SHORT]
    richest = sorted(short, key=lambda one: len(json.loads(one.blob)), reverse=True)[:3]
    transformer = CrossrefTransformer(CrossrefTransformer.Arguments())
    lost = [path for one in richest for path in lost_in_json(transformer, json.loads(one.blob))]
    assert {path.rpartition(".")[2] for path in lost} <= {"id-type"}


_SHORT = 6000


@requires_recorded
def test_no_word_of_a_recorded_abstract_is_lost() -> None:
    texts = [json.loads(one.blob).get("abstract") for one in recorded_works()]
    count = 0
    for text in filter(None, texts):
        expected = without_blanks(html.unescape(re.sub(r"<\?.*?\?>|<[^>]*>", "", text, flags=re.DOTALL)))
        found = plain_text(" ".join(text.split()))
        # A few are not well-formed, and keep their mark-up.
        found = html.unescape(re.sub(r"<[^>]*>", "", found)) if re.search("<(?:jats:|/)", found) else found
        assert without_blanks(found) == expected
        count += 1
    assert count > 500


def without_blanks(text: str) -> str:
    return re.sub("^abstract", "", "".join(text.split()), flags=re.IGNORECASE)


@requires_recorded
def test_every_other_recorded_answer_is_an_error_that_names_its_type() -> None:
    count = 0
    for text, answer in recorded_answers():
        kind = answer["message-type"]
        if kind not in ("work", "work-list"):
            with pytest.raises(TransformError, match=f"of the type '{kind}', not a work"):
                transform(text)
            count += 1
    assert count > 30
