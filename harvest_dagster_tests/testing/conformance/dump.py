"""The simulator's records as one file of JSON Lines, for the harvester `files` over HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping

from harvest_dagster.testing.simulator import ListQuery, RecordContent, RenderedList, Renderer


class DumpRenderer(Renderer):
    """One response has all records. It has no total, no token and no selection by date."""

    features = frozenset()
    content_type = "application/x-ndjson"

    def query(self, arguments: Mapping[str, str]) -> ListQuery:  # noqa: ARG002
        return ListQuery(size=1000)

    def record(self, record: RecordContent) -> str:
        fields = {"id": record.identifier, "date": record.datestamp, "title": record.metadata.get("title")}
        return json.dumps(fields if not record.deleted else {**fields, "deleted": True})

    def page(self, content: RenderedList) -> str:
        return "".join(f"{record}\n" for record in content.page.records)
