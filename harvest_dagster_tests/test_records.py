"""The hash of a record decides whether its content is new."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime, timezone

import pytest

from harvest_dagster.records import Record, sets_digest

RECORD = Record("oai:x:1", datetime(2024, 1, 1, tzinfo=timezone.utc), deleted=False, blob="<a>ü</a>")


def test_the_hash_is_the_sha256_of_the_blob_in_utf8() -> None:
    """The database stores it. With another algorithm, all records would be new."""
    assert RECORD.hash == hashlib.sha256("<a>ü</a>".encode()).hexdigest()
    assert len(RECORD.hash) == 64
    assert RECORD.digest == bytes.fromhex(RECORD.hash)


@pytest.mark.parametrize("change", [{"datestamp": None}, {"identifier": "oai:x:2"}, {"deleted": True}])
def test_only_the_blob_changes_the_hash(change: dict[str, object]) -> None:
    """Sources change datestamps without changing content (docs/failures.md#noise-counts-as-change)."""
    assert replace(RECORD, **change).hash == RECORD.hash


def test_the_digest_of_sets_is_a_signed_number_of_64_bits() -> None:
    """Both databases store it in a column of this size. It must never change: rows of years are compared with it."""
    assert sets_digest(("cs", "math")) == 2457325559906154319
    digests = [sets_digest((f"set {number}",)) for number in range(100)]
    assert all(digest is not None and -(2**63) <= digest < 2**63 for digest in digests)
    assert min(filter(None, digests)) < 0 < max(filter(None, digests))
    assert len(set(digests)) == 100


def test_different_sets_have_different_digests_and_no_sets_have_none() -> None:
    """A record that moved from one set to another would look the same."""
    assert sets_digest(()) is None
    assert (
        len({sets_digest(sets) for sets in [("ab",), ("a", "b"), ("a:b",), ("a", "b", "c"), ("1:a",)]}) == 5
    )
