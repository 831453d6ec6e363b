"""Canonical XML: the same content gives the same text, and different content gives a different text."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from harvest_dagster.harvesters.formats import canonical_xml as canonical_module
from harvest_dagster.harvesters.formats.canonical_xml import PREFIXES, canonical_xml, prefix_of
from harvest_dagster.harvesters.formats.strict_xml import parse_xml
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


def canonical_form(document: bytes | str) -> str:
    return canonical_xml(parse_xml(document.encode() if isinstance(document, str) else document, url="test:"))


def joined(children: list[str | Node]) -> tuple[str | Node, ...]:
    """Join neighbouring texts into one text."""
    runs = groupby(children, key=lambda child: isinstance(child, str))
    return tuple(child for is_text, run in runs for child in (["".join(run)] if is_text else run))


letters = st.characters(
    codec="utf-8", exclude_categories=("Cs", "Cc", "Cn", "Co"), include_characters="\t\n\r"
)
texts = st.text(letters, min_size=1, max_size=8)
words = st.sampled_from(["a", "title", "é", "x-y", "xmlish"])
names = st.tuples(st.sampled_from(NAMESPACES), words)
types = st.builds(TypeName, st.sampled_from(NAMESPACES[1:]), words)
# `xsi:` attributes are drawn separately, because the canonical form collapses their white space.
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
    """Return a node without attribute order and indentation, which are no content."""
    preserve = preserve or (("xml", "space"), "preserve") in node.attributes
    children = list(node.children)
    has_elements = any(isinstance(child, Node) for child in children)
    if (
        has_elements
        and not preserve
        and all("\n" in c and not c.strip(" \t\r\n") for c in children if isinstance(c, str))
    ):
        children = [child for child in children if isinstance(child, Node)]
    inner = tuple(
        child if isinstance(child, str) else content(child, preserve=preserve) for child in children
    )
    return replace(node, attributes=tuple(sorted(node.attributes, key=lambda pair: pair[0])), children=inner)


def changed(node: Node, random: Random) -> Node:
    """Return the node with one small change. Not every such change is a change of content."""
    place = random.randrange(len(node.children) + 1)
    if place < len(node.children) and isinstance(node.children[place], Node):
        return replace(
            node, children=_replace_child(node.children, place, changed(node.children[place], random))
        )
    if place < len(node.children):
        return replace(
            node, children=_replace_child(node.children, place, node.children[place] + random.choice(" \nx&"))
        )
    return random.choice(
        [
            replace(node, name=(random.choice(NAMESPACES), node.name[1])),
            replace(node, name=(node.name[0], node.name[1] + "z")),
            replace(node, attributes=node.attributes[1:]),
            replace(node, attributes=tuple(reversed(node.attributes))),
            replace(node, children=node.children[1:]),
            replace(node, children=tuple(reversed(node.children))),
            replace(node, children=joined([random.choice(" \n"), *node.children])),
        ]
    )


def _replace_child(children: tuple[str | Node, ...], place: int, child: str | Node) -> tuple[str | Node, ...]:
    return (*children[:place], child, *children[place + 1 :])


nodes = st.recursive(leaves, grown, max_leaves=8)
# Not st.randoms(): it draws every single decision, which takes a hundred times as long.
randoms = st.integers(0, 2**32).map(Random)
styles = st.builds(Style, st.sampled_from(["utf-8", "utf-16", "iso-8859-1", "windows-1252"]))


@given(nodes, randoms, styles, styles)
def test_the_same_content_gives_the_same_text_in_every_serialization(node, random, first, second) -> None:
    """Otherwise every record counts as changed when the server changes its prefixes, as happened to SHARE.

    See docs/failures.md#noise-counts-as-change.
    """
    assert canonical_form(write(node, random, first)) == canonical_form(write(node, random, second))


@given(nodes, randoms)
def test_different_content_gives_a_different_text(node, random) -> None:
    """Otherwise a change keeps the old hash and is never stored."""
    other = changed(node, random)
    same = canonical_form(write(node, random)) == canonical_form(write(other, random))
    assert same == (content(node) == content(other))


@given(nodes, randoms)
def test_a_canonical_form_is_its_own_canonical_form(node, random) -> None:
    """Otherwise data that was exported and imported counts as changed."""
    text = canonical_form(write(node, random))
    assert canonical_form(text) == text


def same_form(first: str, second: str) -> bool:
    return canonical_form(first) == canonical_form(second)


@pytest.mark.parametrize("text", [" ", "\t", " \t ", "&#13;", "\N{NO-BREAK SPACE}"])
def test_white_space_between_inline_elements_is_content(text: str) -> None:
    """<b>Homo</b> <i>sapiens</i> became "Homosapiens"."""
    with_text = f"<title>\n  <b>Homo</b>{text}<i>sapiens</i>\n</title>"
    assert canonical_form(with_text) == with_text.replace("&#13;", "&#xD;")
    assert not same_form(
        f"<title><b>Homo</b>{text}<i>sapiens</i></title>", "<title><b>Homo</b><i>sapiens</i></title>"
    )


@pytest.mark.parametrize("text", ["\n", "\n\t", " \n  ", "\r\n"])
def test_indentation_is_no_content(text: str) -> None:
    """Otherwise every record counts as changed when a server begins to indent its XML."""
    assert canonical_form(f"<a>{text}<b/>{text}<c>x</c>{text}</a>") == "<a><b></b><c>x</c></a>"


def test_two_namespaces_never_share_a_generated_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    """An element of one namespace would have the same canonical form as an element of the other."""
    monkeypatch.setattr(canonical_module, "_SHORT", 1)
    monkeypatch.setattr(canonical_module.prefix_of, "__defaults__", (1,))
    first, second = "urn:7", "urn:10"
    assert prefix_of(first) == prefix_of(second)
    template = '<a xmlns:p="{}" xmlns:q="{}"><p:x/><q:y/></a>'
    text = canonical_form(template.format(first, second))
    assert etree.fromstring(text)[1].tag == f"{{{second}}}y"
    assert text != canonical_form(template.format(second, first))
    assert canonical_form(text) == text


@pytest.mark.parametrize("prefix", ["dc", prefix_of("urn:x"), ":dc"])
def test_an_undeclared_prefix_is_not_taken_for_one_of_ours(prefix: str) -> None:
    """Such a type, whose prefix the source forgot to declare, had the same form as a valid one."""
    xsi = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    declared = f'xmlns:p="urn:x" xmlns:d="{DC}"'
    template = f'<a {xsi}><p:b {declared}/><d:b {declared}/><b {declared} xsi:type="{{}}"/></a>'
    forms = {
        canonical_form(template.format(value)) for value in ("p:T", "d:T", f"{prefix}:T", f":{prefix}:T")
    }
    assert len(forms) == 4
    assert f'xsi:type=":{prefix}:T"' in canonical_form(template.format(f"{prefix}:T"))


def test_mixed_content_keeps_its_white_space() -> None:
    """libxml2's own removal of blanks joins the words of <p><b>a</b> <i>b</i> c</p>."""
    assert canonical_form("<p><b>a</b> <i>b</i> c</p>") == "<p><b>a</b> <i>b</i> c</p>"


@pytest.mark.parametrize("text", ["\N{NO-BREAK SPACE}", "\N{IDEOGRAPHIC SPACE}", "\N{LINE SEPARATOR}"])
def test_only_white_space_as_xml_defines_it_is_dropped(text) -> None:
    """A no-break space is content, although str.strip() removes it."""
    assert canonical_form(f"<a>{text}<b/></a>") == f"<a>{text}<b></b></a>"


def test_an_element_without_children_keeps_its_white_space() -> None:
    assert not same_form("<a><b> x</b></a>", "<a><b>x</b></a>")
    assert not same_form("<a><b> </b></a>", "<a><b></b></a>")


def test_space_preserve_applies_to_descendants_until_default() -> None:
    text = '<a xml:space="preserve"> <b> <c></c> </b> <d xml:space="default"><e></e></d> </a>'
    assert (
        canonical_form(text.replace('<d xml:space="default"><e>', "<d xml:space='default'>\n  <e>")) == text
    )


def test_the_prefix_of_an_xsi_type_depends_on_its_namespace() -> None:
    """With the server's prefix, the type is undefined, or the record changes with the prefix."""
    template = (
        '<{0}:a xmlns:{0}="urn:x" xmlns:{1}="http://www.w3.org/2001/XMLSchema-instance" {1}:type=" {0}:T\n"/>'
    )
    prefix = prefix_of("urn:x")
    xsi = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    expected = f'<{prefix}:a xmlns:{prefix}="urn:x" {xsi} xsi:type="{prefix}:T"></{prefix}:a>'
    assert canonical_form(template.format("p", "q")) == canonical_form(template.format("v", "w")) == expected


def test_an_xsi_type_without_prefix_belongs_to_the_default_namespace() -> None:
    xsi = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    assert same_form(f'<a xmlns="urn:x" {xsi} xsi:type="T"/>', f'<p:a xmlns:p="urn:x" {xsi} xsi:type="p:T"/>')
    assert not same_form(
        f'<a xmlns="urn:x" {xsi} xsi:type="T"/>', f'<p:a xmlns:p="urn:x" {xsi} xsi:type="T"/>'
    )
    assert canonical_form(f'<a {xsi} xsi:type="gone:T"/>') == f'<a {xsi} xsi:type="gone:T"></a>'


def test_line_breaks_in_a_schema_location_are_not_content() -> None:
    xsi = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    assert same_form(f'<a {xsi} xsi:schemaLocation="u v"/>', f'<a {xsi} xsi:schemaLocation="\n u\n   v"/>')
    assert not same_form(
        f'<a {xsi} xsi:schemaLocation="u v"/>', f'<a {xsi} xsi:schemaLocation="u\N{NO-BREAK SPACE}v"/>'
    )


def test_no_two_well_known_namespaces_share_a_prefix() -> None:
    """Otherwise elements of both namespaces have the same canonical form."""
    assert len(set(PREFIXES.values())) == len(PREFIXES)
    assert not any(prefix.startswith("ns_") for prefix in PREFIXES.values())


def test_an_unresolved_entity_is_refused() -> None:
    """Otherwise its text is missing from the blob, and nobody notices."""
    parser = etree.XMLParser(resolve_entities=False)
    root = etree.fromstring(b'<!DOCTYPE a [<!ENTITY e "text">]><a>before &e; after</a>', parser)
    with pytest.raises(ValueError, match="entity"):
        canonical_xml(root)


def test_the_canonical_form_never_changes() -> None:
    """Every stored hash depends on it. If you change this test, raise VERSION of the harvesters."""
    document = (
        '<r:record xmlns:r="http://www.openarchives.org/OAI/2.0/"><r:metadata>\n'
        f'<dc xmlns="{OAI_DC}" xmlns:d="{DC}"><d:title xml:lang="de" z="&quot;&#9;&lt;" a="1">A &amp; B &gt; '
        'C&#13;</d:title>\n<x:y xmlns:x="urn:unknown"/></dc></r:metadata></r:record>'
    )
    assert canonical_form(document) == (
        f'<oai:record xmlns:dc="{DC}" xmlns:ns_e029be56bebc="urn:unknown" '
        f'xmlns:oai="http://www.openarchives.org/OAI/2.0/" xmlns:oai_dc="{OAI_DC}"><oai:metadata><oai_dc:dc>'
        '<dc:title a="1" xml:lang="de" z="&quot;&#x9;&lt;">A &amp; B &gt; C&#xD;</dc:title>'
        "<ns_e029be56bebc:y></ns_e029be56bebc:y></oai_dc:dc></oai:metadata></oai:record>"
    )
