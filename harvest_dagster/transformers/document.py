"""The schema of a normalized document, version 2. All formats share it.

Here: the values, the meaning of each field, and the JSON of a document. Not here: how a transformer reads its format,
and how identifiers, dates and languages are recognized (the modules of these names). The descriptions below are the
documentation of the schema: `transformers.schema` generates `docs/document.md` and `document.schema.json` from them.

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

SCHEMA_VERSION: Literal[2] = 2

Scheme = Literal[
    "ark",
    "arxiv",
    "bibcode",
    "doi",
    "fundref",
    "gnd",
    "grid",
    "handle",
    "isbn",
    "isni",
    "issn",
    "lccn",
    "nbn",
    "oai",
    "orcid",
    "other",
    "pmcid",
    "pmid",
    "researcherid",
    "ror",
    "scopus",
    "swhid",
    "url",
    "urn",
    "viaf",
    "wikidata",
]
AgentKind = Literal["person", "organization"]
Access = Literal["open", "embargoed", "restricted", "closed", "metadata_only"]
ContainerKind = Literal["journal", "book", "series", "conference", "repository", "other"]


def _described(description: str) -> msgspec.Meta:
    return msgspec.Meta(description=description)


class Item(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Base of the items in a document's lists: immutable; JSON leaves out fields without a value."""


class Identifier(Item, frozen=True):
    """An identifier in one scheme."""

    scheme: Annotated[Scheme, _described("The kind of identifier; `other` for a text of no known kind.")]
    value: Annotated[
        str,
        _described(
            "In the normal form of the scheme, without label or resolver: `10.1000/abc` (doi, in lower case), "
            "`0378-5955` (issn), `9783161484100` (isbn, always 13 digits), `2101.00001v2` (arxiv), "
            "`25881311` (pmid), `PMC2999999` (pmcid), `10161/10834` (handle), `0000-0002-1825-0097` (orcid), "
            "`02mhbdp94` (ror), `0000000121032683` (isni). For urn, oai, url and other: the text itself."
        ),
    ]
    scheme_text: Annotated[
        str | None, _described("The name of the scheme as the source writes it, if `scheme` is `other`.")
    ] = None


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


class Title(Text, frozen=True):
    """A title."""

    role: Annotated[
        str | None,
        _described(
            "The kind of title, if it is not the main title: `alternative`, `subtitle`, `translated`, `short`, "
            "`series`, or what the source writes."
        ),
    ] = None


class Description(Text, frozen=True):
    """An abstract or another text about the resource."""

    role: Annotated[
        str | None,
        _described(
            "The kind of description in the words of DataCite (`Abstract`, `Methods`, `SeriesInformation`, "
            "`TableOfContents`, `TechnicalInfo`, `Other`), or what the source writes."
        ),
    ] = None


class Subject(Text, frozen=True):
    """A keyword, or a class of a classification."""

    code: Annotated[
        str | None, _described("The notation of the term in its vocabulary: `004.8`, `cs.LG`.")
    ] = None
    uri: Annotated[str | None, _described("The address of the term.")] = None


class Affiliation(Item, frozen=True):
    """An organization to which an agent belongs."""

    name: Annotated[
        str, _described("The name as the source writes it, with department and place if it has them.")
    ]
    identifiers: Annotated[tuple[Identifier, ...], _described("Identifiers of the organization.")] = ()


class Agent(Item, frozen=True):
    """A person or an organization."""

    name: Annotated[
        str,
        _described(
            "The name as the source writes it. If the source writes only the parts of a person's name: `family, given`."
        ),
    ]
    kind: Annotated[AgentKind | None, _described("Whether it is a person, if the source says so.")] = None
    given: Annotated[str | None, _described("Given names or initials, if the source has them apart.")] = None
    family: Annotated[str | None, _described("The family name, if the source has it apart.")] = None
    prefix: Annotated[str | None, _described("A title before the name: `Dr`.")] = None
    suffix: Annotated[
        str | None, _described("An addition after the name: `Jr.`, `III`, or dates of life.")
    ] = None
    other_names: Annotated[
        tuple[Text, ...], _described("The name in other scripts or forms, as the source writes them.")
    ] = ()
    identifiers: Annotated[
        tuple[Identifier, ...], _described("Identifiers of the agent: orcid, isni, ror, gnd and others.")
    ] = ()
    role: Annotated[
        str | None,
        _described(
            "What the agent did: a code of the MARC relators (https://id.loc.gov/vocabulary/relators), such as `aut`, "
            "`edt`, `trl`. Left out if the source names no role, or one without a code."
        ),
    ] = None
    role_text: Annotated[
        str | None, _described("The role as the source writes it, if it differs from `role`.")
    ] = None
    affiliations: Annotated[
        tuple[Affiliation, ...], _described("The organizations to which it belongs.")
    ] = ()
    places: Annotated[
        tuple[str, ...], _described("Its places, as the source writes them: the place of a publisher.")
    ] = ()


class Date(Item, frozen=True):
    """A point in time or a range. It has a `value`, a `text` or both."""

    value: Annotated[
        str | None,
        _described(
            "EDTF level 1 (ISO 8601-2): `2004`, `2004-10`, `2004-10-02`, `2004-10-02T08:00:00Z`, `1990/1995`, "
            "`1984?`, `1899~`, `199X`, `2004-21` (spring), `1985/..`. An instant may have a fraction of a second, "
            "which EDTF lacks. An instant without `Z` has no time zone, because the source names none. Left out if "
            "the text is not recognized."
        ),
    ] = None
    text: Annotated[str | None, _described("What the source wrote, if it differs from `value`.")] = None
    role: Annotated[
        str | None,
        _described(
            "The kind of date in the words of DataCite: `Accepted`, `Available`, `Collected`, `Copyrighted`, "
            "`Created`, `Issued`, `Submitted`, `Updated`, `Valid`, `Withdrawn`, `Other`. Left out if the source names "
            "no kind, or one without a word here."
        ),
    ] = None
    role_text: Annotated[
        str | None, _described("The kind of date as the source writes it, if it differs from `role`.")
    ] = None


class Language(Item, frozen=True):
    """A language of the resource. It has a `code`, a `text` or both."""

    code: Annotated[
        str | None,
        _described(
            "ISO 639-3 code (`eng`), or that of ISO 639-2 for a group of languages. Left out if the text is not "
            "recognized."
        ),
    ] = None
    text: Annotated[str | None, _described("What the source wrote, if it differs from `code`.")] = None


class Container(Item, frozen=True):
    """The journal, book, series or conference to which the resource belongs."""

    title: Annotated[str | None, _described("The title of the container.")] = None
    kind: Annotated[ContainerKind | None, _described("What it is, if the source says so.")] = None
    other_titles: Annotated[
        tuple[Text, ...], _described("Abbreviated and other titles of the container.")
    ] = ()
    identifiers: Annotated[tuple[Identifier, ...], _described("ISSN, ISBN and others.")] = ()
    volume: Annotated[str | None, _described("The volume.")] = None
    issue: Annotated[str | None, _described("The issue or number.")] = None
    edition: Annotated[str | None, _described("The edition.")] = None
    first_page: Annotated[str | None, _described("The first page, or the only one.")] = None
    last_page: Annotated[str | None, _described("The last page.")] = None
    pages: Annotated[
        str | None,
        _described("The pages as the source writes them, if they are not a first and a last page."),
    ] = None
    number: Annotated[str | None, _described("The number of the article, or of the chapter.")] = None
    places: Annotated[tuple[str, ...], _described("The places of a conference.")] = ()
    dates: Annotated[tuple[Date, ...], _described("The dates of a conference, or of the container.")] = ()
    agents: Annotated[
        tuple[Agent, ...], _described("Editors, sponsors and publishers of the container.")
    ] = ()
    text: Annotated[str | None, _described("All of it as one text, if the source writes it so.")] = None


class Funding(Item, frozen=True):
    """A grant, or another support."""

    funder: Annotated[str | None, _described("The name of the funder.")] = None
    funder_identifiers: Annotated[
        tuple[Identifier, ...], _described("Identifiers of the funder: fundref, ror and others.")
    ] = ()
    award: Annotated[str | None, _described("The number of the award.")] = None
    award_title: Annotated[str | None, _described("The title of the award, or of the project.")] = None
    award_identifiers: Annotated[tuple[Identifier, ...], _described("Addresses and DOIs of the award.")] = ()
    program: Annotated[str | None, _described("The funding stream or programme.")] = None
    text: Annotated[str | None, _described("The statement as one text, if the source writes it so.")] = None


class Related(Item, frozen=True):
    """A related resource. It has `identifiers`, a `text` or a `title`."""

    relation: Annotated[
        str | None,
        _described(
            "How the resource relates to it: a relation type of DataCite (`IsPartOf`, `References`, `IsVersionOf`). "
            "Left out if the source names none, or one without such a type."
        ),
    ] = None
    relation_text: Annotated[
        str | None, _described("The relation as the source writes it, if it differs from `relation`.")
    ] = None
    identifiers: Annotated[tuple[Identifier, ...], _described("Identifiers of the related resource.")] = ()
    text: Annotated[str | None, _described("A citation, or any other text about it.")] = None
    title: Annotated[str | None, _described("Its title.")] = None
    kind: Annotated[str | None, _described("Its type, as the source writes it.")] = None
    agents: Annotated[tuple[Agent, ...], _described("Its creators and contributors.")] = ()
    date: Annotated[Date | None, _described("Its date.")] = None
    container: Annotated[Container | None, _described("The journal or book that contains it.")] = None
    publisher: Annotated[str | None, _described("Its publisher.")] = None
    label: Annotated[
        str | None, _described("Its number or key in the list of references, as the source writes it.")
    ] = None


class Rights(Text, frozen=True):
    """A license, or another statement about rights."""

    license: Annotated[
        str | None,
        _described(
            "The address of the license. A Creative Commons license has one form: "
            "`https://creativecommons.org/licenses/by/4.0/`."
        ),
    ] = None
    code: Annotated[
        str | None, _described("The short name of the license, if the source gives it: `CC-BY-4.0`.")
    ] = None
    start: Annotated[str | None, _described("The day from which the license applies, in EDTF.")] = None
    applies_to: Annotated[
        str | None,
        _described("The version to which it applies, as the source writes it: `vor`, `am`, `tdm`."),
    ] = None


class File(Item, frozen=True):
    """A file of the resource, or another way to get its content."""

    url: Annotated[str | None, _described("Its address.")] = None
    name: Annotated[str | None, _described("Its name or title.")] = None
    format: Annotated[str | None, _described("Its media type or format, as the source writes it.")] = None
    size: Annotated[str | None, _described("Its size, as the source writes it.")] = None
    checksum: Annotated[str | None, _described("Its checksum, `algorithm:value`.")] = None
    version: Annotated[str | None, _described("The version in it: `vor`, `am`.")] = None
    access: Annotated[Access | None, _described("Who may read it.")] = None
    license: Annotated[str | None, _described("The address of its license.")] = None
    description: Annotated[str | None, _described("Any other text about it.")] = None


class Place(Item, frozen=True):
    """A place that the resource covers. It has a `name`, a `geometry` or both."""

    name: Annotated[str | None, _described("The name of the place.")] = None
    language: Annotated[str | None, _described("The language of the name, as the source gives it.")] = None
    vocabulary: Annotated[str | None, _described("The vocabulary of the name.")] = None
    code: Annotated[str | None, _described("A code of the place in that vocabulary.")] = None
    identifiers: Annotated[tuple[Identifier, ...], _described("Identifiers of the place.")] = ()
    geometry: Annotated[
        str | None,
        _described(
            "Well-known text with the numbers of the source, longitude first: `POINT (8.5 47.4)`, "
            "`POLYGON ((8 47, 9 47, 9 48, 8 48, 8 47))`. A box is a polygon."
        ),
    ] = None


class Version(Item, frozen=True):
    """A version of the resource."""

    label: Annotated[str | None, _described("Its number or name: `v2`.")] = None
    date: Annotated[Date | None, _described("Its date.")] = None
    identifiers: Annotated[tuple[Identifier, ...], _described("Its identifiers.")] = ()
    text: Annotated[str | None, _described("What the source says about it: the size, the changes.")] = None


class Origin(Item, frozen=True):
    """Where an aggregator took the record from (OAI-PMH guidelines, `provenance`)."""

    base_url: Annotated[str | None, _described("The base URL of the repository.")] = None
    identifier: Annotated[str | None, _described("The identifier of the record there.")] = None
    datestamp: Annotated[str | None, _described("The datestamp of the record there.")] = None
    harvested: Annotated[str | None, _described("The time at which the aggregator harvested it.")] = None
    namespace: Annotated[str | None, _described("The namespace of the metadata format there.")] = None
    altered: Annotated[
        str | None, _described("Whether the aggregator changed the record: `true` or `false`.")
    ] = None


class Provenance(Item, frozen=True):
    """How this document came about."""

    transformer: Annotated[str | None, _described("The key of the transformer that made the document.")] = (
        None
    )
    format: Annotated[
        str | None,
        _described("The format of the record: the namespace of an XML record, or the name of a JSON format."),
    ] = None
    sets: Annotated[tuple[str, ...], _described("The sets of the record in its source.")] = ()
    created: Annotated[str | None, _described("When the record was made, in EDTF.")] = None
    updated: Annotated[str | None, _described("When the record was last changed, in EDTF.")] = None
    agencies: Annotated[
        tuple[str, ...], _described("Who made the record: cataloging agencies, registrants, sources.")
    ] = ()
    languages: Annotated[tuple[str, ...], _described("The languages of the record itself.")] = ()
    identifiers: Annotated[
        tuple[Identifier, ...], _described("Identifiers of the record, not of the resource.")
    ] = ()
    rules: Annotated[
        tuple[str, ...],
        _described("Cataloging rules, versions of schemas and similar facts about the record."),
    ] = ()
    origins: Annotated[
        tuple[Origin, ...], _described("The repositories through which the record passed.")
    ] = ()


class Unmapped(Item, frozen=True):
    """A value of the record for which this schema has no field."""

    path: Annotated[
        str,
        _described(
            "Its place in the record. XML: the names from the first element of the format on, `{namespace}name` where "
            "the namespace changes, `[2]` for the second of several, `@name` for an attribute. JSON: `author[0].name`."
        ),
    ]
    text: Annotated[str, _described("The value.")]


class Document(msgspec.Struct, frozen=True, gc=False):
    """One normalized record. Lists keep the order of the record."""

    id: Annotated[str, _described("The record's identifier in the source.")]
    schema_version: Annotated[Literal[2], _described("The version of this schema.")] = SCHEMA_VERSION
    kind: Annotated[
        str | None,
        _described(
            "The general type of the resource, a resourceTypeGeneral of DataCite: `JournalArticle`, `Dataset`, "
            "`Preprint`, `Software`. It comes from the first of `types` that has one; `Text` gives way to another. "
            "Null if there is none."
        ),
    ] = None
    title: Annotated[str | None, _described("The first of `titles`; null if there is none.")] = None
    publisher: Annotated[str | None, _described("The first of `publishers`; null if there is none.")] = None
    issued: Annotated[
        str | None,
        _described("The value of the first of `dates` with the role `Issued`; null if there is none."),
    ] = None
    access: Annotated[Access | None, _described("Who may read the resource, if the source says so.")] = None
    version: Annotated[str | None, _described("The version of the resource.")] = None
    titles: Annotated[tuple[Title, ...], _described("All titles; those with a role come last.")] = ()
    creators: Annotated[
        tuple[Agent, ...], _described("The people and organizations that created the resource.")
    ] = ()
    contributors: Annotated[
        tuple[Agent, ...], _described("Other people and organizations that contributed to it.")
    ] = ()
    publishers: Annotated[
        tuple[Agent, ...], _described("The people and organizations that published it.")
    ] = ()
    dates: Annotated[
        tuple[Date, ...], _described("Its dates. Many sources do not name the kind of each date.")
    ] = ()
    languages: Annotated[tuple[Language, ...], _described("The languages of the resource.")] = ()
    types: Annotated[
        tuple[Text, ...], _described("The types of the resource, as the source writes them.")
    ] = ()
    subjects: Annotated[
        tuple[Subject, ...], _described("Its subjects: keywords, classes of a classification.")
    ] = ()
    descriptions: Annotated[tuple[Description, ...], _described("Abstracts, tables of contents, notes.")] = ()
    identifiers: Annotated[tuple[Identifier, ...], _described("Its identifiers, each once.")] = ()
    links: Annotated[
        tuple[str, ...],
        _described(
            "The identifiers that are web addresses, as the source gives them, each once; the address of a DOI too. "
            "Of several resolvers in a row, only the last."
        ),
    ] = ()
    containers: Annotated[
        tuple[Container, ...], _described("The journals, books, series and conferences to which it belongs.")
    ] = ()
    funding: Annotated[tuple[Funding, ...], _described("Who paid for it.")] = ()
    rights: Annotated[
        tuple[Rights, ...], _described("Licenses, access conditions and other statements about rights.")
    ] = ()
    related: Annotated[tuple[Related, ...], _described("Related resources, references included.")] = ()
    versions: Annotated[tuple[Version, ...], _described("Its versions, if the record lists them.")] = ()
    files: Annotated[tuple[File, ...], _described("Its files, and other ways to get its content.")] = ()
    places: Annotated[tuple[Place, ...], _described("The places that it covers.")] = ()
    periods: Annotated[tuple[Date, ...], _described("The times that it covers.")] = ()
    coverage: Annotated[
        tuple[Text, ...], _described("What it covers, if the source does not tell places from times.")
    ] = ()
    formats: Annotated[tuple[Text, ...], _described("Media types, carriers.")] = ()
    sizes: Annotated[tuple[Text, ...], _described("Extents: pages, bytes, durations.")] = ()
    provenance: Annotated[Provenance, _described("How the document came about.")] = Provenance()
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
