"""The hash of a record decides whether its content is new."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime, timezone

import pytest

from harvest_dagster.records import Record

RECORD = Record("oai:x:1", datetime(2024, 1, 1, tzinfo=timezone.utc), deleted=False, blob="<a>ü</a>")


def test_the_hash_is_the_sha256_of_the_blob_in_utf8() -> None:
    """The database stores it. With another algorithm, all records would be new."""
    assert RECORD.hash == hashlib.sha256("<a>ü</a>".encode()).hexdigest()
    assert len(RECORD.hash) == 64


@pytest.mark.parametrize("change", [{"datestamp": None}, {"identifier": "oai:x:2"}, {"deleted": True}])
def test_only_the_blob_changes_the_hash(change: dict[str, object]) -> None:
    """Sources change datestamps without changing content (docs/failures.md#noise-counts-as-change)."""
    assert replace(RECORD, **change).hash == RECORD.hash
