"""Read the comments of `storage.tables`: they are the only description of the tables and columns.

A comment belongs to the table or column that begins in the next line. A comment at the end of a line belongs to the
column of that line.
"""

from __future__ import annotations

import ast
import inspect
import io
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harvest_dagster.storage import tables


@dataclass(frozen=True)
class TableComments:
    """The comments of one table.

    Attributes:
        table: what the table contains; empty if there is no comment.
        columns: the meaning of each column that has a comment.
    """

    table: str
    columns: Mapping[str, str]


def read() -> dict[str, TableComments]:
    """Return the comments of each table by its name."""
    source = inspect.getsource(tables)
    comments = dict(_comments(source))
    found = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assign) and _is_call(node.value, "Table"):
            assert isinstance(node.value, ast.Call)  # noqa: S101  # for mypy
            found[_first_text(node.value)] = TableComments(
                _above(node.lineno, comments), dict(_columns(node.value, comments))
            )
    return found


def _comments(source: str) -> Iterator[tuple[int, tuple[str, bool]]]:
    """Yield the text of each comment by its line, and whether the line has nothing else."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and not token.string.startswith("# noqa"):
            yield token.start[0], (token.string.lstrip("# "), token.line.lstrip().startswith("#"))


def _columns(table: ast.Call, comments: Mapping[int, tuple[str, bool]]) -> Iterator[tuple[str, str]]:
    for node in table.args:
        if not _is_call(node, "Column"):
            continue
        assert isinstance(node, ast.Call)  # noqa: S101  # for mypy
        at_the_end = comments.get(node.end_lineno or 0, ("", False))[0]
        if text := at_the_end or _above(node.lineno, comments):
            yield _first_text(node), text


def _above(line: int, comments: Mapping[int, tuple[str, bool]]) -> str:
    """Return the comment that ends in the line before."""
    lines: list[str] = []
    while (line := line - 1) in comments and comments[line][1]:
        lines.insert(0, comments[line][0])
    return " ".join(lines)


def _is_call(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


def _first_text(call: ast.Call) -> str:
    value = ast.literal_eval(call.args[0])
    return str(value)
