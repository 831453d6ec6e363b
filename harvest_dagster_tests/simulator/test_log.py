"""The request log: what came when, what was answered, and what acted, exactly."""

from __future__ import annotations

import json
from datetime import datetime, timezone

from harvest_dagster.simulator import Repository, Server, nth
from harvest_dagster.simulator.registry import REGISTRY
from harvest_dagster_tests.simulator.raw import address, get, leave, walk

REPOSITORY = Repository(days=1, records_per_day=20, page_size=5, deleted=0)


def test_arrivals_have_a_wall_clock_and_one_that_nobody_sets() -> None:
    """Budgets are proven by the distances between arrivals."""
    before = datetime.now(timezone.utc)
    with Server(REPOSITORY) as server:
        list(walk(server, "oai"))
        list(walk(server, "json"))
    moments = [request.monotonic for request in server.requests]
    assert moments == sorted(moments)
    assert before <= server.requests[0].arrived <= server.requests[-1].arrived <= datetime.now(timezone.utc)
    assert [request.number for request in server.requests] == list(range(1, 9))
    assert [request.list_number for request in server.requests] == list(range(1, 9))
    assert [request.verb_number for request in server.requests] == [1, 2, 3, 4] * 2


def test_headers_are_kept_as_they_came_secrets_included() -> None:
    """Whether credentials travel to another host can only be seen where they arrive."""
    with Server(REPOSITORY) as server:
        get(server.json_url, Authorization="Bearer it-is-a-test")
    (request,) = server.requests
    assert request.header("authorization") == "Bearer it-is-a-test"
    assert ("Authorization", "Bearer it-is-a-test") in request.headers


def test_bytes_sent_are_those_that_left() -> None:
    behaviours = [REGISTRY["cut"](length=50, when=nth(2)), REGISTRY["refuse"](when=nth(3))]
    with Server(REPOSITORY, behaviours=behaviours) as server:
        whole = get(address(server, "json"))
        get(address(server, "json"))
        get(address(server, "json"))
    first, cut, refused = server.requests
    head = first.sent - len(whole.body)
    assert 0 < head < 300
    assert cut.sent < first.sent
    assert (refused.sent, refused.status) == (0, None)


def test_it_names_what_acted_and_nothing_else() -> None:
    """A behaviour that was meant for a request, and had nothing to change there, did not act."""
    behaviours = [
        REGISTRY["retry-after-always"](),
        REGISTRY["record-entity"](record=7),
        REGISTRY["clock-ahead"](when=nth(3)),
    ]
    with Server(REPOSITORY, behaviours=behaviours) as server:
        list(walk(server, "oai"))
    assert [request.behaviours for request in server.requests] == [
        ("retry-after-always",),
        ("retry-after-always", "record-entity"),
        ("retry-after-always", "clock-ahead"),
        ("retry-after-always",),
    ]


def test_the_file_has_a_line_for_each_request(tmp_path) -> None:
    """It is read by other programs; while it runs, too."""
    file = tmp_path / "requests.jsonl"
    with Server(REPOSITORY, behaviours=[REGISTRY["gone"](when=nth(2))], log=file) as server:
        get(address(server, "json", set="science"), Cookie="a=ü")
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
        "sent": request.sent,
        "behaviours": [],
    }
    assert (second["status"], second["behaviours"]) == (404, ["gone"])


def test_what_a_client_went_away_from_is_in_the_log(tmp_path) -> None:
    file = tmp_path / "requests.jsonl"
    with Server(REPOSITORY, behaviours=[REGISTRY["silence"]()], log=file) as server:
        leave(server, server.json_url)
    (line,) = file.read_text("utf-8").splitlines()
    assert (json.loads(line)["status"], json.loads(line)["sent"]) == (None, 0)
