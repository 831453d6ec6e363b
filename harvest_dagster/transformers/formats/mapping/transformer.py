"""The transformer of any record of JSON, CSV or XML: the YAML of the source maps paths of the record to fields."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict, ValidationError, field_validator
from pydantic_core import InitErrorDetails

from harvest_dagster.transformers.interface import Arguments, Transformer

if TYPE_CHECKING:
    from harvest_dagster.transformers.document import Document
    from harvest_dagster.transformers.formats.mapping.rules import ItemRule

# What a source writes, and the field: the rules of the YAML decide it.
FIELDS: tuple[tuple[str, str], ...] = (("the path of a rule", "the field of the rule"),)


class MappingArguments(Arguments):
    """The `transformer_kwargs` of the YAML.

    Attributes:
        fields: the rules of each field: `docs/transformers.md`.
        format: the name of the format, for the provenance of the document.
        empty: texts of the record that mean that there is no value, such as `NA`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    fields: dict[str, Any]
    format: str | None = None
    empty: tuple[str, ...] = ()

    @field_validator("fields")
    @classmethod
    def _check(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """Check the rules with the schema of the document."""
        from harvest_dagster.transformers.formats.mapping.rules import read_rules  # noqa: PLC0415 - other transformers need no rules

        if not fields:
            raise ValueError("must name at least one field of the document, such as `titles: PATH`")
        _, problems = read_rules(fields)
        if problems:
            details = [
                InitErrorDetails(
                    type="value_error",
                    loc=problem.location,
                    input=problem.value,
                    ctx={"error": ValueError(problem.message)},
                )
                for problem in problems
            ]
            raise ValidationError.from_exception_data("fields", details)
        return fields


class MappingTransformer(Transformer):
    """Transform records of JSON, CSV or XML by rules: field of the document, path of the record."""

    VERSION = 1
    Arguments = MappingArguments

    arguments: MappingArguments

    @cached_property
    def _rule(self) -> ItemRule:
        from harvest_dagster.transformers.formats.mapping.rules import read_rules  # noqa: PLC0415 - see above

        return read_rules(self.arguments.fields)[0]

    def transform(self, identifier: str, datum: str) -> Document:
        """Return the document of one record.

        Raises:
            TransformError: the datum is neither JSON nor XML, or no path leads to a value.
        """
        from harvest_dagster.transformers.formats.mapping.documents import Settings, read_document  # noqa: PLC0415 - see above

        settings = Settings(self.arguments.format, frozenset(self.arguments.empty))
        return read_document(self._rule, identifier, datum, settings)
