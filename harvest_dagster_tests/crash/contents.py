"""Compare the database after a harvest with the source: each record once, each with its ingest log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lxml import etree
from sqlalchemy import Connection, ScalarSelect, Table, select

from harvest_dagster.storage.database import Database
from harvest_dagster.storage.tables import (
    harvest_log,
    ingest_config,
    ingest_log,
    metadata,
    quarantine,
    raw_datum,
    request_departure,
    request_host,
    source_unique_identifier,
    transform_run,
)
from harvest_dagster.testing.simulator import Request, Server
from harvest_dagster_tests.crash.commands import LABEL, Command, Deployment
from harvest_dagster_tests.testing.simulator.oai_client import LIST, pages

_RECORD = "{http://www.openarchives.org/OAI/2.0/}"
_DUBLIN_CORE = "{http://purl.org/dc/elements/1.1/}"


@dataclass(frozen=True, order=True)
class Content:
    """The content of a record, independent of its format."""

    identifier: str
    deleted: bool
    texts: tuple[tuple[str, str], ...]


def served(source: Server) -> list[Content]:
    """Return all records of the source. A second server provides them, so that the source logs no extra request."""
    with Server(source.repository, edits=source.edits) as second_server:
        records = [record for page in pages(second_server, LIST) for record in page.find("//o:record")]
    return sorted(map(_content, records))


def stored(connection: Connection, label: str = LABEL) -> list[Content]:
    """Return all records of a source in the database."""
    query = (
        select(raw_datum.c.datum, source_unique_identifier.c.identifier, raw_datum.c.deleted)
        .join(source_unique_identifier, source_unique_identifier.c.id == raw_datum.c.suid_id)
        .where(source_unique_identifier.c.ingest_config_id == _key_of(label))
    )
    contents = []
    for datum, identifier, deleted in connection.execute(query):
        content = _content(etree.fromstring(datum))
        assert (content.identifier, content.deleted) == (identifier, deleted)
        contents.append(content)
    return sorted(contents)


def assert_complete(
    database: Database, source: Server, *, ingested: str = "PENDING", label: str = LABEL
) -> None:
    """Assert that each record is stored once with its ingest log, and that the counts of the harvest logs agree."""
    expected = served(source)
    with database.read() as connection:
        assert stored(connection, label) == expected
        of_source = source_unique_identifier.c.ingest_config_id == _key_of(label)
        data = set(connection.scalars(select(raw_datum.c.id).join(source_unique_identifier).where(of_source)))
        of_label = ingest_log.c.ingest_config_id == _key_of(label)
        logs = connection.execute(select(ingest_log.c.raw_id, ingest_log.c.status).where(of_label)).all()
        assert sorted(logs) == sorted((datum, ingested) for datum in data)
        assert connection.execute(select(quarantine)).all() == []
        windows = harvests(connection, label)
    assert {log["status"] for log in windows} == {"SUCCEEDED"}, windows
    assert {log["completions"] for log in windows} == {1}
    assert {log["completeness"] for log in windows} == {"complete"}
    for count in ("records", "new_identifiers", "new_data", "expected"):
        assert sum(log[count] for log in windows) == len(expected), count
    assert sum(log["deleted"] for log in windows) == sum(content.deleted for content in expected)


def harvests(connection: Connection, label: str = LABEL) -> list[dict[str, Any]]:
    """Return the logs of the windows of a source, without those of ranges (status SPLIT)."""
    is_window = harvest_log.c.status != "SPLIT"
    of_label = harvest_log.c.ingest_config_id == _key_of(label)
    query = select(harvest_log).where(is_window, of_label).order_by(harvest_log.c.start_date)
    return [dict(row._mapping) for row in connection.execute(query)]


def snapshot(database: Database, *tables: Table) -> dict[str, list[Any]]:
    """Return every row of these tables, by default of all tables except those of the rate limit and of live processes.

    A run that lost its lease may still count a request that it has sent, because the host received it. It may also
    report that its process works, and that it has ended.
    """
    excluded = (request_host, request_departure, transform_run)
    selected = tables or [table for table in metadata.sorted_tables if table not in excluded]
    with database.read() as connection:
        return {table.name: sorted(map(repr, connection.execute(select(table)))) for table in selected}


def lists(requests: Sequence[Request]) -> list[Request]:
    """Return the requests for pages of records."""
    return [request for request in requests if request.verb == "ListRecords"]


def _key_of(label: str) -> ScalarSelect[int]:
    return select(ingest_config.c.id).where(ingest_config.c.label == label).scalar_subquery()


def _content(record: etree._Element) -> Content:
    header = record.find(f"{_RECORD}header")
    assert header is not None
    elements = [
        (etree.QName(element).localname, element.text or "")
        for element in record.iter()
        if isinstance(element.tag, str) and element.tag.startswith(_DUBLIN_CORE)
    ]
    return Content(
        header.findtext(f"{_RECORD}identifier") or "",
        header.get("status") == "deleted",
        tuple(sorted(elements)),
    )


def kept_files(deployment: Deployment, killed: Sequence[Command]) -> list[Path]:
    """Return the files in the spool, without the outputs of the ops of killed runs.

    These stay for the case that the run is executed again.
    """
    files = [path.relative_to(deployment.spool) for path in deployment.spool.rglob("*") if path.is_file()]
    run_ids = {command.run_id for command in killed}
    return [path for path in files if path.parts[0] != "_runs" or path.parts[1] not in run_ids]
