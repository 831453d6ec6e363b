"""Open the client of a source outside of a harvest: the same session, limits, timeouts and secrets."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from harvest_dagster.catalog.hosts import limits_by_host
from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.errors import BadInput, CatalogError, DatabaseError
from harvest_dagster.harvesters.interface import Client
from harvest_dagster.harvesters.oai.client import OaiClient
from harvest_dagster.http.rate_limit.budget import Budget, ProcessBudget
from harvest_dagster.http.rate_limit.deadline import Deadline
from harvest_dagster.http.rate_limit.retry import RetryPolicy
from harvest_dagster.http.session import HttpSession
from harvest_dagster.pipeline.source_access import SourceAccess, WaitLimits, build_session
from harvest_dagster.storage import migrations
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.rate_limit.database_budget import DatabaseBudget

# A person waits for the answer, so there are fewer attempts than in a harvest.
_RETRY = RetryPolicy(attempts=2)
_LONGEST = 3600.0  # seconds
# Arguments of a request that people copy together with the base URL.
_REQUEST_ARGUMENTS = frozenset(
    {"verb", "metadataPrefix", "set", "from", "until", "resumptionToken", "identifier"}
)

OnWait = Callable[[float, str], None]


@dataclass(frozen=True)
class ObservedResponse:
    """A response of the source.

    Attributes:
        url: the requested URL, secrets masked.
        status: its status.
        headers: its headers, with case-insensitive names.
    """

    url: str
    status: int
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Connection:
    """An open client of a source.

    Attributes:
        source: the source.
        client: asks the source.
        session: sends the requests of the client.
        responses: the responses so far.
    """

    source: SourceAccess
    client: Client
    session: HttpSession
    responses: list[ObservedResponse] = field(default_factory=list)

    @property
    def oai(self) -> OaiClient:
        """The client of an OAI-PMH repository.

        Raises:
            BadInput: the source has another protocol.
        """
        if isinstance(self.client, OaiClient):
            return self.client
        config = self.source.config
        message = (
            f"{config.label} has the harvester {config.harvester!r}, but only OAI-PMH repositories can be asked this. "
            "Name a source with the harvester oai, or the base URL of a repository."
        )
        raise BadInput(message)


@contextmanager
def connect(
    source: SourceAccess,
    budget: Budget,
    on_wait: OnWait | None = None,
    *,
    longest: float = _LONGEST,
    retry: RetryPolicy = _RETRY,
) -> Iterator[Connection]:
    """Open the client of a source.

    Args:
        source: the source.
        budget: the request budget of its host; see `open_budget`.
        on_wait: called with the seconds and the reason of each wait.
        longest: seconds after which no request begins.
        retry: how often a request is repeated.

    Raises:
        MissingSecret: the environment lacks a `${NAME}`.
        UnknownPlugin: the harvester cannot be loaded.
        CatalogError: an argument is invalid after its `${NAME}` is replaced.
    """
    responses: list[ObservedResponse] = []

    def record(url: str, status: int, headers: Mapping[str, str]) -> None:
        responses.append(ObservedResponse(url, status, headers))

    def report_wait(seconds: float, reason: str, _: bool) -> None:
        if on_wait is not None:
            on_wait(seconds, reason)

    deadline = Deadline(ends_at=time.monotonic() + longest, on_wait=report_wait)
    with build_session(source, budget, deadline, on_response=record, retry=retry) as session:
        yield Connection(source, source.harvester.client(session), session, responses)


@contextmanager
def open_budget(url: str, catalog: Catalog, environ: Mapping[str, str]) -> Iterator[tuple[Budget, str]]:
    """Yield the request budgets of the harvest database, and an empty text. Only one thread may use it."""
    with open_budgets(url, catalog, environ) as (budget, note):
        yield budget(), note


@contextmanager
def open_budgets(
    url: str, catalog: Catalog, environ: Mapping[str, str]
) -> Iterator[tuple[Callable[[], Budget], str]]:
    """Yield a function that returns the request budgets of the harvest database for a thread, and an empty text.

    If there is no database, or if it needs a migration or cannot be reached, yield a budget of this process, and the
    reason. Nothing is created or migrated.
    """
    try:
        database = Database.connect(url)
        revision = None if database is None else database.revision()
    except DatabaseError as error:
        own = ProcessBudget()
        yield lambda: own, f"other processes may send requests to the same host meanwhile: {error}"
        return
    if database is None or revision != migrations.HEAD:
        own = ProcessBudget()
        yield lambda: own, ""
        return
    with database as opened:
        shared = limits_by_host(catalog.configs, environ)
        yield lambda: DatabaseBudget(opened, shared), ""


def find_source(target: str, catalog: Catalog, environ: Mapping[str, str]) -> SourceAccess:
    """Return access to the source with a label, or to the OAI-PMH repository at a URL.

    Raises:
        UnknownIngestConfig: there is no source with this label.
        BadInput: the URL is invalid.
    """
    config = oai_config(target) if is_url(target) else catalog.get(target)
    return SourceAccess(config, environ, catalog.configs, WaitLimits(longest_wait=_LONGEST))


def is_url(target: str) -> bool:
    """Return whether a command's argument is a URL and not a label."""
    return "://" in target


def oai_config(url: str, **harvester_kwargs: Any) -> IngestConfig:
    """Return a config for the OAI-PMH repository at a URL. Arguments of a request are removed from the URL.

    Raises:
        BadInput: the URL is not an http or https URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise BadInput(
            f"{parts.scheme}://… is no http or https URL with a host. Give the base URL of a repository."
        )
    arguments = parse_qsl(parts.query, keep_blank_values=True)
    kept = urlencode([(name, value) for name, value in arguments if name not in _REQUEST_ARGUMENTS])
    base_url = urlunsplit((parts.scheme, parts.netloc, parts.path, kept, ""))
    kwargs = {"base_url": base_url, "metadata_prefix": "oai_dc", **harvester_kwargs}
    try:
        return IngestConfig(label="source", harvester="oai", harvester_kwargs=kwargs)
    except ValueError as error:
        raise CatalogError("The URL cannot be used as a base URL. Correct it.") from error
