"""What a transformer owes: the normalized document of one datum.

A format is one module and one entry point in the group `harvest_dagster.transformers`. The document's schema
is `harvest_dagster.transformers.document`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from harvest_dagster.transformers.document import Document


class Arguments(BaseModel):
    """Base of a transformer's arguments: `transformer_kwargs` of the YAML, checked when the catalogue is loaded."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Transformer(ABC):
    """One metadata format.

    Attributes:
        VERSION: raise it when the same datum would give another document; the data is then transformed again.
        Arguments: the model of `transformer_kwargs`.
    """

    VERSION: ClassVar[int] = 1
    Arguments: ClassVar[type[BaseModel]] = Arguments

    def __init__(self, arguments: Any) -> None:
        self.arguments = arguments

    @abstractmethod
    def transform(self, identifier: str, datum: str) -> Document:
        """The normalized document of a datum that is not deleted.

        Args:
            identifier: the record's identifier in the source.
            datum: the canonical blob that the harvester made of it.

        Raises:
            TransformError: it cannot be read; the message says why.
        """
