"""What a repository says of itself: Identify, ListSets, ListMetadataFormats (sections 4.2, 4.6, 4.4)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lxml import etree

from harvest_dagster.harvesters.oai_response import OAI
from harvest_dagster.harvesters.oai_time import Granularity
from harvest_dagster.harvesters.source_dates import lenient_instant


@dataclass(frozen=True)
class Identity:
    """The answer to Identify; texts are empty where the repository leaves them out.

    Attributes:
        repository_name: for people.
        base_url: as the repository sees it; often another than the one that was asked.
        protocol_version: 2.0.
        earliest_datestamp: no record is older; None where it is no date.
        deleted_record: no, transient or persistent.
        granularity: of its datestamps.
        admin_emails: whom to write to.
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
    """A format that the repository can disseminate."""

    prefix: str
    schema: str
    namespace: str


@dataclass(frozen=True)
class Set:
    """A part of the repository that can be harvested by itself."""

    spec: str
    name: str


def read_identity(element: etree._Element) -> Identity:
    """The answer that an Identify element is."""
    return Identity(
        repository_name=_text(element, "repositoryName"),
        base_url=_text(element, "baseURL"),
        protocol_version=_text(element, "protocolVersion"),
        earliest_datestamp=lenient_instant(_text(element, "earliestDatestamp")),
        deleted_record=_text(element, "deletedRecord"),
        granularity=Granularity.of(_text(element, "granularity")),
        admin_emails=tuple((found.text or "").strip() for found in element.iterfind(f"{OAI}adminEmail")),
    )


def read_metadata_format(element: etree._Element) -> MetadataFormat:
    """The format that a metadataFormat element is."""
    return MetadataFormat(
        *(_text(element, name) for name in ("metadataPrefix", "schema", "metadataNamespace"))
    )


def read_set(element: etree._Element) -> Set:
    """The set that a set element is."""
    return Set(_text(element, "setSpec"), _text(element, "setName"))


def _text(element: etree._Element, name: str) -> str:
    return (element.findtext(OAI + name) or "").strip()
