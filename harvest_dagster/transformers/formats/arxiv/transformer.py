"""The transformer of arXiv's own formats. `record` reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harvest_dagster.transformers.interface import Transformer

if TYPE_CHECKING:
    from harvest_dagster.transformers.document import Document

FIELDS: tuple[tuple[str, str], ...] = (
    ("arXiv/id, entry/id", "identifiers, version"),
    ("arXiv/created, arXiv/updated, entry/published, entry/updated", "dates"),
    ("arXivRaw/version", "versions, dates, version"),
    ("arXivRaw/submitter", "contributors"),
    ("arXiv/authors/author, arXivRaw/authors, entry/author", "creators"),
    ("arXiv/title, entry/title", "titles"),
    ("arXiv/categories, entry/category, entry/arxiv:primary_category", "subjects"),
    ("arXiv/msc-class, arXiv/acm-class", "subjects"),
    ("arXiv/comments, entry/arxiv:comment", "descriptions"),
    ("arXiv/abstract, entry/summary", "descriptions"),
    ("arXiv/proxy", "provenance.agencies"),
    ("arXiv/report-no", "identifiers"),
    ("arXiv/journal-ref, entry/arxiv:journal_ref", "related"),
    ("arXiv/doi, entry/arxiv:doi, entry/link[@title='doi']", "related"),
    ("arXiv/license", "rights"),
    ("entry/link", "files, links"),
)


class ArxivTransformer(Transformer):
    """Transform the formats `arXiv`, `arXivRaw` and `arXivOld` of OAI-PMH, and entries of arXiv's Atom API."""

    VERSION = 1

    def transform(self, identifier: str, datum: str) -> Document:
        """Return the document of one record.

        Raises:
            TransformError: see `record.read_document`.
        """
        # Loading the catalog needs only the class.
        from harvest_dagster.transformers.formats.arxiv.record import read_document  # noqa: PLC0415 - takes 0.02 s

        return read_document(identifier, datum)
