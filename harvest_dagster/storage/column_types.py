"""The column type of error texts, which accepts any text.

Harvesters and transformers are plug-ins, and their errors quote responses of sources. If the database refused an error
text, the log of a failed window could not become FAILED.
"""

from __future__ import annotations

from sqlalchemy import Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from harvest_dagster.texts import cut_middle, escape_controls, make_storable

LONGEST = 20_000  # characters; a message with its traceback has a few thousand


class ErrorText(TypeDecorator[str]):
    """Text without the characters that a database refuses or a terminal obeys. A very long text loses its middle."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Return the text as the database stores it."""
        return None if value is None else escape_controls(make_storable(cut_middle(value, LONGEST)))
