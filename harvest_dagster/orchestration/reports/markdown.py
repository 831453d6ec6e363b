"""Markdown tables for the UI. Their cells may contain text from sources, which is escaped."""

from collections.abc import Iterable, Sequence

MAX_TABLE_ROWS = 400  # for the callers of `table`; a longer table is not usable in the UI


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table. The values are escaped, the headings are not."""
    lines = ["| " + " | ".join(escape_markdown(str(value)) for value in row) + " |" for row in rows]
    return "\n".join(["| " + " | ".join(headings) + " |", "|" + " --- |" * len(headings), *lines])


def escape_markdown(text: str) -> str:
    """Return a text in one line, with its Markdown characters escaped."""
    flat = " ".join(text.split())
    return "".join(f"\\{letter}" if letter in r"\`*_{}[]<>()#+!|~" else letter for letter in flat)
