"""A third-party package provides a protocol and a format: a YAML file names them, and a run harvests with them.

The project contains nothing about the package, which is as small as possible.
"""

from __future__ import annotations

import json
import os
from datetime import datetime, timezone
from pathlib import Path

import pytest

from harvest_dagster_tests.end_to_end.deployment import Deployment
from harvest_dagster_tests.end_to_end.servers import Arguments, Served, serve

MODULE = '''
import json
from collections.abc import Iterator

from harvest_dagster.errors import MalformedResponse
from harvest_dagster.harvesters.interface import Arguments, Client, Harvester, Parser, Session
from harvest_dagster.records import Cursor, Page, Record, Request, Unreadable
from harvest_dagster.transformers.document import Document, Title
from harvest_dagster.transformers.interface import Transformer
from harvest_dagster.windows import Window, format_instant, parse_instant


class LinesArguments(Arguments):
    url: str
    key: str


class LinesClient(Client):
    """A list of JSON lines in pages. The last line of a page has the cursor of the next page."""

    def pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:
        while True:
            cursor = cursor or Cursor()
            arguments = {"from": format_instant(window.start), "before": format_instant(window.end)}
            arguments |= {"key": self.arguments.key, "after": cursor.token or ""}
            response = self.session.get(self.arguments.url, arguments)
            *lines, last = response.body.decode().splitlines()
            end = json.loads(last)
            following = Cursor(end["after"]) if end["after"] else None
            yield Page(
                body="\\n".join(lines).encode(),
                request=Request(response.url),
                status=response.status,
                received=response.received,
                cursor=cursor,
                next=following,
                count=len(lines),
                total=end["total"],
            )
            if following is None:
                return
            cursor = following


class LinesParser(Parser):
    def records(self, page: Page, window: Window) -> Iterator[Record | Unreadable]:
        for line in page.body.decode().splitlines():
            try:
                item = json.loads(line)
                changed = parse_instant(item["changed"])
                blob = json.dumps(item, sort_keys=True)
                yield Record(item["id"], changed, item.get("deleted", False), blob)
            except (ValueError, KeyError) as error:
                yield Unreadable(line.encode(), f"invalid record: {error}")


class LinesHarvester(Harvester):
    VERSION = 3
    Arguments = LinesArguments

    def client(self, session: Session) -> LinesClient:
        return LinesClient(self.arguments, session)

    def parser(self) -> LinesParser:
        return LinesParser(self.arguments)


class TitleTransformer(Transformer):
    """A document with only a title."""

    def transform(self, identifier: str, datum: str) -> Document:
        title = json.loads(datum)["title"]
        return Document(id=identifier, title=title, titles=(Title(title),))
'''

ENTRY_POINTS = """\
[harvest_dagster.harvesters]
json_lines = somebodys_plugin:LinesHarvester

[harvest_dagster.transformers]
json_title = somebodys_plugin:TitleTransformer
"""

RECORDS = [
    {"id": f"line-{number}", "changed": f"2024-03-0{1 + number % 3}T10:00:00Z", "title": f"Title {number}"}
    for number in range(25)
] + [{"id": "line-deleted", "changed": "2024-03-02T00:00:00Z", "deleted": True}]


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The package in a folder, as `pip install --target` creates it."""
    folder = tmp_path / "site"
    metadata = folder / "somebodys_plugin-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: somebodys-plugin\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    (folder / "somebodys_plugin.py").write_text(MODULE)
    return folder


def list_of_lines(_: Served):
    """Return the service: ten lines a page, one of them invalid, and a last line with the cursor and the total."""

    def answer(arguments: Arguments) -> bytes:
        first, before = (
            datetime.fromisoformat(arguments[name]).replace(tzinfo=timezone.utc)
            for name in ("from", "before")
        )
        lines = [json.dumps(record) for record in RECORDS if first <= changed(record) < before]
        lines.insert(3, '{"id": "broken", "changed": "yesterday"}')
        start = int(arguments["after"] or 0)
        after = str(start + 10) if start + 10 < len(lines) else ""
        return "\n".join(
            [*lines[start : start + 10], json.dumps({"after": after, "total": len(lines)})]
        ).encode()

    return answer


def changed(record: dict) -> datetime:
    return datetime.fromisoformat(record["changed"].replace("Z", "+00:00"))


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_third_party_plug_in_harvests_and_transforms(deployment: Deployment, installed: Path) -> None:
    """The project needs no edit. The key of the plug-in comes from the environment and is not printed."""
    path = os.pathsep.join(filter(None, [str(installed), os.environ.get("PYTHONPATH")]))
    with serve(list_of_lines, "application/x-ndjson") as served:
        arguments = {"url": served.url, "key": "${LINES_KEY}"}
        deployment.source(
            "lines",
            harvester="json_lines",
            harvester_kwargs=arguments,
            transformer="json_title",
            earliest_date="2024-03-01",
        )
        output = deployment.dagster(
            *("asset", "materialize", "-m", "harvest_dagster.definitions"),
            *("--select", "raw/lines,transformed/lines", "--partition-range", "2024-03-01...2024-03-02"),
            PYTHONPATH=path,
            LINES_KEY="an-open-secret",
        )
    expected = {record["id"]: record for record in RECORDS if changed(record).day < 3}
    data = {stored.identifier: stored for stored in deployment.data("lines")}
    assert data.keys() == expected.keys()
    assert all(json.loads(stored.blob) == expected[key] for key, stored in data.items())
    assert all(stored.datestamp == changed(expected[key]) for key, stored in data.items())
    documents = deployment.documents("lines")
    titles = {key: document["title"] if document else None for key, document in documents.items()}
    assert titles == {key: record.get("title") for key, record in expected.items()}
    (log,) = deployment.harvest_logs("lines")
    assert (log.harvester_version, log.pages, log.quarantined, log.completeness) == (3, 2, 1, "complete")
    assert {arguments["key"] for arguments in served.requests} == {"an-open-secret"}
    assert "an-open-secret" not in output
