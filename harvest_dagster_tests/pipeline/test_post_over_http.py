"""A whole window of a source that takes its query as JSON, over HTTP, with a failed run in between."""

from __future__ import annotations

import json

import pytest

from harvest_dagster.errors import HttpStatusError
from harvest_dagster.pipeline.context import RunOutcome
from harvest_dagster_tests.http.server import response, serving
from harvest_dagster_tests.pipeline.served import harvest_window
from harvest_dagster_tests.pipeline.test_auth_over_http import TOKEN, stored_texts
from harvest_dagster_tests.pipeline.world import WINDOW, World

BODY = {
    "key": "${TOKEN}",
    "changed": {"gte": "{from:epoch}", "lt": "{until:%d.%m.%Y %H:%M:%S}"},
    "at": "{next}",
    "size": 2,
}


def page(*numbers: int) -> bytes:
    """Return a page. The source repeats the key."""
    items = [{"id": f"x{number}", "day": "2024-04-30T10:00:00Z", "seen": TOKEN} for number in numbers]
    return response(json.dumps({"items": items, "total": 3}).encode(), Content_Type="application/json")


def test_a_list_of_post_requests_resumes_after_its_last_page_and_stores_no_secret(world: World) -> None:
    """All pages have the same URL, and each request contains the key."""
    refusal = response(f"not with {TOKEN}".encode(), status=403)
    with serving(page(1, 2), refusal, page(3), page()) as server:
        world.environ["TOKEN"] = TOKEN
        world.change(
            harvester="rest",
            harvester_kwargs={
                "base_url": server.url,
                "method": "POST",
                "body": BODY,
                "granularity": "second",
                "until": "exclusive",
                "records": "items",
                "identifier": "id",
                "datestamp": "day",
                "total": "total",
                "next": {"by": "offset"},
            },
            rate_limit={"calls": 100_000, "period": 1},
        )
        with pytest.raises(HttpStatusError, match="403") as caught:
            harvest_window(world, "run 1", WINDOW)
        manifests = stored_texts(world)
        world.outcomes["run 1"] = RunOutcome("FAILED", "its run failed")
        world.clock.forward(minutes=2)
        log = harvest_window(world, "run 2", WINDOW)
    assert (log.status, log.evidence, log.counts.records) == ("SUCCEEDED", "total", 3)
    sent = [json.loads(request.body) for request in server.requests]
    assert [body.pop("at") for body in sent] == [0, 2, 2, 3]
    start = str(int(WINDOW.start.timestamp()) - 1)  # one second more, because an end may be exclusive
    dates = {"gte": start, "lt": WINDOW.end.strftime("%d.%m.%Y %H:%M:%S")}
    assert sent == [{"key": TOKEN, "changed": dates, "size": 2}] * 4
    assert f'\\\\"gte\\\\": \\\\"{start}' in manifests
    assert TOKEN not in f"{caught.value} {manifests} {stored_texts(world)}"
