"""The transformer of the Dublin Core of OAI-PMH records. `transformers.dublin_core_xml` reads their XML."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from harvest_dagster.transformers.interface import Transformer

if TYPE_CHECKING:
    from harvest_dagster.transformers.document import Document
    from harvest_dagster.transformers.dublin_core_xml import DublinCoreReader


class OaiDcTransformer(Transformer):
    """Transform the Dublin Core of an OAI-PMH record (`metadata_prefix: oai_dc`)."""

    VERSION = 2

    def transform(self, identifier: str, datum: str) -> Document:
        """Return the document of one record.

        Raises:
            TransformError: see `DublinCoreReader.read`.
        """
        return self._reader.read(identifier, datum)

    @cached_property
    def _reader(self) -> DublinCoreReader:
        # Loading the catalog needs only the class and its arguments.
        from harvest_dagster.transformers.dublin_core_xml import DublinCoreReader  # noqa: PLC0415 - takes 0.03 s

        return DublinCoreReader()
