"""Where the operators of the sources reach whoever harvests, where a config does not say it itself."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import TypeAdapter, ValidationError

from harvest_dagster.catalog.fields import Contact
from harvest_dagster.errors import BadInput

VARIABLE = "HARVEST_CONTACT"
_ADDRESS: TypeAdapter[str] = TypeAdapter(Contact)


def of_environment(environ: Mapping[str, str]) -> str:
    """The address in HARVEST_CONTACT, empty where it is not set.

    Raises:
        BadInput: it is none that a header takes.
    """
    value = environ.get(VARIABLE, "").strip()
    if not value:
        return ""
    try:
        return _ADDRESS.validate_python(value)
    except ValidationError as error:
        # As the same mistake in a config is told; the text says what is allowed.
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
    message = f"{VARIABLE}: {reason}."
    raise BadInput(message)
