"""Whole windows of sources that require authentication, over HTTP."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from harvest_dagster.catalog.plaintext_secrets import masked_definition
from harvest_dagster.storage.tables import harvest_log, raw_datum
from harvest_dagster_tests.http.server import Server, response, serving
from harvest_dagster_tests.pipeline.served import harvest_window
from harvest_dagster_tests.pipeline.world import WINDOW, World

TOKEN = "t0ken-of-the-server"
OAI_PAGE = f"""<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><responseDate>2024-05-01T11:00:00Z</responseDate>
<request verb="ListRecords">http://source.example/oai</request><ListRecords><record><header>
<identifier>x1</identifier><datestamp>2024-04-30</datestamp></header><metadata><a>{TOKEN}</a></metadata></record>
</ListRecords></OAI-PMH>""".encode()


IDENTITY = b"""<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><responseDate>2024-05-01T11:00:00Z</responseDate>
<request verb="Identify">http://source.example/oai</request><Identify><repositoryName>A</repositoryName>
<baseURL>http://source.example/oai</baseURL><protocolVersion>2.0</protocolVersion>
<adminEmail>a@source.example</adminEmail><earliestDatestamp>2000-01-01</earliestDatestamp>
<deletedRecord>no</deletedRecord><granularity>YYYY-MM-DD</granularity></Identify></OAI-PMH>"""
OAI_REPLIES = [response(IDENTITY), response(OAI_PAGE)]
FEED = f"""<feed xmlns="http://www.w3.org/2005/Atom"><id>f</id><title>F</title><updated>2024-05-01T00:00:00Z</updated>
<entry><id>x1</id><title>{TOKEN}</title><updated>2024-04-30T10:00:00Z</updated></entry>
<entry><id>x0</id><title>B</title><updated>2024-04-01T10:00:00Z</updated></entry></feed>""".encode()
DUMP = gzip.compress(f'{{"id": "x1", "day": "2024-04-30", "seen": "{TOKEN}"}}\n'.encode())


def rest_page(number: int) -> bytes:
    """Return a page of one record. Its link repeats the query, with the key."""
    link = {"next": f"/oai?page=2&api_key={TOKEN}"} if number == 1 else {}
    page = {"items": [{"id": f"x{number}", "day": "2024-04-30", "seen": TOKEN}], **link}
    return response(json.dumps(page).encode(), Content_Type="application/json")


def is_authenticated(server: Server) -> bool:
    return bool(server.requests) and all(TOKEN in str(request) for request in server.requests)


def stored_texts(world: World) -> str:
    """Return all that a harvest wrote: spool, log lines and rows."""
    files = [path.read_bytes() for path in Path(world.folder).rglob("*") if path.is_file()]
    with world.database.begin() as connection:
        rows = [row for table in (harvest_log, raw_datum) for row in connection.execute(select(table))]
    return f"{files} {world.log_lines} {rows} {masked_definition(world.config)}"


def configure(world: World, harvester: str, server: Server, auth: dict[str, Any]) -> None:
    kwargs: dict[str, Any] = {
        "oai": {"metadata_prefix": "oai_dc"},
        "rest": {
            "params": {"from": "{from}", "until": "{until}"},
            "records": "items",
            "identifier": "id",
            "datestamp": "day",
            "next": {"by": "link", "path": "next"},
        },
        "feed": {},
        "files": {"path": server.url, "format": "jsonl", "identifier": "id", "datestamp": "day"},
    }
    place = {} if harvester == "files" else {"base_url": server.url}
    world.environ["TOKEN"] = TOKEN
    world.change(
        harvester=harvester,
        harvester_kwargs={**place, **kwargs[harvester]},
        auth=auth,
        rate_limit={"calls": 100_000, "period": 1},
    )


@pytest.mark.parametrize(
    "auth",
    [
        {"kind": "bearer", "token": "${TOKEN}"},
        {"kind": "api_key", "name": "api_key", "value": "${TOKEN}", "in": "query"},
    ],
)
@pytest.mark.parametrize("harvester", ["oai", "rest", "feed", "files"])
def test_each_harvester_authenticates_and_nothing_stores_the_secret(
    world: World, harvester: str, auth: dict[str, Any]
) -> None:
    """A source repeats the credentials in its records and links, and pages are stored as they arrive."""
    replies = {
        "oai": OAI_REPLIES,
        "rest": [rest_page(1), rest_page(2)],
        "feed": [response(FEED, Content_Type="application/atom+xml")],
        "files": [response(DUMP)],
    }[harvester]
    with serving(*replies) as server:
        configure(world, harvester, server, auth)
        log = harvest_window(world, "run 1", WINDOW)
        assert is_authenticated(server)
    assert (log.status, log.counts.records) == ("SUCCEEDED", 2 if harvester == "rest" else 1)
    assert TOKEN not in stored_texts(world)


def test_a_token_is_replaced_in_the_middle_of_a_list(small_world: World) -> None:
    """A list that is longer than the lifetime of its token failed at the same page in each run."""
    tokens = [
        response(json.dumps({"access_token": f"{TOKEN}-{number}", "token_type": "Bearer"}).encode())
        for number in (1, 2)
    ]
    with serving(*tokens) as login, serving(rest_page(1), response(status=401), rest_page(2)) as server:
        client = {"token_url": login.url, "client_id": "client", "client_secret": "${TOKEN}"}
        configure(small_world, "rest", server, {"kind": "oauth2_client_credentials", **client})
        log = harvest_window(small_world, "run 1", WINDOW)
        assert is_authenticated(server)
        requests = len(login.requests) + len(server.requests)
    assert (log.status, log.counts.records, log.counts.requests) == ("SUCCEEDED", 2, requests)
    assert TOKEN not in stored_texts(small_world)


def test_a_change_of_auth_invalidates_no_harvest(small_world: World) -> None:
    """A new token caused a complete harvest of the source."""
    with serving(response(OAI_PAGE)) as server:
        configure(small_world, "oai", server, {"kind": "bearer", "token": "${TOKEN}"})
        before = small_world.harvest("run 1")
        small_world.change(auth={"kind": "basic", "username": "anna", "password": "${TOKEN}"})
        after = small_world.harvest("run 2")
    assert before.scope == after.scope
    assert before.source.request_digest != after.source.request_digest
