"""A backfill of ten years in one run: the cost of a day must not grow with the number of days."""

from __future__ import annotations

from datetime import date

import pytest

from harvest_dagster.testing.simulator import Repository, Server
from harvest_dagster.windows import DAY
from harvest_dagster_tests.orchestration.conftest import Deploy

FIRST = date(2014, 1, 1)
REPOSITORY = Repository(first_day=FIRST, days=3650, records_per_day=1, page_size=200)
LAST = FIRST + (REPOSITORY.days - 1) * DAY
WINDOWS, PAGES = 10, 2  # windows of 365 days; pages in each window


@pytest.mark.slow
def test_ten_years_are_ten_windows_and_each_day_has_its_own_small_event(on_sqlite: Deploy) -> None:
    """The tables of the whole run on each day would be 40 MB of events, and the UI reads all of them for a plot."""
    with Server(REPOSITORY) as source:
        deployment = on_sqlite(source.url, earliest_date=FIRST, max_window="365d")
        result = deployment.materialize(str(FIRST), str(LAST))
        assert result.success
        lists = [request for request in source.requests if request.verb == "ListRecords"]
        assert len(lists) == WINDOWS * PAGES
    assert len(deployment.materialized()) == REPOSITORY.days
    events = result.get_asset_materialization_events()
    assert len(events) == REPOSITORY.days
    metadata = [event.step_materialization_data.materialization.metadata for event in events]
    assert not any(len(str(shown)) > 3000 for shown in metadata)
