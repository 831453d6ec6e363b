"""The transformer of JSON-LD with the vocabulary schema.org, as the harvester `sitemap` stores it.

`graph` reads the graph, `fields` has the table of properties, `values` reads agents,
containers, places and files. https://schema.org/docs/schemas.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harvest_dagster.transformers.interface import Transformer

if TYPE_CHECKING:
    from harvest_dagster.transformers.document import Document

# Properties, and the fields of the document.
FIELDS: tuple[tuple[str, str], ...] = (
    ("name, headline, alternateName, alternativeHeadline", "titles"),
    ("author, creator", "creators"),
    (
        "contributor, editor, translator, illustrator, provider, maintainer, sponsor, copyrightHolder",
        "contributors",
    ),
    ("publisher", "publishers"),
    ("datePublished", "dates, issued"),
    ("dateCreated, dateModified, copyrightYear, expires", "dates"),
    ("inLanguage", "languages"),
    ("@type, additionalType, genre, learningResourceType", "types"),
    ("keywords, about, articleSection", "subjects"),
    ("description, abstract, measurementTechnique, measurementMethod", "descriptions"),
    ("@id, identifier, url, mainEntityOfPage, isbn, issn", "identifiers"),
    (
        "isPartOf (Periodical, PublicationVolume, PublicationIssue, Book, Series), pageStart, pageEnd",
        "containers",
    ),
    ("includedInDataCatalog", "containers"),
    ("funding, funder", "funding"),
    ("license, copyrightNotice, usageInfo, conditionsOfAccess, creditText", "rights"),
    ("isAccessibleForFree: true", "access"),
    (
        "citation, hasPart, isBasedOn, sameAs, exampleOfWork, translationOfWork, other isPartOf, @reverse",
        "related",
    ),
    ("distribution, encoding, associatedMedia, codeRepository, downloadUrl", "files"),
    ("spatialCoverage, contentLocation", "places"),
    ("temporalCoverage", "periods"),
    ("encodingFormat, fileFormat, programmingLanguage, bookFormat", "formats"),
    ("size, contentSize, numberOfPages, duration", "sizes"),
    ("version, softwareVersion, bookEdition", "version"),
    ("sdDatePublished", "provenance.created"),
    ("sdPublisher", "provenance.agencies"),
    ("sdLicense, schemaVersion", "provenance.rules"),
)


class SchemaOrgTransformer(Transformer):
    """Transform the JSON-LD of a web page: Dataset, ScholarlyArticle, Book, Thesis, SoftwareSourceCode and others.

    No context is ever loaded. Keys and types with a prefix of schema.org, or with its whole address, are read like
    those without. A reference (`@id`) to another object of the record is followed.
    """

    VERSION = 1

    def transform(self, identifier: str, datum: str) -> Document:
        """Return the document of one record.

        Raises:
            TransformError: the datum is not JSON-LD, or it has no object with properties of schema.org.
        """
        from harvest_dagster.transformers.formats.schema_org.fields import read_document  # noqa: PLC0415 - only here

        return read_document(identifier, datum)
