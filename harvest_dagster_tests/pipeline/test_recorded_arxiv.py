"""Recorded pages of arXiv's API go through the whole pipeline, with the source in examples/rest.

The recorded query has 214,881 results. The first 60 were recorded. So the total is changed, and the page past
the end is the recorded page of another query without results.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import select

from harvest_dagster.storage.tables import raw_datum
from harvest_dagster.windows import Window, parse_instant
from harvest_dagster_tests.pipeline.rest_apis import Api, serving
from harvest_dagster_tests.pipeline.served import harvest_window
from harvest_dagster_tests.pipeline.test_rest_examples import CATALOG, at
from harvest_dagster_tests.pipeline.world import World
from harvest_dagster_tests.recorded import recorded, recordings, requires_recorded

EVER = Window(parse_instant("1990-01-01"), parse_instant("2030-01-01"))
RECORDED = 60
_PAGE = re.compile(r"_q_testing_s(\d+)_m10_")
_TOTAL = re.compile(r"(totalResults>)\d+")

pytestmark = requires_recorded


@dataclass
class RecordedArxiv:
    """Answers with the recorded page that begins at `start`."""

    pages: dict[str, str]
    end: str
    method: str = "GET"

    def reply(self, host: str, path: str, query: dict[str, str]) -> Any:
        assert (host.startswith("http://127"), path, query["max_results"]) == (True, "/api/query", "10")
        return self.pages.get(query["start"], self.end)


def test_each_recorded_entry_is_stored_once_with_its_canonical_xml(small_world: World) -> None:
    """Total, offset, dates and identifiers are elements, and the window is complete only if all of them were found."""
    pages = {
        found[1]: _TOTAL.sub(rf"\g<1>{RECORDED}", recording.body.decode())
        for recording in recordings("arxiv_atom")
        if (found := _PAGE.search(recording.file)) and int(found[1]) % 10 == 0
    }
    assert len(pages) == RECORDED // 10
    end = recorded("arxiv_atom", "0000_id_0000.0000_s0_m100_8b51d9633a68.xml").decode()
    (source,) = (config for config in CATALOG.configs if config.label == "arxiv_api")
    with serving(cast("Api", RecordedArxiv(pages, end))) as server:
        config = at(source, server)
        params = {**config.harvester_kwargs["params"], "max_results": 10}
        kwargs = {**config.harvester_kwargs, "params": params}
        small_world.config = config.model_copy(update={"harvester_kwargs": kwargs})
        log = harvest_window(small_world, "run 1", EVER)
    assert (log.status, log.completeness, log.evidence) == ("SUCCEEDED", "complete", "total")
    assert (log.counts.records, log.counts.quarantined) == (RECORDED, 0)
    with small_world.database.read() as connection:
        data = list(connection.execute(select(raw_datum.c.datum, raw_datum.c.datestamp)))
    identifiers = re.findall(r"<id>(http://arxiv\.org/abs/[^<]+)</id>", "".join(pages.values()))
    assert len(data) == len(set(identifiers)) == RECORDED
    assert all(text.startswith("<ns_") and text.endswith(":entry>") and datestamp for text, datestamp in data)
