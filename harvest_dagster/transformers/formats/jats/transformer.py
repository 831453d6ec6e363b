"""The transformer of articles in JATS and in its predecessor, the journal tag sets of NLM.

Specifications: JATS 1.0 to 1.3 (ANSI/NISO Z39.96), https://jats.nlm.nih.gov/archiving/; NLM 2.0 to 3.0,
https://dtd.nlm.nih.gov/archiving/. PubMed Central sends both by OAI-PMH as `pmc` and as `pmc_fm` (front matter only):
https://pmc.ncbi.nlm.nih.gov/tools/oai/. Elements are recognized with or without a namespace.

What is metadata, and what is not:

- The front matter (`front`) and the references (`ref-list` in `back`) are metadata. What the document has no field for
  is in `unmapped`, as in every format.
- The rest of the article is full text: `body`, `floats-group`, and `back` without its references (acknowledgements,
  appendices, notes). The document does not contain it. `provenance.rules` names the parts that the record has:
  `full text not in the document: article/body, article/back`. The record keeps them.
- A `sub-article` or `response` is a related resource. Its `front-stub` is metadata; its text is full text.
- Attributes that only link elements of the record to each other (`id`, `rid`, `ref-type`) and the marks of footnotes
  and references (`label`, and `xref` to an affiliation) are no content. They are dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harvest_dagster.transformers.interface import Transformer

if TYPE_CHECKING:
    from harvest_dagster.transformers.document import Document

# Values of `article-type` that name a part of a journal, and have no general type of their own:
# https://jats.nlm.nih.gov/archiving/tag-library/1.3/attribute/article-type.html
_TYPES_IN_JOURNALS = """
abstract addendum announcement article-commentary book-review books-received brief-report calendar case-report
clinical-trial correction discussion editorial editorial-material expression-of-concern in-brief interview
introduction letter meeting-report methods-article news note obituary oration other-article partial-retraction
product-review rapid-communication reply reprint retraction short-communication systematic-review translation
"""
_IN_JOURNALS = frozenset(_TYPES_IN_JOURNALS.split())

FIELDS: tuple[tuple[str, str], ...] = (
    ("article/@article-type", "types, kind"),
    ("article/@xml:lang", "languages"),
    ("article/@dtd-version", "provenance.rules"),
    ("journal-meta/journal-title, journal-id, issn", "containers"),
    ("journal-meta/publisher", "publishers"),
    ("article-meta/article-id", "identifiers"),
    ("article-meta/article-version", "version"),
    ("article-meta/article-categories/subj-group", "subjects"),
    ("article-meta/article-categories/series-title", "containers"),
    ("article-meta/title-group", "titles"),
    ("article-meta/contrib-group/contrib, aff", "creators, contributors"),
    ("article-meta/author-notes", "descriptions"),
    ("article-meta/pub-date, history/date, pub-history/event", "dates, related"),
    ("article-meta/volume, issue, fpage, lpage, page-range, elocation-id", "containers"),
    ("article-meta/conference", "containers"),
    ("article-meta/permissions/copyright-statement, license, ali:license_ref", "rights, access"),
    ("article-meta/permissions/copyright-year, copyright-holder", "dates, contributors"),
    ("article-meta/self-uri, supplementary-material", "files"),
    ("article-meta/related-article, related-object, product, ext-link", "related"),
    ("article-meta/abstract, trans-abstract", "descriptions"),
    ("article-meta/kwd-group", "subjects"),
    ("article-meta/funding-group", "funding"),
    ("article-meta/counts", "sizes"),
    ("article-meta/custom-meta-group", "unmapped"),
    ("back/ref-list/ref", "related"),
    ("sub-article/front-stub, response/front-stub", "related"),
    ("body, floats-group, back without ref-list", "provenance.rules"),
)


class JatsTransformer(Transformer):
    """Transform articles in JATS 1.0 to 1.3 and NLM 2.0 to 3.0 (`metadata_prefix: pmc` or `pmc_fm`)."""

    VERSION = 1

    def transform(self, identifier: str, datum: str) -> Document:
        """Return the document of one article.

        Raises:
            TransformError: see `record.read_document`.
        """
        # Loading the catalog needs only the class.
        from harvest_dagster.transformers.formats.jats.record import read_document  # noqa: PLC0415 - takes 0.03 s

        return read_document(identifier, datum, _IN_JOURNALS)
