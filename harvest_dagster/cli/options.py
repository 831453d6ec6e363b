"""Arguments and options that several commands have."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from harvest_dagster.windows import parse_instant

if TYPE_CHECKING:
    _Type = click.ParamType[str]
    _InstantType = click.ParamType[datetime]
else:
    _Type = _InstantType = click.ParamType  # not generic in click 8.1


class Instant(_InstantType):
    """An ISO 8601 date or instant, in UTC if it names no time zone."""

    name = "instant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the instant, or fail with what is allowed."""
        if isinstance(value, datetime):
            return value
        try:
            return parse_instant(str(value))
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON to standard output, and messages to standard error."
)


class Label(_Type):
    """The label of a source. The shell completes it from the catalog.

    The type accepts any text. An unknown label is not an error of the command line, so its exit status is 1 and not 2.
    """

    name = "label"

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        """Return the labels that begin with what was typed, each with the name of its source."""
        from harvest_dagster.catalog.loader import load_catalog  # noqa: PLC0415 - takes 0.2 s

        return [
            CompletionItem(config.label, help=config.name)
            for config in load_catalog().configs
            if config.label.startswith(incomplete)
        ]


label_argument = click.argument("label", type=Label())
optional_label_argument = click.argument("label", type=Label(), required=False)
url_argument = click.argument("url", metavar="URL|LABEL")


def raise_if_reversed(start: datetime | None, end: datetime | None) -> None:
    """Raise an error of usage if --until is not after --from.

    Raises:
        UsageError: both are given, and the end is not after the start.
    """
    if start and end and end <= start:
        raise click.UsageError("--until must be after --from.")


from_option = click.option(
    "--from", "start", type=Instant(), help="Start of the range, included: a date or an instant, in UTC."
)
until_option = click.option("--until", "end", type=Instant(), help="End of the range, excluded.")
