"""The transformer of the works of Crossref's REST API. `work` reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harvest_dagster.transformers.interface import Transformer

if TYPE_CHECKING:
    from harvest_dagster.transformers.document import Document

# The keys of a work, and the fields of the document.
FIELDS: tuple[tuple[str, str], ...] = (
    ("title, subtitle, short-title, original-title; project of a grant", "titles"),
    ("author", "creators"),
    ("editor, translator, chair, institution, standards-body", "contributors"),
    ("publisher, publisher-location", "publishers"),
    ("issued, published-print, published-online, posted, accepted, assertion", "dates"),
    ("language", "languages"),
    ("type, subtype, review.type", "types"),
    ("subject, group-title", "subjects"),
    ("abstract", "descriptions"),
    ("DOI, alternative-id, aliases; ISBN of a book, ISSN of a journal", "identifiers"),
    ("URL, resource", "links"),
    ("container-title, ISSN, ISBN, volume, issue, page, article-number, event", "containers"),
    ("funder; award and project of a grant", "funding"),
    ("license, copyright in assertion", "rights"),
    ("reference, relation, update-to, updated-by, clinical-trial-number", "related"),
    ("link", "files"),
    ("edition-number of a book", "version"),
    ("source, member", "provenance.agencies"),
    ("created", "provenance.created"),
    ("deposited", "provenance.updated"),
)


class CrossrefTransformer(Transformer):
    """Transform works of Crossref: items of `https://api.crossref.org/works`, or one answer of `works/{doi}`."""

    VERSION = 1

    def transform(self, identifier: str, datum: str) -> Document:
        """Return the document of one work.

        Raises:
            TransformError: see `work.read_document`.
        """
        # Loading the catalog needs only the class and its arguments.
        from harvest_dagster.transformers.formats.crossref.work import read_document  # noqa: PLC0415 - see above

        return read_document(identifier, datum)
