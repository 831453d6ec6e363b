"""The page about environment variables, from `environment`."""

from __future__ import annotations

from collections.abc import Iterable

from harvest_dagster.environment import OF_OTHERS, OURS, EnvironmentVariable
from harvest_dagster.reference.markdown import code, table

_INTRODUCTION = """\
# Environment variables

Each process of a deployment needs the same values: the webserver, the daemon, the code server and commands. Only
`HARVEST_SOURCES` and `HARVEST_STRICT` are read while the definitions are built. The others are read when a run, a
sensor or a command needs them.

A source may name more variables as `${NAME}` in its arguments and in `notify`, for secrets.
"""


def page() -> str:
    """Return the page in Markdown."""
    parts = [_INTRODUCTION, "## Of this product", _rows(OURS), "## Of Dagster and of HTTP", _rows(OF_OTHERS)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _rows(variables: Iterable[EnvironmentVariable]) -> str:
    rows = [(", ".join(map(code, each.names)), each.meaning, each.default) for each in variables]
    return table(("variable", "meaning", "default"), rows)
