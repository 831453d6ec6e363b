"""The items in the lists of a normalized document.

Here: the values and the meaning of each field. Not here: `Document` itself (`transformers.document`). Plug-ins import
the items from there, too.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

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


def described(description: str) -> msgspec.Meta:
    """Return the description of a field, for the schema."""
    return msgspec.Meta(description=description)


class Item(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Base of the items in a document's lists: immutable; JSON leaves out fields without a value."""


class Identifier(Item, frozen=True):
    """An identifier in one scheme."""

    scheme: Annotated[Scheme, described("The kind of identifier; `other` for a text of no known kind.")]
    value: Annotated[
        str,
        described(
            "In the normal form of the scheme, without label or resolver: `10.1000/abc` (doi, in lower case), "
            "`0378-5955` (issn), `9783161484100` (isbn, always 13 digits), `2101.00001v2` (arxiv), "
            "`25881311` (pmid), `PMC2999999` (pmcid), `10161/10834` (handle), `0000-0002-1825-0097` (orcid), "
            "`02mhbdp94` (ror), `0000000121032683` (isni). For urn, oai, url and other: the text itself."
        ),
    ]
    scheme_text: Annotated[
        str | None, described("The name of the scheme as the source writes it, if `scheme` is `other`.")
    ] = None


class Text(Item, frozen=True):
    """A text or a term, with its language and vocabulary."""

    text: Annotated[str, described("The text. Each run of white space is one space.")]
    language: Annotated[
        str | None, described("The language of the text as the source gives it (`xml:lang`, a BCP 47 tag).")
    ] = None
    vocabulary: Annotated[
        str | None,
        described(
            "The vocabulary of the term, if the source names it: `info:eu-repo/semantics`, `DCMIType`, `LCSH`."
        ),
    ] = None


class Title(Text, frozen=True):
    """A title."""

    role: Annotated[
        str | None,
        described(
            "The kind of title, if it is not the main title: `alternative`, `subtitle`, `translated`, `short`, "
            "`series`, or what the source writes."
        ),
    ] = None


class Description(Text, frozen=True):
    """An abstract or another text about the resource."""

    role: Annotated[
        str | None,
        described(
            "The kind of description in the words of DataCite (`Abstract`, `Methods`, `SeriesInformation`, "
            "`TableOfContents`, `TechnicalInfo`, `Other`), or what the source writes."
        ),
    ] = None


class Subject(Text, frozen=True):
    """A keyword, or a class of a classification."""

    code: Annotated[
        str | None, described("The notation of the term in its vocabulary: `004.8`, `cs.LG`.")
    ] = None
    uri: Annotated[str | None, described("The address of the term.")] = None


class Affiliation(Item, frozen=True):
    """An organization to which an agent belongs."""

    name: Annotated[
        str, described("The name as the source writes it, with department and place if it has them.")
    ]
    identifiers: Annotated[tuple[Identifier, ...], described("Identifiers of the organization.")] = ()


class Agent(Item, frozen=True):
    """A person or an organization."""

    name: Annotated[
        str,
        described(
            "The name as the source writes it. If the source writes only the parts of a person's name: `family, given`."
        ),
    ]
    kind: Annotated[AgentKind | None, described("Whether it is a person, if the source says so.")] = None
    given: Annotated[
        str | None, described("Given names or initials, if the source writes them separately.")
    ] = None
    family: Annotated[str | None, described("The family name, if the source writes it separately.")] = None
    prefix: Annotated[str | None, described("A title before the name: `Dr`.")] = None
    suffix: Annotated[
        str | None, described("An addition after the name: `Jr.`, `III`, or dates of life.")
    ] = None
    other_names: Annotated[
        tuple[Text, ...], described("The name in other scripts or forms, as the source writes them.")
    ] = ()
    identifiers: Annotated[
        tuple[Identifier, ...], described("Identifiers of the agent: orcid, isni, ror, gnd and others.")
    ] = ()
    role: Annotated[
        str | None,
        described(
            "What the agent did: a code of the MARC relators (https://id.loc.gov/vocabulary/relators), such as `aut`, "
            "`edt`, `trl`. Left out if the source names no role, or one without a code."
        ),
    ] = None
    role_text: Annotated[
        str | None, described("The role as the source writes it, if it differs from `role`.")
    ] = None
    affiliations: Annotated[tuple[Affiliation, ...], described("The organizations to which it belongs.")] = ()
    places: Annotated[
        tuple[str, ...], described("Its places, as the source writes them: the place of a publisher.")
    ] = ()


class Date(Item, frozen=True):
    """A point in time or a range. It has a `value`, a `text` or both."""

    value: Annotated[
        str | None,
        described(
            "EDTF level 1 (ISO 8601-2): `2004`, `2004-10`, `2004-10-02`, `2004-10-02T08:00:00Z`, `1990/1995`, "
            "`1984?`, `1899~`, `199X`, `2004-21` (spring), `1985/..`. An instant may have a fraction of a second, "
            "which EDTF lacks. An instant without `Z` has no time zone, because the source names none. Left out if "
            "the text is not recognized."
        ),
    ] = None
    text: Annotated[str | None, described("What the source wrote, if it differs from `value`.")] = None
    role: Annotated[
        str | None,
        described(
            "The kind of date in the words of DataCite: `Accepted`, `Available`, `Collected`, `Copyrighted`, "
            "`Created`, `Issued`, `Submitted`, `Updated`, `Valid`, `Withdrawn`, `Other`. Left out if the source names "
            "no kind, or one without a word here."
        ),
    ] = None
    role_text: Annotated[
        str | None, described("The kind of date as the source writes it, if it differs from `role`.")
    ] = None


class Language(Item, frozen=True):
    """A language of the resource. It has a `code`, a `text` or both."""

    code: Annotated[
        str | None,
        described(
            "ISO 639-3 code (`eng`), or that of ISO 639-2 for a group of languages. Left out if the text is not "
            "recognized."
        ),
    ] = None
    text: Annotated[str | None, described("What the source wrote, if it differs from `code`.")] = None


class Container(Item, frozen=True):
    """The journal, book, series or conference to which the resource belongs."""

    title: Annotated[str | None, described("The title of the container.")] = None
    kind: Annotated[ContainerKind | None, described("What it is, if the source says so.")] = None
    other_titles: Annotated[
        tuple[Text, ...], described("Abbreviated and other titles of the container.")
    ] = ()
    identifiers: Annotated[tuple[Identifier, ...], described("ISSN, ISBN and others.")] = ()
    volume: Annotated[str | None, described("The volume.")] = None
    issue: Annotated[str | None, described("The issue or number.")] = None
    edition: Annotated[str | None, described("The edition.")] = None
    first_page: Annotated[str | None, described("The first page, or the only one.")] = None
    last_page: Annotated[str | None, described("The last page.")] = None
    pages: Annotated[
        str | None,
        described("The pages as the source writes them, if they are not a first and a last page."),
    ] = None
    number: Annotated[str | None, described("The number of the article, or of the chapter.")] = None
    places: Annotated[tuple[str, ...], described("The places of a conference.")] = ()
    dates: Annotated[tuple[Date, ...], described("The dates of a conference, or of the container.")] = ()
    agents: Annotated[tuple[Agent, ...], described("Editors, sponsors and publishers of the container.")] = ()
    text: Annotated[str | None, described("All of it as one text, if the source writes it so.")] = None


class Funding(Item, frozen=True):
    """A grant, or another support."""

    funder: Annotated[str | None, described("The name of the funder.")] = None
    funder_identifiers: Annotated[
        tuple[Identifier, ...], described("Identifiers of the funder: fundref, ror and others.")
    ] = ()
    award: Annotated[str | None, described("The number of the award.")] = None
    award_title: Annotated[str | None, described("The title of the award, or of the project.")] = None
    award_identifiers: Annotated[tuple[Identifier, ...], described("Addresses and DOIs of the award.")] = ()
    program: Annotated[str | None, described("The funding stream or programme.")] = None
    text: Annotated[str | None, described("The statement as one text, if the source writes it so.")] = None


class Related(Item, frozen=True):
    """A related resource. It has `identifiers`, a `text` or a `title`."""

    relation: Annotated[
        str | None,
        described(
            "How the resource relates to it: a relation type of DataCite (`IsPartOf`, `References`, `IsVersionOf`). "
            "Left out if the source names none, or one without such a type."
        ),
    ] = None
    relation_text: Annotated[
        str | None, described("The relation as the source writes it, if it differs from `relation`.")
    ] = None
    identifiers: Annotated[tuple[Identifier, ...], described("Identifiers of the related resource.")] = ()
    text: Annotated[str | None, described("A citation, or any other text about it.")] = None
    title: Annotated[str | None, described("Its title.")] = None
    kind: Annotated[str | None, described("Its type, as the source writes it.")] = None
    agents: Annotated[tuple[Agent, ...], described("Its creators and contributors.")] = ()
    date: Annotated[Date | None, described("Its date.")] = None
    container: Annotated[Container | None, described("The journal or book that contains it.")] = None
    publisher: Annotated[str | None, described("Its publisher.")] = None
    label: Annotated[
        str | None, described("Its number or key in the list of references, as the source writes it.")
    ] = None


class Rights(Text, frozen=True):
    """A license, or another statement about rights."""

    license: Annotated[
        str | None,
        described(
            "The address of the license. A Creative Commons license has one form: "
            "`https://creativecommons.org/licenses/by/4.0/`."
        ),
    ] = None
    code: Annotated[
        str | None, described("The short name of the license, if the source gives it: `CC-BY-4.0`.")
    ] = None
    start: Annotated[str | None, described("The day from which the license applies, in EDTF.")] = None
    applies_to: Annotated[
        str | None,
        described("The version to which it applies, as the source writes it: `vor`, `am`, `tdm`."),
    ] = None


class File(Item, frozen=True):
    """A file of the resource, or another way to get its content."""

    url: Annotated[str | None, described("Its address.")] = None
    name: Annotated[str | None, described("Its name or title.")] = None
    format: Annotated[str | None, described("Its media type or format, as the source writes it.")] = None
    size: Annotated[str | None, described("Its size, as the source writes it.")] = None
    checksum: Annotated[str | None, described("Its checksum, `algorithm:value`.")] = None
    version: Annotated[str | None, described("The version in it: `vor`, `am`.")] = None
    access: Annotated[Access | None, described("Who may read it.")] = None
    license: Annotated[str | None, described("The address of its license.")] = None
    description: Annotated[str | None, described("Any other text about it.")] = None


class Place(Item, frozen=True):
    """A place that the resource covers. It has a `name`, a `geometry` or both."""

    name: Annotated[str | None, described("The name of the place.")] = None
    language: Annotated[str | None, described("The language of the name, as the source gives it.")] = None
    vocabulary: Annotated[str | None, described("The vocabulary of the name.")] = None
    code: Annotated[str | None, described("A code of the place in that vocabulary.")] = None
    identifiers: Annotated[tuple[Identifier, ...], described("Identifiers of the place.")] = ()
    geometry: Annotated[
        str | None,
        described(
            "Well-known text with the numbers of the source, longitude first: `POINT (8.5 47.4)`, "
            "`POLYGON ((8 47, 9 47, 9 48, 8 48, 8 47))`. A box is a polygon."
        ),
    ] = None


class Version(Item, frozen=True):
    """A version of the resource."""

    label: Annotated[str | None, described("Its number or name: `v2`.")] = None
    date: Annotated[Date | None, described("Its date.")] = None
    identifiers: Annotated[tuple[Identifier, ...], described("Its identifiers.")] = ()
    text: Annotated[str | None, described("What the source says about it: the size, the changes.")] = None


class Origin(Item, frozen=True):
    """Where an aggregator took the record from (OAI-PMH guidelines, `provenance`)."""

    base_url: Annotated[str | None, described("The base URL of the repository.")] = None
    identifier: Annotated[str | None, described("The identifier of the record there.")] = None
    datestamp: Annotated[str | None, described("The datestamp of the record there.")] = None
    harvested: Annotated[str | None, described("The time at which the aggregator harvested it.")] = None
    namespace: Annotated[str | None, described("The namespace of the metadata format there.")] = None
    altered: Annotated[
        str | None, described("Whether the aggregator changed the record: `true` or `false`.")
    ] = None


class Provenance(Item, frozen=True):
    """How this document came about."""

    transformer: Annotated[str | None, described("The key of the transformer that made the document.")] = None
    format: Annotated[
        str | None,
        described("The format of the record: the namespace of an XML record, or the name of a JSON format."),
    ] = None
    sets: Annotated[tuple[str, ...], described("The sets of the record in its source.")] = ()
    created: Annotated[str | None, described("When the record was made, in EDTF.")] = None
    updated: Annotated[str | None, described("When the record was last changed, in EDTF.")] = None
    agencies: Annotated[
        tuple[str, ...], described("Who made the record: cataloging agencies, registrants, sources.")
    ] = ()
    languages: Annotated[tuple[str, ...], described("The languages of the record itself.")] = ()
    identifiers: Annotated[
        tuple[Identifier, ...], described("Identifiers of the record, not of the resource.")
    ] = ()
    rules: Annotated[
        tuple[str, ...],
        described("Cataloging rules, versions of schemas and similar facts about the record."),
    ] = ()
    origins: Annotated[
        tuple[Origin, ...], described("The repositories through which the record passed.")
    ] = ()


class Unmapped(Item, frozen=True):
    """A value of the record for which this schema has no field."""

    path: Annotated[
        str,
        described(
            "Its place in the record. XML: the names from the first element of the format on, `{namespace}name` where "
            "the namespace changes, `[2]` for the second of several, `@name` for an attribute. JSON: `author[0].name`."
        ),
    ]
    text: Annotated[str, described("The value.")]
