"""The transformer of DataCite metadata. `xml_record` and `json_record` read it, `values` interprets it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harvest_dagster.transformers.interface import Transformer

if TYPE_CHECKING:
    from harvest_dagster.transformers.document import Document

# The elements of the XML, and the fields of the document. The JSON has the same properties.
FIELDS: tuple[tuple[str, str], ...] = (
    ("identifier, alternateIdentifiers; JSON: url", "identifiers"),
    ("titles", "titles"),
    ("creators", "creators"),
    ("contributors", "contributors"),
    ("publisher", "publishers"),
    ("dates, publicationYear", "dates"),
    ("dates with the type Coverage", "periods"),
    ("language", "languages"),
    ("resourceType", "types"),
    ("subjects", "subjects"),
    ("descriptions", "descriptions"),
    ("relatedItems with the relation IsPublishedIn; JSON: container", "containers"),
    ("other relatedItems, relatedIdentifiers; JSON: relationships", "related"),
    ("fundingReferences", "funding"),
    ("rightsList", "rights"),
    ("geoLocations", "places"),
    ("sizes", "sizes"),
    ("formats", "formats"),
    ("version", "version"),
    ("JSON: contentUrl", "files"),
    ("datacentreSymbol; JSON: client, provider", "provenance.agencies"),
    ("schemaVersion, metadataVersionNumber", "provenance.rules"),
    ("JSON: created", "provenance.created"),
    ("lastMetadataUpdate; JSON: updated", "provenance.updated"),
)


class DataciteTransformer(Transformer):
    """Transform DataCite metadata.

    - XML of the kernels 2 to 4 (4.7 included), as `resource` or in an `oai_datacite`.
    - JSON of the REST API of DataCite, and of its content negotiation.
    """

    VERSION = 1

    def transform(self, identifier: str, datum: str) -> Document:
        """Return the document of one record.

        Raises:
            TransformError: see `xml_record.read_document` and `json_record.read_document`.
        """
        # Loading the catalog needs only the class and its arguments.
        if datum.lstrip()[:1] == "<":
            from harvest_dagster.transformers.formats.datacite import xml_record  # noqa: PLC0415 - see above

            return xml_record.read_document(identifier, datum)
        from harvest_dagster.transformers.formats.datacite import json_record  # noqa: PLC0415 - see above

        return json_record.read_document(identifier, datum)
