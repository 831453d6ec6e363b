"""A package of somebody else brings a protocol and a format: it is installed, named in YAML, and harvested with.

Nothing of the project knows of it. It is as small as one can be.
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
from harvest_dagster.harvesters.interface import Arguments, Harvester
from harvest_dagster.records import Cursor, Page, Record, Request, Unreadable
from harvest_dagster.transformers.document import Document, Text
from harvest_dagster.transformers.interface import Transformer
from harvest_dagster.windows import Window, format_instant, parse_instant


class LinesArguments(Arguments):
    url: str
    key: str


class LinesHarvester(Harvester):
    """A list of JSON lines, some at a time; the header X-After of a page asks for the next."""

    VERSION = 3
    Arguments = LinesArguments

    def pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:
        while True:
            cursor = cursor or Cursor()
            asked = {"from": format_instant(window.start), "before": format_instant(window.end)}
            asked |= {"key": self.arguments.key, "after": cursor.token or ""}
            response = self.session.get(self.arguments.url, asked)
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

    def records(self, page: Page, window: Window) -> Iterator[Record | Unreadable]:
        for line in page.body.decode().splitlines():
            try:
                found = json.loads(line)
                changed = parse_instant(found["changed"])
                blob = json.dumps(found, sort_keys=True)
                yield Record(found["id"], changed, found.get("gone", False), blob)
            except (ValueError, KeyError) as error:
                yield Unreadable(line.encode(), f"no record: {error}")


class TitleTransformer(Transformer):
    """The title, and nothing else."""

    def transform(self, identifier: str, datum: str) -> Document:
        title = json.loads(datum)["title"]
        return Document(id=identifier, title=title, titles=(Text(title),))
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
] + [{"id": "line-gone", "changed": "2024-03-02T00:00:00Z", "gone": True}]


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder as `pip install --target` leaves it."""
    folder = tmp_path / "site"
    metadata = folder / "somebodys_plugin-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: somebodys-plugin\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    (folder / "somebodys_plugin.py").write_text(MODULE)
    return folder


def list_of_lines(_: Served):
    """The service: ten lines at a time, one of the first ten broken, and a last line that says how to go on."""

    def answer(asked: Arguments) -> bytes:
        first, before = (
            datetime.fromisoformat(asked[name]).replace(tzinfo=timezone.utc) for name in ("from", "before")
        )
        found = [json.dumps(record) for record in RECORDS if first <= changed(record) < before]
        found.insert(3, '{"id": "broken", "changed": "yesterday"}')
        start = int(asked["after"] or 0)
        after = str(start + 10) if start + 10 < len(found) else ""
        return "\n".join(
            [*found[start : start + 10], json.dumps({"after": after, "total": len(found)})]
        ).encode()

    return answer


def changed(record: dict) -> datetime:
    return datetime.fromisoformat(record["changed"].replace("Z", "+00:00"))


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_plug_in_of_others_harvests_and_transforms(deployment: Deployment, installed: Path) -> None:
    """The project is edited nowhere; the key it is given comes from the environment and stays out of sight."""
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
    assert {asked["key"] for asked in served.asked} == {"an-open-secret"}
    assert "an-open-secret" not in output
