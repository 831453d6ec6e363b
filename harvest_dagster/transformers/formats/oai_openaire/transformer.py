"""The transformer of records that follow the OpenAIRE guidelines. `xml_record` reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harvest_dagster.transformers.interface import Transformer

if TYPE_CHECKING:
    from harvest_dagster.transformers.document import Document

# The elements, and the fields of the document.
FIELDS: tuple[tuple[str, str], ...] = (
    ("datacite:identifier, datacite:alternateIdentifiers", "identifiers"),
    ("datacite:titles", "titles"),
    ("datacite:creators", "creators"),
    ("datacite:contributors", "contributors"),
    ("dc:publisher", "publishers"),
    ("datacite:date, datacite:dates", "dates"),
    ("dc:language", "languages"),
    ("oaire:resourceType", "types"),
    ("datacite:subjects", "subjects"),
    ("dc:description", "descriptions"),
    ("oaire:citationTitle, citationVolume, citationIssue and the other citation elements", "containers"),
    ("oaire:fundingReferences", "funding"),
    ("datacite:rights, oaire:licenseCondition", "rights"),
    ("datacite:rights", "access"),
    ("datacite:relatedIdentifiers, dc:source", "related"),
    ("oaire:file", "files"),
    ("datacite:geoLocations", "places"),
    ("dc:coverage", "coverage"),
    ("dc:format", "formats"),
    ("datacite:sizes", "sizes"),
    ("oaire:version", "version"),
)


class OaiOpenaireTransformer(Transformer):
    """Transform records of the OpenAIRE guidelines for literature repositories, version 4 (`oai_openaire`)."""

    VERSION = 1

    def transform(self, identifier: str, datum: str) -> Document:
        """Return the document of one record.

        Raises:
            TransformError: see `xml_record.read_document`.
        """
        # Loading the catalog needs only the class and its arguments.
        from harvest_dagster.transformers.formats.oai_openaire.xml_record import read_document  # noqa: PLC0415 - see above

        return read_document(identifier, datum)
