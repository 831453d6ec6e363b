"""A harvest whose spool is in an object store: what it costs, and what a kill costs."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest

from harvest_dagster.errors import SpoolUnreachable
from harvest_dagster.pipeline import lease_guard
from harvest_dagster.pipeline.context import RunOutcome
from harvest_dagster.storage.lease import leases
from harvest_dagster_tests.object_store import counted_requests, failing_requests
from harvest_dagster_tests.pipeline.world import World, records

# Each of these methods of the client sends one request here.
METHODS = ("cat_file", "pipe_file", "find", "rm")


class Killed(BaseException):
    """The end of a process."""


@pytest.mark.parametrize(
    ("pages", "record_bytes", "most"), [(20, 100, 4.0), (20, 400_000, 7.3), (1, 100, 24.0)]
)
def test_a_page_costs_few_requests(
    object_store: Any, small_world: World, pages: int, record_bytes: int, most: float
) -> None:
    """Object stores are billed and limited by requests. A page cost 17, and the only page of a window 58.

    These are the requests of a whole run. Records of large pages do not share files.
    """
    small_world.folder = f"s3://harvest/requests-{pages}-{record_bytes}"  # type: ignore[assignment]
    small_world.source.items = [*records(2 * pages, content=_content(record_bytes))]
    with counted_requests(object_store) as counts:
        (log,) = small_world.run("run 1")
    assert log.counts.records == 2 * pages
    assert counts.total() <= most * pages, counts
    assert counts["HEAD"] == 0
    assert object_store.find("harvest", prefix=f"requests-{pages}-{record_bytes}/") == []


def _content(size: int) -> str:
    """Return a text that cannot be compressed to less than half."""
    return random.Random(1).randbytes(size // 2).hex()  # noqa: S311  # no secret


@pytest.mark.slow
def test_a_kill_between_any_two_requests_costs_at_most_one_page(
    object_store: Any, small_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The manifest is the checkpoint, also if the files of a spool are objects."""
    world, left = small_world, [0]

    def count_down() -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Killed

    for method in METHODS:
        original = getattr(object_store, method)

        def call(*args: Any, original: Any = original, **options: Any) -> Any:
            count_down()
            return original(*args, **options)

        monkeypatch.setattr(object_store, method, call)
    for requests in range(1000):
        world.folder = f"s3://harvest/killed-{requests}"  # type: ignore[assignment]
        world.change(label=f"killed_{requests}")
        world.source.items, world.source.asked = [*records(6)], []
        left[0] = requests
        try:
            world.run(f"first {requests}")
        except Killed:
            left[0] = 1000
            world.outcomes[f"first {requests}"] = RunOutcome("FAILED", "its process was killed")
            world.run(f"second {requests}")
        else:
            break
        assert len(world.source.asked) <= 4, requests
        assert len(world.stored()) == 6 * (requests + 1)
    assert requests > 15


def test_a_window_does_not_fail_while_the_object_store_is_away(object_store: Any, small_world: World) -> None:
    """A store that restarts must not cost a window. The run keeps its lease, and requests one page again at most."""
    world, away = small_world, [False]
    world.folder = "s3://harvest/away"  # type: ignore[assignment]
    world.source.items = [*records(6)]
    harvest = world.harvest("run 1")

    def third_page() -> None:
        away[0] = len(world.source.asked) == 2

    with failing_requests(object_store, lambda: ConnectionResetError("restarts") if away[0] else None):
        with lease_guard.hold_lease(harvest) as lease:
            with pytest.raises(SpoolUnreachable, match=r"s3://harvest/away cannot be reached: restarts"):
                world.window(harvest, lease, keep_going=third_page)
            (log,) = world.logs().values()
            assert log.status == "STARTED"
            with world.database.read() as connection:
                held = leases.find_lease(connection, harvest.config_id)
            assert held is not None
            assert held.expires > world.clock() + timedelta(minutes=14)
        away[0] = False
        with lease_guard.hold_lease(harvest) as lease:
            log = world.window(harvest, lease)
    assert log.status == "SUCCEEDED"
    assert world.source.asked == [0, 2, 4, 4]
    assert len(world.stored()) == 6
