"""Runs of a source that cannot be asked by date, as Dagster sees them."""

from __future__ import annotations

from datetime import date

import pytest

from harvest_dagster.storage import tables
from harvest_dagster.testing.simulator import Repository, Server, TruncatedBody
from harvest_dagster.testing.simulator.behaviours.conditions import from_nth
from harvest_dagster.windows import DAY
from harvest_dagster_tests.databases import SLOW_ON_POSTGRESQL
from harvest_dagster_tests.orchestration.conftest import Deploy
from harvest_dagster_tests.orchestration.deployment import DAYS, RAW, messages

FIRST = date(2014, 1, 1)
TEN_YEARS = Repository(first_day=FIRST, days=3650, records_per_day=1, page_size=400)


def lists(source: Server) -> int:
    return sum(request.verb == "ListRecords" for request in source.requests)


@SLOW_ON_POSTGRESQL
def test_a_run_reports_the_requested_days_and_nothing_else(source: Server, deploy: Deploy) -> None:
    """The log of the snapshot covers the other days, too. A later run finds them done without a request."""
    deployment = deploy(source.url, selective=False, max_window="1d")
    result = deployment.materialize(DAYS[1], DAYS[2])
    assert result.success
    assert deployment.materialized() == set(DAYS[1:3])
    assert "one snapshot of the whole source serves the requested range of 2 days" in messages(
        result, deployment.instance
    )
    assert [row.status for row in deployment.rows(tables.harvest_log)] == ["SUCCEEDED"]
    (observed,) = deployment.instance.fetch_observations(RAW, limit=1).records
    assert observed.asset_observation is not None
    shown = observed.asset_observation.metadata
    assert shown["snapshot"].value == "one snapshot of the whole source serves the requested range of 2 days"
    before = len(source.requests)
    assert deployment.materialize(DAYS[0], DAYS[3]).success
    assert (len(source.requests), deployment.materialized()) == (before, set(DAYS))


def test_the_next_run_of_the_day_continues_the_list(on_sqlite: Deploy) -> None:
    """All runs of a day share one log and one spool, so the longest list of a source does not begin again."""
    repository = Repository(first_day=date(2024, 3, 1), days=4, records_per_day=6, page_size=4)
    repaired: list[bool] = []
    cut = TruncatedBody(3000, announced=False, when=from_nth(3, "ListRecords") & (lambda _: not repaired))
    with Server(repository, behaviours=[cut]) as source:
        deployment = on_sqlite(source.url, selective=False)
        assert not deployment.materialize(DAYS[3]).success
        repaired.append(True)
        before = lists(source)
        assert deployment.materialize(DAYS[0], DAYS[3]).success
        assert lists(source) - before == 4
    (row,) = deployment.rows(tables.harvest_log)
    assert (row.status, row.records, row.evidence) == ("SUCCEEDED", 24, "total")
    assert deployment.materialized() == set(DAYS)


@pytest.mark.slow
def test_ten_years_are_one_list_and_each_day_is_reported_once(on_sqlite: Deploy) -> None:
    """A source that ignores dates would otherwise send everything 122 times."""
    with Server(TEN_YEARS) as source:
        deployment = on_sqlite(source.url, earliest_date=FIRST, selective=False)
        result = deployment.materialize(str(FIRST), str(FIRST + 3649 * DAY))
        assert result.success
        assert lists(source) == 10
    assert len(deployment.materialized()) == 3650
    assert len(result.get_asset_materialization_events()) == 3650
