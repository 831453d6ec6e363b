"""The schema of a normalized document, version 2. All formats share it.

Here: the fields of a document, and its JSON. Not here: the items in its lists (`transformers.items`), and how a
transformer reads its format (`transformers.formats`). Plug-ins import all names from this module.

The descriptions below and in `items` are the documentation of the schema. `transformers.schema` generates
`docs/document.md` and `document.schema.json` from them.

Every document keeps three promises:

- Every field of `Document` is always present; a list is empty if the record has no value for it. An item of a list
  leaves out the fields that have no value.
- Nothing is invented. A value is what the source wrote, or the same value in a standard form. Where a value was mapped
  to a vocabulary, the field `…_text` beside it has what the source wrote, if the two differ.
- Nothing is lost. What has no field is in `unmapped`, with its path in the record.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from harvest_dagster.transformers.items import (
    Access,
    Affiliation,
    Agent,
    AgentKind,
    Container,
    ContainerKind,
    Date,
    Description,
    File,
    Funding,
    Identifier,
    Item,
    Language,
    Origin,
    Place,
    Provenance,
    Related,
    Rights,
    Scheme,
    Subject,
    Text,
    Title,
    Unmapped,
    Version,
    described,
)

__all__ = [
    "SCHEMA_VERSION",
    "Access",
    "Affiliation",
    "Agent",
    "AgentKind",
    "Container",
    "ContainerKind",
    "Date",
    "Description",
    "Document",
    "File",
    "Funding",
    "Identifier",
    "Item",
    "Language",
    "Origin",
    "Place",
    "Provenance",
    "Related",
    "Rights",
    "Scheme",
    "Subject",
    "Text",
    "Title",
    "Unmapped",
    "Version",
]

SCHEMA_VERSION: Literal[2] = 2


class Document(msgspec.Struct, frozen=True, gc=False):
    """One normalized record. Lists keep the order of the record."""

    id: Annotated[str, described("The record's identifier in the source.")]
    schema_version: Annotated[Literal[2], described("The version of this schema.")] = SCHEMA_VERSION
    kind: Annotated[
        str | None,
        described(
            "The general type of the resource, a resourceTypeGeneral of DataCite: `JournalArticle`, `Dataset`, "
            "`Preprint`, `Software`. It comes from the first of `types` that has one; a later one replaces `Text`. "
            "A format of only one type gives it, too: a record of arXiv is a preprint. Null if there is none."
        ),
    ] = None
    title: Annotated[str | None, described("The first of `titles`; null if there is none.")] = None
    publisher: Annotated[str | None, described("The first of `publishers`; null if there is none.")] = None
    issued: Annotated[
        str | None,
        described("The value of the first of `dates` with the role `Issued`; null if there is none."),
    ] = None
    access: Annotated[Access | None, described("Who may read the resource, if the source says so.")] = None
    version: Annotated[str | None, described("The version of the resource.")] = None
    titles: Annotated[tuple[Title, ...], described("All titles; those with a role come last.")] = ()
    creators: Annotated[
        tuple[Agent, ...], described("The people and organizations that created the resource.")
    ] = ()
    contributors: Annotated[
        tuple[Agent, ...], described("Other people and organizations that contributed to it.")
    ] = ()
    publishers: Annotated[
        tuple[Agent, ...], described("The people and organizations that published it.")
    ] = ()
    dates: Annotated[
        tuple[Date, ...], described("Its dates. Many sources do not name the kind of each date.")
    ] = ()
    languages: Annotated[tuple[Language, ...], described("The languages of the resource.")] = ()
    types: Annotated[
        tuple[Text, ...], described("The types of the resource, as the source writes them.")
    ] = ()
    subjects: Annotated[
        tuple[Subject, ...], described("Its subjects: keywords, classes of a classification.")
    ] = ()
    descriptions: Annotated[tuple[Description, ...], described("Abstracts, tables of contents, notes.")] = ()
    identifiers: Annotated[tuple[Identifier, ...], described("Its identifiers, each once.")] = ()
    links: Annotated[
        tuple[str, ...],
        described(
            "The identifiers that are web addresses, as the source gives them, each once; the address of a DOI too. "
            "Of several resolvers in a row, only the last."
        ),
    ] = ()
    containers: Annotated[
        tuple[Container, ...], described("The journals, books, series and conferences to which it belongs.")
    ] = ()
    funding: Annotated[tuple[Funding, ...], described("Who paid for it.")] = ()
    rights: Annotated[
        tuple[Rights, ...], described("Licenses, access conditions and other statements about rights.")
    ] = ()
    related: Annotated[tuple[Related, ...], described("Related resources, references included.")] = ()
    versions: Annotated[tuple[Version, ...], described("Its versions, if the record lists them.")] = ()
    files: Annotated[tuple[File, ...], described("Its files, and other ways to get its content.")] = ()
    places: Annotated[tuple[Place, ...], described("The places that it covers.")] = ()
    periods: Annotated[tuple[Date, ...], described("The times that it covers.")] = ()
    coverage: Annotated[
        tuple[Text, ...], described("What it covers, if the source does not tell places from times.")
    ] = ()
    formats: Annotated[tuple[Text, ...], described("Media types, carriers.")] = ()
    sizes: Annotated[tuple[Text, ...], described("Extents: pages, bytes, durations.")] = ()
    provenance: Annotated[Provenance, described("How the document came about.")] = Provenance()
    unmapped: Annotated[tuple[Unmapped, ...], described("Values for which there is no field above.")] = ()

    def to_json(self) -> str:
        """Return the JSON text, with the fields in the order above, as in `normalized_datum.document`."""
        return _encoder.encode(self).decode()

    def as_dict(self) -> dict[str, Any]:
        """Return the document as dicts, lists and strings."""
        # Through JSON, because msgspec.to_builtins keeps tuples.
        document: dict[str, Any] = msgspec.json.decode(_encoder.encode(self))
        return document


_encoder = msgspec.json.Encoder()
