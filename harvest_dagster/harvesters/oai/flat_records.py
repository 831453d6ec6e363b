"""Parse flat records in a third of the time of `records`, with the same result.

A flat record has a usual header, and metadata whose root element contains only elements without elements. Nearly all
records in `oai_dc` are flat. libxml2 serializes a record without CDATA and character references, and escapes each `<`
and `>` that is not part of a tag. So a regular expression can show that a record is flat. If its prefixes are also
those of the canonical form, the canonical form of its metadata is the serialized text without indentation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from lxml import etree

from harvest_dagster.harvesters.formats.canonical_xml import (
    XML_SPACE,
    XML_WHITE_SPACE,
    declarations,
    prefix_of,
    start_tag,
)
from harvest_dagster.harvesters.formats.dates import lenient_instant
from harvest_dagster.harvesters.oai.response import NAMESPACE, OAI
from harvest_dagster.records import Record

# `[^<]*` is faster than `[^<>]*`, and finds the same.
_BEGINNING = (
    "(<record [^<]*>){indent}<header>{indent}<identifier>([^<]*)</identifier>{indent}"
    "<datestamp>([^<]*)</datestamp>{indent}((?:<setSpec>[^<]*</setSpec>{indent})*)</header>{indent}"
    "<metadata>{indent}(<[^<]*[^</]>)"
)
_REST = "((?:{indent}<(?:{prefixes}):{leaf})+){indent}</({name})>{indent}</metadata>{indent}</record>\\Z"
_LEAF = r'[^ />]+(?: xml:lang="[A-Za-z0-9-]*")?(?:>[^<]*</[^>]+>|/>)'
_INDENTATION = r"(?:[ \t]*\n[ \t\n]*)?"
_SET_SPEC = re.compile(r"<setSpec>([^<]*)</setSpec>")
_ANY_LEAF = re.compile(f"<{_LEAF}")
_EMPTY_LEAF = re.compile(r"<([^<>/ ]+)([^<>/]*)/>")
# A reference that libxml2 does not write for a character: an unresolved entity.
_ENTITY = re.compile(r"&(?!amp;|lt;|gt;|quot;|#13;|#10;|#9;)")
_MOST_ENVELOPES = 256
_LONGEST_TAG = 2_000  # characters


@dataclass(frozen=True)
class _Pattern:
    """A pattern for records that may be indented. The usual ones are not, and then another pattern is faster."""

    compact: re.Pattern[str]
    indented: re.Pattern[str]

    @classmethod
    def of(cls, text: str, **parts: str) -> _Pattern:
        """Return the pattern of a text with these parts."""
        return cls(
            re.compile(text.format(indent="", **parts)), re.compile(text.format(indent=_INDENTATION, **parts))
        )

    def match(self, text: str, position: int = 0) -> re.Match[str] | None:
        """Return the match at a position; None if there is none."""
        return self.compact.match(text, position) or self.indented.match(text, position)


_BEGINNING_PATTERN = _Pattern.of(_BEGINNING)


@dataclass(frozen=True)
class FlatRecord:
    """A parsed record.

    Attributes:
        record: the record.
        datestamp: its datestamp as the source wrote it, without surrounding white space.
        format: the namespace of its metadata.
    """

    record: Record
    datestamp: str
    format: str


@dataclass(frozen=True)
class _Envelope:
    """What the start tags of a record and of its metadata say. Most records of a source have the same ones.

    Attributes:
        format: the namespace of the metadata.
        root: the start tag of the metadata in canonical form, without declarations.
        used: the namespaces of the record and of this tag.
        others: the other prefixes that the canonical form has, too, each with its namespace.
        rest: matches everything after the start tag. Its group is the content of the metadata.
        starts: the start tags of records in canonical form, by the other prefixes that they declare.
    """

    format: str
    root: str
    used: frozenset[str]
    others: Mapping[str, str]
    rest: _Pattern
    starts: dict[tuple[str, ...], str | None] = field(default_factory=dict, compare=False)

    def start_of_record(self, content: str) -> str | None:
        """Return the start tag of a record with this metadata; None if two namespaces would have the same prefix."""
        prefixes = tuple(prefix for prefix in self.others if f"<{prefix}:" in content)
        if prefixes not in self.starts:
            text = declarations(self.used.union(self.others[prefix] for prefix in prefixes))
            self.starts[prefixes] = None if text is None else f"<oai:record{text}>"
        return self.starts[prefixes]


def parse_flat_record(element: etree._Element) -> FlatRecord | None:
    """Parse a record as `records.parse_record` does. Return None if it is not flat, or not valid.

    Args:
        element: part of a tree without comments and processing instructions, as `strict_xml.parse_xml` returns it.
    """
    source = etree.tostring(element, encoding="unicode", with_tail=False)
    if "&" in source:
        if _ENTITY.search(source):
            return None
        source = source.replace("&#13;", "&#xD;")
    if (beginning := _BEGINNING_PATTERN.match(source)) is None:
        return None
    record, identifier, datestamp, set_specs, metadata = beginning.groups()
    if (envelope := _envelope(record, metadata)) is None:
        return None
    rest = envelope.rest.match(source, beginning.end())
    key = _unescape(identifier).strip(XML_WHITE_SPACE)
    if rest is None or not key or (start := envelope.start_of_record(rest[1])) is None:
        return None
    sets = _SET_SPEC.findall(set_specs)
    blob = (
        f"{start}<oai:header><oai:identifier>{identifier}</oai:identifier>{_canonical_sets(sets)}</oai:header>"
        f"<oai:metadata>{envelope.root}{_canonical_leaves(rest[1])}</{rest[2]}></oai:metadata></oai:record>"
    )
    instant = lenient_instant(datestamp.strip(XML_WHITE_SPACE))
    parsed = Record(key, instant, False, blob, sets=_set_names(sets))
    return FlatRecord(parsed, _unescape(datestamp).strip(), envelope.format)


def _canonical_sets(sets: Sequence[str]) -> str:
    return "".join(f"<oai:setSpec>{name}</oai:setSpec>" for name in sorted(sets, key=_unescape))


def _canonical_leaves(content: str) -> str:
    """Return the content of the metadata without indentation and without tags of empty elements."""
    if "\n" in content:
        content = "".join(_ANY_LEAF.findall(content))
    return _EMPTY_LEAF.sub(r"<\1\2></\1>", content) if "/>" in content else content


def _set_names(sets: Sequence[str]) -> tuple[str, ...]:
    names = (_unescape(name).strip(XML_WHITE_SPACE) for name in sets)
    return tuple(sorted(set(filter(None, names))))


def _unescape(text: str) -> str:
    if "&" not in text:
        return text
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&#xD;", "\r").replace("&amp;", "&")


@lru_cache(maxsize=_MOST_ENVELOPES)
def _envelope(record: str, metadata: str) -> _Envelope | None:
    """Return the envelope of records with these start tags; None if none of them is flat."""
    if len(record) + len(metadata) > _LONGEST_TAG:
        return None
    name = metadata[1:-1].partition(" ")[0]
    try:
        outer = etree.fromstring(f"{record}{metadata}</{name}></record>")
        [root] = outer
        tag, namespaces = start_tag(root)
    except (etree.LxmlError, ValueError):
        return None
    if outer.tag != f"{OAI}record" or outer.keys() or root.get(XML_SPACE) is not None:
        return None
    if tag[1:-1].partition(" ")[0] != name:
        return None
    prefixes = {prefix: uri for prefix, uri in root.nsmap.items() if prefix and prefix_of(uri) == prefix}
    if not prefixes:
        return None
    used = namespaces | {NAMESPACE}
    others = {prefix: uri for prefix, uri in prefixes.items() if uri not in used}
    rest = _Pattern.of(_REST, prefixes="|".join(map(re.escape, prefixes)), leaf=_LEAF, name=re.escape(name))
    return _Envelope(etree.QName(root).namespace or name, tag, used, others, rest)
