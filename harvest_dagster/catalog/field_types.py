"""The types of the values in an IngestConfig: validation, error message and JSON Schema of each.

Not here: the keys and their meaning (`schema`).
"""

import re
from datetime import date, datetime, timedelta
from ipaddress import ip_network
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from harvest_dagster import request_hours
from harvest_dagster.catalog import cron, durations, sizes
from harvest_dagster.request_hours import RequestHours

_FIRST_DAY, _LAST_DAY = date(1970, 1, 1), date(2199, 12, 31)


def _parse_date(value: object) -> date:
    """Return a day.

    The range is limited: partitions count in epochs and add days to datetimes, and both can overflow.
    """
    if isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        try:
            value = date.fromisoformat(value)
        except ValueError as error:
            message = f"{value!r} is not a date ({error}); write an existing day as 2005-09-16"
            raise ValueError(message) from None
    if not isinstance(value, date) or isinstance(value, datetime):
        message = f"{value!r} is not a date; write a day as 2005-09-16"
        raise ValueError(message)  # noqa: TRY004 - pydantic collects no TypeError
    if not _FIRST_DAY <= value <= _LAST_DAY:
        message = f"{value} is out of range; allowed: a day from {_FIRST_DAY} to {_LAST_DAY}"
        raise ValueError(message)
    return value


def _validate_network(value: str) -> str:
    try:
        ip_network(value)
    except ValueError:
        message = f"{value!r} is not a network; write its first address and its length, as 10.20.0.0/16"
        raise ValueError(message) from None
    return value


def _matching(pattern: str, allowed: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def validate(value: str) -> str:
        # fullmatch, because $ would accept a line feed at the end.
        if compiled.fullmatch(value) is None:
            message = f"{value!r} is not allowed; write {allowed}"
            raise ValueError(message)
        return value

    return AfterValidator(validate)


_LABEL = r"^[a-z][a-z0-9_]*$"
_LONGEST_LABEL = 200
_WEB_ADDRESS = r"^https?://[^\s/]\S*$"
_ADDRESS_OR_PLACEHOLDER = r"^(https?://[^\s/]\S*|\$\{.*)$"
# Dagster's rule for e-mail addresses (AssetSpec.owners). Its \b is replaced by the characters that it admits.
_OWNER = r"^(team:\S(.*\S)?|[A-Za-z0-9_][A-Za-z0-9._%+-]*@[A-Za-z0-9.-]+\.[A-Za-z]{2,7})$"
# https://github.com/caronc/apprise/wiki lists the schemes. A whole URL may come from the environment.
_NOTIFY_URL = r"^([a-z][a-z0-9]*://\S+|\$\{[A-Za-z_][A-Za-z0-9_]*\})$"
_GROUP = r"^[A-Za-z0-9_]+$"  # Dagster's rule for groups
# Only what a header can carry: visible ASCII without brackets, which would end the comment of the User-Agent.
_CONTACT = r"^(mailto:)?[!-'*-?A-~]+@[!-'*-?A-~]+$|^https?://[!-'*-~]+$"
# Dagster's rule for the tags of assets, the rule of Kubernetes for labels. Dagster reserves "dagster/".
_TAG_KEY = r"^(?!\.?dagster/)([A-Za-z0-9_.-]{1,63}/)?[A-Za-z0-9_.-]{1,63}$"
_TAG_VALUE = r"^[A-Za-z0-9_.-]{0,63}$"


def _validate_token_url(value: str) -> str:
    """Return the URL. The message does not repeat it: a secret may be in its place."""
    if re.fullmatch(_ADDRESS_OR_PLACEHOLDER, value) is None:
        raise ValueError("must be an address that begins with http:// or https://")
    return value


def is_label(text: str) -> bool:
    """Return whether a text may be the label of a source."""
    return re.fullmatch(_LABEL, text) is not None and len(text) <= _LONGEST_LABEL


Label = Annotated[
    str,
    # The JSON Schema repeats the pattern, because it cannot show a validator function.
    WithJsonSchema({"type": "string", "pattern": _LABEL, "maxLength": _LONGEST_LABEL}),
    _matching(_LABEL, "lower-case letters, digits and _, beginning with a letter"),
    Field(max_length=_LONGEST_LABEL),
]
WebAddress = Annotated[
    str,
    WithJsonSchema({"type": "string", "format": "uri", "pattern": _WEB_ADDRESS}),
    _matching(_WEB_ADDRESS, "an address that begins with http:// or https://"),
]
TokenUrl = Annotated[
    str,
    WithJsonSchema({"type": "string", "pattern": _ADDRESS_OR_PLACEHOLDER}),
    AfterValidator(_validate_token_url),
]
Owner = Annotated[
    str,
    WithJsonSchema({"type": "string", "pattern": _OWNER}),
    _matching(_OWNER, "team:NAME or an e-mail address"),
]
Group = Annotated[
    str,
    WithJsonSchema({"type": "string", "pattern": _GROUP}),
    _matching(_GROUP, "letters, digits and _"),
]
Contact = Annotated[
    str,
    WithJsonSchema({"type": "string", "pattern": _CONTACT}),
    _matching(_CONTACT, "an e-mail address, or an address that begins with http:// or https://"),
]
NotifyUrl = Annotated[
    str,
    WithJsonSchema({"type": "string", "pattern": _NOTIFY_URL}),
    _matching(_NOTIFY_URL, "an Apprise URL such as mailto://user:${PASSWORD}@example.org, or ${NAME}"),
]
TagKey = Annotated[
    str,
    _matching(
        _TAG_KEY,
        "at most 63 letters, digits, _, - and ., optionally after a prefix of the same characters and a slash; "
        "Dagster reserves the prefix dagster/",
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
Network = Annotated[
    str,
    WithJsonSchema({"type": "string", "pattern": r"^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$"}),
    AfterValidator(_validate_network),
]
Cron = Annotated[
    str,
    WithJsonSchema({"type": "string", "pattern": r"^\s*\S+(\s+\S+){4}\s*$"}),
    AfterValidator(cron.validate_cron),
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
DurationOrZero = Annotated[
    timedelta,
    WithJsonSchema(
        {"anyOf": [{"type": "string", "pattern": durations.PATTERN}, {"type": "number", "minimum": 0}]}
    ),
    BeforeValidator(durations.parse_duration_or_zero),
    PlainSerializer(durations.format_duration),
]


def _parse_lookback(value: object) -> object:
    if value == "auto":
        return value
    if isinstance(value, str) and re.fullmatch(durations.PATTERN, value) is None:
        message = f"{value!r} is neither a duration nor `auto`; write {durations.ALLOWED}"
        raise ValueError(message)
    return durations.parse_duration_or_zero(value)


def _format_lookback(value: Any) -> str:
    return "auto" if value == "auto" else durations.format_duration(value)


Lookback = Annotated[
    timedelta | Literal["auto"],
    WithJsonSchema(
        {
            "anyOf": [
                {"const": "auto"},
                {"type": "string", "pattern": durations.PATTERN},
                {"type": "number", "minimum": 0},
            ]
        }
    ),
    BeforeValidator(_parse_lookback),
    PlainSerializer(_format_lookback),
]
Size = Annotated[
    int,
    WithJsonSchema(
        {"anyOf": [{"type": "string", "pattern": sizes.PATTERN}, {"type": "integer", "minimum": 1}]}
    ),
    BeforeValidator(sizes.parse_size),
    PlainSerializer(sizes.format_size),
]


_HOUR_RANGE = {"type": "string", "pattern": request_hours.PATTERN}
Hours = Annotated[
    RequestHours,
    WithJsonSchema({"anyOf": [_HOUR_RANGE, {"type": "array", "items": _HOUR_RANGE, "minItems": 1}]}),
    BeforeValidator(request_hours.parse_hours),
    PlainSerializer(request_hours.format_hours),
]


def _at_least_a_second(value: timedelta) -> timedelta:
    if value < timedelta(seconds=1):
        message = "a window must be at least 1s long, the finest granularity of OAI-PMH"
        raise ValueError(message)
    return value


WindowLength = Annotated[Duration, AfterValidator(_at_least_a_second)]
