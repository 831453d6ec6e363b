"""A website through the real asset: a page that is not available fails its day, and the next run continues there."""

from __future__ import annotations

from harvest_dagster.storage import tables
from harvest_dagster.testing.simulator import Request, Server
from harvest_dagster.testing.simulator.behaviours.conditions import page_of
from harvest_dagster.testing.simulator.behaviours.registry import REGISTRY
from harvest_dagster_tests.orchestration.conftest import Deploy
from harvest_dagster_tests.orchestration.deployment import REPOSITORY, reason
from harvest_dagster_tests.testing.conformance.website import WebsiteRenderer


def pages_of(requests: tuple[Request, ...]) -> list[str]:
    """Return the last digit of each record whose page was requested."""
    return [request.parameters["page"][-1] for request in requests if "page" in request.parameters]


def test_a_page_that_is_not_available_fails_its_day_until_it_is(
    on_sqlite: Deploy, without_retries: None
) -> None:
    """As an invalid record, the page would never be requested again, and the day would be green without it."""
    broken = [True]
    error = REGISTRY["error-always"](when=lambda request: broken[0] and page_of(request) == 4)
    with Server(REPOSITORY, behaviours=[error], renderer=WebsiteRenderer()) as server:
        kwargs = {"base_url": server.list_url, "page_size": 2}
        deployment = on_sqlite("", harvester="sitemap", harvester_kwargs=kwargs, transformer=None)
        failed = deployment.materialize("2024-03-01")
        assert "the record of this page would be missing" in reason(failed)
        assert deployment.materialized() == set()
        before = server.requests
        assert pages_of(before) == ["0", "1", "2", "3"]
        broken[0] = False
        result = deployment.materialize("2024-03-01")
        assert result.success, reason(result)
        assert pages_of(server.requests[len(before) :]) == ["2", "3", "4", "5"]
    assert len(deployment.rows(tables.raw_datum)) == 6
    assert deployment.materialized() == {"2024-03-01"}
