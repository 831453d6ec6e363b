"""An IngestConfig: what one YAML document says, as frozen values.

Every key has its description here; the JSON Schema (`json_schema`) and the errors (`problems`) are made from
it. What passes here never fails later while the definitions are built: owners, tags and schedules are held to
what Dagster takes. Not here: the arguments of harvesters and transformers (`arguments`); those declare them.
"""

import re
from datetime import date, datetime, timedelta
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)

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


def _at_least_a_second(value: timedelta) -> timedelta:
    if value < timedelta(seconds=1):
        message = "a window must be 1s long at least, the finest granularity that OAI-PMH has"
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


class _Strict(BaseModel):
    """No unknown key, no silent coercion: `calls: "3"` and `label: 7` are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class RateLimit(_Strict):
    """The budget of the source's host, shared by all configs and processes."""

    calls: int = Field(default=1, ge=1, le=1_000_000, description="so many requests in each period")
    period: float = Field(default=1.0, gt=0, le=31_536_000, allow_inf_nan=False, description="seconds")


class Timeout(_Strict):
    """When to give up."""

    connect: Duration = Field(default=timedelta(seconds=10), description="for the connection to the source")
    read: Duration = Field(default=timedelta(seconds=60), description="between two pieces of an answer")
    harvest: Duration = Field(
        default=timedelta(hours=3), description="for one window, from its first request to its last"
    )


class Quarantine(_Strict):
    """How much of a window may be unreadable before the window fails: it must be more than both bounds."""

    records: int = Field(default=10, ge=0, description="so many records, however few there are")
    share: float = Field(
        default=0.01, ge=0, le=1, allow_inf_nan=False, description="of a window's records, from 0 to 1"
    )


class IngestConfig(_Strict):
    """One source under one protocol, harvested into the asset raw/<label>."""

    label: Label = Field(
        description="unique; lower-case letters, digits and _, a letter first; the asset is raw/<label>",
        examples=["arxiv_cs"],
    )
    name: str = Field(
        default_factory=lambda data: data.get("label", ""),
        min_length=1,
        description="what people read; the label, where it is left out",
        examples=["arXiv, computer science"],
    )
    home_page: WebAddress | None = Field(default=None, description="where people find the source")
    description: str = Field(default="", description="Markdown, shown on the asset's page")
    harvester: str = Field(
        min_length=1,
        max_length=255,
        description="key of a harvester (entry-point group harvest_dagster.harvesters)",
        examples=["oai"],
    )
    harvester_kwargs: dict[str, Any] = Field(
        default={},
        description="the harvester's own arguments; ${NAME} in a string is read from the environment when "
        "the harvest runs, $${ stands for a literal ${",
        examples=[{"base_url": "https://oaipmh.arxiv.org/oai", "metadata_prefix": "oai_dc", "set": "cs"}],
    )
    transformer: str | None = Field(
        default=None,
        min_length=1,
        max_length=255,
        description="key of a transformer (entry-point group harvest_dagster.transformers); none: raw only",
        examples=["oai_dc"],
    )
    transformer_kwargs: dict[str, Any] = Field(
        default={}, description="the transformer's own arguments; ${NAME} as in harvester_kwargs"
    )
    rate_limit: RateLimit = Field(
        default=RateLimit(),
        description="the budget of the source's host, shared by all configs and processes",
    )
    earliest_date: Day = Field(
        # The first repositories under the Santa Fe Convention, OAI-PMH's ancestor, are of 2000.
        default=date(2000, 1, 1),
        description="first partition; no record of the source has an older datestamp",
        examples=["2005-09-16"],
    )
    disabled: bool = Field(default=False, description="refuse to run, unless a run is told to ignore that")
    schedule: Cron | None = Field(
        default=None,
        description="cron, five fields, in UTC; none where it is left out",
        examples=["0 3 * * *"],
    )
    max_window: Annotated[Duration, AfterValidator(_at_least_a_second)] = Field(
        default=timedelta(days=30), description="a longer range is split into windows of this length"
    )
    timeout: Timeout = Field(default=Timeout(), description="when to give up")
    quarantine: Quarantine = Field(
        default=Quarantine(),
        description="how many records may be set aside as unreadable before their window fails",
    )
    contact: Contact | None = Field(
        default=None,
        description="an e-mail address or a page for the operators of the source, sent in the User-Agent; "
        "HARVEST_CONTACT, where it is left out",
        examples=["harvest@example.org"],
    )
    failure_threshold: int = Field(
        default=5, ge=1, le=1000, description="after so many failed harvests in a row it refuses to run"
    )
    owners: Annotated[tuple[Owner, ...], Field(strict=False)] = Field(
        default=(), description="team:NAME or e-mail addresses", examples=[["team:metadata"]]
    )
    tags: Tags = Field(default={}, description="tags of the assets, for searching in the UI")
