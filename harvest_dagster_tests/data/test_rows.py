"""`harvest_dagster.data` gives the rows of the views, on both databases."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from sqlalchemy import Boolean, String, column, select, table

import harvest_dagster
from harvest_dagster import HarvestData, data
from harvest_dagster.errors import BadInput, DatabaseMissing, UnknownIngestConfig
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.tables import Instant, Json
from harvest_dagster_tests.storage.configs import NOW
from harvest_dagster_tests.storage.stored_source import Source, record

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def source(database: Database, monkeypatch: pytest.MonkeyPatch) -> Source:
    """A source with three records: one is only stored, one is transformed and changed since, one is deleted."""
    url = database.engine.url.set(drivername=database.dialect)
    monkeypatch.setenv("HARVEST_DATABASE_URL", url.render_as_string(hide_password=False))
    source = Source(database)
    transformed = [record("x", "A"), record("y", "A")]
    source.store(*transformed, record("z", "A"))
    source.transform(*transformed)
    source.store(record("x", "B", NOW + DAY), record("y", "", NOW + DAY, deleted=True), now=NOW + HOUR)
    source.transform(record("y", "", NOW + DAY, deleted=True), now=NOW + 2 * HOUR)
    return source


@pytest.mark.parametrize("kind", ["record", "document"])
def test_the_rows_are_those_of_the_view(source: Source, kind: str) -> None:
    """Somebody who uses SQL and somebody who uses Python would see different data."""
    read: Any = data.records if kind == "record" else data.documents
    found = {row.identifier: asdict(row) for row in read(source.label)}
    types = {
        "datestamp": Instant,
        "changed_at": Instant,
        "first_seen": Instant,
        "deleted": Boolean,
        "document": Json,
    }
    names = found["x"]
    view = table(f"current_{kind}", *(column(name, types.get(name, String)) for name in names))
    with source.database.read() as connection:
        rows = connection.execute(select(view).where(view.c.label == source.label)).mappings()
        assert found == {row["identifier"]: dict(row) for row in rows}
    assert len(found) == (3 if kind == "record" else 2)


def test_a_reader_gets_what_changed_since_its_last_row(source: Source) -> None:
    """It would otherwise read everything each time, or miss a deletion."""
    *_, newest = data.documents(source.label)
    assert (newest.identifier, newest.deleted, newest.document) == ("y", True, None)
    assert [row.identifier for row in data.documents(source.label, newest.changed_at)] == ["y"]
    source.transform(record("x", "B", NOW + DAY), now=NOW)
    changed = list(data.documents(source.label, since=newest.changed_at))
    assert [(row.identifier, row.document) for row in changed] == [("y", None), ("x", {"title": "B"})]
    assert [row.identifier for row in data.records(source.label, "2024-05-01T13:00:00Z")] == ["x", "y"]


def test_rows_may_be_selected(source: Source) -> None:
    """Looking at one record would otherwise read all of them."""
    assert [row.datum for row in data.records(source.label, identifiers=["x"])] == ["B"]
    assert len(list(data.records(source.label, limit=2))) == 2


def test_a_slow_reader_sees_one_state_and_is_not_interrupted(source: Source) -> None:
    """PostgreSQL ends idle transactions of harvests after a minute. A reader may take its time for each row."""
    rows = data.records(source.label, database=source.database)
    first = next(rows)
    source.store(record("new", "A"), record("x", "C", NOW + 2 * DAY), now=NOW + DAY)
    assert [first.identifier, *(row.identifier for row in rows)] == ["z", "x", "y"]


def test_an_unknown_label_is_an_error_before_the_first_row(source: Source) -> None:
    """A mistyped label looks like a source without records."""
    with pytest.raises(UnknownIngestConfig, match=f"did you mean '{source.label}'"):
        data.records(source.label + "x")
    assert list(data.records("arxiv_cs")) == []  # in the catalog, but never harvested


@pytest.mark.parametrize(("labels", "asked"), [(("new", "stored"), "new"), (("stored", "old"), "old")])
def test_a_renamed_source_is_found_by_its_present_and_its_former_label(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, labels: tuple[str, str], asked: str
) -> None:
    """The next run renames the row of a source. Until then, and in old scripts, the other label counts."""
    present, former = (source.label if label == "stored" else label for label in labels)
    declared = {
        "label": present,
        "former_labels": [former],
        "harvester": "oai",
        "harvester_kwargs": {"base_url": "https://example.org/oai"},
    }
    (tmp_path / "renamed.yaml").write_text(yaml.safe_dump(declared))
    monkeypatch.setenv("HARVEST_SOURCES", str(tmp_path))
    for read in (data.records, data.documents):
        rows = list(read(asked))
        assert rows == list(read(source.label))
        assert rows


def test_a_naive_datetime_is_an_error(source: Source) -> None:
    """It would be compared in the time zone of some machine."""
    with pytest.raises(BadInput, match="time zone"):
        data.records(source.label, datetime(2024, 5, 1))  # noqa: DTZ001
    with pytest.raises(BadInput, match="ISO 8601"):
        data.documents(source.label, "yesterday")


@pytest.mark.parametrize("empty_database_url", ["sqlite"], indirect=True)
def test_a_database_that_does_not_exist_is_not_created(empty_database_url: str) -> None:
    """A mistyped path would give an empty database instead of an error."""
    with pytest.raises(DatabaseMissing, match="HARVEST_DATABASE_URL"):
        data.records("x", database=empty_database_url)


def test_record_batches_have_the_same_rows(source: Source) -> None:
    """Arrow would otherwise need its own explanation."""
    for kind, read in (("records", data.records), ("documents", data.documents)):
        rows = [row for batch in data.to_arrow(kind, source.label) for row in batch.to_pylist()]  # type: ignore[arg-type]
        expected = [asdict(row) for row in read(source.label)]
        for row in (*rows, *expected):
            if row.get("document") is not None:
                row["document"] = row["document"]["title"]  # the batch has all fields of the schema
        assert rows == expected


def test_the_resource_reads_the_same_rows(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    """An asset downstream of transformed/x would have to open the database itself."""
    url = source.database.engine.url.set(drivername=source.database.dialect).render_as_string(
        hide_password=False
    )
    expected = list(data.documents(source.label))
    monkeypatch.delenv("HARVEST_DATABASE_URL")

    @dg.asset
    def titles(harvested: HarvestData) -> int:
        assert list(harvested.documents(source.label)) == expected
        assert len(list(harvested.records(source.label, NOW + HOUR))) == 2
        return sum(batch.num_rows for batch in harvested.to_arrow("documents", source.label))

    with dg.instance_for_test() as instance:
        done = dg.materialize(
            [titles], resources={"harvested": HarvestData(database_url=url)}, instance=instance
        )
    assert done.output_for_node("titles") == 2


def test_the_package_is_imported_without_dagster() -> None:
    """A script that reads records would start two seconds later."""
    code = (
        "import sys, harvest_dagster, harvest_dagster.data\n"
        "assert 'HarvestData' in dir(harvest_dagster)\n"
        "assert not {'dagster', 'pyarrow'} & set(sys.modules)\n"
        "from harvest_dagster import HarvestData\n"
        "assert 'dagster' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="nothing"):
        getattr(harvest_dagster, "nothing")  # noqa: B009
