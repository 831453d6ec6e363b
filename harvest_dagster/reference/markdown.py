"""Markdown: tables, code, and values as YAML writes them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table. Cells are Markdown; a `|` in them is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def code(value: object) -> str:
    """Return a value as inline code."""
    return f"`{value}`"


def prose(text: str) -> str:
    """Return a text from the code as Markdown: a `<` outside of code would begin an HTML tag."""
    parts = text.split("`")
    return "`".join(part if number % 2 else part.replace("<", "&lt;") for number, part in enumerate(parts))


def yaml_value(value: Any) -> str:
    """Return a value as YAML writes it in one line, as inline code; `none` if it is null or empty."""
    if value is None or value in ("", [], {}, ()):
        return "none"
    return code(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
