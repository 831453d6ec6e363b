"""The page about the formats: which element of each metadata format goes into which field of a document."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Sequence

from harvest_dagster import plugins
from harvest_dagster.reference.markdown import code, prose, table
from harvest_dagster.transformers.interface import Transformer

_INTRODUCTION = """\
# Formats

Where each element of a metadata format goes in a [document](../document.md). What is not in a table goes to `unmapped`,
with its path in the record. [Transformers](../transformers.md) shows how to choose a transformer.
"""
# They have no table: one chooses another transformer, the other one reads what the YAML says.
WITHOUT_TABLE = frozenset({"auto", "mapping"})


def page() -> str:
    """Return the page in Markdown."""
    keys = sorted(plugins.BUILT_IN[plugins.TRANSFORMERS].keys() - WITHOUT_TABLE)
    return "\n\n".join(part.strip() for part in (_INTRODUCTION, *map(_section, keys))) + "\n"


def fields_of(key: str) -> Sequence[tuple[str, str]]:
    """Return the rows of a transformer: elements of the format, and fields of the document."""
    module, _, _ = plugins.BUILT_IN[plugins.TRANSFORMERS][key].partition(":")
    rows: Sequence[tuple[str, str]] = importlib.import_module(module).FIELDS
    return rows


def _section(key: str) -> str:
    transformer: type[Transformer] = plugins.load(plugins.TRANSFORMERS, key)
    summary = inspect.cleandoc(transformer.__doc__ or "").partition("\n\n")[0].replace("\n", " ")
    rows = [(prose(element), ", ".join(map(code, field.split(", ")))) for element, field in fields_of(key)]
    return f"## `{key}`\n\n{prose(summary)}\n\n{table(('element', 'field'), rows)}"
