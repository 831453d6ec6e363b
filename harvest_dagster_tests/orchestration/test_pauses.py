"""A source that wants to be left alone for longer than a worker sleeps: the op is tried again, nothing has failed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harvest_dagster.orchestration import step
from harvest_dagster.orchestration.resources import Waiting
from harvest_dagster.orchestration.runs import tries as tries_of
from harvest_dagster.simulator import Fail, Request, Server
from harvest_dagster.storage import tables
from harvest_dagster.storage.engine import Database
from harvest_dagster_tests.orchestration.conftest import Deploy
from harvest_dagster_tests.orchestration.deployment import DAYS, RAW, REPOSITORY, messages, reason

LATER = {"Retry-After": "1"}
FAST = {"calls": 1000, "period": 0.05}  # so that a second is a long wait


@pytest.fixture(autouse=True)
def _no_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step.random, "random", lambda: 0.0)


def test_a_long_wait_frees_the_worker_and_goes_on_after_the_last_whole_page(on_sqlite: Deploy) -> None:
    """Lesson 20, and 12 workers asleep for an hour each: nothing else is harvested meanwhile."""
    with Server(
        REPOSITORY, behaviours=[Fail(503, LATER, when=lambda request: request.number == 4)]
    ) as source:
        deployment = replace(
            on_sqlite(source.url, max_window="2d", rate_limit=FAST), waiting=Waiting(longest_sleep=0.2)
        )
        result = deployment.materialize(*DAYS[::3])
        asked = [request.parameters for request in source.requests if request.verb == "ListRecords"]
    assert result.success
    # The second window met a host that is paused, and was put off as well.
    retried = [event for event in result.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"]
    assert len(retried) == 2
    said = messages(result, deployment.instance)
    assert "HTTP 503 Service Unavailable" in said
    assert "Put off until 2" in said
    assert "nothing has failed" in said
    tokens = [parameters.get("resumptionToken") for parameters in asked]
    assert tokens.count(None) == 2  # each window's list was begun once
    assert deployment.logs() == [
        ("03-01T00", "03-03T00", "SUCCEEDED", 12),
        ("03-01T00", "03-05T00", "SPLIT", 0),
        ("03-03T00", "03-05T00", "SUCCEEDED", 12),
    ]
    assert deployment.materialized(RAW) == set(DAYS)
    with Database.open(deployment.database_url) as database:
        tries = tries_of(database, deployment.instance, run_id=result.run_id)
    assert {one.status for one in tries} == {"SUCCEEDED"}


def test_a_source_that_only_ever_says_later_fails_in_the_end(on_sqlite: Deploy) -> None:
    """Lesson 20: the 503 loop had no end."""

    def lists(request: Request) -> bool:
        return request.verb == "ListRecords"

    with Server(REPOSITORY, behaviours=[Fail(503, LATER, when=lists)]) as source:
        waiting = Waiting(longest_sleep=0.2, longest_silence=0.5)
        deployment = replace(on_sqlite(source.url, rate_limit=FAST), waiting=waiting)
        result = deployment.materialize(*DAYS[::3])
        asked = [request for request in source.requests if lists(request)]
    assert not result.success
    assert len(asked) == 2
    assert "no page came, only the word to wait" in reason(result)
    assert "HTTP 503" in reason(result)
    (log,) = deployment.rows(tables.harvest_log)
    assert log.status == "FAILED"
    assert log.error.startswith("SourceUnreachable: for ")
