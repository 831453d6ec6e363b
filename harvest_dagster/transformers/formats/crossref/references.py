"""Take the references of a work of Crossref, each as one related resource.

https://github.com/CrossRef/rest-api-doc/blob/master/api_format.md#reference
"""

from __future__ import annotations

from msgspec.structs import replace

from harvest_dagster.transformers.document import Agent, Container, Identifier, Related, Text
from harvest_dagster.transformers.formats.crossref.values import plain_text, take_identifiers, unescape
from harvest_dagster.transformers.reading.json_tree import Node, take
from harvest_dagster.transformers.recognition.identifiers import identify_declared
from harvest_dagster.transformers.recognition.standard_forms import date_from

_NO_CONTAINER = Container()
_NO_REFERENCE = Related()


# All but ISSN and ISBN, and `doi-asserted-by` and the like, which have no field.
_KEYS = frozenset(
    [
        "DOI",
        "article-title",
        "author",
        "edition",
        "first-page",
        "issue",
        "journal-title",
        "key",
        "series-title",
        "standard-designator",
        "standards-body",
        "unstructured",
        "volume",
        "volume-title",
        "year",
    ]
)

_WITH_MARK_UP = frozenset(["article-title", "journal-title", "series-title", "unstructured", "volume-title"])


def take_reference(node: Node) -> Related | None:
    """Take a reference. The title of a book is that of the work, unless there is one of a part in it."""
    texts = {key: text for key in _KEYS.intersection(node) if (text := take(node, key))}
    for key in _WITH_MARK_UP.intersection(texts):
        texts[key] = plain_text(texts[key])
    get = texts.get
    title, volume_title = get("article-title"), get("volume-title")
    titles = [get("journal-title"), volume_title if title else None, get("series-title")]
    known = [text for text in titles if text]
    container = Container(
        known[0] if known else None,
        other_titles=tuple(map(Text, known[1:])),
        identifiers=tuple(_reference_identifiers(node)),
        volume=get("volume"),
        issue=get("issue"),
        edition=get("edition"),
        first_page=get("first-page"),
    )
    author, year, doi, designator = get("author"), get("year"), get("DOI"), get("standard-designator")
    related = Related(
        identifiers=(
            *((identify_declared("DOI", unescape(doi)),) if doi else ()),
            *((Identifier("other", designator, "standard-designator"),) if designator else ()),
        ),
        text=get("unstructured"),
        title=title or volume_title,
        agents=(Agent(author),) if author else (),
        date=date_from(year) if year else None,
        container=None if container == _NO_CONTAINER else container,
        publisher=get("standards-body"),
        label=get("key"),
    )
    return None if related == _NO_REFERENCE else replace(related, relation="References")


def _reference_identifiers(node: Node) -> list[Identifier]:
    if "ISSN" not in node and "ISBN" not in node:
        return []
    return [*take_identifiers(node, "ISSN", "ISSN"), *take_identifiers(node, "ISBN", "ISBN")]
