"""The transformer of the Dublin Core of OAI-PMH records. `transformers.dublin_core_xml` reads their XML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harvest_dagster.transformers.interface import Transformer

if TYPE_CHECKING:
    from harvest_dagster.transformers.document import Document


class OaiDcTransformer(Transformer):
    """Transform the Dublin Core of an OAI-PMH record (`metadata_prefix: oai_dc`)."""

    VERSION = 3  # version 2 of the document

    def transform(self, identifier: str, datum: str) -> Document:
        """Return the document of one record.

        Raises:
            TransformError: see `dublin_core_xml.read_document`.
        """
        # Loading the catalog needs only the class and its arguments.
        from harvest_dagster.transformers.dublin_core_xml import read_document  # noqa: PLC0415 - takes 0.03 s

        return read_document(identifier, datum)
