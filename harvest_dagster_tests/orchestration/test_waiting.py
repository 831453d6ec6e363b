"""Ops that wait for the database, and the lease of a run while an op works."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import select

from harvest_dagster.errors import DatabaseUnreachable
from harvest_dagster.orchestration import assets, ops
from harvest_dagster.orchestration.reports import metadata
from harvest_dagster.orchestration.resources import RetrySettings
from harvest_dagster.pipeline import write_guard
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.lease import leases
from harvest_dagster.storage.tables import lease
from harvest_dagster.testing.simulator import Server
from harvest_dagster.windows import Window, utc_now
from harvest_dagster_tests.orchestration.conftest import Deploy
from harvest_dagster_tests.orchestration.deployment import DAYS, RAW, TRANSFORMED, Deployment, reason
from harvest_dagster_tests.pipeline.fakes import Clock
from harvest_dagster_tests.storage.refusing_server import refusing_server

AT_ONCE = RetrySettings(retries=3, first=0.001, longest=0.001)


@pytest.mark.parametrize(
    ("place", "step"),
    [
        ((ops, "build_harvest"), "preflight"),
        ((ops, "refuse_repeated_failures"), "lock"),
        ((ops, "plan_windows"), "plan"),
        ((assets, "transform"), "transformed__demo"),
    ],
)
def test_an_op_waits_for_a_database_that_cannot_be_reached(
    source: Server, on_sqlite: Deploy, monkeypatch: pytest.MonkeyPatch, place: tuple[Any, str], step: str
) -> None:
    """A restart of the database ended each run that was in one of these ops."""
    deployment = replace(on_sqlite(source.url), waiting=AT_ONCE)
    original, down = getattr(*place), iter([True])

    def once_down(*args: Any, **options: Any) -> Any:
        if next(down, False):
            raise DatabaseUnreachable("the database cannot be used: it restarts.", transient=True)
        return original(*args, **options)

    monkeypatch.setattr(*place, once_down)
    result = deployment.materialize(DAYS[0], assets=[RAW, TRANSFORMED])
    assert result.success
    retried = [
        event.step_key.rpartition(".")[2]
        for event in result.all_events
        if event.event_type_value == "STEP_UP_FOR_RETRY"
    ]
    assert retried == [step]


def test_plan_renews_the_lease_while_dagster_stores_its_outputs(
    source: Server, deploy: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease expired at window 480 of 1,000, and another run took it over."""
    deployment = deploy(source.url, max_window="1d")
    clock, name = Clock(utc_now()), metadata.short_name
    open_database = Database.open
    monkeypatch.setattr(Database, "open", lambda url: open_database(url).with_clock(clock))
    monkeypatch.setattr(write_guard, "_RENEWALS", 10_000)  # a renewal every 6 ms
    renewed: list[Window] = []

    def slowly(window: Window) -> str:
        """Stand for an output that takes almost a minute."""
        clock.forward(seconds=50)
        deadline = time.monotonic() + 60
        while expiry(deployment) < clock.now + leases.TTL:
            assert time.monotonic() < deadline, "nobody renews the lease"
        renewed.append(window)
        return name(window)

    monkeypatch.setattr(metadata, "short_name", slowly)
    assert deployment.materialize(*DAYS[::3]).success
    assert len(renewed) == len(DAYS)


def expiry(deployment: Deployment) -> datetime:
    """Return when the lease expires."""
    with Database.open(deployment.database_url) as database, database.read() as connection:
        found = connection.scalars(select(lease.c.expires)).one()
    assert found is not None
    return found


def test_a_wrong_password_of_the_database_fails_the_run_at_once(source: Server, on_sqlite: Deploy) -> None:
    """It looked like an outage, so the run waited for hours before anybody saw the reason."""
    with refusing_server("28P01", 'password authentication failed for user "harvest"') as url:
        deployment = replace(on_sqlite(source.url), database_url=url)
        result = deployment.materialize(DAYS[0])
    assert not result.success
    assert not [event for event in result.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"]
    assert 'password authentication failed for user "harvest"' in reason(result)
