"""Whole windows of a REST API whose lists have only a part of each record, over HTTP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from harvest_dagster.errors import HttpStatusError
from harvest_dagster.storage.tables import quarantine
from harvest_dagster_tests.pipeline.list_api import (
    Killed,
    ListApi,
    configure,
    harvest,
    kill_after,
    serving,
)
from harvest_dagster_tests.pipeline.world import World

NAMES = [f"10.1/é {number}" for number in range(7)]


def detail(api: ListApi, **changed: Any) -> dict[str, Any]:
    return {"detail": {"url": f"{api.url}/works/{{identifier}}", "record": "work", **changed}}


def quarantined(world: World) -> list[tuple[Any, ...]]:
    with world.database.read() as connection:
        columns = (quarantine.c.identifier, quarantine.c.datum, quarantine.c.error)
        return [tuple(row) for row in connection.execute(select(*columns))]


def test_the_datum_of_a_record_is_its_detail(world: World) -> None:
    """The list has only an identifier and a date. A slash in the identifier led to another address."""
    with serving(ListApi(NAMES)) as api:
        configure(world, api, volatile=["views"], **detail(api))
        log = harvest(world, "run 1")
    assert (log.status, log.completeness, log.evidence) == ("SUCCEEDED", "complete", "total")
    assert (log.counts.records, log.counts.requests) == (7, 3 + 7)
    assert api.details == NAMES
    assert "/works/10.1%2F%C3%A9%200" in api.requests
    assert sorted(world.stored()) == [
        (
            name,
            json.dumps({"id": name, "title": f"Title of {name}"}, separators=(",", ":"), ensure_ascii=False),
        )
        for name in NAMES
    ]


@pytest.mark.parametrize("pages", [1, 4, 6])
def test_a_killed_run_requests_at_most_one_page_again(small_world: World, pages: int) -> None:
    """A run that was killed near the end of a page of 500 records requested 499 details again."""
    with serving(ListApi(NAMES)) as api:
        configure(small_world, api, **detail(api))
        with pytest.raises(Killed):
            harvest(small_world, "run 1", kill_after(pages))
        log = harvest(small_world, "run 2")
    assert (log.status, log.counts.records, log.evidence) == ("SUCCEEDED", 7, "total")
    assert sorted(api.details) == NAMES
    assert len(api.lists) <= 3 + 1
    assert len(small_world.stored()) == 7


def test_the_details_of_a_changed_page_are_requested_again(small_world: World) -> None:
    """A record moved to the front of the page while no run worked. The details done were counted, not named."""
    with serving(ListApi(NAMES[:3])) as api:
        configure(small_world, api, **detail(api))
        with pytest.raises(Killed):
            harvest(small_world, "run 1", kill_after(1))
        api.records = ["new", *NAMES[:2]]
        log = harvest(small_world, "run 2")
    assert log.status == "SUCCEEDED"
    assert api.details == [NAMES[0], "new", *NAMES[:2]]
    assert {name for name, _ in small_world.stored()} == {"new", *NAMES[:2]}


def test_a_failed_detail_costs_only_its_record(small_world: World) -> None:
    """One record that the source had removed failed the whole window, each day again."""
    answers = {
        NAMES[1]: (404, b"{}"),
        NAMES[2]: (410, b"gone"),
        NAMES[3]: (200, b'{"work": '),
        NAMES[4]: (200, b'{"error": "unknown record"}'),
        NAMES[5]: (200, b'{"work": {"a": 1, "a": 2}}'),
    }
    with serving(ListApi(NAMES, answers=answers)) as api:
        configure(small_world, api, **detail(api))
        log = harvest(small_world, "run 1")
    assert (log.status, log.counts.records, log.counts.quarantined) == ("SUCCEEDED", 2, 5)
    rows = {name: (datum, error) for name, datum, error in quarantined(small_world)}
    assert sorted(rows) == NAMES[1:6]
    assert all(json.loads(datum)["id"] == name for name, (datum, _) in rows.items())
    assert "HTTP 404" in rows[NAMES[1]][1]
    assert "cut off" in rows[NAMES[3]][1]
    assert "unknown record" in rows[NAMES[4]][1]
    assert "the same key twice" in rows[NAMES[5]][1]
    assert api.details.count(NAMES[3]) == 2


def test_a_refusal_of_all_details_fails_the_window(small_world: World) -> None:
    """A wrong password put all records into the quarantine."""
    with serving(ListApi(NAMES, answers=dict.fromkeys(NAMES, (403, b"{}")))) as api:
        configure(small_world, api, **detail(api))
        with pytest.raises(HttpStatusError):
            harvest(small_world, "run 1")
    assert len(api.details) == 1
    assert quarantined(small_world) == []


def test_a_limit_ends_the_requests_for_details(small_world: World) -> None:
    """`limit: 2` requested the details of a whole page."""
    with serving(ListApi(NAMES)) as api:
        configure(small_world, api, **detail(api))
        log = harvest(small_world, "run 1", limit=2)
    assert (log.status, log.counts.records, log.completeness) == ("SUCCEEDED", 2, "unverified")
    assert api.details == NAMES[:2]


def test_a_deleted_record_needs_no_detail(small_world: World) -> None:
    """The detail of a deleted record is usually gone."""
    with serving(ListApi(["gone", "x"], answers={"gone": (404, b"")})) as api:
        configure(small_world, api, deleted={"path": "state", "values": ["gone"]}, **detail(api))
        log = harvest(small_world, "run 1")
    assert (log.counts.records, log.counts.deleted, log.counts.quarantined) == (2, 1, 0)
    assert api.details == ["x"]


def test_details_have_the_credentials_and_no_page_shows_them(small_world: World) -> None:
    """Each request for a detail needs the same credentials as the list."""
    small_world.environ["KEY"] = "s3cret-of-the-source"
    with serving(ListApi(NAMES[:2], answers={NAMES[1]: (404, b"s3cret-of-the-source")})) as api:
        kwargs = {"detail": {"url": f"{api.url}/works/{{identifier}}?key=${{KEY}}", "record": "work"}}
        configure(small_world, api, **kwargs)
        small_world.change(auth={"kind": "bearer", "token": "${KEY}"})
        with pytest.raises(Killed):
            harvest(small_world, "run 1", kill_after(2))
        spool = b"".join(path.read_bytes() for path in Path(small_world.folder).rglob("*") if path.is_file())
        harvest(small_world, "run 2")
    assert api.authorizations == {"Bearer s3cret-of-the-source"}
    assert all("key=s3cret-of-the-source" in request for request in api.requests if "/works/" in request)
    shown = f"{spool!r} {small_world.log_lines} {quarantined(small_world)} {small_world.stored()}"
    assert "s3cret-of-the-source" not in shown
