"""One document for each identifier, made from what the source says now: on both databases."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import select

from harvest_dagster.records import Record
from harvest_dagster.storage import normalized_data, raw_data
from harvest_dagster.storage.engine import Database
from harvest_dagster.storage.normalized_data import Normalized
from harvest_dagster.storage.tables import normalized_datum, source_unique_identifier
from harvest_dagster_tests.storage.configs import NOW, new_config


class Documents:
    """The documents of one config and its one identifier."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.config_id = new_config(database)
        records = [Record("x", NOW, deleted=False, blob=blob) for blob in "ABC"]
        with database.begin() as connection:
            raw_data.store(connection, self.config_id, records, NOW)
            found = raw_data.find(connection, self.config_id, records)
            suid = source_unique_identifier
            suid_id = connection.scalar(select(suid.c.id).where(suid.c.ingest_config_id == self.config_id))
        self.of = {
            record.blob: Normalized(suid_id, raw_id, revision, {"title": record.blob})
            for record, (raw_id, revision) in zip(records, found, strict=True)
        }

    def put(self, *documents: Normalized, version: int = 1) -> None:
        with self.database.begin() as connection:
            normalized_data.put(connection, self.config_id, version, documents, NOW)

    def found(self) -> tuple[dict[str, Any] | None, bool, int]:
        columns = (normalized_datum.c.document, normalized_datum.c.deleted, normalized_datum.c.revision)
        with self.database.read() as connection:
            row = connection.execute(
                select(*columns).where(normalized_datum.c.ingest_config_id == self.config_id)
            ).one()
        return row[0], row[1], row[2]


@pytest.fixture
def documents(database: Database) -> Documents:
    return Documents(database)


@pytest.mark.parametrize("order", list(permutations("ABC")))
@pytest.mark.parametrize("together", [True, False])
def test_the_newest_content_wins_in_whatever_order_it_comes(
    documents: Documents, order: tuple[str, ...], together: bool
) -> None:
    """Lesson 3: a slow run with older content would put the index back; one batch may hold both."""
    chosen = [documents.of[content] for content in order]
    if together:
        documents.put(*chosen)
    else:
        for one in chosen:
            documents.put(one)
    assert documents.found() == ({"title": "C"}, False, 3)


def test_a_deletion_takes_the_document_away(documents: Documents) -> None:
    """The row stays and says so: whoever reads the table must learn that the record is gone."""
    documents.put(documents.of["A"])
    gone = documents.of["B"]
    documents.put(Normalized(gone.suid_id, gone.raw_id, gone.revision, None))
    assert documents.found() == (None, True, 2)
    documents.put(documents.of["A"])
    assert documents.found() == (None, True, 2)
    documents.put(documents.of["C"])
    assert documents.found() == ({"title": "C"}, False, 3)


def test_the_same_content_under_a_new_transformer_replaces_the_document(documents: Documents) -> None:
    """A mended transformer's document has the revision of the one it mends."""
    documents.put(documents.of["C"])
    one = documents.of["C"]
    documents.put(Normalized(one.suid_id, one.raw_id, one.revision, {"title": "mended"}), version=2)
    assert documents.found() == ({"title": "mended"}, False, 3)


def test_no_document_is_no_statement(documents: Documents) -> None:
    """A batch in which everything failed."""
    documents.put()
