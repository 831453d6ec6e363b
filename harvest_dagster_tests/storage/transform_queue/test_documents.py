"""One document for each identifier, made from its current content. On both databases."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import select

from harvest_dagster.records import Record
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.raw_data import store
from harvest_dagster.storage.tables import normalized_datum, source_unique_identifier
from harvest_dagster.storage.transform_queue.documents import NormalizedDocument, find_current, put_documents
from harvest_dagster_tests.storage.configs import NOW, new_config


class Documents:
    """The documents of a config with one identifier."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.config_id = new_config(database)
        records = [Record("x", NOW, deleted=False, blob=blob) for blob in "ABC"]
        with database.begin() as connection:
            store.store_records(connection, self.config_id, records, NOW)
            found = store.find_data(connection, self.config_id, records)
            suid = source_unique_identifier
            suid_id = connection.scalar(select(suid.c.id).where(suid.c.ingest_config_id == self.config_id))
        self.of = {
            record.blob: NormalizedDocument(
                suid_id, datum.raw_id, datum.revision, f'{{"title":"{record.blob}"}}'
            )
            for record, datum in zip(records, found, strict=True)
        }

    def put(self, *documents: NormalizedDocument, version: int = 1) -> None:
        with self.database.begin() as connection:
            put_documents(connection, self.config_id, version, documents, NOW)

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
def test_the_newest_content_wins_in_any_order(
    documents: Documents, order: tuple[str, ...], together: bool
) -> None:
    """A slow run with older content would put it back (docs/failures.md#content-returns). A batch may have both."""
    chosen = [documents.of[content] for content in order]
    if together:
        documents.put(*chosen)
    else:
        for one in chosen:
            documents.put(one)
    assert documents.found() == ({"title": "C"}, False, 3)


def test_only_documents_of_current_content_are_found(documents: Documents) -> None:
    """If the current content cannot be transformed, the document of old content would pose as the current one."""
    with documents.database.read() as connection:
        assert find_current(connection, list(documents.of.values())) == [documents.of["C"]]
        assert find_current(connection, []) == []


def test_a_deletion_removes_the_document(documents: Documents) -> None:
    """The row stays and is marked as deleted, so that readers of the table see the deletion."""
    documents.put(documents.of["A"])
    gone = documents.of["B"]
    documents.put(NormalizedDocument(gone.suid_id, gone.raw_id, gone.revision, None))
    assert documents.found() == (None, True, 2)
    documents.put(documents.of["A"])
    assert documents.found() == (None, True, 2)
    documents.put(documents.of["C"])
    assert documents.found() == ({"title": "C"}, False, 3)


def test_the_same_content_under_a_new_transformer_replaces_the_document(documents: Documents) -> None:
    """The document of a corrected transformer has the same revision."""
    documents.put(documents.of["C"])
    one = documents.of["C"]
    documents.put(
        NormalizedDocument(one.suid_id, one.raw_id, one.revision, '{"title":"corrected"}'), version=2
    )
    assert documents.found() == ({"title": "corrected"}, False, 3)


def test_an_empty_batch_needs_no_statement(documents: Documents) -> None:
    """All data of a batch may fail."""
    documents.put()
