"""Count where each value of a record went: into a field of the document, into `unmapped`, or nowhere.

It does not use the code of the transformers, except for the recognition of languages and licenses: it reads the texts
and attributes of the record with lxml or json, and looks for each of them in the texts of the document. A value in
another form is found by its letters and digits: `20190301` in `2019-03-01`, a DOI in lower case without its resolver.
So a short value may be found by accident, where it is a word of another text. A long one is not.

The counts over the recorded corpus are kept in `counts/<key>.json`, so that a loss is visible in a diff. After an
intended change, run the tests of the transformer with the environment variable UPDATE_COUNTS=1, and read the diff.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

import msgspec
from lxml import etree

from harvest_dagster.errors import TransformError
from harvest_dagster.records import Record
from harvest_dagster.transformers.document import Document
from harvest_dagster.transformers.interface import Transformer
from harvest_dagster.transformers.recognition.languages import language_code
from harvest_dagster.transformers.recognition.licenses import license_address

Where = Literal["field", "unmapped", "nothing", "out_of_scope"]

COUNTS = Path(__file__).with_name("counts")
_SHOWN = 20
# What may stand around an identifier: labels, the hosts and paths of resolvers, prefixes, check digits.
_LABELS = re.compile(
    r"(?:https?|dx|doi|org|www|hdl|handle|net|[a-z]{0,3}arxiv|abs|pdf|pmid|pmcid|pmc|urn|[ep]?issnl?|isbn|info|uri|ncbi"
    r"|nlm|nih|gov|pubmed|articles|oai|pubmedcentral|orcid|ror|isni|gnd|dnb|de|nbn|resolving|viaf|wikidata|entity|ark"
    r"|n2t|swh|v|10|13|[0-9x]|97[89])*"
)
_OAI = "{http://www.openarchives.org/OAI/2.0/}"
_XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
_OF_SCHEMAS = {f"{_XSI}schemaLocation", f"{_XSI}noNamespaceSchemaLocation", f"{_XSI}nil"}


@dataclass(frozen=True)
class Leaf:
    """One value of a record.

    Attributes:
        path: the names of the elements or keys that contain it, without places in lists.
        text: with single spaces, not empty.
    """

    path: str
    text: str


@dataclass
class Account:
    """The counts over some records.

    Attributes:
        records: number of documents.
        leaves: number of values by where they went.
        fields: number of items by field; by path of the items' fields, too: `creators.identifiers`.
        lost: the values that went nowhere, with the identifier of their record.
        failures: number of records by the beginning of the error.
    """

    records: int = 0
    leaves: Counter[Where] = field(default_factory=Counter)
    fields: Counter[str] = field(default_factory=Counter)
    lost: list[tuple[str, Leaf]] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)

    def as_dict(self) -> dict[str, Any]:
        """Return the counts for the file, in a stable order."""
        counts: dict[str, Counter[Any]] = {
            "fields": self.fields,
            "leaves": self.leaves,
            "failures": self.failures,
        }
        return {"records": self.records, **{name: dict(sorted(one.items())) for name, one in counts.items()}}


def account_for(
    transformer: Transformer,
    records: Iterable[Record],
    out_of_scope: Callable[[Leaf], bool] = lambda _: False,
) -> Account:
    """Transform records, and return the counts.

    Args:
        transformer: of the format of these records.
        records: those that are not deleted.
        out_of_scope: whether the transformer does not have to read a value: the full text of an article.
    """
    account = Account()
    for record in records:
        try:
            document = transformer.transform(record.identifier, record.blob)
        except TransformError as error:
            account.failures[re.sub(r"\W.*", "", str(error).replace(" ", "_"))[:60]] += 1
            continue
        account.records += 1
        account.fields.update(count_fields(msgspec.to_builtins(document)))
        found = _Texts.of(document)
        for leaf in leaves(record.blob):
            where: Where = "out_of_scope" if out_of_scope(leaf) else found.where(leaf.text)
            account.leaves[where] += 1
            if where == "nothing":
                account.lost.append((record.identifier, leaf))
    return account


def check(key: str, account: Account) -> None:
    """Fail if a value went nowhere, or if the counts differ from the file of the transformer."""
    assert not account.lost, f"{len(account.lost)} values went nowhere: {account.lost[:_SHOWN]}"
    path = COUNTS / f"{key}.json"
    if os.environ.get("UPDATE_COUNTS"):
        path.write_text(json.dumps(account.as_dict(), indent=2) + "\n", encoding="utf-8")
    assert account.as_dict() == json.loads(path.read_text(encoding="utf-8"))


def leaves(datum: str) -> Iterator[Leaf]:
    """Yield the values of a record in XML or JSON: each text, each attribute, each number and truth value."""
    if datum.lstrip()[:1] == "{":
        yield from _json_leaves(json.loads(datum, parse_float=str, parse_int=str), "")
    else:
        yield from _xml_leaves(etree.fromstring(datum.encode()), "")


def _json_leaves(value: Any, path: str) -> Iterator[Leaf]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _json_leaves(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for inner in value:
            yield from _json_leaves(inner, path)
    elif isinstance(value, bool):
        yield Leaf(path, "true" if value else "false")
    elif value is not None and (text := _fold(value)):
        yield Leaf(path, text)


def _xml_leaves(element: etree._Element, path: str) -> Iterator[Leaf]:
    tag = str(element.tag)
    here = f"{path}/{etree.QName(element).localname}"
    # The identifier is `id`, and a datestamp is not part of a blob.
    if tag in (f"{_OAI}identifier", f"{_OAI}datestamp") and path.endswith("/header"):
        return
    for name, value in element.attrib.items():
        is_status = tag == f"{_OAI}header" and name == "status"
        if name not in _OF_SCHEMAS and not is_status and (text := _fold(str(value))):
            yield Leaf(f"{here}/@{etree.QName(str(name)).localname}", text)
    if text := _fold(element.text or ""):
        yield Leaf(here, text)
    for part in element:
        yield from _xml_leaves(part, here)
        if text := _fold(part.tail or ""):
            yield Leaf(here, text)


def count_fields(value: Any, path: str = "") -> Iterator[str]:
    """Yield the path of each item and of each value of a document."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from count_fields(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            if isinstance(inner, dict):
                yield path
            yield from count_fields(inner, path)
    elif value is not None:
        yield path


@dataclass(frozen=True)
class _Texts:
    """The texts of a document, in the forms in which a value may be found."""

    in_fields: frozenset[str]
    in_unmapped: frozenset[str]
    identified: tuple[str, ...]
    words: frozenset[str]
    squeezed: str
    squeezed_unmapped: str

    @classmethod
    def of(cls, document: Document) -> _Texts:
        fields = document.as_dict()
        unmapped = [item["text"] for item in fields.pop("unmapped")]
        texts = list(_strings(fields))
        words = {_number(word) for text in texts for word in re.findall(r"[^\W_]+", text.lower())}
        joined = "|".join(map(_squeeze, texts))
        return cls(
            in_fields=frozenset(texts),
            in_unmapped=frozenset(unmapped),
            identified=tuple(_core(one) for one in _identifiers(fields)),
            words=frozenset(words),
            squeezed=joined,
            squeezed_unmapped="|".join(map(_squeeze, unmapped)),
        )

    def where(self, text: str) -> Where:
        """Return where a value of the record went."""
        if text in self.in_fields:
            return "field"
        if text in self.in_unmapped:
            return "unmapped"
        if self._is_in_another_form(text, _squeeze(text)):
            return "field"
        return "unmapped" if _squeeze(text) in self.squeezed_unmapped else "nothing"

    def _is_in_another_form(self, text: str, squeezed: str) -> bool:
        """Return whether a field has the value in a normal form."""
        vocabulary, _, term = text.rpartition("/")
        return (
            not squeezed  # punctuation between the parts of a text: nobody looks for it
            or _number(squeezed) in self.words
            or language_code(text) in self.in_fields
            or license_address(text) in self.in_fields
            or (len(squeezed) > 2 and squeezed in self.squeezed)
            or any(
                _LABELS.fullmatch(squeezed.replace(one, "", 1)) for one in self.identified if one in squeezed
            )
            or {vocabulary.replace("https://", "http://"), term} <= self.in_fields
            or text.rpartition(":")[2] in self.in_fields  # the prefix of a qualified name is no content
            or self._is_list(text)
        )

    def _is_list(self, text: str) -> bool:
        """Return whether a text is a list of values, or a range, and each of them is a text of a field."""
        for separator in (r";\s+", r"[,;]\s+", "-"):
            parts = [part.strip() for part in re.split(separator, text.rstrip(" .;"))]
            if len(parts) > 1 and all(
                one in self.in_fields or _squeeze(one) in self.identified for one in parts
            ):
                return True
        return False


def _identifiers(value: Any) -> Iterator[dict[str, str]]:
    """Yield the identifiers at any depth of a document."""
    if isinstance(value, list):
        for inner in value:
            yield from _identifiers(inner)
    elif isinstance(value, dict):
        if "scheme" in value:
            yield value
        for inner in value.values():
            yield from _identifiers(inner)


def _core(identifier: dict[str, str]) -> str:
    """Return the characters that every form of an identifier contains."""
    value = _squeeze(identifier["value"])
    # An ISBN of ten digits has no prefix 978 and another check digit than one of thirteen.
    return value[3:12] if identifier["scheme"] == "isbn" else value


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _strings(inner)


def _number(word: str) -> str:
    return word.lstrip("0") or word


def _squeeze(text: str) -> str:
    """Return only letters and digits, which every normal form keeps."""
    return re.sub(r"\W|_", "", unquote(text.replace("&amp;", "&"))).lower()


def _fold(text: str) -> str:
    return " ".join(text.split())
