"""The kinds of values that an IngestConfig has: what passes, what an error says, what the JSON Schema shows.

Not here: which keys there are and what each is for (`schema`).
"""

import re
from datetime import date, datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from harvest_dagster.catalog import cron, durations

_FIRST_DAY, _LAST_DAY = date(1970, 1, 1), date(2199, 12, 31)


def _parse_date(value: object) -> date:
    """A day; bounded, so that the arithmetic of partitions stays within what epochs and datetimes hold."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        try:
            value = date.fromisoformat(value)
        except ValueError as error:
            message = f"{value!r} is no date: {error}"
            raise ValueError(message) from None
    if not isinstance(value, date) or isinstance(value, datetime):
        message = f"{value!r} is no date; write a day as 2005-09-16"
        raise ValueError(message)  # noqa: TRY004 - pydantic collects no TypeError
    if not _FIRST_DAY <= value <= _LAST_DAY:
        message = f"{value} is out of range; a day from {_FIRST_DAY} to {_LAST_DAY} is allowed"
        raise ValueError(message)
    return value


def _matching(pattern: str, allowed: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        # fullmatch, since $ would let a line end pass.
        if compiled.fullmatch(value) is None:
            message = f"{value!r} is not allowed; write {allowed}"
            raise ValueError(message)
        return value

    return AfterValidator(check)


_LABEL = r"^[a-z][a-z0-9_]*$"
_WEB_ADDRESS = r"^https?://[^\s/]\S*$"
# Dagster's own rule for e-mail addresses (AssetSpec.owners), tightened to what its word boundaries mean.
_OWNER = r"^(team:\S(.*\S)?|[A-Za-z0-9_][A-Za-z0-9._%+-]*@[A-Za-z0-9.-]+\.[A-Za-z]{2,7})$"
# What a header takes: visible ASCII, and no bracket that would end the User-Agent's comment.
_CONTACT = r"^(mailto:)?[!-'*-?A-~]+@[!-'*-?A-~]+$|^https?://[!-'*-~]+$"
# Dagster's rule for the tags of assets, which is Kubernetes' for labels; "dagster/" is its own name space.
_TAG_KEY = r"^(?!\.?dagster/)([A-Za-z0-9_.-]{1,63}/)?[A-Za-z0-9_.-]{1,63}$"
_TAG_VALUE = r"^[A-Za-z0-9_.-]{0,63}$"

Label = Annotated[
    str,
    # The pattern in the JSON Schema too, where a validator function would be invisible.
    WithJsonSchema({"type": "string", "pattern": _LABEL, "maxLength": 200}),
    _matching(_LABEL, "lower-case letters, digits and _, a letter first"),
    Field(max_length=200),
]
WebAddress = Annotated[
    str,
    WithJsonSchema({"type": "string", "format": "uri", "pattern": _WEB_ADDRESS}),
    _matching(_WEB_ADDRESS, "an address that begins with http:// or https://"),
]
Owner = Annotated[
    str,
    WithJsonSchema({"type": "string", "pattern": _OWNER}),
    _matching(_OWNER, "team:NAME or an e-mail address"),
]
Contact = Annotated[
    str,
    WithJsonSchema({"type": "string", "pattern": _CONTACT}),
    _matching(_CONTACT, "an e-mail address, or an address that begins with http:// or https://"),
]
TagKey = Annotated[
    str,
    _matching(
        _TAG_KEY,
        "at most 63 letters, digits, _, - and ., if wanted after a prefix/ of the same, not dagster/",
    ),
]
TagValue = Annotated[
    str,
    _matching(_TAG_VALUE, "at most 63 letters, digits, _, - and ."),
]
Tags = Annotated[
    dict[TagKey, TagValue],
    WithJsonSchema(
        {
            "type": "object",
            "propertyNames": {"pattern": _TAG_KEY},
            "additionalProperties": {"type": "string", "pattern": _TAG_VALUE},
        }
    ),
]
Cron = Annotated[
    str,
    WithJsonSchema({"type": "string", "pattern": r"^\s*\S+(\s+\S+){4}\s*$"}),
    AfterValidator(cron.check_cron),
]
Day = Annotated[
    date,
    WithJsonSchema({"type": "string", "format": "date", "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}),
    BeforeValidator(_parse_date),
]
Duration = Annotated[
    timedelta,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": durations.PATTERN},
                {"type": "number", "exclusiveMinimum": 0},
            ]
        }
    ),
    BeforeValidator(durations.parse_duration),
    PlainSerializer(durations.format_duration),
]


DurationOrNone = Annotated[
    timedelta,
    WithJsonSchema(
        {"anyOf": [{"type": "string", "pattern": durations.PATTERN}, {"type": "number", "minimum": 0}]}
    ),
    BeforeValidator(durations.parse_duration_or_none),
    PlainSerializer(durations.format_duration),
]


def _at_least_a_second(value: timedelta) -> timedelta:
    if value < timedelta(seconds=1):
        message = "a window must be 1s long at least, the finest granularity that OAI-PMH has"
        raise ValueError(message)
    return value


WindowLength = Annotated[Duration, AfterValidator(_at_least_a_second)]
