"""The contact address for the operators of sources, from the environment.

A config that sets `contact` does not need it.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import TypeAdapter, ValidationError

from harvest_dagster.catalog.field_types import Contact
from harvest_dagster.errors import BadInput

VARIABLE = "HARVEST_CONTACT"
_CONTACT: TypeAdapter[str] = TypeAdapter(Contact)


def contact_from_environment(environ: Mapping[str, str]) -> str:
    """Return the address in HARVEST_CONTACT; an empty text if it is not set.

    Raises:
        BadInput: it is not an address that an HTTP header can carry.
    """
    value = environ.get(VARIABLE, "").strip()
    if not value:
        return ""
    try:
        return _CONTACT.validate_python(value)
    except ValidationError as error:
        # The same text as for `contact` in a config: it says what is allowed.
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
    message = f"{VARIABLE}: {reason}."
    raise BadInput(message)
