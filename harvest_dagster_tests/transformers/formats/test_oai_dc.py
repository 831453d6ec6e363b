"""The Dublin Core of OAI-PMH records, as servers write it."""

from __future__ import annotations

import contextlib
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster import plugins
from harvest_dagster.errors import TransformError
from harvest_dagster.transformers.document import (
    Agent,
    Date,
    Description,
    Document,
    Identifier,
    Rights,
    Subject,
    Title,
    Unmapped,
)
from harvest_dagster.transformers.formats.oai_dc.transformer import OaiDcTransformer

OAI_DC = (
    'xmlns:oai_dc="http://www.openarchives.org/OAI/2.0/oai_dc/" xmlns:dc="http://purl.org/dc/elements/1.1/"'
)

XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
RDF = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'


def transform(datum: str) -> Document:
    return OaiDcTransformer(OaiDcTransformer.Arguments()).transform("oai:example.org:1", datum)


def record(content: str) -> str:
    return f'<oai:record xmlns:oai="http://www.openarchives.org/OAI/2.0/">{content}</oai:record>'


def dublin_core(elements: str) -> str:
    return record(f"<oai:header/><oai:metadata><oai_dc:dc {OAI_DC}>{elements}</oai_dc:dc></oai:metadata>")


def test_the_transformer_is_registered() -> None:
    assert plugins.load(plugins.TRANSFORMERS, "oai_dc") is OaiDcTransformer


def test_namespace_prefixes_have_no_meaning() -> None:
    """A server may use any prefix for Dublin Core, or none."""
    datum = record(
        '<m:metadata xmlns:m="http://www.openarchives.org/OAI/2.0/"><dc xmlns="http://www.openarchives.org/OAI/2.0/'
        'oai_dc/"><x:title xmlns:x="http://purl.org/dc/elements/1.1/">A</x:title></dc></m:metadata>'
    )
    assert transform(datum) == transform(dublin_core("<dc:title>A</dc:title>"))


@pytest.mark.parametrize(
    "container",
    [
        '<dc:dc xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>A</dc:title></dc:dc>',
        "<dc xmlns=''><title>A</title></dc>",
        '<q:qualifieddc xmlns:q="urn:q" xmlns:t="http://purl.org/dc/terms/"><t:title>A</t:title></q:qualifieddc>',
        '<dc xmlns="http://www.openarchives.org/OAI/2.0/oai_dc/"><title>A</title></dc>',
    ],
)
def test_the_containers_of_real_servers_are_accepted(container: str) -> None:
    assert transform(record(f"<oai:metadata>{container}</oai:metadata>")).title == "A"
    assert transform(container).title == "A"


def test_white_space_is_folded_and_empty_elements_are_left_out() -> None:
    blank = "<dc:title/><dc:creator> \n</dc:creator>"
    result = transform(dublin_core(f"<dc:title>\n  A \t long\n  title\N{NO-BREAK SPACE}</dc:title>{blank}"))
    assert result.titles == (Title("A long title"),)
    assert result.creators == ()


def test_mark_up_inside_a_text_is_removed() -> None:
    assert (
        transform(dublin_core("<dc:title>H<sub>2</sub>O <!-- x -->and<?y?> ice</dc:title>")).title
        == "H2O and ice"
    )


def test_text_that_was_escaped_twice_is_not_changed() -> None:
    """`&lt;i&gt;` may be mark-up, or text about HTML."""
    assert transform(dublin_core("<dc:title>Q&amp;amp;A &amp;lt;i></dc:title>")).title == "Q&amp;A &lt;i>"


def test_language_scheme_and_resource_are_read_from_attributes() -> None:
    """In OJS, only `xml:lang` distinguishes the languages of titles and keywords."""
    result = transform(
        dublin_core(
            '<dc:title xml:lang="pt-BR">Um</dc:title>'
            f'<dc:subject {XSI} xsi:type="dcterms:LCSH">Water</dc:subject>'
            f'<dc:relation {RDF} rdf:resource=" urn:issn:0378-5955 "/>'
            '<dc:relation any="thing"/>'
        )
    )
    assert result.titles == (Title("Um", language="pt-BR"),)
    assert result.subjects == (Subject("Water", vocabulary="LCSH"),)
    assert [item.identifiers for item in result.related] == [(Identifier("issn", "0378-5955"),)]
    assert result.unmapped == (Unmapped("dc/{http://purl.org/dc/elements/1.1/}relation[2]/@any", "thing"),)


def test_the_language_of_a_value_without_a_language_is_unmapped() -> None:
    """`xml:lang` of a creator was nowhere in the document. An agent and an identifier have no language."""
    result = transform(dublin_core('<dc:title>A</dc:title><dc:creator xml:lang="de-AT">Doe, J.</dc:creator>'))
    assert result.creators == (Agent("Doe, J."),)
    path = "dc/{http://purl.org/dc/elements/1.1/}creator/@{http://www.w3.org/XML/1998/namespace}lang"
    assert result.unmapped == (Unmapped(path, "de-AT"),)


JANEWAY = "<dc:date><dc:day>06</dc:day><dc:month>09</dc:month><dc:year>2019</dc:year></dc:date>"


def test_the_day_of_a_date_with_nested_elements_is_kept() -> None:
    """Janeway sends dates so (janeway#2012): `06092019` was stored, which no program can read."""
    assert transform(dublin_core(JANEWAY)).dates == (Date("2019-09-06", "06 09 2019"),)
    assert transform(dublin_core(re.sub("><", ">\n  <", JANEWAY))).dates == (
        Date("2019-09-06", "06 09 2019"),
    )


@pytest.mark.parametrize(
    ("inside", "text"),
    [
        ("<p>It ends here.</p><p>And begins.</p>", "It ends here. And begins."),
        ("<name>Jane</name><name>Doe</name>", "Jane Doe"),
        ("<a><name>Jane</name><name>Doe</name></a><a><name>R.</name><name>Roe</name></a>", "Jane Doe R. Roe"),
        ("One<br/>two", "One two"),
        ("Intro<p>One.</p><ul><li>two</li><li>three</li></ul>", "Intro One. two three"),
        ("<h:p xmlns:h='http://www.w3.org/1999/xhtml'>One</h:p><h:p xmlns:h='urn:h'>two</h:p>", "One two"),
        ("<p>H<sub>2</sub>O</p>", "H2O"),
        ("<i>H</i><sub>2</sub><sup>+</sup>", "H2+"),
        ("see <name>Doe</name>, <name>Roe</name>.", "see Doe, Roe."),
        ("<m:msub xmlns:m='http://www.w3.org/1998/Math/MathML'><m:mi>H</m:mi><m:mn>2</m:mn></m:msub>", "H2"),
    ],
)
def test_words_of_nested_elements_do_not_run_together(inside: str, text: str) -> None:
    """`JaneDoe` and `here.And` cannot be found by a search for words."""
    assert transform(dublin_core(f"<dc:description>{inside}</dc:description>")).descriptions == (
        Description(text),
    )


def test_values_nested_in_an_element_stay_separate() -> None:
    result = transform(
        dublin_core(
            "<dc:date xmlns:t='http://purl.org/dc/terms/'><t:issued>2016</t:issued><t:created>2015</t:created></dc:date>"
            "<dc:subject xml:lang='en'><dc:subject>A</dc:subject><dc:subject xml:lang='de'>B</dc:subject></dc:subject>"
            f"<dc:creator {RDF}><rdf:Seq><rdf:li>Doe, J.</rdf:li><rdf:li>Roe, R.</rdf:li></rdf:Seq></dc:creator>"
            "<dc:publisher><seq>A</seq></dc:publisher><dc:rights><dc:title>A</dc:title></dc:rights>"
        )
    )
    assert result.dates == (
        Date("2016", role="Issued", role_text="issued"),
        Date("2015", role="Created", role_text="created"),
    )
    assert result.subjects == (Subject("A", "en"), Subject("B", "de"))
    assert result.creators == (Agent("Doe, J."), Agent("Roe, R."))
    assert result.publisher == "A"
    assert result.rights == (Rights("A"),)


def test_two_containers_in_one_record_are_both_read() -> None:
    first = f"<oai_dc:dc {OAI_DC}><dc:title>A</dc:title></oai_dc:dc>"
    two = f"{first}<oai_dc:dc {OAI_DC}><dc:title>B</dc:title><dc:creator>Roe, R.</dc:creator></oai_dc:dc>"
    expected = transform(
        dublin_core("<dc:title>A</dc:title><dc:title>B</dc:title><dc:creator>Roe, R.</dc:creator>")
    )
    separate = two.replace("</oai_dc:dc><", "</oai_dc:dc></oai:metadata><oai:metadata><", 1)
    assert transform(record(f"<oai:metadata>{two}</oai:metadata>")) == expected
    assert transform(record(f"<oai:metadata>{separate}</oai:metadata>")) == expected
    assert transform(dublin_core(two)) == expected


def test_dublin_core_after_another_format_is_found() -> None:
    mods = "<m:mods xmlns:m='http://www.loc.gov/mods/v3'><m:title>B</m:title></m:mods>"
    datum = dublin_core("<dc:title>A</dc:title>").replace("<oai:metadata>", f"<oai:metadata>{mods}")
    assert transform(datum).titles == (Title("A"),)


FAIRCHIVE = (
    '<metadata xmlns="http://dublincore.org/documents/dcmi-terms/" xmlns:dc="http://purl.org/dc/elements/1.1/">'
    '<q:qualifieddc xmlns:q="http://worldcat.org/xmlschemas/qdc-1.0/"><dc:title>A</dc:title>'
    '<t:issued xmlns:t="http://purl.org/dc/terms/">2025</t:issued></q:qualifieddc></metadata>'
)


@pytest.mark.parametrize(
    "metadata",
    [
        FAIRCHIVE,
        f"<metadata>{FAIRCHIVE}</metadata>",
        re.sub("</?q:[^>]*>", "", FAIRCHIVE),
        f"<oai_dc:dc {OAI_DC}>{FAIRCHIVE}</oai_dc:dc>",
        f"<oai_dc:dc {OAI_DC}><oai_dc:dc><dc:title>A</dc:title><dc:issued>2025</dc:issued></oai_dc:dc></oai_dc:dc>",
        '<x:title xmlns:x="http://purl.org/dc/elements/1.1/">A</x:title><issued>2025</issued>',
    ],
)
def test_metadata_inside_metadata_is_read(metadata: str) -> None:
    """Fairchive sends it so (fairchive#2766): each of its records failed."""
    result = transform(record(f"<oai:metadata>{metadata}</oai:metadata>"))
    assert result.titles == (Title("A"),)
    assert result.dates == (Date("2025", role="Issued", role_text="issued"),)
    assert result.unmapped == ()


def test_elements_in_the_namespace_of_their_container_are_read() -> None:
    container = (
        '<dc xmlns="urn:x"><title>A</title><issued>2025</issued><o:title xmlns:o="urn:o">B</o:title></dc>'
    )
    result = transform(record(f"<oai:metadata>{container}</oai:metadata>"))
    assert (result.titles, result.dates) == (
        (Title("A"),),
        (Date("2025", role="Issued", role_text="issued"),),
    )
    assert [item.text for item in result.unmapped] == ["B"]


def test_https_namespaces_give_the_same_document() -> None:
    """The document had no title: all elements were unmapped (kitodo-presentation#1454)."""
    datum = dublin_core(
        f"<dc:title>A</dc:title><dc:relation {RDF} rdf:resource='urn:issn:0378-5955'/>"
        f"<dc:subject {XSI} xsi:type='dcterms:LCSH'>Water</dc:subject>"
    )
    assert transform(datum.replace('="http://', '="https://')) == transform(datum)
    assert transform(datum).unmapped == ()


@pytest.mark.parametrize(
    "elements", ["", "<dc:title/>", "<dc:title> \n</dc:title><dc:status/>", "<dc:title><p/></dc:title>"]
)
def test_a_document_without_any_value_is_not_a_success(elements: str) -> None:
    """The schema of `oai_dc` allows an empty container. A reader would take the empty document for the record."""
    with pytest.raises(TransformError, match=r"Dublin Core of the record is empty. The source must"):
        transform(dublin_core(elements))


def test_a_document_in_which_nothing_was_recognized_is_not_a_success() -> None:
    """Dryad has sent 159 records with nothing but a status. Each was a green document without a title."""
    with pytest.raises(TransformError) as raised:
        transform(dublin_core("<dc:status>Item is not available</dc:status><x>1</x><x>2</x>"))
    assert str(raised.value) == (
        "the record has no element of Dublin Core, only <{http://purl.org/dc/elements/1.1/}status>, <x>, beginning "
        "'Item is not available'. If the source sends another format, harvest with `metadata_prefix: oai_dc`, or name "
        "a transformer that reads this format. Otherwise the source must correct the record."
    )
    with pytest.raises(TransformError, match=r"only <\{http://www.openarchives.org/OAI/2.0/oai_dc/\}dc>"):
        transform(dublin_core("A text, and no element"))


def test_text_beside_the_elements_is_kept() -> None:
    result = transform(dublin_core("One <dc:title>A</dc:title> two"))
    assert [(item.path, item.text) for item in result.unmapped] == [
        ("{http://www.openarchives.org/OAI/2.0/oai_dc/}dc", "One two")
    ]


@pytest.mark.parametrize("name", ["oai:metadata", "oai_dc:dc", "dc:subject", "p"])
def test_a_deep_tree_gives_a_document_or_a_transform_error(name: str) -> None:
    """A RecursionError would say nothing about the record."""
    for depth in (200, 250, 2000, 100_000):
        with contextlib.suppress(TransformError):
            deep = f"<{name}>" * depth + "x" + f"</{name}>" * depth
            transform(dublin_core(f"<dc:title>A</dc:title>{deep}"))


def test_many_nested_elements_take_linear_time() -> None:
    started = time.process_time()
    transform(dublin_core(f"<dc:title>{'<p>A</p>' * 100_000}</dc:title>"))
    transform(dublin_core(f"<dc:date>{'<dc:date>2004</dc:date>' * 50_000}</dc:date>"))
    assert time.process_time() - started < 20  # it is about a second


def test_an_encoding_declaration_is_ignored() -> None:
    """The datum is already text. Decoding it again with another encoding would corrupt it."""
    datum = '<?xml version="1.0" encoding="ISO-8859-1"?>' + dublin_core("<dc:title>Ä</dc:title>")
    assert transform(datum).title == "Ä"


@pytest.mark.parametrize(
    ("datum", "reason"),
    [
        ("", "not well-formed XML"),
        ("<record>", "not well-formed XML"),
        ("not XML", "not well-formed XML"),
        ("<record>\N{NULL}</record>", "not well-formed XML"),
        ("<record>\ud800</record>", "not well-formed XML"),
        (dublin_core("<dc:title>&nbsp;</dc:title>"), "not well-formed XML"),
        (record("<oai:header/>"), r"no <metadata> in <\{http://www.openarchives.org/OAI/2.0/\}record>"),
        (record("<oai:metadata/>"), "<metadata> is empty"),
        (record("<oai:metadata> text </oai:metadata>"), "<metadata> is empty"),
        (record("<oai:metadata><oai:metadata/></oai:metadata>"), "<metadata> is empty"),
        (
            record("<oai:metadata><metadata><marc><title>A</title></marc></metadata></oai:metadata>"),
            "the metadata is <marc>, not Dublin Core",
        ),
        (
            record('<oai:metadata><marc:record xmlns:marc="http://www.loc.gov/MARC21/slim"/></oai:metadata>'),
            r"the metadata is <\{http://www.loc.gov/MARC21/slim\}record>, not Dublin Core.*oai_dc`",
        ),
    ],
)
def test_the_error_gives_the_reason(datum: str, reason: str) -> None:
    """Of one failure among a hundred thousand, the operator sees only this message."""
    with pytest.raises(TransformError, match=reason):
        transform(datum)


@pytest.mark.parametrize(
    "declaration",
    [
        '<!DOCTYPE r [<!ENTITY e "expanded">]>',
        '<!DOCTYPE r [<!ENTITY e SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE r SYSTEM "http://127.0.0.1:9/dtd">',
        "<!DOCTYPE r>",
    ],
)
def test_a_document_type_declaration_is_refused(declaration: str) -> None:
    """Entities are never expanded. An unexpanded entity would silently lose text."""
    entity = "&e;" if "ENTITY" in declaration else ""
    with pytest.raises(TransformError, match="document type"):
        transform(declaration + dublin_core(f"<dc:title>A{entity}</dc:title>"))


_NAMES = st.sampled_from(
    [
        "oai:record",
        "oai:metadata",
        "oai_dc:dc",
        "dc:title",
        "dc:date",
        "dc:identifier",
        "dc:rights",
        "dc:relation",
        "x",
    ]
)
_TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="<&"), max_size=40)
_ELEMENTS = st.recursive(
    _TEXTS,
    lambda inner: st.builds(
        lambda name, children: f"<{name}>{''.join(children)}</{name}>", _NAMES, st.lists(inner, max_size=4)
    ),
)


@given(
    st.text()
    | _ELEMENTS.map(lambda content: record(content).replace("<oai:record", f"<oai:record {OAI_DC}", 1))
)
def test_any_text_gives_a_document_or_a_transform_error(datum: str) -> None:
    """Any other error would end the whole batch and not only this datum."""
    with contextlib.suppress(TransformError):
        assert transform(datum).to_json()


@given(st.lists(st.tuples(st.sampled_from(["title", "date", "identifier", "language", "rights"]), _TEXTS)))
def test_any_elements_give_a_document(elements: list[tuple[str, str]]) -> None:
    """No text of a known element may make the record fail."""
    datum = dublin_core("".join(f"<dc:{name}>{text}</dc:{name}>" for name, text in elements))
    present = [name for name, text in elements if text.split()]
    if not present:
        with pytest.raises(TransformError, match="is empty"):
            transform(datum)
        return
    result = transform(datum)
    assert len(result.titles) == present.count("title")
    assert len(result.dates) == present.count("date")
    assert len(result.languages) == present.count("language")
    assert len(result.rights) == present.count("rights")


def test_elements_that_oai_pmh_does_not_have_are_kept() -> None:
    """Some servers add elements to the header or to the record, and mark up setSpecs."""
    document = transform(
        record(
            "<oai:header><oai:identifier>1</oai:identifier><oai:datestamp>2020-01-01</oai:datestamp>"
            "<oai:setSpec>a<b>:b</b></oai:setSpec><rights k='v'>closed</rights></oai:header>"
            f"<oai:metadata><oai_dc:dc {OAI_DC}><dc:title>A</dc:title></oai_dc:dc></oai:metadata><note>Seen</note>"
        )
    )
    assert document.provenance.sets == ("a:b",)
    found = [(one.path, one.text) for one in document.unmapped]
    assert found == [("rights/@k", "v"), ("rights", "closed"), ("note", "Seen")]
