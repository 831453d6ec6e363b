"""Which identifiers each list of a window contained: exact, and in constant memory."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from hashlib import blake2b
from types import TracebackType

_CACHE = 16 * 1024  # kibibytes; SQLite writes a larger table to a temporary file


class SeenIdentifiers:
    """A temporary table of fingerprints (`spool.fingerprints`) by list. Use it in a `with` statement."""

    def __init__(self) -> None:
        # An empty name gives a private database in a temporary file. SQLite deletes it when the connection closes.
        self._connection = sqlite3.connect("", isolation_level=None)
        for statement in (
            f"PRAGMA cache_size = -{_CACHE}",
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            "CREATE TABLE seen (fingerprint INTEGER, list INTEGER, PRIMARY KEY (fingerprint, list)) WITHOUT ROWID",
            "BEGIN",
        ):
            self._connection.execute(statement)

    def __enter__(self) -> SeenIdentifiers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def add(self, list_number: int, fingerprints: bytes) -> int:
        """Add the fingerprints of one page to a list. Return how many of them are new to that list."""
        before = self._connection.total_changes
        rows = ((fingerprint, list_number) for fingerprint in sorted(memoryview(fingerprints).cast("q")))
        self._connection.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?)", rows)
        return self._connection.total_changes - before

    def count_distinct(self, list_numbers: Collection[int]) -> int:
        """Return how many different fingerprints these lists have together."""
        # As JSON: a harvester with thousands of lists has more of them than a statement may have parameters.
        (count,) = self._connection.execute(
            "SELECT COUNT(*) FROM (SELECT 1 FROM seen WHERE list IN (SELECT value FROM json_each(?)) "
            "GROUP BY fingerprint)",
            [json.dumps(list(list_numbers))],
        ).fetchone()
        return int(count)

    def digest(self) -> str:
        """Return a digest of all different fingerprints, which does not depend on their order."""
        found = blake2b(digest_size=16)
        for (fingerprint,) in self._connection.execute("SELECT fingerprint FROM seen GROUP BY fingerprint"):
            found.update(fingerprint.to_bytes(8, "big", signed=True))
        return found.hexdigest()
