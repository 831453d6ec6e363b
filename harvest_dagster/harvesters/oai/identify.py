"""What a repository reports about itself: Identify, ListMetadataFormats, ListSets (sections 4.2, 4.4, 4.6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lxml import etree

from harvest_dagster.harvesters.formats.dates import lenient_instant
from harvest_dagster.harvesters.oai.response import OAI
from harvest_dagster.harvesters.window_ends.requested_dates import Granularity


@dataclass(frozen=True)
class Identity:
    """The response to Identify. A text is empty if the repository omits it.

    Attributes:
        repository_name: name of the repository for people.
        base_url: base URL as the repository reports it; it often differs from the requested one.
        protocol_version: `2.0`.
        earliest_datestamp: lower limit of all datestamps; None if it is not a date.
        deleted_record: `no`, `transient` or `persistent`.
        granularity: granularity of the datestamps.
        admin_emails: addresses of the operators.
    """

    repository_name: str
    base_url: str
    protocol_version: str
    earliest_datestamp: datetime | None
    deleted_record: str
    granularity: Granularity
    admin_emails: tuple[str, ...]


@dataclass(frozen=True)
class MetadataFormat:
    """A metadata format that the repository offers."""

    prefix: str
    schema: str
    namespace: str


@dataclass(frozen=True)
class Set:
    """A set of the repository (section 2.6). It can be harvested separately."""

    spec: str
    name: str


def parse_identity(element: etree._Element) -> Identity:
    """Parse an Identify element."""
    return Identity(
        repository_name=_text(element, "repositoryName"),
        base_url=_text(element, "baseURL"),
        protocol_version=_text(element, "protocolVersion"),
        earliest_datestamp=lenient_instant(_text(element, "earliestDatestamp")),
        deleted_record=_text(element, "deletedRecord"),
        granularity=Granularity.of(_text(element, "granularity")),
        admin_emails=tuple((found.text or "").strip() for found in element.iterfind(f"{OAI}adminEmail")),
    )


def parse_metadata_format(element: etree._Element) -> MetadataFormat:
    """Parse a metadataFormat element."""
    return MetadataFormat(
        *(_text(element, name) for name in ("metadataPrefix", "schema", "metadataNamespace"))
    )


def parse_set(element: etree._Element) -> Set:
    """Parse a set element."""
    return Set(_text(element, "setSpec"), _text(element, "setName"))


def _text(element: etree._Element, name: str) -> str:
    return (element.findtext(OAI + name) or "").strip()
