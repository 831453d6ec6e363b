"""The transformer of MODS records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harvest_dagster.transformers.interface import Transformer

if TYPE_CHECKING:
    from harvest_dagster.transformers.document import Document

# What people of the format write, and the field of the document.
FIELDS: tuple[tuple[str, str], ...] = (
    ("titleInfo", "titles"),
    ("name (role: creator, author and others)", "creators"),
    ("name (other roles)", "contributors"),
    ("name of the type conference", "containers"),
    ("name in the same altRepGroup", "creators.other_names, contributors.other_names"),
    ("typeOfResource, genre", "types, kind"),
    ("originInfo/publisher, place", "publishers"),
    ("originInfo with eventType distribution, manufacture, production", "contributors"),
    ("originInfo/dateIssued and the other dates", "dates"),
    ("originInfo/edition", "version, versions"),
    ("originInfo/issuance", "types"),
    ("originInfo/frequency", "descriptions"),
    ("language", "languages"),
    ("physicalDescription/form, internetMediaType, digitalOrigin", "formats"),
    ("physicalDescription/extent", "sizes"),
    ("abstract, tableOfContents, note", "descriptions"),
    ("note of the type funding", "funding"),
    ("subject/topic, name, titleInfo, genre, occupation; classification", "subjects"),
    ("subject/geographic, hierarchicalGeographic, geographicCode, cartographics/coordinates", "places"),
    ("subject/temporal", "periods"),
    ("subject/cartographics/scale, projection", "descriptions"),
    ("relatedItem of the types host and series; part", "containers"),
    ("relatedItem of other types", "related"),
    ("identifier, location/url", "identifiers, links"),
    ("location/url with access raw object or preview", "files"),
    ("accessCondition", "rights, access"),
    ("recordInfo", "provenance"),
    ("targetAudience, location/physicalLocation, extension, invalid identifiers", "unmapped"),
)


class ModsTransformer(Transformer):
    """Transform a record in MODS, versions 3.0 to 3.8 (`metadata_prefix: mods`); of a `modsCollection`, the first one.

    Elements are recognized by their local names, so that a namespace with https or of an older version is read, too.
    """

    VERSION = 1

    def transform(self, identifier: str, datum: str) -> Document:
        """Return the document of one record.

        Raises:
            TransformError: see `document.read_document`.
        """
        from harvest_dagster.transformers.formats.mods.document import (  # noqa: PLC0415 - imports lxml
            read_document,
        )

        return read_document(identifier, datum)
