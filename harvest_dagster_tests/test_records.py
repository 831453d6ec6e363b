"""The hash of a record: what decides whether content is new."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime, timezone

import pytest

from harvest_dagster.records import Record

RECORD = Record("oai:x:1", datetime(2024, 1, 1, tzinfo=timezone.utc), deleted=False, blob="<a>ü</a>")


def test_the_hash_is_that_of_the_blob_in_utf8() -> None:
    """It stands in the database: another way to count it would make every record new at once."""
    assert RECORD.hash == hashlib.sha256("<a>ü</a>".encode()).hexdigest()
    assert len(RECORD.hash) == 64


@pytest.mark.parametrize("change", [{"datestamp": None}, {"identifier": "oai:x:2"}, {"deleted": True}])
def test_only_the_blob_decides(change: dict[str, object]) -> None:
    """Lesson 28: sources re-stamp everything without a change; a datestamp must not make content new."""
    assert replace(RECORD, **change).hash == RECORD.hash
