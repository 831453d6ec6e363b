"""The one schema of a normalized document, whatever format its record came in.

Here: the values, what each field means, and their JSON. How a format is read into them is the transformer's
business; how an identifier, a date or a language is recognised stands in the modules of those names. The
descriptions below are the schema's documentation: `docs/document.md` and `docs/document.schema.json` are made
from them (`transformers.schema`).

Three promises hold for every document:

- every field of `Document` is always there, an empty list where the record has nothing; the fields of the
  entries in those lists are left out where they have nothing to say;
- nothing is invented: a value is what the source wrote, or the same thing in the standard's own form;
- nothing is lost: what is not recognised stays as the text it was.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Scheme = Literal[
    "doi", "issn", "isbn", "arxiv", "pmid", "pmcid", "handle", "urn", "oai", "url", "other"
]  # fmt: skip


class Entry(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Base of what the lists of a document hold: immutable, and terse in JSON."""


class Text(Entry, frozen=True):
    """A text or a term, with what the source says about it."""

    text: Annotated[str, Meta(description="The text; white space is folded into single spaces.")]
    language: Annotated[
        str | None,
        Meta(description="The language the source says it is in (`xml:lang`), as given: a BCP 47 tag."),
    ] = None
    vocabulary: Annotated[
        str | None,
        Meta(
            description="Where the term comes from, if the source says so: `info:eu-repo/semantics`, `DCMIType`, `LCSH`."
        ),
    ] = None


class Agent(Entry, frozen=True):
    """A person or an organisation."""

    name: Annotated[str, Meta(description="The name, as the source writes it.")]


class Date(Entry, frozen=True):
    """A point or a stretch of time. It has a `value`, a `text` or both."""

    value: Annotated[
        str | None,
        Meta(
            description=(
                "EDTF level 0, which is ISO 8601: `2004`, `2004-10`, `2004-10-02`, `2004-10-02T08:00:00Z`, or two of "
                "them with a slash for a range, `1990/1995`. An instant without `Z` is one whose zone the source does "
                "not name. Left out where the text is not recognised."
            )
        ),
    ] = None
    text: Annotated[
        str | None, Meta(description="What the source wrote, where that differs from `value`.")
    ] = None
    role: Annotated[
        str | None,
        Meta(description="Which date it is, if the source says so: `issued`, `created`, `embargoEnd`."),
    ] = None


class Language(Entry, frozen=True):
    """A language of the resource. It has a `code`, a `text` or both."""

    code: Annotated[
        str | None,
        Meta(
            description=(
                "ISO 639: two letters where the language has such a code, else three (639-2). Left out where the "
                "text is not recognised."
            )
        ),
    ] = None
    text: Annotated[
        str | None, Meta(description="What the source wrote, where that differs from `code`.")
    ] = None


class Identifier(Entry, frozen=True):
    """A name of the resource under a scheme."""

    scheme: Annotated[Scheme, Meta(description="What kind it is; `other` is any text that is none of those.")]
    value: Annotated[
        str,
        Meta(
            description=(
                "In the scheme's own form, without label or resolver: `10.1000/abc` (doi, lower case), `0378-5955` "
                "(issn), `9783161484100` (isbn, always 13 digits), `1234.56789v2` (arxiv), `25881311` (pmid), "
                "`PMC2999999` (pmcid), `10161/10834` (handle). For url and other the text itself."
            )
        ),
    ]


class Related(Identifier, frozen=True):
    """Another resource, as an identifier or, with the scheme `other`, as a text."""

    role: Annotated[
        str,
        Meta(
            description="How it is related: `relation`, `source`, or a refinement of them, `isPartOf`, `references`."
        ),
    ] = "relation"


class Rights(Text, frozen=True):
    """A statement about rights."""

    license: Annotated[
        str | None,
        Meta(
            description=(
                "The Creative Commons licence that the text is or names, in one form: "
                "`https://creativecommons.org/licenses/by/4.0/`."
            )
        ),
    ] = None


class Unmapped(Entry, frozen=True):
    """A value of the record that has no place in this schema."""

    element: Annotated[str, Meta(description="Where it stood: `{namespace}name` for XML.")]
    text: Annotated[str, Meta(description="The value.")]


class Document(msgspec.Struct, frozen=True, gc=False):
    """One record, normalized."""

    id: Annotated[str, Meta(description="The record's identifier in the source.")]
    title: Annotated[str | None, Meta(description="The first of `titles`; null where there is none.")] = None
    titles: Annotated[tuple[Text, ...], Meta(description="All titles, in the record's order.")] = ()
    creators: Annotated[tuple[Agent, ...], Meta(description="Who made it, in the record's order.")] = ()
    contributors: Annotated[tuple[Agent, ...], Meta(description="Who else had a part in it.")] = ()
    publisher: Annotated[
        str | None, Meta(description="The first of `publishers`; null where there is none.")
    ] = None
    publishers: Annotated[tuple[Agent, ...], Meta(description="Who made it available.")] = ()
    dates: Annotated[
        tuple[Date, ...], Meta(description="Its dates; sources mix several kinds in one element.")
    ] = ()
    languages: Annotated[tuple[Language, ...], Meta(description="The languages it is in.")] = ()
    types: Annotated[tuple[Text, ...], Meta(description="What kind of thing it is.")] = ()
    subjects: Annotated[tuple[Text, ...], Meta(description="What it is about: keywords, classes.")] = ()
    descriptions: Annotated[tuple[Text, ...], Meta(description="Abstracts, tables of contents, notes.")] = ()
    identifiers: Annotated[
        tuple[Identifier, ...], Meta(description="Its names, in the record's order, each only once.")
    ] = ()
    links: Annotated[
        tuple[str, ...],
        Meta(
            description="The web addresses among its identifiers, as given, resolvers (`https://doi.org/`) included."
        ),
    ] = ()
    rights: Annotated[tuple[Rights, ...], Meta(description="Licences, access, statements about rights.")] = ()
    related: Annotated[
        tuple[Related, ...], Meta(description="Other resources, each only once for a role.")
    ] = ()
    coverage: Annotated[tuple[Text, ...], Meta(description="Places and times that it covers.")] = ()
    formats: Annotated[tuple[Text, ...], Meta(description="Media types, extents, carriers.")] = ()
    unmapped: Annotated[tuple[Unmapped, ...], Meta(description="What has no place in the fields above.")] = ()

    def to_json(self) -> str:
        """The JSON text, fields in the order above: what `normalized_datum.document` holds."""
        return _encoder.encode(self).decode()

    def as_dict(self) -> dict[str, Any]:
        """The same as plain dicts, lists and strings."""
        document: dict[str, Any] = msgspec.to_builtins(self)
        return document


_encoder = msgspec.json.Encoder()
