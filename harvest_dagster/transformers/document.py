"""The one schema of a normalized document, whatever format its record came in.

Here: the values, what each field means, and their JSON. How a format is read into them is its transformer's
business; how an identifier, a date or a language is recognised stands in the modules of those names. The
descriptions below are the schema's documentation: `docs/document.md` and `docs/document.schema.json` are made
of them (`transformers.schema`).

Three promises hold for every document:

- every field of `Document` is always there, an empty list where the record has nothing; in the entries of
  those lists a field that has nothing to say is left out;
- nothing is invented: a value is what the source wrote, or the same thing in the form of a standard;
- nothing is lost: what is not recognised stays as the text it was.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

Scheme = Literal["doi", "issn", "isbn", "arxiv", "pmid", "pmcid", "handle", "urn", "oai", "url", "other"]


def _is(description: str) -> msgspec.Meta:
    return msgspec.Meta(description=description)


class Entry(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Base of what the lists of a document hold: immutable, and terse in JSON."""


class Text(Entry, frozen=True):
    """A text or a term, with what the source says about it."""

    text: Annotated[str, _is("The text; white space is folded into single spaces.")]
    language: Annotated[
        str | None, _is("Its language, as the source says it (`xml:lang`, a BCP 47 tag).")
    ] = None
    vocabulary: Annotated[
        str | None,
        _is(
            "Where the term comes from, if the source says so: `info:eu-repo/semantics`, `DCMIType`, `LCSH`."
        ),
    ] = None


class Agent(Entry, frozen=True):
    """A person or an organisation."""

    name: Annotated[str, _is("The name, as the source writes it.")]


class Date(Entry, frozen=True):
    """A point or a stretch of time. It has a `value`, a `text` or both."""

    value: Annotated[
        str | None,
        _is(
            "EDTF level 0, which is ISO 8601: `2004`, `2004-10`, `2004-10-02`, `2004-10-02T08:00:00Z`, or "
            "two of them with a slash for a range, `1990/1995`. An instant without `Z` is one whose zone the "
            "source does not name. Left out where the text is not recognised."
        ),
    ] = None
    text: Annotated[str | None, _is("What the source wrote, where that differs from `value`.")] = None
    role: Annotated[
        str | None, _is("Which date it is, if the source says so: `issued`, `created`, `embargoEnd`.")
    ] = None


class Language(Entry, frozen=True):
    """A language of the resource. It has a `code`, a `text` or both."""

    code: Annotated[
        str | None,
        _is(
            "ISO 639: two letters where the language has such a code, else three (639-2). Left out where the "
            "text is not recognised."
        ),
    ] = None
    text: Annotated[str | None, _is("What the source wrote, where that differs from `code`.")] = None


class Identifier(Entry, frozen=True):
    """A name of the resource under a scheme."""

    scheme: Annotated[Scheme, _is("What kind it is; `other` is any text that is none of those.")]
    value: Annotated[
        str,
        _is(
            "In the scheme's own form, without label or resolver: `10.1000/abc` (doi, in lower case), "
            "`0378-5955` (issn), `9783161484100` (isbn, always 13 digits), `2101.00001v2` (arxiv), "
            "`25881311` (pmid), `PMC2999999` (pmcid), `10161/10834` (handle). For urn, oai, url and other "
            "the text itself."
        ),
    ]


class Related(Identifier, frozen=True):
    """Another resource, by its identifier or, with the scheme `other`, by a text."""

    role: Annotated[
        str | None,
        _is("How it is related, if the source says so: `source`, `isPartOf`, `references`."),
    ] = None


class Rights(Text, frozen=True):
    """A statement about rights."""

    license: Annotated[
        str | None,
        _is(
            "The Creative Commons licence that the text is or names, in one form: "
            "`https://creativecommons.org/licenses/by/4.0/`."
        ),
    ] = None


class Unmapped(Entry, frozen=True):
    """A value of the record that has no place in this schema."""

    element: Annotated[str, _is("Where it stood: `{namespace}name` for XML.")]
    text: Annotated[str, _is("The value.")]


class Document(msgspec.Struct, frozen=True, gc=False):
    """One record, normalized. Lists keep the record's order."""

    id: Annotated[str, _is("The record's identifier in the source.")]
    title: Annotated[str | None, _is("The first of `titles`; null where there is none.")] = None
    titles: Annotated[tuple[Text, ...], _is("All titles, alternative ones last.")] = ()
    creators: Annotated[tuple[Agent, ...], _is("Who made it.")] = ()
    contributors: Annotated[tuple[Agent, ...], _is("Who else had a part in it.")] = ()
    publisher: Annotated[str | None, _is("The first of `publishers`; null where there is none.")] = None
    publishers: Annotated[tuple[Agent, ...], _is("Who made it available.")] = ()
    dates: Annotated[tuple[Date, ...], _is("Its dates; many sources do not say which is which.")] = ()
    languages: Annotated[tuple[Language, ...], _is("The languages it is in.")] = ()
    types: Annotated[tuple[Text, ...], _is("What kind of thing it is.")] = ()
    subjects: Annotated[tuple[Text, ...], _is("What it is about: keywords, classes.")] = ()
    descriptions: Annotated[tuple[Text, ...], _is("Abstracts, tables of contents, notes.")] = ()
    identifiers: Annotated[tuple[Identifier, ...], _is("Its names, each once.")] = ()
    links: Annotated[
        tuple[str, ...],
        _is(
            "The web addresses among its identifiers as the source gives them, each once; those of a DOI too."
        ),
    ] = ()
    rights: Annotated[tuple[Rights, ...], _is("Licences, access, statements about rights.")] = ()
    related: Annotated[tuple[Related, ...], _is("Other resources, each once in a role.")] = ()
    coverage: Annotated[tuple[Text, ...], _is("Places and times that it covers.")] = ()
    formats: Annotated[tuple[Text, ...], _is("Media types, extents, carriers.")] = ()
    unmapped: Annotated[tuple[Unmapped, ...], _is("What has no place in the fields above.")] = ()

    def to_json(self) -> str:
        """The JSON text, fields in the order above: what `normalized_datum.document` holds."""
        return _encoder.encode(self).decode()

    def as_dict(self) -> dict[str, Any]:
        """The same as dicts, lists and strings."""
        # By way of JSON, because to_builtins leaves tuples as they are.
        document: dict[str, Any] = msgspec.json.decode(_encoder.encode(self))
        return document


_encoder = msgspec.json.Encoder()
