"""Exports have the rows of the views in the types that readers expect, and are there whole or not at all."""

from __future__ import annotations

import csv
import json
import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import duckdb
import fsspec
import pandas as pd
import polars as pl
import pytest

from harvest_dagster import data
from harvest_dagster.data import export as exporting
from harvest_dagster.data.export import export
from harvest_dagster.errors import BadInput, UnknownIngestConfig
from harvest_dagster.storage.database import Database
from harvest_dagster.transformers.document import Agent, Date, Document, Rights, Title
from harvest_dagster_tests.storage.configs import NOW
from harvest_dagster_tests.storage.stored_source import Source, record

# Only the reading of rows differs between the databases, and `test_rows` has that.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

FULL = Document(
    id="x",
    title="A title",
    titles=(Title("A title", language="en"), Title("Ein Titel", language="de")),
    creators=(Agent("Doe, Jane"),),
    dates=(Date(value="2007-06-01"), Date(value="2008", text="c2008")),
    links=("https://example.org/1",),
    rights=(Rights("CC BY", license="https://creativecommons.org/licenses/by/4.0/"),),
)


@pytest.fixture
def source(database: Database) -> Source:
    """A source with a full document, an empty one, and a deleted one."""
    source = Source(database)
    records = [record("x", "<x>ü</x>"), record("y", "B"), record("z", "", deleted=True)]
    source.store(*records)
    source.transform(*records, documents={"x": FULL.as_dict(), "y": Document(id="y").as_dict()})
    return source


def test_three_readers_of_parquet_see_nested_types(source: Source, tmp_path: Path) -> None:
    """With JSON in a text column, each user writes the same conversion."""
    path = str(tmp_path / "documents.parquet")
    summary = export([source.label], "documents", "parquet", path, database=source.database)
    assert (summary.files, summary.rows, summary.deleted) == ((path,), 3, 1)
    assert summary.sources[0].changed_at == NOW
    query = (
        f"SELECT identifier, document.creators[1].name, document.titles[2].language FROM '{path}' ORDER BY 1"
    )
    assert duckdb.sql(query).fetchall() == [("x", "Doe, Jane", "de"), ("y", None, None), ("z", None, None)]
    assert duckdb.sql(f"SELECT identifier FROM '{path}' WHERE deleted AND document IS NULL").fetchall() == [
        ("z",)
    ]
    frame = pl.read_parquet(path)
    assert (
        frame["document"].struct.field("dates").list.first().struct.field("value").to_list()[0]
        == "2007-06-01"
    )
    assert frame["changed_at"].dtype == pl.Datetime("us", "UTC")
    table = pd.read_parquet(path)
    assert list(table["document"][0]["links"]) == ["https://example.org/1"]
    assert table["changed_at"][0] == pd.Timestamp(NOW)
    assert list(table["deleted"]) == [False, False, True]


def test_parquet_keeps_every_field_of_a_document(source: Source, tmp_path: Path) -> None:
    """A field without a type in the schema would be lost without a word."""
    path = str(tmp_path / "documents.parquet")
    export([source.label], "documents", "parquet", path, database=source.database)
    (found,) = (row["document"] for row in pl.read_parquet(path).to_dicts() if row["identifier"] == "x")
    assert _without_nulls(found) == _without_nulls(FULL.as_dict())


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def test_records_are_exported_in_each_format(source: Source, tmp_path: Path) -> None:
    """The three formats must say the same."""
    for name in ("parquet", "jsonl", "csv"):
        export([source.label], "records", name, str(tmp_path / f"records.{name}"), database=source.database)
    expected = [
        (row.identifier, row.datum, row.deleted, row.hash, row.changed_at)
        for row in data.records(source.label, database=source.database)
    ]
    names = ("identifier", "datum", "deleted", "hash", "changed_at")
    rows = [json.loads(line) for line in (tmp_path / "records.jsonl").read_text().splitlines()]
    assert [(*(row[name] for name in names[:4]), _instant(row["changed_at"])) for row in rows] == expected
    with (tmp_path / "records.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert list(lines[0]) == list(rows[0])
    cells = [(*(line[name] for name in names[:2]), line["deleted"] == "true", line["hash"]) for line in lines]
    assert [
        (*cell, _instant(line["changed_at"])) for cell, line in zip(cells, lines, strict=True)
    ] == expected
    frame = pl.read_parquet(tmp_path / "records.parquet")
    assert frame.select(names).rows() == expected


def _instant(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)


def test_an_export_that_fails_leaves_the_old_file(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader would take half a file for the whole, or find none."""
    path, folder = tmp_path / "documents.jsonl", tmp_path / "folder"
    path.write_text("old")

    def broken(file: Any, rows: Any, kind: Any) -> None:
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setitem(exporting.WRITERS, "jsonl", broken)
    for target in (path, f"{folder}/"):
        with pytest.raises(OSError, match="disk full"):
            export([source.label], "documents", "jsonl", str(target), database=source.database)
    assert path.read_text() == "old"
    assert sorted(path.parent.rglob("*documents*")) == [path]


def test_a_directory_gets_files_for_each_source(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source with a billion records does not fit in one file. Old parts would count twice."""
    other = Source(source.database)
    other.store(record("o", "A"))
    monkeypatch.setattr(exporting, "ROWS_PER_FILE", 2)
    target = f"{tmp_path}/new/"
    summary = export(None, "records", "parquet", target, database=source.database)
    names = [f"{source.label}-records-00000", f"{source.label}-records-00001", f"{other.label}-records-00000"]
    assert sorted(summary.files) == sorted(f"{target}{name}.parquet" for name in names)
    assert duckdb.sql(f"SELECT count(*) FROM '{target}*.parquet'").fetchall() == [(4,)]
    source.store(record("x", "C", NOW.replace(year=2025)), now=NOW.replace(year=2025))
    export([source.label], "records", "parquet", target, NOW.replace(year=2025), database=source.database)
    assert duckdb.sql(f"SELECT identifier FROM '{target}*.parquet' ORDER BY 1").fetchall() == [("o",), ("x",)]


def test_all_sources_fit_in_one_file(source: Source, tmp_path: Path) -> None:
    """The label tells them apart."""
    other = Source(source.database)
    other.store(record("o", "A"))
    export(None, "records", "csv", str(tmp_path / "all.csv"), database=source.database)
    with (tmp_path / "all.csv").open(newline="") as file:
        found = [(line["label"], line["identifier"]) for line in csv.DictReader(file)]
    assert sorted(found) == sorted([*((source.label, name) for name in "xyz"), (other.label, "o")])


def test_a_url_of_another_file_system_is_a_target(source: Source) -> None:
    """Data of an aggregator belong into a bucket."""
    for url in ("memory://bucket/documents.jsonl", "memory://bucket/folder/"):
        summary = export([source.label], "documents", "jsonl", url, database=source.database)
        with fsspec.open(summary.files[0]) as file:
            assert len(file.readlines()) == 3
    files = fsspec.filesystem("memory").find("/bucket")
    assert files == ["/bucket/documents.jsonl", f"/bucket/folder/{source.label}-documents-00000.jsonl"]


def test_mistakes_are_reported_before_anything_is_written(source: Source, tmp_path: Path) -> None:
    """An export of an hour would fail at its end, or replace a device by a file."""
    os.mkfifo(tmp_path / "pipe")
    for label, name, target, message in (
        ("nothing", "jsonl", str(tmp_path / "x"), "no source 'nothing'"),
        (source.label, "xml", str(tmp_path / "x"), "parquet, jsonl, csv"),
        (source.label, "jsonl", str(tmp_path), "is a directory"),
        (source.label, "jsonl", str(tmp_path / "pipe"), "is not a file"),
        (source.label, "jsonl", "nosuch://x/y", "nosuch"),
        (source.label, "jsonl", str(tmp_path / "xout" / "a.jsonl"), "no directory .*/xout. Create it"),
        (source.label, "jsonl", f"{tmp_path}/xout/new/", "no directory .*/xout. Create it"),
    ):
        with pytest.raises((BadInput, UnknownIngestConfig), match=message):
            export([label], "documents", name, target, database=source.database)
    assert list(tmp_path.glob("x*")) == []
