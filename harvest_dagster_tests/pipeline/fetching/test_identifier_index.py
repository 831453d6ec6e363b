"""Exact counts of different identifiers, which prove that a list is complete."""

from __future__ import annotations

from harvest_dagster.pipeline.fetching.identifier_index import SeenIdentifiers
from harvest_dagster.spool import fingerprints


def test_identifiers_are_counted_for_each_list_and_for_several_together() -> None:
    """A record in two sets is one record of the window, and one record of each set."""
    with SeenIdentifiers() as seen:
        assert seen.add(0, fingerprints(["a", "b", "b"])) == 2
        assert seen.add(0, fingerprints(["b", "c"])) == 1
        assert seen.add(1, fingerprints(["c", "d"])) == 2
        assert [seen.count_distinct(lists) for lists in ([0], [1], [0, 1], [2], [])] == [3, 2, 4, 0, 0]


def test_identifiers_that_no_database_can_store_are_counted() -> None:
    """Half of a surrogate pair, NUL, an empty text: a list with such identifiers must be complete, too."""
    with SeenIdentifiers() as seen:
        assert seen.add(0, fingerprints(["\ud800", "\0", "", "é", "e\N{COMBINING ACUTE ACCENT}"])) == 5


def test_a_hundred_thousand_identifiers_have_different_fingerprints() -> None:
    """If two had the same fingerprint, the list would be short by one."""
    with SeenIdentifiers() as seen:
        for start in range(0, 100_000, 1000):
            page = [f"oai:arXiv.org:{number}" for number in range(start, start + 1000)]
            assert seen.add(0, fingerprints(page)) == 1000
        assert seen.count_distinct([0]) == 100_000
