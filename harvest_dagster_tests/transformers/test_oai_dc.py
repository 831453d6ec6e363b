"""The Dublin Core of an OAI-PMH record, as servers write it."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster import plugins
from harvest_dagster.errors import TransformError
from harvest_dagster.transformers.document import Document, Text
from harvest_dagster.transformers.oai_dc import OaiDcTransformer

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


def test_it_is_registered_under_its_key() -> None:
    assert plugins.load(plugins.TRANSFORMERS, "oai_dc") is OaiDcTransformer


def test_prefixes_mean_nothing() -> None:
    """A server may call Dublin Core what it likes, and name no prefix at all."""
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
def test_containers_as_servers_write_them_are_read(container: str) -> None:
    assert transform(record(f"<oai:metadata>{container}</oai:metadata>")).title == "A"
    assert transform(container).title == "A"


def test_white_space_is_folded_and_blank_elements_are_nothing() -> None:
    blank = "<dc:title/><dc:creator> \n</dc:creator>"
    ours = transform(dublin_core(f"<dc:title>\n  A \t long\n  title\N{NO-BREAK SPACE}</dc:title>{blank}"))
    assert ours.titles == (Text("A long title"),)
    assert ours.creators == ()


def test_mark_up_inside_a_text_leaves_its_text() -> None:
    assert (
        transform(dublin_core("<dc:title>H<sub>2</sub>O <!-- x -->and<?y?> ice</dc:title>")).title
        == "H2O and ice"
    )


def test_text_escaped_twice_stays_as_it_is() -> None:
    """`&lt;i&gt;` may be mark-up, or a text about HTML."""
    assert transform(dublin_core("<dc:title>Q&amp;amp;A &amp;lt;i></dc:title>")).title == "Q&amp;A &lt;i>"


def test_language_scheme_and_resource_are_read_from_attributes() -> None:
    """OJS tells titles and keywords of several languages apart by `xml:lang` alone."""
    ours = transform(
        dublin_core(
            '<dc:title xml:lang="pt-BR">Um</dc:title>'
            f'<dc:subject {XSI} xsi:type="dcterms:LCSH">Water</dc:subject>'
            f'<dc:relation {RDF} rdf:resource=" urn:issn:0378-5955 "/>'
            '<dc:relation any="thing"/>'
        )
    )
    assert ours.titles == (Text("Um", language="pt-BR"),)
    assert ours.subjects == (Text("Water", vocabulary="LCSH"),)
    assert [(entry.scheme, entry.value) for entry in ours.related] == [("issn", "0378-5955")]


def test_an_empty_dublin_core_is_an_empty_document() -> None:
    """The schema of `oai_dc` allows it; a source that sends it has said all it has to say."""
    assert transform(dublin_core("")) == Document("oai:example.org:1")


def test_a_declared_encoding_does_not_matter() -> None:
    """The datum is text already; bytes of another encoding would make mojibake of it."""
    datum = '<?xml version="1.0" encoding="ISO-8859-1"?>' + dublin_core("<dc:title>Ä</dc:title>")
    assert transform(datum).title == "Ä"


@pytest.mark.parametrize(
    ("datum", "reason"),
    [
        ("", "no well-formed XML"),
        ("<record>", "no well-formed XML"),
        ("not XML", "no well-formed XML"),
        ("<record>\N{NULL}</record>", "no well-formed XML"),
        ("<record>\ud800</record>", "no well-formed XML"),
        (dublin_core("<dc:title>&nbsp;</dc:title>"), "no well-formed XML"),
        (record("<oai:header/>"), r"no <metadata> in <\{http://www.openarchives.org/OAI/2.0/\}record>"),
        (record("<oai:metadata/>"), "<metadata> is empty"),
        (record("<oai:metadata> text </oai:metadata>"), "<metadata> is empty"),
        (
            record('<oai:metadata><marc:record xmlns:marc="http://www.loc.gov/MARC21/slim"/></oai:metadata>'),
            r"the metadata are <\{http://www.loc.gov/MARC21/slim\}record>, not Dublin Core.*oai_dc`",
        ),
    ],
)
def test_what_cannot_be_transformed_says_why(datum: str, reason: str) -> None:
    """The message is all that the operator sees of one failure among a hundred thousand."""
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
def test_a_document_type_is_refused(declaration: str) -> None:
    """Entities are never expanded; left unexpanded they would drop text without a word."""
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
    """Anything else that is raised would end the batch, not the datum."""
    with contextlib.suppress(TransformError):
        assert transform(datum).to_json()


@given(st.lists(st.tuples(st.sampled_from(["title", "date", "identifier", "language", "rights"]), _TEXTS)))
def test_any_elements_give_a_document(elements: list[tuple[str, str]]) -> None:
    """No text of a known element may make its record fail."""
    ours = transform(dublin_core("".join(f"<dc:{name}>{text}</dc:{name}>" for name, text in elements)))
    said = [name for name, text in elements if text.split()]
    assert len(ours.titles) == said.count("title")
    assert len(ours.dates) == said.count("date")
    assert len(ours.languages) == said.count("language")
    assert len(ours.rights) == said.count("rights")
