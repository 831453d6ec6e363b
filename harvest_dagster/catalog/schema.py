"""An IngestConfig: what one YAML document says, as frozen values.

Every key has its description here; the JSON Schema (`json_schema`) and the errors (`problems`) are made from
it. What passes here never fails later while the definitions are built: owners, tags and schedules are held to
what Dagster takes. Not here: the kinds of values (`fields`); the arguments of harvesters and transformers
(`arguments`), which those declare.
"""

from datetime import date, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from harvest_dagster.catalog.fields import (
    Contact,
    Cron,
    Day,
    Duration,
    DurationOrNone,
    Label,
    Owner,
    Tags,
    WebAddress,
    WindowLength,
)


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
    response: Duration | None = Field(
        default=None,
        description="for a whole answer, however steadily it drips; five times `read`, a minute at least, where it "
        "is left out",
        examples=["10m"],
    )
    harvest: Duration = Field(
        default=timedelta(hours=3),
        description="for one window, from its first request to its last; pauses that free the worker do not count",
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
        description="the budget of the source's host, shared by all configs and processes; one host with two ports "
        "is two hosts",
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
    lookback: DurationOrNone = Field(
        default=timedelta(),
        description="at each time of the schedule so much before the newest day is harvested again, for "
        "sources that publish late under an older date",
        examples=["3d"],
    )
    settle: DurationOrNone = Field(
        default=timedelta(),
        description="how long after its end a day may still change at the source: a harvest that began "
        "before does not count as done",
        examples=["6h"],
    )
    max_window: WindowLength = Field(
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
