"""With `keep_original`, the own bytes of each record are kept beside its canonical form. On both databases."""

from __future__ import annotations

import json
from datetime import timedelta
from urllib.parse import urlencode
from urllib.request import urlopen

from sqlalchemy import select

from harvest_dagster import data
from harvest_dagster.records import Record
from harvest_dagster.storage.raw_data.originals import put_originals
from harvest_dagster.storage.raw_data.store import store_records
from harvest_dagster.storage.tables import raw_original
from harvest_dagster.testing.simulator import Repository, Server
from harvest_dagster.windows import whole_day
from harvest_dagster_tests.pipeline.served import harvest_window, serving
from harvest_dagster_tests.pipeline.world import MIDNIGHT, World, records
from harvest_dagster_tests.storage.stored_source import Source

DAY = whole_day(MIDNIGHT.date() - timedelta(days=1))
REPOSITORY = Repository(
    first_day=DAY.start.date(), days=1, records_per_day=7, page_size=3, deleted=0.3, granularity="second"
)


def originals(world: World) -> dict[str, bytes | None]:
    found = data.records("fake", database=world.database, original=True)
    return {row.identifier: row.original for row in found}  # type: ignore[attr-defined]


def stored(world: World) -> int:
    with world.database.read() as connection:
        return len(connection.execute(select(raw_original.c.raw_id)).all())


def test_the_records_of_oai_pmh_keep_their_own_bytes(world: World) -> None:
    """The canonical form lacks the datestamp, the prefixes and the order of attributes that the source sent."""
    with serving(world, REPOSITORY) as server:
        world.change(keep_original=True)
        harvest_window(world, "run 1", DAY)
        found = originals(world)
        assert len(found) == 7
        for identifier, original in found.items():
            query = urlencode({"verb": "GetRecord", "metadataPrefix": "oai_dc", "identifier": identifier})
            with urlopen(f"{server.url}?{query}") as response:  # noqa: S310
                assert original is not None
                assert original in response.read()
            assert original.startswith(b"<record>")
            assert b"<datestamp>" in original


def test_the_records_of_a_rest_api_keep_their_own_bytes(world: World) -> None:
    """The canonical form has its keys sorted, and lacks the volatile values."""
    arguments = {
        "params": {"from": "{from}", "until": "{until}", "size": 3},
        "granularity": "second",
        "records": "records",
        "identifier": "id",
        "datestamp": "updated",
        "total": "total",
        "next": {"by": "cursor", "path": "next", "param": "cursor"},
        "volatile": ["updated"],
    }
    with Server(REPOSITORY, clock=world.clock) as server:
        world.change(
            harvester="json",
            harvester_kwargs={"base_url": server.json_url, **arguments},
            rate_limit={"calls": 100_000, "period": 1},
            keep_original=True,
        )
        harvest_window(world, "run 1", DAY)
    found = originals(world)
    assert len(found) == 7
    for identifier, original in found.items():
        assert original is not None
        parsed = json.loads(original)
        assert parsed["id"] == identifier
        assert "updated" in parsed


def test_without_the_key_nothing_is_kept(world: World) -> None:
    """Originals double the size of a database."""
    with serving(world, REPOSITORY):
        harvest_window(world, "run 1", DAY)
    assert set(originals(world).values()) == {None}
    assert stored(world) == 0


def test_a_harvester_that_gives_no_originals_is_reported(world: World) -> None:
    """An operator would believe that the originals are there."""
    world.source.items = records(3)
    world.change(keep_original=True)
    world.run("run 1")
    assert any("3 records have no original" in line for line in world.log_lines)


def test_the_newest_original_of_a_content_is_kept(world: World) -> None:
    """Other bytes with the same canonical form are no change, but the source's newest answer counts."""
    source = Source(world.database)

    def store(original: bytes, days: int) -> None:
        record = Record("x", MIDNIGHT + timedelta(days=days), False, "canonical", original)
        with world.database.begin() as connection:
            store_records(connection, source.config_id, [record], MIDNIGHT)
            put_originals(connection, source.config_id, [record], MIDNIGHT)

    for original, days, expected in (
        (b"first", 0, b"first"),
        (b"second", 2, b"second"),
        (b"old", 1, b"second"),
    ):
        store(original, days)
        (row,) = data.records(str(source.label), database=world.database, original=True)
        assert row.original == expected  # type: ignore[attr-defined]
    assert stored(world) == 1
