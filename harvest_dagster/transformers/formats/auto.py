"""The transformer `auto`: it chooses another transformer for each record, by the namespace or the type of the record.

The document says what was chosen: `provenance.transformer` and `provenance.format`.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from harvest_dagster import plugins
from harvest_dagster.errors import TransformError
from harvest_dagster.transformers.interface import Transformer

if TYPE_CHECKING:
    import msgspec

    from harvest_dagster.transformers.document import Document

# The beginning of the namespace of the outermost element of the metadata, without `http://` and in lower case.
NAMESPACES = {
    "www.openarchives.org/oai/2.0/oai_dc": "oai_dc",
    "www.openarchives.org/oai/2.0/dc": "oai_dc",
    "purl.org/dc/": "oai_dc",
    "dublincore.org/": "oai_dc",
    "worldcat.org/xmlschemas/qdc": "oai_dc",
    "dspace.org/qualifieddc": "oai_dc",
    "datacite.org/schema/": "datacite",
    "schema.datacite.org/oai/": "datacite",
    "www.loc.gov/marc21/slim": "marcxml",
    "www.loc.gov/mods/": "mods",
    "dtd.nlm.nih.gov/": "jats",
    "jats.nlm.nih.gov": "jats",
    "arxiv.org/oai/": "arxiv",
    "namespace.openaire.eu/schema/oaire": "oai_openaire",
    "purl.org/rss/1.0": "feed",
    "www.w3.org/2005/atom": "feed",
    "www.w3.org/ns/dcat": "dcat",
}
# Elements whose namespace does not tell the format, or that have none.
NAMES = {
    "dc": "oai_dc",
    "qualifieddc": "oai_dc",
    "oai_datacite": "datacite",
    "resource": "datacite",
    "mods": "mods",
    "modscollection": "mods",
    "article": "jats",
    "clinical_study": "clinicaltrials",
    "study": "clinicaltrials",
    "item": "feed",
    "entry": "feed",
    "rdf": "dcat",
}
_TRANSFORMERS = frozenset((*NAMESPACES.values(), *NAMES.values()))
# The first element inside `metadata` in a canonical blob, or the outermost one.
_METADATA = re.compile(r"<(?:[\w.-]+:)?metadata\b[^<>]*>\s*(?=<[^/])")
_ELEMENT = re.compile(r"\s*(?:<\?[^>]*\?>\s*)?<(?:([\w.-]+):)?([\w.-]+)")
_LEADER = re.compile(r"<(?:[\w.-]+:)?leader\b")
_ARXIV_ENTRY = re.compile(r"<(?:[\w.-]+:)?id\b[^<>]*>\s*https?://arxiv\.org/abs/")
_WORK_OF_OPENALEX = re.compile(r'"https://openalex\.org/W[0-9]+"')


class AutoTransformer(Transformer):
    """Transform each record with the transformer of its format. A source may send several formats.

    `VERSION` is the sum of the versions of the transformers that it chooses from: a new version of one of them is a
    new version of this one.
    """

    VERSION = 16

    def transform(self, identifier: str, datum: str) -> Document:
        """Return the document that the transformer of the record's format makes.

        Raises:
            TransformError: the format is not known, or its transformer raises it.
        """
        return _transformer(choose(datum)).transform(identifier, datum)


@cache
def _transformer(key: str) -> Transformer:
    loaded: type[Transformer] = plugins.load(plugins.TRANSFORMERS, key)
    return loaded(loaded.Arguments())


def choose(datum: str) -> str:
    """Return the key of the transformer for a record.

    Raises:
        TransformError: no transformer is known for it. The message says what the record is.
    """
    return _choose_for_json(datum) if datum.lstrip()[:1] in ("{", "[") else _choose_for_xml(datum)


def _choose_for_xml(datum: str) -> str:
    inside = _METADATA.search(datum)
    element = _ELEMENT.match(datum, inside.end() if inside else 0)
    if element is None:
        message = f"the datum is neither XML nor JSON: it begins with {datum[:40]!r}."
        raise TransformError(message)
    prefix, name = element.groups()
    declared = re.search(rf'xmlns{f":{re.escape(prefix)}" if prefix else ""}="([^"]*)"', datum)
    namespace = declared[1] if declared else ""
    key = _by_namespace(namespace, datum) or NAMES.get(name.lower())
    if key is None and name.lower() == "record" and _LEADER.search(datum):
        key = "marcxml"  # some servers leave out the namespace, or write that of OAI-PMH
    if key is None:
        raise TransformError(_unknown(f"<{{{namespace}}}{name}>" if namespace else f"<{name}>"))
    return key


def _by_namespace(namespace: str, datum: str) -> str | None:
    address = re.sub(r"^https?://", "", namespace.strip().lower())
    key = next((key for start, key in NAMESPACES.items() if address.startswith(start)), None)
    return "arxiv" if key == "feed" and _ARXIV_ENTRY.search(datum) else key


def _choose_for_json(datum: str) -> str:
    import msgspec  # noqa: PLC0415 - loading the catalog needs only the class

    try:
        parts = msgspec.json.decode(datum, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        message = f"the datum is not a JSON object: {error}."
        raise TransformError(message) from error
    for key, is_of_format in _JSON_FORMATS:
        if is_of_format(parts):
            return key
    shown = ", ".join(sorted(parts)[:8])
    raise TransformError(_unknown(f"a JSON object with the keys {shown}"))


def _is_json_ld(parts: dict[str, msgspec.Raw], vocabulary: bytes) -> bool:
    return any(vocabulary in bytes(parts[key]) for key in ("@context", "@type", "@graph") if key in parts)


_JSON_FORMATS: tuple[tuple[str, Any], ...] = (
    ("datacite", lambda parts: bytes(parts.get("type", b"")) == b'"dois"' and "attributes" in parts),
    ("crossref", lambda parts: {"DOI", "member", "prefix"} <= parts.keys()),
    ("openalex", lambda parts: bool(_WORK_OF_OPENALEX.fullmatch(bytes(parts.get("id", b"")).decode()))),
    ("clinicaltrials", lambda parts: "protocolSection" in parts),
    ("europepmc", lambda parts: {"id", "source", "title"} <= parts.keys() and "isOpenAccess" in parts),
    ("dcat", lambda parts: _is_json_ld(parts, b"dcat")),
    ("schema_org", lambda parts: _is_json_ld(parts, b"schema.org")),
)


def _unknown(what: str) -> str:
    known = ", ".join(sorted({*_TRANSFORMERS, *(key for key, _ in _JSON_FORMATS)}))
    return (
        f"no transformer is known for {what}. `auto` chooses from {known}. Use `transformer: mapping` with the paths "
        "of this format, or a transformer of your own (docs/plugins.md)."
    )
