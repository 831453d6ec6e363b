"""What a transformer makes of the data of a batch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from harvest_dagster.errors import TransformError
from harvest_dagster.transformers.interface import Transformer

# An identifier, and its canonical blob.
Datum = tuple[str, str]


class Transformed(NamedTuple):
    """What a transformer made of a datum. It crosses the border between two processes, in thousands.

    Attributes:
        text: the document as JSON; None if there is an error.
        title: the title of the document.
        made_by: the key of the transformer that made the document, if it says so.
        error: why there is no document. Its secrets are not masked.
    """

    text: str | None = None
    title: str | None = None
    made_by: str | None = None
    error: str | None = None


def transform_data(transformer: Transformer, data: Iterable[Datum]) -> list[Transformed]:
    """Transform data. Each datum fails alone, also if a plug-in has a bug."""
    return [_transform(transformer, identifier, datum) for identifier, datum in data]


def _transform(transformer: Transformer, identifier: str, datum: str) -> Transformed:
    try:
        document = transformer.transform(identifier, datum)
        return Transformed(document.to_json(), document.title, document.provenance.transformer)
    except TransformError as error:
        return Transformed(error=str(error))
    except Exception as error:
        return Transformed(error=f"{type(error).__name__}: {error}")
