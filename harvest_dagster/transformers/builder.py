"""Collect the values of one record, and build its document.

Here: what is the same for all formats. The first title, publisher and date of issue, each identifier once, the
addresses among the identifiers, the first and last page, and the refusal of a document without values. Not here: how a
format is read.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from harvest_dagster.errors import TransformError
from harvest_dagster.transformers.document import (
    Access,
    Agent,
    Container,
    Date,
    Description,
    Document,
    File,
    Funding,
    Identifier,
    Language,
    Origin,
    Place,
    Provenance,
    Related,
    Rights,
    Subject,
    Text,
    Title,
    Unmapped,
    Version,
)
from harvest_dagster.transformers.recognition.identifiers import identify, web_address
from harvest_dagster.transformers.recognition.pages import with_split_pages
from harvest_dagster.transformers.recognition.vocabularies import resource_type

# Schemes whose value names the record in its source, not the resource.
_OF_RECORDS = frozenset({"oai", "url", "other"})


class DocumentBuilder(msgspec.Struct):
    """The values of one record, in their order. A transformer appends to the lists, and then calls `build`.

    Attributes:
        id: the record's identifier in the source.
        transformer: the key of the transformer.
        format: the namespace of an XML record, or the name of a JSON format.

    The other attributes are the fields of `Document` and of `Provenance`.
    """

    id: str
    transformer: str
    format: str
    kind: str | None = None
    access: Access | None = None
    version: str | None = None
    titles: list[Title] = []
    creators: list[Agent] = []
    contributors: list[Agent] = []
    publishers: list[Agent] = []
    dates: list[Date] = []
    languages: list[Language] = []
    types: list[Text] = []
    subjects: list[Subject] = []
    descriptions: list[Description] = []
    identifiers: list[Identifier] = []
    links: list[str] = []
    containers: list[Container] = []
    funding: list[Funding] = []
    rights: list[Rights] = []
    related: list[Related] = []
    versions: list[Version] = []
    files: list[File] = []
    places: list[Place] = []
    periods: list[Date] = []
    coverage: list[Text] = []
    formats: list[Text] = []
    sizes: list[Text] = []
    sets: list[str] = []
    created: str | None = None
    updated: str | None = None
    agencies: list[str] = []
    record_languages: list[str] = []
    record_identifiers: list[Identifier] = []
    rules: list[str] = []
    origins: list[Origin] = []
    unmapped: list[Unmapped] = []

    def add_identifier(self, identifier: Identifier, text: str | None = None) -> None:
        """Add an identifier of the resource.

        Args:
            identifier: in its normal form.
            text: what the source wrote. If it is a web address, it is one of the links, too.
        """
        self.identifiers.append(identifier)
        link = web_address(text if text is not None else identifier.value)
        if link is not None:
            self.links.append(link)

    def add_type(self, term: Text) -> None:
        """Add a type. The first one with a general type sets `kind`. A later one replaces the general type `Text`."""
        self.types.append(term)
        if self.kind in (None, "Text"):
            self.kind = resource_type(term.text) or self.kind

    def build(self, unmapped: Iterable[Unmapped] = ()) -> Document:
        """Return the document.

        Args:
            unmapped: the values of the record that were not read, after those in `self.unmapped`.

        Raises:
            TransformError: no field has a value. Such a document is not a success.
        """
        rest = (*self.unmapped, *unmapped)
        if not self._has_values():
            raise TransformError(_nothing_recognized(self, rest))
        own = identify(self.id)
        if own.scheme not in _OF_RECORDS:
            self.identifiers.append(own)
        main = [title for title in self.titles if title.role is None]
        titles = (*main, *(title for title in self.titles if title.role is not None))
        issued = (date.value for date in self.dates if date.role == "Issued" and date.value)
        return Document(
            id=self.id,
            kind=self.kind,
            title=titles[0].text if titles else None,
            publisher=self.publishers[0].name if self.publishers else None,
            issued=next(issued, None),
            access=self.access,
            version=self.version,
            titles=titles,
            creators=tuple(self.creators),
            contributors=tuple(self.contributors),
            publishers=tuple(self.publishers),
            dates=tuple(self.dates),
            languages=tuple(self.languages),
            types=tuple(self.types),
            subjects=tuple(self.subjects),
            descriptions=tuple(self.descriptions),
            identifiers=tuple(dict.fromkeys(self.identifiers)),
            links=tuple(dict.fromkeys(self.links)),
            containers=tuple(map(with_split_pages, self.containers)),
            funding=tuple(self.funding),
            rights=tuple(self.rights),
            related=tuple(dict.fromkeys(self.related)),
            versions=tuple(self.versions),
            files=tuple(self.files),
            places=tuple(self.places),
            periods=tuple(self.periods),
            coverage=tuple(self.coverage),
            formats=tuple(self.formats),
            sizes=tuple(self.sizes),
            provenance=self._provenance(),
            unmapped=rest,
        )

    def _provenance(self) -> Provenance:
        return Provenance(
            transformer=self.transformer,
            format=self.format,
            sets=tuple(self.sets),
            created=self.created,
            updated=self.updated,
            agencies=tuple(self.agencies),
            languages=tuple(self.record_languages),
            identifiers=tuple(dict.fromkeys(self.record_identifiers)),
            rules=tuple(self.rules),
            origins=tuple(self.origins),
        )

    def _has_values(self) -> bool:
        lists = (self.titles, self.creators, self.contributors, self.publishers, self.dates, self.languages)
        more = (self.types, self.subjects, self.descriptions, self.identifiers, self.containers, self.funding)
        rest = (self.rights, self.related, self.versions, self.files, self.places, self.periods)
        extents = (self.coverage, self.formats, self.sizes)
        return any(lists) or any(more) or any(rest) or any(extents)


_SHOWN = 5
_TEXT_SHOWN = 80


def _nothing_recognized(builder: DocumentBuilder, rest: tuple[Unmapped, ...]) -> str:
    if not rest:
        return (
            "the metadata of the record is empty. The source must correct the record. Ask the source whether it is "
            "deleted."
        )
    paths = list(dict.fromkeys(value.path for value in rest))
    shown = ", ".join(paths[:_SHOWN]) + (", ..." if paths[_SHOWN:] else "")
    return (
        f"the transformer {builder.transformer} recognizes nothing in the record, only {shown}, beginning "
        f"'{rest[0].text[:_TEXT_SHOWN]}'. Name a transformer that reads this format. Otherwise the source must "
        "correct the record."
    )
