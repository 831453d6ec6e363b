"""The request log: arrivals, responses, and the behaviours that changed them."""

from __future__ import annotations

import json
from datetime import datetime, timezone

from harvest_dagster.testing.simulator import Repository, Server, nth
from harvest_dagster.testing.simulator.behaviours.registry import REGISTRY
from harvest_dagster_tests.testing.simulator.raw_client import (
    get,
    list_pages,
    list_url,
    request_and_disconnect,
)

REPOSITORY = Repository(days=1, records_per_day=20, page_size=5, deleted=0)


def test_arrivals_have_a_wall_clock_time_and_a_monotonic_time() -> None:
    """Tests of request budgets use the intervals between arrivals."""
    before = datetime.now(timezone.utc)
    with Server(REPOSITORY) as server:
        list(list_pages(server, "oai"))
        list(list_pages(server, "json"))
    moments = [request.monotonic for request in server.requests]
    assert moments == sorted(moments)
    assert before <= server.requests[0].arrived <= server.requests[-1].arrived <= datetime.now(timezone.utc)
    assert [request.number for request in server.requests] == list(range(1, 9))
    assert [request.list_number for request in server.requests] == list(range(1, 9))
    assert [request.verb_number for request in server.requests] == [1, 2, 3, 4] * 2


def test_headers_are_logged_as_received_with_secrets() -> None:
    """A test can see only here whether a harvester sends credentials to another host."""
    with Server(REPOSITORY) as server:
        get(server.json_url, Authorization="Bearer it-is-a-test")
    (request,) = server.requests
    assert request.header("authorization") == "Bearer it-is-a-test"
    assert ("Authorization", "Bearer it-is-a-test") in request.headers


def test_the_number_of_bytes_sent_is_exact() -> None:
    behaviours = [REGISTRY["cut"](length=50, when=nth(2)), REGISTRY["refuse"](when=nth(3))]
    with Server(REPOSITORY, behaviours=behaviours) as server:
        complete = get(list_url(server, "json"))
        get(list_url(server, "json"))
        get(list_url(server, "json"))
    first, cut, refused = server.requests
    head = first.bytes_sent - len(complete.body)
    assert 0 < head < 300
    assert cut.bytes_sent < first.bytes_sent
    assert (refused.bytes_sent, refused.status) == (0, None)


def test_the_log_names_the_behaviours_that_changed_the_response() -> None:
    """A behaviour that applied to a request but found nothing to change is not named."""
    behaviours = [
        REGISTRY["retry-after-always"](),
        REGISTRY["record-entity"](record=7),
        REGISTRY["clock-ahead"](when=nth(3)),
    ]
    with Server(REPOSITORY, behaviours=behaviours) as server:
        list(list_pages(server, "oai"))
    assert [request.behaviours for request in server.requests] == [
        ("retry-after-always",),
        ("retry-after-always", "record-entity"),
        ("retry-after-always", "clock-ahead"),
        ("retry-after-always",),
    ]


def test_the_file_has_one_line_per_request(tmp_path) -> None:
    """Other programs read the file, also while the server runs."""
    file = tmp_path / "requests.jsonl"
    with Server(REPOSITORY, behaviours=[REGISTRY["gone"](when=nth(2))], log=file) as server:
        get(list_url(server, "json", set="science"), Cookie="a=ü")
        get(f"{server.url}?verb=Identify")
    first, second = sorted(
        map(json.loads, file.read_text("utf-8").splitlines()), key=lambda line: line["number"]
    )
    request = server.requests[0]
    assert first == {
        "number": 1,
        "arrived": request.arrived.isoformat(),
        "monotonic": request.monotonic,
        "method": "GET",
        "path": "/api/records",
        "query": [["set", "science"]],
        "headers": [list(pair) for pair in request.headers],
        "status": 200,
        "sent": request.bytes_sent,
        "behaviours": [],
    }
    assert (second["status"], second["behaviours"]) == (404, ["gone"])


def test_a_request_whose_client_disconnects_is_logged(tmp_path) -> None:
    file = tmp_path / "requests.jsonl"
    with Server(REPOSITORY, behaviours=[REGISTRY["silence"]()], log=file) as server:
        request_and_disconnect(server, server.json_url)
    (line,) = file.read_text("utf-8").splitlines()
    assert (json.loads(line)["status"], json.loads(line)["sent"]) == (None, 0)
