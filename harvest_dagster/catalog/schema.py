"""An IngestConfig: one YAML document as frozen values.

Every key has its description here. The JSON Schema (`json_schema`) and the error messages (`problems`) are
generated from it. A config that passes cannot fail later, while the definitions are built: the rules for owners,
tags and schedules admit only what Dagster accepts. Not here: the types of the values (`field_types`), and the
arguments of harvesters and transformers (`arguments`), which the plug-ins declare.
"""

from datetime import date, timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harvest_dagster.catalog.field_types import (
    Contact,
    Cron,
    Day,
    Duration,
    DurationOrZero,
    Group,
    Hours,
    Label,
    Lookback,
    Network,
    NotifyUrl,
    Owner,
    Size,
    Tags,
    TokenUrl,
    WebAddress,
    WindowLength,
)
from harvest_dagster.response_limits import ResponseLimits

_DEFAULT_LIMITS = ResponseLimits()


class _Strict(BaseModel):
    """Forbid unknown keys and silent conversion: `calls: "3"` and `label: 7` are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class RateLimit(_Strict):
    """The budget of the source's host, shared by all configs and processes."""

    calls: int = Field(default=1, ge=1, le=1_000_000, description="number of requests allowed in each period")
    period: float = Field(
        default=1.0, gt=0, le=31_536_000, allow_inf_nan=False, description="length of the period in seconds"
    )


class Timeout(_Strict):
    """How long to wait before giving up."""

    connect: Duration = Field(
        default=timedelta(seconds=10), description="longest time to connect to the source"
    )
    read: Duration = Field(
        default=timedelta(seconds=60), description="longest time until the next bytes of a response"
    )
    response: Duration | None = Field(
        default=None,
        description="longest time for a whole response, even if its bytes keep arriving; default: five times `read`, "
        "at least one minute",
        examples=["10m"],
    )
    harvest: Duration = Field(
        default=timedelta(hours=3),
        description="longest time for one window, from its first request to its last; a long wait, for which the "
        "run ends and is retried later, does not count",
    )


class Quarantine(_Strict):
    """How many records of a window may be invalid. The window fails if it exceeds both limits."""

    records: int = Field(default=10, ge=0, description="number of records, whatever the size of the window")
    share: float = Field(
        default=0.01,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="share of the window's records, from 0 to 1",
    )


class Limits(_Strict):
    """What one response of the source may cost. `ResponseLimits` has the same attributes and explains each of them."""

    received_bytes: Size = Field(
        default=_DEFAULT_LIMITS.received_bytes,
        description="bytes of a response as it arrives, usually compressed; default: 64MiB",
        examples=["256MB"],
    )
    response_bytes: Size = Field(
        default=_DEFAULT_LIMITS.response_bytes,
        description="bytes of a response after decompression; default: 256MiB",
        examples=["1GB"],
    )
    file_bytes: Size = Field(
        default=_DEFAULT_LIMITS.file_bytes,
        description="bytes of a file that the harvester `files` downloads; default: 64GiB",
        examples=["1TB"],
    )
    xml_nodes: int = Field(
        default=_DEFAULT_LIMITS.xml_nodes, ge=1, description="tags and attributes of an XML page"
    )
    xml_attributes: int = Field(
        default=_DEFAULT_LIMITS.xml_attributes,
        ge=1,
        description="attributes of an XML element; the time to parse them may grow with the square of their number",
    )
    xml_page_attributes: int = Field(
        default=_DEFAULT_LIMITS.xml_page_attributes,
        ge=1,
        description="attributes of an XML page; each costs some microseconds",
    )
    json_values: int = Field(
        default=_DEFAULT_LIMITS.json_values,
        ge=1,
        description="values of a JSON page, each member of a list included",
    )
    token_length: int = Field(
        default=_DEFAULT_LIMITS.token_length,
        ge=1,
        description="characters of a resumptionToken, a cursor or a link to the next page",
    )
    cookies: int = Field(
        default=_DEFAULT_LIMITS.cookies, ge=1, description="cookies of a harvest; the oldest ones are dropped"
    )
    cookie_bytes: Size = Field(
        default=_DEFAULT_LIMITS.cookie_bytes, description="bytes of a cookie; a larger one is dropped"
    )
    cookie_header_bytes: Size = Field(
        default=_DEFAULT_LIMITS.cookie_header_bytes,
        description="bytes of all cookies of a harvest together; the oldest ones are dropped",
    )
    log_line: int = Field(
        default=_DEFAULT_LIMITS.log_line,
        ge=100,
        description="characters of a log line; a longer one loses its middle",
    )


class MostDeletions(_Strict):
    """How many records one list may show as removed. Above either bound, the deletions wait for an approval."""

    share: float = Field(
        default=0.05, ge=0, le=1, allow_inf_nan=False, description="share of the current records, from 0 to 1"
    )
    count: int = Field(default=100, ge=0, description="number of records")


class Deletions(_Strict):
    """When a record that the source no longer has is marked as deleted."""

    by: Literal["protocol", "snapshot", "reconcile"] = Field(
        default="protocol",
        description="the evidence that suffices: `protocol`, the source itself marks the record as deleted; "
        "`snapshot`, complete lists of the whole source do not contain it; `reconcile`, also the job `reconcile` does "
        "not find it",
    )
    wait: DurationOrZero = Field(
        default=timedelta(days=1),
        description="time between the first and the last of the complete lists that do not contain the record; "
        "with 0, one list suffices",
    )
    most: MostDeletions = Field(
        default=MostDeletions(),
        description="how many records one list may show as removed; above it, the deletions wait for an approval",
    )


class BearerAuth(_Strict):
    """A token in the header Authorization."""

    kind: Literal["bearer"] = Field(description="the kind of authentication")
    token: str = Field(min_length=1, repr=False, description="the token, without the word Bearer")


class BasicAuth(_Strict):
    """User and password in the header Authorization."""

    kind: Literal["basic"] = Field(description="the kind of authentication")
    username: str = Field(min_length=1, repr=False, description="the user")
    password: str = Field(default="", repr=False, description="the password")


class ApiKeyAuth(_Strict):
    """A key in a header, or in a parameter of each request."""

    kind: Literal["api_key"] = Field(description="the kind of authentication")
    name: str = Field(
        min_length=1,
        pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z{}\[\]-]+$",
        description="name of the header or of the parameter",
        examples=["X-Api-Key"],
    )
    value: str = Field(min_length=1, repr=False, description="the key")
    place: Literal["header", "query"] = Field(
        default="header", alias="in", description="where the key is sent"
    )


class OAuth2Auth(_Strict):
    """The client credentials grant of OAuth 2.0. A new token is fetched when the source refuses the old one."""

    kind: Literal["oauth2_client_credentials"] = Field(description="the kind of authentication")
    token_url: TokenUrl = Field(
        description="the token endpoint; requests to it count in the budget of its host",
        examples=["https://login.example.org/token"],
    )
    client_id: str = Field(min_length=1, repr=False, description="identifies the client")
    client_secret: str = Field(min_length=1, repr=False, description="the password of the client")
    scope: str = Field(
        default="",
        description="scopes separated by blanks; without it, the server chooses",
        examples=["records.read"],
    )


class IngestConfig(_Strict):
    """The declaration of one source, harvested into the asset raw/<label>."""

    label: Label = Field(
        description="unique; lower-case letters, digits and _, beginning with a letter; the asset is raw/<label>",
        examples=["arxiv_cs"],
    )
    name: str = Field(
        default_factory=lambda data: data.get("label", ""),
        min_length=1,
        description="the name that people read; default: the label",
        examples=["arXiv, computer science"],
    )
    home_page: WebAddress | None = Field(default=None, description="web page of the source, for people")
    description: str = Field(default="", description="Markdown, shown on the asset's page in Dagster")
    harvester: str = Field(
        min_length=1,
        max_length=255,
        description="key of a harvester: a built-in one, or one of an installed package (entry-point group "
        "harvest_dagster.harvesters)",
        examples=["oai"],
    )
    harvester_kwargs: dict[str, Any] = Field(
        default={},
        description="the arguments of the harvester; ${NAME} in a string is read from the environment when "
        "the harvest runs, $${ stands for a literal ${",
        examples=[{"base_url": "https://oaipmh.arxiv.org/oai", "metadata_prefix": "oai_dc", "set": "cs"}],
    )
    auth: BearerAuth | BasicAuth | ApiKeyAuth | OAuth2Auth | None = Field(
        default=None,
        discriminator="kind",
        description="how requests authenticate at the source, for every harvester that uses HTTP; ${NAME} as in "
        "harvester_kwargs; a change of it does not invalidate earlier harvests",
        examples=[{"kind": "bearer", "token": "${TOKEN}"}],
    )
    transformer: str | None = Field(
        default=None,
        min_length=1,
        max_length=255,
        description="key of a transformer: a built-in one, or one of an installed package (entry-point group "
        "harvest_dagster.transformers); without it, records are stored but not transformed",
        examples=["oai_dc"],
    )
    transformer_kwargs: dict[str, Any] = Field(
        default={}, description="the arguments of the transformer; ${NAME} as in harvester_kwargs"
    )
    rate_limit: RateLimit = Field(
        default=RateLimit(),
        description="the budget of the source's host, shared by all configs and processes; two ports of one host "
        "count as two hosts",
    )
    earliest_date: Day = Field(
        # The first repositories under the Santa Fe Convention, the predecessor of OAI-PMH, started in 2000.
        default=date(2000, 1, 1),
        description="first partition: no record of the source has an earlier datestamp",
        examples=["2005-09-16"],
    )
    disabled: bool = Field(
        default=False, description="refuse every run that sets neither ignore_disabled nor force"
    )
    schedule: Cron | None = Field(
        default=None,
        description="cron expression of five fields, in UTC; without it, there is no schedule",
        examples=["0 3 * * *"],
    )
    hours: Hours | None = Field(
        default=None,
        description="the only hours in which the source is asked, or a list of such ranges: days of the week, times, "
        "time zone; a range may cross midnight and then belongs to the day on which it begins; "
        "the zone is UTC by default; without this key, the source may always be asked",
        examples=["21:00-05:00 America/New_York", ["22:00-06:00 Europe/Vienna", "Sat,Sun Europe/Vienna"]],
    )
    lookback: Lookback = Field(
        default=timedelta(days=3),
        description="at each scheduled time, how far before the newest day to harvest again, because sources "
        "publish records late under an earlier date; 0 for a source that never does; `auto`: a little more than what "
        "covers 99.9 % of the records of the last twelve months, from 1 to 60 days; 3 until 1,000 records are counted",
        examples=["3d", "auto"],
    )
    settle: DurationOrZero = Field(
        default=timedelta(hours=6),
        description="how long after its end a day may still change at the source: a harvest that began "
        "before that does not count as coverage; 0 for a source whose days end exactly at midnight in UTC, and "
        "always 0 with `selective: false`",
        examples=["6h"],
    )
    selective: bool = Field(
        default=True,
        description="whether the source can be asked by date; with false, each harvest is a snapshot: one list of the "
        "whole source, which covers every day before it began",
    )
    deletions: Deletions = Field(
        default=Deletions(),
        description="when a record that the source no longer has is marked as deleted",
        examples=[{"by": "snapshot", "wait": "1d", "most": {"share": 0.05, "count": 100}}],
    )
    reconcile: Cron | None = Field(
        default=None,
        description="cron expression of five fields, in UTC: when all identifiers of the source are compared with the "
        "stored ones; without it, only when a person runs the job `reconcile`",
        examples=["0 4 * * 0"],
    )
    max_window: WindowLength = Field(
        default=timedelta(days=30), description="a longer range is split into windows of at most this length"
    )
    timeout: Timeout = Field(default=Timeout(), description="how long to wait before giving up")
    redirect_networks: Annotated[tuple[Network, ...], Field(strict=False)] = Field(
        default=(),
        description="private networks to which a source on a public address may redirect; without them, a redirect to "
        "a loopback, link-local or private address is an error",
        examples=[["10.20.0.0/16"]],
    )
    limits: Limits = Field(
        default=Limits(),
        description="what one response may cost; an error that names one of these keys says that the source needs more",
        examples=[{"response_bytes": "1GB", "xml_nodes": 10_000_000}],
    )
    quarantine: Quarantine = Field(
        default=Quarantine(),
        description="how many records of a window may be invalid before the window fails",
    )
    keep_original: bool = Field(
        default=False,
        description="keep each record's own bytes beside its canonical form; `harvest records --original` returns them",
    )
    contact: Contact | None = Field(
        default=None,
        description="e-mail address or web page for the operators of the source, sent in the User-Agent; default: "
        "HARVEST_CONTACT",
        examples=["harvest@example.org"],
    )
    failure_threshold: int = Field(
        default=5,
        ge=1,
        le=1000,
        description="after this many failures in a row, a run stops and later runs are refused",
    )
    notify: Annotated[tuple[NotifyUrl, ...], Field(strict=False)] = Field(
        default=(),
        description="where to report that the source fails, is refused, is incomplete, quarantines more records or "
        "works again: Apprise URLs, in addition to HARVEST_NOTIFY; ${NAME} as in harvester_kwargs",
        examples=[["mailto://harvest:${MAIL_PASSWORD}@example.org?to=team@example.org"]],
    )
    former_labels: Annotated[tuple[Label, ...], Field(strict=False)] = Field(
        default=(),
        description="earlier labels of the source: the data that were harvested under them belong to this label",
        examples=[["arxiv_computer_science"]],
    )
    group: Group = Field(
        default="harvest", description="asset group in Dagster; letters, digits and _", examples=["metadata"]
    )
    owners: Annotated[tuple[Owner, ...], Field(strict=False)] = Field(
        default=(), description="team:NAME or e-mail addresses", examples=[["team:metadata"]]
    )
    tags: Tags = Field(default={}, description="tags of the assets, for searching in the Dagster UI")
    extends: Label | None = Field(
        default=None,
        description="label of a bundled source whose keys this source takes over; the keys given beside it override "
        "them, mappings key by key, and null removes a key; `label` and `harvester` are then optional; "
        "`harvest list --bundled` lists the bundled sources",
        examples=["zenodo"],
    )

    @model_validator(mode="after")
    def _settle_only_days(self) -> "IngestConfig":
        """Set `settle` to 0 for a snapshot: it has all records that the source had when its list began."""
        if not self.selective:
            object.__setattr__(self, "settle", timedelta())
        return self
