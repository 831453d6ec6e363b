"""The formats of arXiv: `arXiv`, `arXivRaw` and `arXivOld` of OAI-PMH, and the entries of the Atom API.

No response in the three formats of OAI-PMH was recorded. The records here follow arXiv's documentation.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from harvest_dagster import plugins
from harvest_dagster.errors import TransformError
from harvest_dagster.harvesters.formats.canonical_xml import canonical_xml
from harvest_dagster.records import Record
from harvest_dagster.transformers.document import (
    Affiliation,
    Agent,
    Date,
    Description,
    Document,
    File,
    Identifier,
    Related,
    Rights,
    Subject,
    Title,
    Unmapped,
    Version,
)
from harvest_dagster.transformers.formats.arxiv.authors import parse_authors
from harvest_dagster.transformers.formats.arxiv.transformer import FIELDS, ArxivTransformer
from harvest_dagster_tests.recorded import recordings, requires_recorded
from harvest_dagster_tests.transformers import accounting
from harvest_dagster_tests.transformers.injection import lost_in_xml

ARXIV = """
<arXiv xmlns="http://arxiv.org/OAI/arXiv/"><id>0704.0001</id><created>2007-04-02</created><updated>2007-07-24</updated>
<authors><author><keyname>Doe</keyname><forenames>Jane</forenames><suffix>Jr.</suffix><affiliation>A</affiliation>
<affiliation>B</affiliation></author><author><keyname>X Collaboration</keyname></author></authors>
<title>On  examples</title><categories>hep-ph math.CO</categories><comments>37 pages</comments><proxy>ccsd hal-1</proxy>
<report-no>ANL-07-12, X-1</report-no><msc-class>82B20 (Primary); 82B23</msc-class><acm-class>F.2.2</acm-class>
<journal-ref>Phys.Rev.D76:013009,2007</journal-ref><doi>10.1103/PhysRevD.76.013009</doi>
<license>http://creativecommons.org/licenses/by/4.0/</license><abstract>A text.</abstract><new>thing</new></arXiv>
"""

RAW = """
<arXivRaw xmlns="http://arxiv.org/OAI/arXivRaw/"><id>hep-th/9901001</id><submitter>Jane Doe</submitter>
<version version="v1"><date>Mon, 2 Apr 2007 19:18:42 GMT</date><size>245kb</size><source_type>D</source_type></version>
<version version="v2"><date>Tue, 24 Jul 2007 20:10:27 +0200</date><size>287kb</size></version>
<title>A</title><authors>J. Doe (1), R. Roe, Jr. (1 and 2) ((1) MIT, (2) CERN)</authors></arXivRaw>
"""

ENTRY = """
<entry xmlns="http://www.w3.org/2005/Atom" xmlns:arxiv="http://arxiv.org/schemas/atom">
<id>http://arxiv.org/abs/1707.08567v3</id><title>A</title><updated>2017-07-28T08:18:33Z</updated>
<published>2017-07-27T08:18:33Z</published><summary>Text.</summary>
<link href="https://arxiv.org/abs/1707.08567v3" rel="alternate" type="text/html"/>
<link href="https://arxiv.org/pdf/1707.08567v3" rel="related" type="application/pdf" title="pdf"/>
<link href="https://doi.org/10.1000/ABC" rel="related" title="doi"/>
<category term="math.IT" scheme="http://arxiv.org/schemas/atom"/>
<category term="cs.IT" scheme="http://arxiv.org/schemas/atom"/><arxiv:primary_category term="cs.IT"/>
<arxiv:comment>44 pages</arxiv:comment><arxiv:journal_ref>J. 1</arxiv:journal_ref><arxiv:doi>10.1000/abc</arxiv:doi>
<author><name>Jane Doe</name><arxiv:affiliation>MIT</arxiv:affiliation></author></entry>
"""


def transform(metadata: str) -> Document:
    return ArxivTransformer(ArxivTransformer.Arguments()).transform("oai:example.org:1", metadata)


def author(name: str, *affiliations: str, suffix: str | None = None) -> Agent:
    return Agent(
        name,
        suffix=suffix,
        role="aut",
        role_text="author",
        affiliations=tuple(map(Affiliation, affiliations)),
    )


def test_the_transformer_is_registered() -> None:
    assert plugins.load(plugins.TRANSFORMERS, "arxiv") is ArxivTransformer


def test_every_element_of_the_format_has_its_field() -> None:
    result = transform(
        '<record xmlns="http://www.openarchives.org/OAI/2.0/"><header><setSpec>physics:hep-ph</setSpec></header>'
        f"<metadata>{ARXIV}</metadata></record>"
    )
    assert result.identifiers == (
        Identifier("arxiv", "0704.0001"),
        Identifier("other", "ANL-07-12", "report-no"),
        Identifier("other", "X-1", "report-no"),
    )
    assert result.dates == (
        Date("2007-04-02", role="Created", role_text="created"),
        Date("2007-07-24", role="Updated", role_text="updated"),
    )
    assert result.creators == (
        Agent(
            "Doe, Jane",
            given="Jane",
            family="Doe",
            suffix="Jr.",
            role="aut",
            role_text="author",
            affiliations=(Affiliation("A"), Affiliation("B")),
        ),
        author("X Collaboration"),
    )
    assert result.titles == (Title("On examples"),)
    assert result.subjects == (
        Subject("hep-ph", vocabulary="arXiv", code="hep-ph"),
        Subject("math.CO", vocabulary="arXiv", code="math.CO"),
        Subject("82B20 (Primary)", vocabulary="MSC", code="82B20"),
        Subject("82B23", vocabulary="MSC", code="82B23"),
        Subject("F.2.2", vocabulary="ACM", code="F.2.2"),
    )
    assert result.descriptions == (
        Description("37 pages", role="comments"),
        Description("A text.", role="Abstract"),
    )
    assert result.related == (
        Related(
            "IsVersionOf",
            "journal-ref",
            (Identifier("doi", "10.1103/physrevd.76.013009"),),
            "Phys.Rev.D76:013009,2007",
        ),
    )
    assert result.rights == (
        Rights(
            "http://creativecommons.org/licenses/by/4.0/",
            license="https://creativecommons.org/licenses/by/4.0/",
        ),
    )
    assert (result.provenance.agencies, result.provenance.sets) == (("ccsd hal-1",), ("physics:hep-ph",))
    assert result.provenance.format == "http://arxiv.org/OAI/arXiv/"
    assert result.unmapped == (Unmapped("arXiv/new", "thing"),)


def test_the_versions_of_arxiv_raw_give_the_dates_and_the_version() -> None:
    result = transform(RAW)
    first, last = Date("2007-04-02T19:18:42Z", "Mon, 2 Apr 2007 19:18:42 GMT"), "2007-07-24T18:10:27Z"
    text = "Tue, 24 Jul 2007 20:10:27 +0200"
    assert result.versions == (
        Version("v1", first, text="size: 245kb, source_type: D"),
        Version("v2", Date(last, text), text="size: 287kb"),
    )
    assert result.dates == (
        Date(first.value, first.text, "Submitted", "version"),
        Date(last, text, "Updated", "version"),
    )
    assert result.version == "v2"
    assert result.identifiers == (Identifier("arxiv", "hep-th/9901001"),)
    assert result.contributors == (Agent("Jane Doe", role="dpt", role_text="submitter"),)
    assert result.creators == (author("J. Doe", "MIT"), author("R. Roe", "MIT", "CERN", suffix="Jr."))
    assert result.unmapped == ()


def test_one_version_is_no_update() -> None:
    result = transform("<arXivRaw><version version='v1'><date>yesterday</date></version></arXivRaw>")
    assert result.dates == (Date(None, "yesterday", "Submitted", "version"),)


def test_arxiv_old_is_read_like_the_others() -> None:
    old = RAW.replace("arXivRaw", "arXivOld")
    assert transform(old).creators == transform(RAW).creators
    assert transform(old).provenance.format == "http://arxiv.org/OAI/arXivOld/"
    assert transform(old.replace("http:", "https:")).titles == (Title("A"),)


def test_an_entry_of_the_atom_api() -> None:
    result = transform(ENTRY)
    assert result.identifiers == (Identifier("arxiv", "1707.08567v3"),)
    assert result.version == "v3"
    assert result.links == ("http://arxiv.org/abs/1707.08567v3", "https://arxiv.org/abs/1707.08567v3")
    assert result.dates == (
        Date("2017-07-28T08:18:33Z", role="Updated", role_text="updated"),
        Date("2017-07-27T08:18:33Z", role="Issued", role_text="published"),
    )
    assert result.files == (
        File("https://arxiv.org/abs/1707.08567v3", format="text/html", description="alternate"),
        File(
            "https://arxiv.org/pdf/1707.08567v3", name="pdf", format="application/pdf", description="related"
        ),
    )
    scheme = "http://arxiv.org/schemas/atom"
    assert result.subjects == (
        Subject("cs.IT", None, scheme, "cs.IT"),
        Subject("math.IT", None, scheme, "math.IT"),
    )
    assert result.related == (
        Related("IsVersionOf", "journal-ref", (Identifier("doi", "10.1000/abc"),), "J. 1"),
    )
    assert result.creators == (author("Jane Doe", "MIT"),)
    assert [one.role for one in result.descriptions] == ["Abstract", "comments"]
    assert result.unmapped == ()


def test_a_primary_category_that_is_not_repeated_is_kept() -> None:
    datum = ENTRY.replace('<arxiv:primary_category term="cs.IT"/>', '<arxiv:primary_category term="cs.LG"/>')
    assert [one.text for one in transform(datum).subjects] == ["cs.LG", "math.IT", "cs.IT"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("C. Bal\N{LATIN SMALL LETTER A WITH ACUTE}zs, E. L. Berger and C.-P. Yuan", 3),
        ("A. Doe, B. Roe, and C. Poe", 3),
        ("A. Doe; B. Roe", 2),
        ("Alexander Anderson", 1),
        ("the X and Y", 2),
    ],
)
def test_names_are_separated_by_commas_and_by_and(text: str, expected: int) -> None:
    assert len(parse_authors(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "A. Doe (1), B. Roe (2)",
        "A. Doe (MIT",
        "A. Doe (MIT) junior",
        "A. Doe,, B. Roe",
        "A. Doe (1) ((2) MIT)",
    ],
)
def test_authors_against_the_rules_stay_one_text(text: str) -> None:
    """A wrong affiliation is worse than none."""
    assert parse_authors(text) == [author(text)]


def test_affiliations_as_text_belong_to_the_name_before_them() -> None:
    assert parse_authors("A. Doe (MIT, Cambridge (USA)), B. Roe") == [
        author("A. Doe", "MIT, Cambridge (USA)"),
        author("B. Roe"),
    ]


def test_an_error_of_the_api_is_not_a_document() -> None:
    """The API sends errors as entries with a title. Each would be a record named `Error`."""
    datum = (
        '<entry xmlns="http://www.w3.org/2005/Atom"><id>https://arxiv.org/api/errors#x</id><title>Error</title>'
        "<summary>incorrect id format</summary></entry>"
    )
    with pytest.raises(TransformError, match="error of arXiv's API: 'incorrect id format'"):
        transform(datum)


@pytest.mark.parametrize(
    ("datum", "reason"),
    [
        ("{}", "not well-formed XML"),
        ("<dc><title>A</title></dc>", "the metadata is <dc>, not a format of arXiv"),
        ("<arXiv/>", "the metadata of the record is empty"),
        ("<arXiv><x>y</x></arXiv>", "recognizes nothing in the record, only arXiv/x"),
    ],
)
def test_the_error_gives_the_reason(datum: str, reason: str) -> None:
    with pytest.raises(TransformError, match=reason):
        transform(datum)


def test_the_table_of_fields_names_fields_that_the_examples_have() -> None:
    """The table becomes the documentation."""
    examples = [transform(datum).as_dict() for datum in (ARXIV, RAW, ENTRY)]
    for _, names in FIELDS:
        for name in names.split(", "):
            outer, _, inner = name.partition(".")
            assert any(one[outer][inner] if inner else one[outer] for one in examples), name


_ELEMENTS = st.sampled_from(
    ["id", "authors", "author", "name", "version", "date", "doi", "categories", "msc-class", "link", "x"]
)
_TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="<&"), max_size=20)


@given(st.text() | st.lists(st.tuples(_ELEMENTS, _ELEMENTS, _TEXTS), max_size=5))
def test_any_text_gives_a_document_or_a_transform_error(content: str | list[tuple[str, str, str]]) -> None:
    if isinstance(content, list):
        inside = "".join(f"<{name}>{text}<{one}>{text}</{one}></{name}>" for name, one, text in content)
        content = f"<arXivRaw>{inside}</arXivRaw>"
    with contextlib.suppress(TransformError):
        assert transform(content).to_json()


@given(_TEXTS | st.text("(),; 1aand", max_size=30))
def test_any_text_of_authors_gives_agents(text: str) -> None:
    assert bool(parse_authors(text)) == bool(text)


def entries() -> Iterator[Record]:
    """Yield the recorded entries of the API, each with the blob that the harvester `feed` makes."""
    for recording in recordings("arxiv_atom", "findpapers_2026_samples"):
        if "feed" in recording.flags:
            for entry in etree.fromstring(recording.body).iter("{http://www.w3.org/2005/Atom}entry"):
                identifier = entry.findtext("{http://www.w3.org/2005/Atom}id") or ""
                yield Record(identifier, None, False, canonical_xml(entry))


def test_no_place_of_a_record_is_read_and_dropped() -> None:
    transformer = ArxivTransformer(ArxivTransformer.Arguments())
    assert [place for datum in (ARXIV, RAW, ENTRY) for place in lost_in_xml(transformer, datum)] == []


def test_each_record_of_arxiv_is_a_preprint() -> None:
    """No element says so. Without it, a search for preprints finds those of bioRxiv only."""
    assert [transform(datum).kind for datum in (ARXIV, RAW, ENTRY)] == 3 * ["Preprint"]


@requires_recorded
def test_no_value_of_a_recorded_entry_is_lost() -> None:
    account = accounting.account_for(ArxivTransformer(ArxivTransformer.Arguments()), entries())
    accounting.check("arxiv", account)
    assert account.leaves["unmapped"] == 0
