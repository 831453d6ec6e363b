"""A record that is read without a tree gives the same document as its tree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster.errors import TransformError
from harvest_dagster.harvesters.formats.canonical_xml import canonical_xml
from harvest_dagster.harvesters.formats.strict_xml import parse_xml
from harvest_dagster.transformers.formats.oai_dc import record
from harvest_dagster.transformers.formats.oai_dc.canonical_record import read_canonical
from harvest_dagster_tests.recorded import requires_recorded
from harvest_dagster_tests.transformers.formats.test_recorded_dublin_core import records

_DECLARATIONS = (
    ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/"'
    ' xmlns:oai="http://www.openarchives.org/OAI/2.0/"'
    ' xmlns:oai_dc="http://www.openarchives.org/OAI/2.0/oai_dc/"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)
_SCHEMA = ' xsi:schemaLocation="http://www.openarchives.org/OAI/2.0/oai_dc/ oai_dc.xsd"'
_HEADER = "<oai:identifier>oai:x:1</oai:identifier><oai:setSpec>a</oai:setSpec>"
_TITLE = "<dc:title>A &amp; B</dc:title>"


def blob(
    content: str = _TITLE, header: str = _HEADER, declarations: str = _DECLARATIONS, end: str = ""
) -> str:
    return (
        f"<oai:record{declarations}><oai:header>{header}</oai:header><oai:metadata><oai_dc:dc{_SCHEMA}>{content}"
        f"</oai_dc:dc></oai:metadata>{end}</oai:record>"
    )


def from_tree(datum: str) -> str:
    try:
        return record._read_tree("1", datum).to_json()
    except TransformError as error:
        return str(error)


def document(datum: str) -> str:
    try:
        return record.read_document("1", datum).to_json()
    except TransformError as error:
        return str(error)


_NAMES = st.sampled_from([
    *("dc:title", "dc:date", "dc:identifier", "dc:creator", "dc:language", "dc:rights", "dc:type", "dc:Subject"),
    *("dcterms:issued", "dcterms:bibliographicCitation", "oai_dc:title", "dc:dc", "dc:metadata", "x:title", "xml:x"),
])  # fmt: skip
_TEXTS = st.one_of(
    st.sampled_from([
        *("2004-10-02", "https://doi.org/10.1000/ABC", "info:eu-repo/semantics/openAccess", "eng", "a  b", " a", ""),
        *("&amp;", "&lt;b&gt;", "&quot;", "&#xD;", "&nbsp;", "]]>", "a > b", "\x85", "\xa0a"),
        *("\r", "\t\n", "\ufffe", "\x07"),
        *("<dc:date>2004</dc:date>", "<!-- a -->", "<b/>", "\ud800", "\U0010ffff", "é\u2028"),
    ]),
    st.text(st.characters(exclude_characters="<&"), max_size=20),
)  # fmt: skip
_ATTRIBUTES = st.sampled_from(
    [
        "",
        "",
        "",
        ' xml:lang="en"',
        ' xml:lang=""',
        ' xml:lang=" de  "',
        ' xml:lang="&amp;"',
        ' xsi:type="dcterms:W3CDTF"',
        " x",
    ]
)
_ELEMENTS = st.builds(
    lambda name, attribute, text, between: f"<{name}{attribute}>{text}</{name}>{between}",
    _NAMES,
    _ATTRIBUTES,
    _TEXTS,
    st.sampled_from(["", "", "", "", " ", "a"]),
)


@given(elements=st.lists(_ELEMENTS, max_size=6), broken=st.sampled_from(["", "", "<", "</dc:title>"]))
def test_any_record_gives_the_document_of_its_tree(elements: list[str], broken: str) -> None:
    """A document must not depend on the way in which its record is read."""
    datum = blob("".join(elements) + broken)
    assert document(datum) == from_tree(datum)


@pytest.mark.parametrize(
    "datum",
    [
        blob(),
        blob('<dc:title xml:lang="en">A</dc:title><dc:creator></dc:creator>'),
        blob("<dcterms:issued>2004</dcterms:issued><dc:title>A\u2028\xa0 B\n</dc:title>"),
        blob(header=""),
    ],
)
def test_a_usual_record_needs_no_tree(datum: str) -> None:
    """The tree takes most of the time of a transform."""
    assert read_canonical(datum) is not None
    assert document(datum) == from_tree(datum)


@pytest.mark.parametrize(
    "datum",
    [
        blob(""),
        blob("<dc:nothing>A</dc:nothing>"),
        blob('<dc:creator xml:lang="en">A</dc:creator>'),
        blob(_TITLE + " "),
        blob("<dc:date><dcterms:issued>2004</dcterms:issued></dc:date>"),
        blob(header="<oai:identifier>1</oai:identifier><oai:other>2</oai:other>"),
        blob(header='<oai:setSpec a="b">1</oai:setSpec>'),
        blob(declarations=_DECLARATIONS.replace(":dc=", ":dc2=")),
        blob(declarations=_DECLARATIONS.replace(":xsi=", ":xsi2=")),
        blob(declarations=_DECLARATIONS + ' xmlns:dc="http://purl.org/dc/terms/"'),
        blob(
            declarations=_DECLARATIONS.replace(
                "http://www.w3.org/2001/XMLSchema-instance", "http://example.org/"
            )
        ),
        blob(declarations=_DECLARATIONS + ' a="b"'),
        blob(end="<oai:about><oai:x>A</oai:x></oai:about>"),
        blob()[:-1],
        blob() + " ",
        blob("<dc:title>" + "A" * 1_000_000 + "</dc:title>"),
        "",
        "A",
    ],
)
def test_any_other_record_is_read_from_its_tree(datum: str) -> None:
    """Its errors, its leftovers and its nested elements are known only to the tree."""
    assert read_canonical(datum) is None
    assert document(datum) == from_tree(datum)


def test_the_canonical_form_needs_no_tree() -> None:
    """If the canonical form and its reader differ, each record is read from its tree, and nobody notices."""
    source = (
        b'<record xmlns="http://www.openarchives.org/OAI/2.0/"><header>\n<setSpec>a</setSpec>\n</header>'
        b'<metadata><d:dc xmlns:d="http://www.openarchives.org/OAI/2.0/oai_dc/" xmlns="http://purl.org/dc/elements/1.1/">\n'
        b'<title xml:lang="en">A</title>\n<date>2004</date></d:dc></metadata></record>'
    )
    datum = canonical_xml(parse_xml(source, url="https://example.org/oai"))
    assert read_canonical(datum) is not None
    assert document(datum) == from_tree(datum)


@requires_recorded
@pytest.mark.parametrize("folder", ["scythe_zenodo_oai", "mit_oai"])
def test_recorded_records_give_the_documents_of_their_trees(folder: str) -> None:
    """Real sources send what no generated record has."""
    found = [one.blob for one in records(folder) if not one.deleted and "/oai_dc/" in one.blob]
    assert all(document(datum) == from_tree(datum) for datum in found)
    assert sum(read_canonical(datum) is not None for datum in found) > len(found) / 2
