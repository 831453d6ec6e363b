"""A client gets what earlier harvests observed, and what it observes is written under the lease."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event

from harvest_dagster.errors import LeaseLost, SourceUnreachable
from harvest_dagster.observations import Observations
from harvest_dagster.pipeline import lease_guard
from harvest_dagster.pipeline.fetching.source_observations import source_observations_of
from harvest_dagster.pipeline.lease_guard import LeaseHandle
from harvest_dagster_tests.pipeline.fakes import FakeClient
from harvest_dagster_tests.pipeline.world import WINDOW, World, records


class ObservingClient(FakeClient):
    """Counts in an observation how often it was used."""

    observations: Observations

    def use_observations(self, observations: Observations) -> None:
        self.observations = observations
        observations.record("uses", (observations.find("uses") or 0) + 1)


@pytest.fixture
def lease(world: World) -> Iterator[LeaseHandle]:
    with lease_guard.hold_lease(world.harvest()) as handle:
        yield handle


def observe(world: World, lease: LeaseHandle, **arguments: Any) -> int:
    """Fetch with an observing client. Return which use of the source it was."""
    world.change(harvester_kwargs=arguments)
    client = ObservingClient(None, world.source)
    with source_observations_of(world.harvest(), client, lease):
        pass
    return client.observations.find("uses")


def test_the_next_harvest_gets_what_the_last_one_observed(world: World, lease: LeaseHandle) -> None:
    """Otherwise each harvest must find out again how the source treats its requests."""
    assert [observe(world, lease), observe(world, lease)] == [1, 2]


def test_after_a_change_of_base_url_nothing_is_known(world: World, lease: LeaseHandle) -> None:
    """Otherwise what was true of the old server loses records at the new one."""
    assert observe(world, lease, base_url="https://old.example") == 1
    assert observe(world, lease, base_url="https://new.example") == 1


def test_a_run_that_lost_its_lease_writes_no_observation(world: World, lease: LeaseHandle) -> None:
    """Otherwise a frozen run overwrites what its successor observed."""
    with world.database.begin() as connection:
        connection.exec_driver_sql("UPDATE lease SET token = token + 1, owner = 'run 2'")
    with pytest.raises(LeaseLost):
        observe(world, lease)
    with world.database.read() as connection:
        assert connection.exec_driver_sql("SELECT name FROM source_observation").all() == []


def test_what_was_observed_before_a_failure_is_kept(world: World, lease: LeaseHandle) -> None:
    """Otherwise a source that fails often is never known."""
    client = ObservingClient(None, world.source)
    with pytest.raises(SourceUnreachable), source_observations_of(world.harvest(), client, lease):
        raise SourceUnreachable("the connection broke. Try again.")
    assert observe(world, lease) == 2


def test_a_client_of_another_package_that_knows_no_observations_still_works(world: World) -> None:
    """Otherwise an update of this package breaks every plug-in. `FakeClient` does not override the method."""
    world.source.items = records(3)
    assert "use_observations" not in vars(FakeClient)
    assert [log.status for log in world.run("run 1")] == ["SUCCEEDED"]


def test_a_harvest_that_observes_nothing_new_writes_nothing(small_world: World) -> None:
    """Otherwise each window of a healthy source costs a transaction."""
    small_world.source.items = records(3)
    small_world.run("run 0", WINDOW)  # it observes the page size
    statements: list[str] = []

    @event.listens_for(small_world.database.engine, "before_cursor_execute")
    def record(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    small_world.run("run 1", WINDOW, superfluous=True)
    assert len([line for line in statements if "source_observation" in line]) == 1
