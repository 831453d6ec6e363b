"""The transformer of the works of OpenAlex. `work` reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harvest_dagster.transformers.interface import Transformer

if TYPE_CHECKING:
    from harvest_dagster.transformers.document import Document

FIELDS: tuple[tuple[str, str], ...] = (
    ("id, doi, ids", "identifiers, links"),
    ("title, display_name", "titles"),
    ("authorships", "creators"),
    ("authorships[].institutions, authorships[].affiliations", "creators.affiliations"),
    ("authorships[].countries", "creators.places"),
    ("publication_date, publication_year", "dates"),
    ("language", "languages"),
    ("type, type_crossref, locations[].raw_type", "types"),
    ("topics, keywords, concepts, mesh, sustainable_development_goals", "subjects"),
    ("abstract_inverted_index", "descriptions"),
    ("open_access.is_oa", "access"),
    ("open_access.oa_status, locations[].license", "rights"),
    ("primary_location.source, biblio, locations[].source", "containers"),
    ("primary_location.source.host_organization_name", "publishers"),
    ("locations[].landing_page_url", "identifiers, links"),
    ("locations[].id", "identifiers, provenance.identifiers"),
    ("locations[].pdf_url, open_access.oa_url, content_urls", "files"),
    ("awards, grants, funders", "funding"),
    ("referenced_works, related_works", "related"),
    ("created_date, updated_date", "provenance"),
)


class OpenAlexTransformer(Transformer):
    """Transform the JSON of a work of OpenAlex, as the API and the snapshot of 2023 to 2026 give it."""

    VERSION = 1

    def transform(self, identifier: str, datum: str) -> Document:
        """Return the document of one work.

        Raises:
            TransformError: see `work.read_document`.
        """
        # Loading the catalog needs only the class.
        from harvest_dagster.transformers.formats.openalex.work import read_document  # noqa: PLC0415 - takes 0.02 s

        return read_document(identifier, datum)
