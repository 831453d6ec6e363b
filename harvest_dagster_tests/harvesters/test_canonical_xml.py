"""Canonical XML: the same content is the same text, other content another one."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from harvest_dagster.harvesters.canonical_xml import PREFIXES, canonical, prefix_of
from harvest_dagster.harvesters.strict_xml import parse
from harvest_dagster_tests.harvesters.serializer import XSI_TYPE, Node, Style, TypeName, write

OAI_DC = "http://www.openarchives.org/OAI/2.0/oai_dc/"
DC = "http://purl.org/dc/elements/1.1/"
NAMESPACES = [
    "",
    OAI_DC,
    DC,
    "http://purl.org/dc/terms/",
    "urn:x:y",
    "relative/namespace",
    "http://q.test/?a=1&b=2",
]


def form(document: bytes | str) -> str:
    return canonical(parse(document.encode() if isinstance(document, str) else document, url="test:"))


def joined(children: list[str | Node]) -> tuple[str | Node, ...]:
    """Neighbouring texts are one text."""
    runs = groupby(children, key=lambda child: isinstance(child, str))
    return tuple(piece for is_text, run in runs for piece in (["".join(run)] if is_text else run))


letters = st.characters(
    codec="utf-8", exclude_categories=("Cs", "Cc", "Cn", "Co"), include_characters="\t\n\r"
)
texts = st.text(letters, min_size=1, max_size=8)
words = st.sampled_from(["a", "title", "é", "x-y", "xmlish"])
names = st.tuples(st.sampled_from(NAMESPACES), words)
types = st.builds(TypeName, st.sampled_from(NAMESPACES[1:]), words)
# The white space of an attribute of XML Schema is collapsed, so its values stand apart.
attributes = st.dictionaries(names, texts, max_size=3).flatmap(
    lambda plain: st.dictionaries(
        st.sampled_from([("xml", "lang"), ("xml", "id"), ("", "id")]), words, max_size=2
    ).map(lambda more: {**plain, **more})
)
typed = st.tuples(attributes, st.none() | types).map(
    lambda pair: tuple({**pair[0], **({XSI_TYPE: pair[1]} if pair[1] else {})}.items())
)
leaves = st.builds(Node, names, typed, st.lists(texts, max_size=1).map(tuple))


def grown(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    only_elements = st.lists(inner, min_size=1, max_size=4).map(tuple)
    with_text = st.lists(inner | texts, min_size=1, max_size=5).map(joined)
    preserving = typed.map(lambda given: ((("xml", "space"), "preserve"), *given))
    return st.builds(Node, names, typed, only_elements) | st.builds(
        Node, names, typed | preserving, with_text
    )


def content(node: Node, *, preserve: bool = False) -> Node:
    """What of a node is content: without white space alone beside elements."""
    preserve = preserve or (("xml", "space"), "preserve") in node.attributes
    children = list(node.children)
    beside = any(isinstance(child, Node) for child in children)
    if beside and not preserve and not "".join(c for c in children if isinstance(c, str)).strip(" \t\r\n"):
        children = [child for child in children if isinstance(child, Node)]
    inner = tuple(
        child if isinstance(child, str) else content(child, preserve=preserve) for child in children
    )
    return replace(node, attributes=tuple(sorted(node.attributes, key=lambda pair: pair[0])), children=inner)


def changed(node: Node, random: Random) -> Node:
    """The node with one small change, somewhere; not all of them are changes of content."""
    place = random.randrange(len(node.children) + 1)
    if place < len(node.children) and isinstance(node.children[place], Node):
        return replace(node, children=_put(node.children, place, changed(node.children[place], random)))
    if place < len(node.children):
        return replace(node, children=_put(node.children, place, node.children[place] + random.choice(" x&")))
    return random.choice(
        [
            replace(node, name=(random.choice(NAMESPACES), node.name[1])),
            replace(node, name=(node.name[0], node.name[1] + "z")),
            replace(node, attributes=node.attributes[1:]),
            replace(node, attributes=tuple(reversed(node.attributes))),
            replace(node, children=node.children[1:]),
            replace(node, children=tuple(reversed(node.children))),
            replace(node, children=joined([" ", *node.children])),
        ]
    )


def _put(children: tuple[str | Node, ...], place: int, child: str | Node) -> tuple[str | Node, ...]:
    return (*children[:place], child, *children[place + 1 :])


nodes = st.recursive(leaves, grown, max_leaves=8)
# Not st.randoms(): that draws every decision anew, which takes a hundred times as long.
randoms = st.integers(0, 2**32).map(Random)
styles = st.builds(Style, st.sampled_from(["utf-8", "utf-16", "iso-8859-1", "windows-1252"]))


@given(nodes, randoms, styles, styles)
def test_the_same_content_is_the_same_text_however_a_server_writes_it(node, random, one, other) -> None:
    """Lesson 28: namespace prefixes or key order changed, and every record was new (SHARE)."""
    assert form(write(node, random, one)) == form(write(node, random, other))


@given(nodes, randoms)
def test_other_content_is_another_text(node, random) -> None:
    """A change that leaves the hash as it was would never be stored."""
    other = changed(node, random)
    same = form(write(node, random)) == form(write(other, random))
    assert same == (content(node) == content(other))


@given(nodes, randoms)
def test_the_canonical_form_of_a_canonical_form_is_itself(node, random) -> None:
    """Data that was exported and read again must not be new."""
    text = form(write(node, random))
    assert form(text) == text


def alike(one: str, other: str) -> bool:
    return form(one) == form(other)


def test_mixed_content_keeps_its_white_space() -> None:
    """libxml2's own blank removal joins the words of <p><b>a</b> <i>b</i> c</p>."""
    assert form("<p><b>a</b> <i>b</i> c</p>") == "<p><b>a</b> <i>b</i> c</p>"


@pytest.mark.parametrize("text", ["\N{NO-BREAK SPACE}", "\N{IDEOGRAPHIC SPACE}", "\N{LINE SEPARATOR}"])
def test_only_the_white_space_of_xml_is_white(text) -> None:
    """A no-break space is content, whatever Python's str.strip() says."""
    assert form(f"<a>{text}<b/></a>") == f"<a>{text}<b></b></a>"


def test_a_leaf_keeps_its_text_as_it_is() -> None:
    assert not alike("<a><b> x</b></a>", "<a><b>x</b></a>")
    assert not alike("<a><b> </b></a>", "<a><b></b></a>")


def test_space_preserve_reaches_down_until_default() -> None:
    text = '<a xml:space="preserve"> <b> <c></c> </b> <d xml:space="default"><e></e></d> </a>'
    assert form(text.replace('<d xml:space="default"><e>', "<d xml:space='default'>  <e>")) == text


def test_the_prefix_of_a_type_follows_its_namespace() -> None:
    """A type with the server's prefix is lost, or a new record every day."""
    written = (
        '<{0}:a xmlns:{0}="urn:x" xmlns:{1}="http://www.w3.org/2001/XMLSchema-instance" {1}:type=" {0}:T\n"/>'
    )
    prefix = prefix_of("urn:x")
    xsi = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    expected = f'<{prefix}:a xmlns:{prefix}="urn:x" {xsi} xsi:type="{prefix}:T"></{prefix}:a>'
    assert form(written.format("p", "q")) == form(written.format("v", "w")) == expected


def test_a_type_without_prefix_is_of_the_default_namespace() -> None:
    xsi = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    assert alike(f'<a xmlns="urn:x" {xsi} xsi:type="T"/>', f'<p:a xmlns:p="urn:x" {xsi} xsi:type="p:T"/>')
    assert not alike(f'<a xmlns="urn:x" {xsi} xsi:type="T"/>', f'<p:a xmlns:p="urn:x" {xsi} xsi:type="T"/>')
    assert form(f'<a {xsi} xsi:type="gone:T"/>') == f'<a {xsi} xsi:type="gone:T"></a>'


def test_a_schema_location_may_be_wrapped() -> None:
    xsi = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    assert alike(f'<a {xsi} xsi:schemaLocation="u v"/>', f'<a {xsi} xsi:schemaLocation="\n u\n   v"/>')


def test_no_two_well_known_namespaces_share_a_prefix() -> None:
    """Their elements would be the same text."""
    assert len(set(PREFIXES.values())) == len(PREFIXES)
    assert not any(prefix.startswith("ns_") for prefix in PREFIXES.values())


def test_an_entity_that_is_not_resolved_is_refused() -> None:
    """Its text would be missing from the blob without a trace."""
    parser = etree.XMLParser(resolve_entities=False)
    root = etree.fromstring(b'<!DOCTYPE a [<!ENTITY e "text">]><a>before &e; after</a>', parser)
    with pytest.raises(ValueError, match="entity"):
        canonical(root)


def test_the_form_itself_never_changes() -> None:
    """Every stored hash depends on it: who changes this test must raise VERSION of the harvesters."""
    document = (
        '<r:record xmlns:r="http://www.openarchives.org/OAI/2.0/"><r:metadata>\n'
        f'<dc xmlns="{OAI_DC}" xmlns:d="{DC}"><d:title xml:lang="de" z="&quot;&#9;&lt;" a="1">A &amp; B &gt; '
        'C&#13;</d:title>\n<x:y xmlns:x="urn:unknown"/></dc></r:metadata></r:record>'
    )
    assert form(document) == (
        f'<oai:record xmlns:dc="{DC}" xmlns:ns_e029be56bebc="urn:unknown" '
        f'xmlns:oai="http://www.openarchives.org/OAI/2.0/" xmlns:oai_dc="{OAI_DC}"><oai:metadata><oai_dc:dc>'
        '<dc:title a="1" xml:lang="de" z="&quot;&#x9;&lt;">A &amp; B &gt; C&#xD;</dc:title>'
        "<ns_e029be56bebc:y></ns_e029be56bebc:y></oai_dc:dc></oai:metadata></oai:record>"
    )
