"""Column types: error texts, JSON, and bytes that are read as hexadecimal digits.

An error text accepts any text. Harvesters and transformers are plug-ins, and their errors quote responses of sources.
If the database refused an error text, the log of a failed window could not become FAILED.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, LargeBinary, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from harvest_dagster.texts import cut_middle, escape_controls, make_storable

LONGEST = 20_000  # characters; a message with its traceback has a few thousand


class ErrorText(TypeDecorator[str]):
    """Text without the characters that a database refuses or a terminal obeys. A very long text loses its middle."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Return the text as the database stores it."""
        return None if value is None else escape_controls(make_storable(cut_middle(value, LONGEST)))


class Jsonb(TypeDecorator[Any]):
    """JSON: `jsonb` on PostgreSQL, text on SQLite. None is NULL."""

    impl = JSON(none_as_null=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type of a dialect."""
        if dialect.name != "postgresql":
            return super().load_dialect_impl(dialect)
        # With the drivers of PostgreSQL it takes 0.03 s. A command that opens a SQLite database must not wait for it.
        from sqlalchemy.dialects.postgresql import JSONB  # noqa: PLC0415

        return dialect.type_descriptor(JSONB(none_as_null=True))


class HexBytes(TypeDecorator[str]):
    """Bytes that a query returns as hexadecimal digits, as the views show them. Not for the columns of tables."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:  # noqa: ARG002
        """Return the bytes."""
        return None if value is None else bytes.fromhex(value)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Return the digits."""
        return None if value is None else value.hex()
