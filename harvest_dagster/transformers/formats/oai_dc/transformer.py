"""The transformer of the Dublin Core of OAI-PMH records. `transformers.formats.oai_dc.record` reads their XML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harvest_dagster.transformers.interface import Transformer

if TYPE_CHECKING:
    from harvest_dagster.transformers.document import Document


# Elements of Dublin Core and refinements of them, and the fields of a document.
FIELDS: tuple[tuple[str, str], ...] = (
    ("title, alternative", "titles"),
    ("creator", "creators"),
    ("contributor", "contributors"),
    ("publisher", "publishers"),
    ("date, available, created, issued and other refinements", "dates"),
    ("language", "languages"),
    ("type", "types, kind"),
    ("subject", "subjects"),
    ("description, abstract, tableOfContents", "descriptions"),
    ("identifier", "identifiers, links"),
    ("relation, isPartOf, references and other refinements; source", "related"),
    ("coverage", "coverage"),
    ("spatial", "places"),
    ("temporal", "periods"),
    ("format, medium", "formats"),
    ("extent", "sizes"),
    ("rights, license, accessRights", "rights, access"),
    ("about/provenance", "provenance.origins"),
    ("about/rights", "rights"),
    ("header/setSpec", "provenance.sets"),
)


class OaiDcTransformer(Transformer):
    """Transform the Dublin Core of an OAI-PMH record (`metadata_prefix: oai_dc`)."""

    VERSION = 3  # version 2 of the document

    def transform(self, identifier: str, datum: str) -> Document:
        """Return the document of one record.

        Raises:
            TransformError: see `dublin_core_xml.read_document`.
        """
        # Loading the catalog needs only the class and its arguments.
        from harvest_dagster.transformers.formats.oai_dc.record import read_document  # noqa: PLC0415 - takes 0.03 s

        return read_document(identifier, datum)
