"""The interface of a transformer: it returns the normalized document of one datum.

A transformer is one class. `harvest_dagster.plugins` lists ours; other packages register theirs as an entry point in
the group `harvest_dagster.transformers`. The schema of the document is `harvest_dagster.transformers.document`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from harvest_dagster.transformers.document import Document


class Arguments(BaseModel):
    """Base of a transformer's arguments: `transformer_kwargs` in the YAML, validated when the catalog is loaded."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Transformer(ABC):
    """Base of the transformers, one for each metadata format.

    Attributes:
        VERSION: increase it when the same datum gives a different document. The data is then transformed again.
        Arguments: the model of `transformer_kwargs`.
    """

    VERSION: ClassVar[int] = 1
    Arguments: ClassVar[type[BaseModel]] = Arguments

    def __init__(self, arguments: Any) -> None:
        self.arguments = arguments

    @abstractmethod
    def transform(self, identifier: str, datum: str) -> Document:
        """Return the normalized document of a datum that is not deleted.

        Args:
            identifier: the record's identifier in the source.
            datum: the canonical blob that the harvester made of the record.

        Raises:
            TransformError: the datum cannot be read, or nothing in it was recognized: a document without values is
                not a success. The message says why, what was found, and what to do.
        """
