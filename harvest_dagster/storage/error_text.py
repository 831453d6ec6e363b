"""The column that takes any error.

Harvesters and transformers are plug-ins, and quote what a source sent. An error that a database refuses would keep
the log of a failed window from ever saying FAILED.
"""

from __future__ import annotations

from sqlalchemy import Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from harvest_dagster.texts import keepable, shortened

LONGEST = 20_000
"""Characters; a message with its traceback has some thousands."""


class ErrorText(TypeDecorator[str]):
    """Text, without what no database keeps, and of a very long one the beginning and the end."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """To the database: whatever it is."""
        return None if value is None else keepable(shortened(value, LONGEST))
