"""What an OAI-PMH repository reports about itself, and what it does not report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from harvest_dagster.diagnosis.connection import Connection
from harvest_dagster.errors import SourceError
from harvest_dagster.harvesters.oai.endpoint import Endpoint
from harvest_dagster.harvesters.oai.errors import NoSetHierarchy
from harvest_dagster.harvesters.oai.identify import Identity, MetadataFormat, Set
from harvest_dagster.harvesters.window_ends.requested_dates import Granularity
from harvest_dagster.windows import DAY

_DELETION_POLICIES = ("no", "transient", "persistent")


@dataclass(frozen=True)
class RepositoryReport:
    """The response to Identify.

    Attributes:
        identity: what it contains.
        unknown: one sentence for each thing that it does not say.
    """

    identity: Identity
    unknown: tuple[str, ...]


@dataclass(frozen=True)
class SetList:
    """The sets that were received.

    Attributes:
        sets: the sets, in the order of the repository.
        problem: why the list may be incomplete, or why there is none; empty if the list has ended.
        has_sets: False if the repository says that it has no sets.
    """

    sets: tuple[Set, ...]
    problem: str = ""
    has_sets: bool = True


def identify(connection: Connection) -> RepositoryReport:
    """Request Identify.

    Raises:
        SourceError: the repository does not answer it.
    """
    identity = connection.oai.identity
    return RepositoryReport(identity, tuple(_unknown(identity)))


def _unknown(identity: Identity) -> Iterator[str]:
    if not identity.repository_name:
        yield "repositoryName is missing: the repository has no name."
    if identity.earliest_datestamp is None:
        yield "earliestDatestamp is missing or is no date: it is not known when the first record is from."
    if identity.deleted_record not in _DELETION_POLICIES:
        yield (
            f"deletedRecord is {identity.deleted_record or 'missing'!r}, and not one of "
            f"{', '.join(_DELETION_POLICIES)}: it is not known whether removed records are reported."
        )
    if not identity.admin_emails:
        yield "adminEmail is missing: there is no address for questions."
    if identity.protocol_version != "2.0":
        yield f"protocolVersion is {identity.protocol_version!r}, not '2.0': the responses may differ."


def list_sets(connection: Connection) -> SetList:
    """Request all pages of ListSets. If the list breaks, return the sets before that, and the reason.

    Raises:
        SourceError: the repository answers not even the first page.
    """
    found: dict[str, Set] = {}
    try:
        for one in connection.oai.list_sets():
            found.setdefault(one.spec, one)
    except NoSetHierarchy:
        return SetList((), "the repository has no sets", has_sets=False)
    except SourceError as error:
        if not found:
            raise
        return SetList(tuple(found.values()), f"the list broke after {len(found)} sets: {error}")
    return SetList(tuple(found.values()))


def list_formats(connection: Connection) -> list[MetadataFormat]:
    """Request ListMetadataFormats.

    Raises:
        SourceError: the repository does not answer it.
    """
    return connection.oai.list_metadata_formats()


def ignores_dates(connection: Connection, granularity: Granularity, prefix: str, now: datetime) -> bool:
    """Return whether a list that begins in the future has records. False if the repository refuses the request."""
    format_date = "%Y-%m-%d" if granularity is Granularity.DAY else "%Y-%m-%dT%H:%M:%SZ"
    arguments = {"metadataPrefix": prefix, "from": (now + 2 * DAY).strftime(format_date)}
    endpoint = Endpoint(connection.oai.arguments.base_url, connection.session, several_names=True)
    try:
        return bool(endpoint.request("ListIdentifiers", arguments).items)
    except SourceError:
        return False
