"""The rules for identifiers on every text of the recorded responses, whatever its field: docs/decisions/0064."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import idutils
import pytest
from lxml import etree

from harvest_dagster.transformers.document import Identifier
from harvest_dagster.transformers.recognition.identifiers import identify
from harvest_dagster_tests.recorded import DATA, requires_recorded

pytestmark = [requires_recorded, pytest.mark.slow]

# The number of different texts. Each one was looked at, by field: none is anything else.
FOUND = {
    "ark": 1,
    "fundref": 6,
    "gnd": 5,
    "grid": 192,
    "isni": 42,
    "lccn": 1,
    "nbn": 29,
    "orcid": 1409,
    "ror": 1567,
    "viaf": 32,
    "wikidata": 346,
}
VALIDATORS = {
    "ark": idutils.is_ark,
    "gnd": idutils.is_gnd,
    "isni": idutils.is_isni,
    "nbn": idutils.is_urn,
    "orcid": idutils.is_orcid,
    "ror": idutils.is_ror,
    "viaf": idutils.is_viaf,
    "wikidata": idutils.is_wikidata,
}


def test_no_text_of_another_kind_becomes_an_identifier() -> None:
    """Titles, names, page numbers and checksums are also texts. A rule that is too wide finds identifiers in them."""
    found = [identify(text) for text in recorded_texts()]
    counts = Counter(identifier.scheme for identifier in found)
    assert {scheme: counts[scheme] for scheme in (*FOUND, "swhid", "bibcode", "scopus", "researcherid")} == {
        **FOUND,
        **dict.fromkeys(("swhid", "bibcode", "scopus", "researcherid"), 0),
    }
    assert not [identifier for identifier in found if not is_valid(identifier)]


def is_valid(identifier: Identifier) -> bool:
    """Return whether another library accepts the value, if it knows the scheme."""
    validate = VALIDATORS.get(identifier.scheme)
    return validate is None or bool(validate(identifier.value))


def recorded_texts() -> set[str]:
    """Return every different text of an element, an attribute or a JSON value, with single spaces."""
    texts: set[str] = set()
    for path in sorted(DATA.rglob("*")):
        if path.suffix in (".json", ".xml", ".jsonl", ".txt") and path.name != "index.jsonl":
            texts |= {" ".join(text.split()) for text in _texts(path.read_bytes())}
    return texts - {""}


def _texts(body: bytes) -> Iterator[str]:
    if body.lstrip()[:1] in (b"{", b"["):
        yield from _strings(json.loads(body))
    elif body.strip():
        root = etree.fromstring(body, etree.XMLParser(recover=True, huge_tree=True))
        for element in root.iter(etree.Element) if root is not None else ():
            yield element.text or ""
            yield from map(str, element.attrib.values())


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, (str, int, float)):
        yield str(value)
