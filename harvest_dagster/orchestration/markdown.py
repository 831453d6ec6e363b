"""Tables for people in the UI, from text that nobody vouches for."""

from collections.abc import Iterable, Sequence

MOST_ROWS = 400  # that a person still scrolls through


def table(names: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table with a heading; every value is plain text in it."""
    lines = ["| " + " | ".join(cell(str(value)) for value in row) + " |" for row in rows]
    return "\n".join(["| " + " | ".join(names) + " |", "|" + " --- |" * len(names), *lines])


def cell(text: str) -> str:
    """Text that Markdown neither formats nor breaks a table at."""
    flat = " ".join(text.split())
    return "".join(f"\\{letter}" if letter in r"\`*_{}[]<>()#+!|~" else letter for letter in flat)
