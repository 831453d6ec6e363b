"""The schema of a normalized document. All formats share it.

Here: the values, the meaning of each field, and the JSON of a document. Not here: how a transformer reads its format,
and how identifiers, dates and languages are recognized (the modules of these names). The descriptions below are the
documentation of the schema: `transformers.schema` generates `docs/document.md` and `docs/document.schema.json` from
them.

Every document keeps three promises:

- Every field of `Document` is always present; a list is empty if the record has no value for it. An item of a list
  leaves out the fields that have no value.
- Nothing is invented. A value is what the source wrote, or the same value in a standard form.
- Nothing is lost. Text that is not recognized is kept as it is.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

Scheme = Literal["doi", "issn", "isbn", "arxiv", "pmid", "pmcid", "handle", "urn", "oai", "url", "other"]


def _described(description: str) -> msgspec.Meta:
    return msgspec.Meta(description=description)


class Item(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Base of the items in a document's lists: immutable; JSON leaves out fields without a value."""


class Text(Item, frozen=True):
    """A text or a term, with its language and vocabulary."""

    text: Annotated[str, _described("The text. Each run of white space is one space.")]
    language: Annotated[
        str | None, _described("The language of the text as the source gives it (`xml:lang`, a BCP 47 tag).")
    ] = None
    vocabulary: Annotated[
        str | None,
        _described(
            "The vocabulary of the term, if the source names it: `info:eu-repo/semantics`, `DCMIType`, `LCSH`."
        ),
    ] = None


class Agent(Item, frozen=True):
    """A person or an organization."""

    name: Annotated[str, _described("The name as the source writes it.")]


class Date(Item, frozen=True):
    """A point in time or a range. It has a `value`, a `text` or both."""

    value: Annotated[
        str | None,
        _described(
            "EDTF level 0, which is ISO 8601: `2004`, `2004-10`, `2004-10-02`, `2004-10-02T08:00:00Z`, or "
            "two of these with a slash for a range, `1990/1995`. An instant may have a fraction of a second, which "
            "EDTF lacks. An instant without `Z` has no time zone, because the source names none. Left out if the "
            "text is not recognized."
        ),
    ] = None
    text: Annotated[str | None, _described("What the source wrote, if it differs from `value`.")] = None
    role: Annotated[
        str | None, _described("The kind of date, if the source names it: `issued`, `created`, `embargoEnd`.")
    ] = None


class Language(Item, frozen=True):
    """A language of the resource. It has a `code`, a `text` or both."""

    code: Annotated[
        str | None,
        _described(
            "ISO 639 code: two letters (639-1) if the language has such a code, else three (639-2). Left out if "
            "the text is not recognized."
        ),
    ] = None
    text: Annotated[str | None, _described("What the source wrote, if it differs from `code`.")] = None


class Identifier(Item, frozen=True):
    """An identifier of the resource in one scheme."""

    scheme: Annotated[Scheme, _described("The kind of identifier; `other` for a text of no known kind.")]
    value: Annotated[
        str,
        _described(
            "In the normal form of the scheme, without label or resolver: `10.1000/abc` (doi, in lower case), "
            "`0378-5955` (issn), `9783161484100` (isbn, always 13 digits), `2101.00001v2` (arxiv), "
            "`25881311` (pmid), `PMC2999999` (pmcid), `10161/10834` (handle). For urn, oai, url and other: "
            "the text itself."
        ),
    ]


class Related(Identifier, frozen=True):
    """A related resource: its identifier, or a text with the scheme `other`."""

    role: Annotated[
        str | None,
        _described("The kind of relation, if the source names it: `source`, `isPartOf`, `references`."),
    ] = None


class Rights(Text, frozen=True):
    """A statement about rights."""

    license: Annotated[
        str | None,
        _described(
            "The Creative Commons license that the text names, in one form: "
            "`https://creativecommons.org/licenses/by/4.0/`."
        ),
    ] = None


class Unmapped(Item, frozen=True):
    """A value of the record for which this schema has no field."""

    element: Annotated[str, _described("Its element in the record: `{namespace}name` for XML.")]
    text: Annotated[str, _described("The value.")]


class Document(msgspec.Struct, frozen=True, gc=False):
    """One normalized record. Lists keep the order of the record."""

    id: Annotated[str, _described("The record's identifier in the source.")]
    title: Annotated[str | None, _described("The first of `titles`; null if there is none.")] = None
    titles: Annotated[tuple[Text, ...], _described("All titles; alternative titles come last.")] = ()
    creators: Annotated[
        tuple[Agent, ...], _described("The people and organizations that created the resource.")
    ] = ()
    contributors: Annotated[
        tuple[Agent, ...], _described("Other people and organizations that contributed to it.")
    ] = ()
    publisher: Annotated[str | None, _described("The first of `publishers`; null if there is none.")] = None
    publishers: Annotated[
        tuple[Agent, ...], _described("The people and organizations that published it.")
    ] = ()
    dates: Annotated[
        tuple[Date, ...], _described("Its dates. Many sources do not name the kind of each date.")
    ] = ()
    languages: Annotated[tuple[Language, ...], _described("The languages of the resource.")] = ()
    types: Annotated[tuple[Text, ...], _described("The types of the resource.")] = ()
    subjects: Annotated[
        tuple[Text, ...], _described("Its subjects: keywords, classes of a classification.")
    ] = ()
    descriptions: Annotated[tuple[Text, ...], _described("Abstracts, tables of contents, notes.")] = ()
    identifiers: Annotated[tuple[Identifier, ...], _described("Its identifiers, each once.")] = ()
    links: Annotated[
        tuple[str, ...],
        _described(
            "The identifiers that are web addresses, as the source gives them, each once; the address of a DOI too. "
            "Of several resolvers in a row, only the last."
        ),
    ] = ()
    rights: Annotated[
        tuple[Rights, ...], _described("Licenses, access conditions and other statements about rights.")
    ] = ()
    related: Annotated[tuple[Related, ...], _described("Related resources, each once for each role.")] = ()
    coverage: Annotated[tuple[Text, ...], _described("The places and times that it covers.")] = ()
    formats: Annotated[tuple[Text, ...], _described("Media types, extents, carriers.")] = ()
    unmapped: Annotated[tuple[Unmapped, ...], _described("Values for which there is no field above.")] = ()

    def to_json(self) -> str:
        """Return the JSON text, with the fields in the order above, as in `normalized_datum.document`."""
        return _encoder.encode(self).decode()

    def as_dict(self) -> dict[str, Any]:
        """Return the document as dicts, lists and strings."""
        # Through JSON, because msgspec.to_builtins keeps tuples.
        document: dict[str, Any] = msgspec.json.decode(_encoder.encode(self))
        return document


_encoder = msgspec.json.Encoder()
