"""The transformer of the search results of Europe PMC. `result` reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harvest_dagster.transformers.interface import Transformer

if TYPE_CHECKING:
    from harvest_dagster.transformers.document import Document

FIELDS: tuple[tuple[str, str], ...] = (
    ("id, pmid, pmcid, doi, bookid, manuscriptId, fullTextIdList", "identifiers"),
    ("source", "provenance.agencies"),
    ("title", "titles"),
    ("authorList, authorString, affiliation", "creators"),
    ("investigatorList", "contributors"),
    ("journalInfo, journalTitle, journalVolume, issue, journalIssn, pageInfo", "containers"),
    ("bookOrReportDetails", "containers, publishers, dates"),
    ("firstPublicationDate, electronicPublicationDate, journalInfo.dateOfPublication, pubYear", "dates"),
    ("language", "languages"),
    ("pubTypeList, pubType", "types"),
    ("abstractText", "descriptions"),
    ("keywordList, meshHeadingList, chemicalList", "subjects"),
    ("grantsList", "funding"),
    ("license", "rights"),
    ("isOpenAccess", "access"),
    ("fullTextUrlList", "files"),
    ("commentCorrectionList", "related"),
    ("versionList, versionNumber", "versions, version"),
    ("subsetList", "provenance.sets"),
    ("dateOfCreation, dateOfRevision", "provenance.created, provenance.updated"),
)


class EuropepmcTransformer(Transformer):
    """Transform the results of Europe PMC's search: `core`, `lite` and `idlist`, JSON or XML."""

    VERSION = 1

    def transform(self, identifier: str, datum: str) -> Document:
        """Return the document of one result.

        Raises:
            TransformError: see `result.read_document`.
        """
        # Loading the catalog needs only the class.
        from harvest_dagster.transformers.formats.europepmc.result import read_document  # noqa: PLC0415 - takes 0.02 s

        return read_document(identifier, datum)
