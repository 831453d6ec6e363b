"""Take the nested values of a work of Crossref: texts with mark-up, dates, people, identifiers.

https://github.com/CrossRef/rest-api-doc/blob/master/api_format.md, section "Work Nested Types".
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

from harvest_dagster.errors import TransformError
from harvest_dagster.transformers.document import Affiliation, Agent, Identifier, Text
from harvest_dagster.transformers.reading import xml_tree
from harvest_dagster.transformers.reading.json_tree import Node, child, children, take, take_texts
from harvest_dagster.transformers.recognition.dates import parse_date
from harvest_dagster.transformers.recognition.identifiers import identify_declared
from harvest_dagster.transformers.recognition.standard_forms import full_name
from harvest_dagster.transformers.recognition.vocabularies import relator

_ENTITY = re.compile(r"&(?:#[0-9]+|#x[0-9a-fA-F]+|[A-Za-z][A-Za-z0-9]*);")
_PREFIX = re.compile(r"</?([A-Za-z][\w-]*):")
_MATHML = "http://www.w3.org/1998/Math/MathML"
_MOST_PARTS = 3  # year, month, day
_FUNDER = "10.13039/"
_ISSN_ADDRESS = "http://id.crossref.org/issn/"


def plain_text(text: str) -> str:
    """Return a text without its mark-up (JATS, MathML, HTML), which stays if it is not well-formed.

    Publishers also escape what is no mark-up, and mark-up twice: `&amp;`, `&lt;scp&gt;`. A first heading `Abstract` is
    left out, because the role of the description says so.
    """
    if "<" in text:
        text = _without_tags(text)
    if "&" not in text:
        return text
    unescaped = unescape(text)
    return _without_tags(unescaped) if "<" in unescaped and unescaped != text else unescaped


def unescape(text: str) -> str:
    """Return a text with the characters for which its entities stand. An `&` of an address without `;` stays."""
    return _ENTITY.sub(lambda match: html.unescape(match[0]), text)


def _without_tags(text: str) -> str:
    prefixes = dict.fromkeys(_PREFIX.findall(text))
    names = "".join(f' xmlns:{one}="{_MATHML if one == "mml" else one}"' for one in prefixes)
    try:
        root = xml_tree.parse(f"<r{names}>{text}</r>")
    except TransformError:
        return text
    if len(root) and xml_tree.local_name(root[0]) == "title" and (root[0].text or "").lower() == "abstract":
        root[0].text = None
    return xml_tree.fold(xml_tree.joined_text(root)) or text


def take_date(node: Node) -> str | None:
    """Take a partial date out of an object, and return it in EDTF. A date that is not valid stays."""
    parts = node.get("date-parts")
    if not isinstance(parts, list):
        return None
    points = [_point(one) for one in parts]
    value = parse_date("/".join(point or "?" for point in points))
    if value is not None:
        del node["date-parts"]
    return value


def _point(parts: Any) -> str | None:
    """Return the date of a list of year, month and day. A missing date is `[null]`."""
    if not isinstance(parts, list) or not 0 < len(parts) <= _MOST_PARTS:
        return None
    texts = [str(part) for part in parts]
    return "-".join([texts[0].zfill(4), *(text.zfill(2) for text in texts[1:])])


def take_instant(node: Node) -> str | None:
    """Take an instant, which Crossref writes three times: as parts, as text and as milliseconds."""
    text = node.get("date-time")
    value = parse_date(text) if isinstance(text, str) else None
    if value is None:
        return take_date(node)
    leave_one_form(node, value)
    take(node, "date-time")
    return value


def leave_one_form(node: Node, instant: str | None = None) -> None:
    """Take the forms of an instant that say the same as its `date-time`."""
    value = instant or parse_date(str(node.get("date-time")))
    if value is None:
        return
    if _only_point(node.get("date-parts")) == value[:10]:
        del node["date-parts"]
    if value.endswith("Z"):
        seconds = datetime.fromisoformat(value[:19]).replace(tzinfo=timezone.utc).timestamp()
        if node.get("timestamp") in (int(seconds), int(seconds) * 1000):
            del node["timestamp"]


def _only_point(parts: Any) -> str | None:
    return _point(parts[0]) if isinstance(parts, list) and len(parts) == 1 else None


def take_agents(node: Node, key: str) -> Iterator[Agent]:
    """Take the people and organizations of a list. `sequence` repeats the order of the list."""
    for place, one in enumerate(children(node, key)):
        agent = _agent(one, key)
        if agent is not None:
            if one.get("sequence") == ("additional" if place else "first"):
                take(one, "sequence")
            yield agent


def _agent(node: Node, key: str) -> Agent | None:
    given, family, name = (take(node, key) for key in ("given", "family", "name"))
    written = name or full_name(family, given)
    if not written:
        return None
    words = [text for one in children(node, "role") if (text := take(one, "role"))]
    role = ", ".join(words) or key
    code = relator(role)
    orcid = take(node, "ORCID")
    identifiers = [*_identifiers(node), *((identify_declared("ORCID", orcid),) if orcid else ())]
    return Agent(
        written,
        "person" if family else "organization" if name else None,
        given,
        family,
        take(node, "prefix"),
        take(node, "suffix"),
        identifiers=tuple(identifiers),
        role=code,
        role_text=None if code == role else role,
        affiliations=tuple(filter(None, map(_affiliation, children(node, "affiliation")))),
    )


def _affiliation(node: Node) -> Affiliation | None:
    """Return an affiliation. The department and the place stand apart."""
    texts = [text for key in ("department", "name", "place") for text in take_texts(node, key)]
    return Affiliation(plain_text(", ".join(texts)), tuple(_identifiers(node))) if texts else None


def _identifiers(node: Node) -> Iterator[Identifier]:
    """Take the identifiers of an organization: `{"id": …, "id-type": "ROR"}`."""
    for one in children(node, "id"):
        if text := take(one, "id"):
            yield identify_declared(take(one, "id-type"), text)


def take_funder_identifiers(node: Node) -> Iterator[Identifier]:
    """Take the identifiers of a funder. The DOIs with the prefix 10.13039 are those of the funder registry."""
    for one in children(node, "id"):
        if text := take(one, "id"):
            kind = take(one, "id-type")
            yield identify_declared("Crossref Funder ID" if _FUNDER in text else kind, text)


def take_identifiers(node: Node, key: str, scheme: str) -> Iterator[Identifier]:
    """Take the ISSN or ISBN of a work, and those in the list with their types that repeat them."""
    texts = [text.removeprefix(_ISSN_ADDRESS) for text in take_texts(node, key)]
    for one in children(node, f"{scheme.lower()}-type"):
        if (text := take(one, "value")) and text not in texts:
            texts.append(text)
    return (identify_declared(scheme, text) for text in texts)


def take_organization(node: Node, role: str | None, role_text: str) -> Agent | None:
    """Take an institution or a standards body out of an object."""
    name = take(node, "name")
    if name is None:
        return None
    return Agent(
        name,
        "organization",
        other_names=tuple(map(Text, take_texts(node, "acronym"))),
        identifiers=tuple(_identifiers(node)),
        role=role,
        role_text=role_text,
        places=tuple(take_texts(node, "place")),
    )


def take_url(node: Node, *keys: str) -> str | None:
    """Take the `URL` of an object in objects."""
    for key in keys:
        node = child(node, key)
    return take(node, "URL")
