"""Which identifiers each list of a window gave, exactly, in flat memory: a table on disk that is gone when closed."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from types import TracebackType

_CACHE = 16 * 1024  # kibibytes; beyond that the table is written to a temporary file


class Sightings:
    """A temporary table of fingerprints (`spool.fingerprints`) by list. It is used in a `with` statement."""

    def __init__(self) -> None:
        # SQLite's private database on disk: without a name, without a journal, without a trace.
        self._connection = sqlite3.connect("", isolation_level=None)
        for statement in (
            f"PRAGMA cache_size = -{_CACHE}",
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            "CREATE TABLE seen (fingerprint INTEGER, list INTEGER, PRIMARY KEY (fingerprint, list)) WITHOUT ROWID",
            "BEGIN",
        ):
            self._connection.execute(statement)

    def __enter__(self) -> Sightings:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def add(self, number: int, fingerprints: bytes) -> int:
        """Note what a page of the list of this number names; gives how many of them the list did not have before."""
        before = self._connection.total_changes
        rows = ((fingerprint, number) for fingerprint in sorted(memoryview(fingerprints).cast("q")))
        self._connection.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?)", rows)
        return self._connection.total_changes - before

    def distinct(self, numbers: Collection[int]) -> int:
        """How many different ones these lists have together."""
        several = ", ".join("?" * len(numbers))
        (count,) = self._connection.execute(
            f"SELECT COUNT(*) FROM (SELECT 1 FROM seen WHERE list IN ({several}) GROUP BY fingerprint)",  # noqa: S608
            list(numbers),
        ).fetchone()
        return int(count)
