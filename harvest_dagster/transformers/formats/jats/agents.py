"""Read the people and organizations of JATS: `contrib-group`, `aff`, and the names in references.

An affiliation belongs to a contributor if the contributor contains it or refers to it (`xref` with `ref-type="aff"`).
If no contributor of a group refers to one, those in the group belong to all of them; see `contrib-group` in the tag
library. An affiliation that belongs to nobody stays in the tree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harvest_dagster.transformers.document import Affiliation, Agent, Identifier, Text
from harvest_dagster.transformers.formats.jats.values import (
    inside,
    joined,
    part,
    parts,
    prose,
    take_identifiers,
    take_prose,
)
from harvest_dagster.transformers.reading.xml_tree import (
    XLINK_HREF,
    local_name,
    own_text,
    take_all_text,
    take_attribute,
    take_language,
)
from harvest_dagster.transformers.recognition.identifiers import identify
from harvest_dagster.transformers.recognition.vocabularies import relator

if TYPE_CHECKING:
    from lxml.etree import _Element

_NAMES = ("name", "string-name", "name-alternatives", "collab", "collab-alternatives", "anonymous")
_PARTS_OF_NAMES = ("surname", "given-names", "prefix", "suffix")
_FLAGS = ("corresp", "equal-contrib", "deceased")
_OF_ADDRESS = frozenset({"label", "institution-id", "email", "xref", "fn", "ext-link", "uri"})


class Affiliations:
    """The affiliations of an article by their `id`. Each is taken out of the tree when somebody refers to it."""

    def __init__(self, root: _Element) -> None:
        self._elements: dict[str, _Element] = {}
        self._read: dict[_Element, tuple[Affiliation, ...]] = {}
        for element in inside(root, "aff", "aff-alternatives"):
            if name := element.get("id"):
                self._elements.setdefault(name, element)

    def referred(self, contributor: _Element) -> list[Affiliation]:
        """Return the affiliations to which the `xref` elements of a contributor refer, and drop these marks."""
        found: list[Affiliation] = []
        for reference in list(parts(contributor, "xref")):
            elements = [self._elements.get(name) for name in reference.get("rid", "").split()]
            known = [element for element in elements if element is not None]
            if known and len(known) == len(elements):
                found += (one for element in known for one in self.read(element))
        return found

    def read(self, element: _Element) -> tuple[Affiliation, ...]:
        """Return the affiliation in an element; each of several forms of it in `aff-alternatives`."""
        if element not in self._read:
            forms = list(parts(element, "aff")) if local_name(element) == "aff-alternatives" else [element]
            self._read[element] = tuple(filter(None, map(_affiliation, forms)))
        return self._read[element]


def _affiliation(element: _Element) -> Affiliation | None:
    identifiers = [
        *take_identifiers(inside(element, "institution-id"), "institution-id-type"),
        *(
            identify(link)
            for one in inside(element, "institution", "named-content")
            if (link := _address(one))
        ),
    ]
    for label in parts(element, "label"):
        take_all_text(label)
    if own_text(element):
        name = take_prose(element, _OF_ADDRESS)
    else:
        texts = (take_prose(one, _OF_ADDRESS) for one in element if local_name(one) not in _OF_ADDRESS)
        name = joined(*texts)
    name = name.strip(" ,;") if name else None
    return Affiliation(name, tuple(dict.fromkeys(identifiers))) if name else None


def _address(element: _Element) -> str | None:
    return take_attribute(element, XLINK_HREF)


def read_group(
    group: _Element, affiliations: Affiliations, role: str | None = None
) -> tuple[list[Agent], list[Agent]]:
    """Take the contributors of a group out of the tree. Return the authors, and the others.

    Args:
        group: a `contrib-group`, or a `collab` with one in it.
        affiliations: of the article.
        role: of those that name none.
    """
    authors: list[Agent] = []
    others: list[Agent] = []
    role = role or _role_of_group(group)
    shared = _shared_affiliations(group, affiliations)
    for element in parts(group, "contrib"):
        kind = take_attribute(element, "contrib-type") or role
        agent = read_contributor(element, affiliations, kind, shared)
        if agent is not None:
            (authors if kind in (None, "author") else others).append(agent)
        for collaboration in inside(element, "collab"):
            for inner in parts(collaboration, "contrib-group"):
                # The members of a group are not those that sign as authors.
                members = read_group(inner, affiliations, "collab")
                others += (*members[0], *members[1])
    for element in parts(group, "on-behalf-of"):
        if text := take_prose(element):
            others.append(Agent(text, role_text="on-behalf-of"))
    return authors, others


def _role_of_group(group: _Element) -> str | None:
    """Return the role that the group gives its contributors, unless each has its own."""
    if all(element.get("contrib-type") for element in parts(group, "contrib")):
        return None
    return take_attribute(group, "content-type")


def _shared_affiliations(group: _Element, affiliations: Affiliations) -> list[Affiliation]:
    """Return the affiliations of a group in which no contributor has one of its own."""
    for element in parts(group, "contrib"):
        if any(reference.get("ref-type") == "aff" for reference in parts(element, "xref")):
            return []
        if part(element, "aff") is not None:
            return []
    found = list(parts(group, "aff", "aff-alternatives"))
    outside = group.getparent()
    if not found and outside is not None and local_name(outside) in ("article-meta", "front-stub"):
        found = list(parts(outside, "aff", "aff-alternatives"))
        if len(found) > 1:  # nothing says which of them
            return []
    return [one for element in found for one in affiliations.read(element)]


def read_contributor(
    element: _Element, affiliations: Affiliations, kind: str | None, shared: list[Affiliation]
) -> Agent | None:
    """Take a contributor out of the tree. Its author notes, e-mail and biography stay."""
    found = affiliations.referred(element)
    found += (one for inner in parts(element, "aff", "aff-alternatives") for one in affiliations.read(inner))
    identifiers = [
        *take_identifiers(parts(element, "contrib-id"), "contrib-id-type"),
        *(identify(link) for one in parts(element, "ext-link", "uri") if (link := _take_link(one))),
    ]
    named = next((agent for one in parts(element, *_NAMES) if (agent := read_name(one))), None)
    if named is None:
        return None
    roles = [text for one in parts(element, "role") if (text := take_prose(one))]
    flags = _flags(element)
    code = relator(kind) if kind else None
    degrees = [text for one in parts(element, "degrees") if (text := take_all_text(one))]
    return Agent(
        named.name,
        named.kind,
        named.given,
        named.family,
        named.prefix,
        joined(named.suffix, *degrees),
        named.other_names,
        (*identifiers, *named.identifiers),
        code,
        joined(kind, *roles, *flags),
        tuple(dict.fromkeys((*found, *shared))),
    )


def _flags(element: _Element) -> list[str]:
    """Return what else the source says about the part of a contributor, and drop the marks of footnotes."""
    flags = [f"{name}: {value}" for name in _FLAGS if (value := take_attribute(element, name))]
    marks = list(parts(element, "xref"))
    if any(mark.get("ref-type") == "corresp" for mark in marks) and not any(map(_is_corresp, flags)):
        flags.insert(0, "corresp")
    for mark in marks:
        take_all_text(mark)
    return flags


def _is_corresp(flag: str) -> bool:
    return flag.startswith("corresp")


def _take_link(element: _Element) -> str | None:
    """Take the address of a link, and the text of it if that is the same."""
    link = _address(element)
    if link is None:
        return take_all_text(element)
    if "".join((element.text or "").split()) == link:
        element.text = None
    return link


def read_name(element: _Element) -> Agent | None:
    """Take a name out of the tree: `name`, `string-name`, `collab`, `anonymous`, or several forms of one."""
    kind = local_name(element)
    if kind.endswith("-alternatives"):
        return _first_of_names(element)
    if kind == "collab":
        return _collaboration(element)
    if kind == "anonymous":
        take_all_text(element)
        return Agent("Anonymous")
    if element.get("name-style") == "western":
        del element.attrib["name-style"]
    whole = prose(element) if kind == "string-name" else None
    texts = dict.fromkeys(_PARTS_OF_NAMES, None) | {
        local_name(one): take_prose(one) for one in element if local_name(one) in _PARTS_OF_NAMES
    }
    if whole:
        take_all_text(element)
    family, given = texts["surname"], texts["given-names"]
    name = whole or joined(family, given)
    return Agent(name, "person", given, family, texts["prefix"], texts["suffix"]) if name else None


def _first_of_names(element: _Element) -> Agent | None:
    """Return the agent with the first name. The language of that name has no field, and stays."""
    found = [(one, agent) for one in element if (agent := read_name(one)) is not None]
    if not found:
        return None
    first = found[0][1]
    others = tuple(Text(agent.name, take_language(one)) for one, agent in found[1:])
    return Agent(first.name, first.kind, first.given, first.family, first.prefix, first.suffix, others)


def _collaboration(element: _Element) -> Agent | None:
    identifiers: list[Identifier] = [
        *take_identifiers(inside(element, "institution-id"), "institution-id-type"),
        *(identify(link) for link in [_address(element)] if link),
    ]
    if own_text(element):
        name = take_prose(element, frozenset({"contrib-group", "fn", "xref", "label", "email", "aff"}))
    else:
        names = (
            "institution",
            "institution-wrap",
            "named-content",
            "collab-name",
            "bold",
            "italic",
            "ext-link",
        )
        name = joined(*(take_prose(one) for one in inside(element, *names)))
    return Agent(name, "organization", identifiers=tuple(identifiers)) if name else None
