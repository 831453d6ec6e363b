"""Distinct identifiers, exactly: they are the proof that a list is whole."""

from __future__ import annotations

from harvest_dagster.pipeline.sightings import Sightings
from harvest_dagster.spool import fingerprints


def test_each_list_counts_its_own_and_several_count_together() -> None:
    """A record that is in two sets is one record of the window, and one of each set."""
    with Sightings() as sightings:
        assert sightings.add(0, fingerprints(["a", "b", "b"])) == 2
        assert sightings.add(0, fingerprints(["b", "c"])) == 1
        assert sightings.add(1, fingerprints(["c", "d"])) == 2
        assert [sightings.distinct(lists) for lists in ([0], [1], [0, 1], [2], [])] == [3, 2, 4, 0, 0]


def test_identifiers_that_no_database_would_keep_are_counted_all_the_same() -> None:
    """Half a surrogate pair, NUL, nothing at all: whether the list is whole does not depend on it."""
    with Sightings() as sightings:
        assert sightings.add(0, fingerprints(["\ud800", "\0", "", "é", "e\N{COMBINING ACUTE ACCENT}"])) == 5


def test_a_hundred_thousand_identifiers_are_told_apart() -> None:
    """Two that share a fingerprint would make a list short by one."""
    with Sightings() as sightings:
        for start in range(0, 100_000, 1000):
            page = [f"oai:arXiv.org:{number}" for number in range(start, start + 1000)]
            assert sightings.add(0, fingerprints(page)) == 1000
        assert sightings.distinct([0]) == 100_000
