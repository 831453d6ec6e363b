"""The state of the transformation of one MARC record, and the type of its handlers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from harvest_dagster.transformers.builder import DocumentBuilder
from harvest_dagster.transformers.formats.marcxml.record import MarcField


@dataclass
class Reading:
    """What the handlers of fields share.

    Attributes:
        builder: of the document.
        leader: 24 characters.
        is_cataloged: whether a library cataloged the record by rules of description (leader, position 18). Repositories
            write `u` there. Their added entries are authors.
        countries: the fields 044. Their codes belong to the publisher, which comes later.
    """

    builder: DocumentBuilder
    leader: str
    is_cataloged: bool
    countries: list[MarcField] = field(default_factory=list)


Handler = Callable[[Reading, MarcField], None]
