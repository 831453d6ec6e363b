"""A feed through the real asset: days within its reach are harvested, and days before it fail."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from harvest_dagster.catalog.loader import load_catalog
from harvest_dagster.storage import tables
from harvest_dagster_tests.harvesters.feed.feeds import atom, entry
from harvest_dagster_tests.http.server import response, serving
from harvest_dagster_tests.orchestration.conftest import Deploy
from harvest_dagster_tests.orchestration.deployment import Deployment, reason
from harvest_dagster_tests.recorded import recorded

FEED = {"harvester": "feed", "transformer": None}


def evidence(deployment: Deployment) -> list[tuple[str, str | None, str | None, bool]]:
    return [
        (row.status, row.completeness, row.evidence, row.doubt is not None)
        for row in deployment.rows(tables.harvest_log)
    ]


def test_a_day_before_the_oldest_entry_fails_and_says_what_to_do(deploy: Deploy) -> None:
    """It was never reachable. As an empty day, it would be green forever."""
    document = atom(entry("2", "2024-03-03"), entry("1", "2024-03-02T10:00:00Z")).encode()
    with serving(response(document)) as server:
        deployment = deploy(server.url, **FEED)
        assert "earliest_date: 2024-03-03" in reason(deployment.materialize("2024-03-01"))
        assert deployment.materialize("2024-03-02").success
        assert deployment.materialize("2024-03-03").success
    assert evidence(deployment) == [
        ("FAILED", None, None, False),
        ("SUCCEEDED", "unverified", "none", True),
        ("SUCCEEDED", "unverified", "none", False),
    ]
    assert len(deployment.rows(tables.raw_datum)) == 2
    assert deployment.materialized() == {"2024-03-03"}  # a doubt needs a second look


def test_a_longer_range_that_begins_before_the_oldest_entry_fails(on_sqlite: Deploy) -> None:
    """Most of its days are out of reach, so it must not count as harvested, not even after a second look."""
    document = atom(entry("2", "2024-03-04"), entry("1", "2024-03-03T10:00:00Z")).encode()
    with serving(response(document)) as server:
        deployment = on_sqlite(server.url, **FEED)
        assert "cannot show [2024-03-01, 2024-03-05)" in reason(
            deployment.materialize("2024-03-01", "2024-03-04")
        )
    assert deployment.materialized() == set()


def test_a_recorded_rss_feed_is_harvested(on_sqlite: Deploy) -> None:
    """A real feed has links in place of guids, and dates of RFC 822."""
    with serving(response(recorded("scrapi_oai_and_rest", "0172_dailyssrn.xml"))) as server:
        deployment = on_sqlite(server.url, earliest_date=date(2015, 7, 1), **FEED)
        result = deployment.materialize("2015-07-03")
    assert result.success, reason(result)
    assert len(deployment.rows(tables.raw_datum)) == 125


def test_the_example_loads() -> None:
    """People copy it."""
    catalog = load_catalog(str(Path(__file__).parents[2] / "examples" / "feed"))
    assert (catalog.problems, catalog.warnings) == ((), ())
    assert [config.harvester for config in catalog.configs] == ["feed"]
