"""The transformer of DCAT and DCAT-AP, in RDF/XML and in JSON-LD.

`graph` parses the RDF, `fields` has the table of properties, `values` reads agents, places and files.
https://www.w3.org/TR/vocab-dcat-3/, https://semiceu.github.io/DCAT-AP/releases/3.0.0/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harvest_dagster.transformers.interface import Transformer

if TYPE_CHECKING:
    from harvest_dagster.transformers.document import Document

# Properties, and the fields of the document.
FIELDS: tuple[tuple[str, str], ...] = (
    ("dct:title, dct:alternative", "titles"),
    ("dct:creator", "creators"),
    ("dct:contributor, dcat:contactPoint, dct:rightsHolder, prov:qualifiedAttribution", "contributors"),
    ("dct:publisher", "publishers"),
    ("dct:issued", "dates, issued"),
    ("dct:modified, dct:created", "dates"),
    ("dct:language", "languages"),
    ("rdf:type, dct:type", "types"),
    ("dcat:keyword, dcat:theme, dct:subject", "subjects"),
    ("dct:description, adms:versionNotes, dct:provenance", "descriptions"),
    ("the subject, dct:identifier, adms:identifier, dcat:landingPage", "identifiers"),
    ("dcat:Catalog", "containers"),
    ("dct:license, dct:rights, dct:accessRights", "rights"),
    ("dct:accessRights", "access"),
    ("dct:relation, dct:isPartOf, dcat:inSeries, dct:source, dct:conformsTo, foaf:page", "related"),
    ("dcat:distribution", "files"),
    ("dct:spatial", "places"),
    ("dct:temporal", "periods"),
    ("dcat:version, owl:versionInfo", "version"),
    ("dcat:CatalogRecord: dct:issued", "provenance.created"),
    ("dcat:CatalogRecord: dct:modified", "provenance.updated"),
    ("dcat:CatalogRecord: dct:conformsTo", "provenance.rules"),
    ("dcat:CatalogRecord: dct:language", "provenance.languages"),
    ("dcat:CatalogRecord: the subject, dct:identifier", "provenance.identifiers"),
    ("dct:accrualPeriodicity, and each triple that is not named above", "unmapped"),
)


class DcatTransformer(Transformer):
    """Transform a dataset, a data service or a catalog in DCAT 2 or 3, or in an application profile of it.

    A record has one resource. With several datasets, it is the one with the identifier of the record, the topic of a
    catalog record, or the only one to which no other refers. Otherwise, the record is refused. Addresses of
    vocabularies stay as they are. Nothing is ever loaded: no context, no document type.
    """

    VERSION = 1

    def transform(self, identifier: str, datum: str) -> Document:
        """Return the document of one record.

        Raises:
            TransformError: the datum is not RDF/XML or JSON-LD, it has no resource of DCAT, or several.
        """
        from harvest_dagster.transformers.formats.dcat.fields import read_document  # noqa: PLC0415 - imports rdflib

        return read_document(identifier, datum)
