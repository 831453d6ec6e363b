"""`kill -9` at any moment, then the same command again."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Sequence

import pytest

from harvest_dagster.storage.engine import Database
from harvest_dagster_tests.crash.child import Moment
from harvest_dagster_tests.crash.commands import Command, Deployment
from harvest_dagster_tests.crash.conftest import FIRST, LAST, REPOSITORY, Deploy
from harvest_dagster_tests.crash.contents import assert_whole, lists

PAGES = REPOSITORY.size // REPOSITORY.page_size

# Two windows of six pages: through all phases of the first, then into the second.
PHASES = {
    "preflight, before anything is touched": Moment("INSERT INTO ingest_config"),
    "lock, the lease taken and not committed": Moment("INSERT INTO lease_grant"),
    "fetch, a page there and its entry not": Moment(r"os.rename .*/pages/000002\.json\.part"),
    "fetch, the last page there and the end not noted": Moment(r"open .*/end\.json\.part"),
    "split, between two pages": Moment(r"os.rename .*/records/000003\.zst\.part"),
    "store, in the middle of a bulk write": Moment("UPDATE harvest_log SET .*pages_stored", 3),
    "between store and launch": Moment("INSERT INTO ingest_log"),
    "launch, between two pages": Moment("INSERT INTO ingest_log", 3),
    "launch, the window done and not committed": Moment("UPDATE harvest_log_run SET", 2),
    "finish of the window, its spool half cleared": Moment("os.remove", 5),
    "fetch of the second window": Moment(r"os.rename .*--20240305.*/pages/000001\.zst\.part"),
    "store of the second window": Moment("UPDATE harvest_log SET .*pages_stored", 5),
    "finish, before the lease is given back": Moment("UPDATE lease SET owner"),
}


@pytest.mark.parametrize(
    ("phases", "database_url"),
    [
        # Between them both databases see every phase.
        (tuple(PHASES)[::2], "sqlite"),
        (tuple(PHASES)[1::2], "postgresql"),
        pytest.param(tuple(PHASES), "sqlite", marks=pytest.mark.slow),
        pytest.param(tuple(PHASES), "postgresql", marks=pytest.mark.slow),
    ],
    indirect=["database_url"],
    ids=["half on sqlite", "half on postgresql", "all on sqlite", "all on postgresql"],
)
def test_killed_in_every_phase_and_run_again(deploy: Deploy, phases: Sequence[str]) -> None:
    """Without it a deployment that the kernel kills for memory loses records or stores them twice."""
    deployment = deploy()
    attempts = []
    for phase in phases:
        attempt = deployment.materialize(FIRST, LAST, killed_at=PHASES[phase])
        assert attempt.wait() == -9, f"{phase}: {attempt.said}"
        attempts.append(attempt)
    attempts.append(deployment.materialize(FIRST, LAST).succeed())
    assert_all_came_once(deployment, attempts)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_killed_at_random_moments_and_run_again(deploy: Deploy, seed: int) -> None:
    """Moments that nobody thought of: twenty for each seed and database, by what it does and by the clock."""
    dice = random.Random(seed)  # noqa: S311
    deployment = deploy()
    attempts: list[Command] = []
    for _ in range(20):
        while not kill(deployment, dice, attempts):
            # It was too quick: the next ones do it all again, without a gain.
            assert_all_came_once(deployment, attempts)
    attempts.append(deployment.materialize(FIRST, LAST).succeed())
    assert_all_came_once(deployment, attempts)


def kill(deployment: Deployment, dice: random.Random, attempts: list[Command]) -> bool:
    """One attempt, killed or too quick for it."""
    if dice.random() < 0.5:
        attempts.append(deployment.materialize(FIRST, LAST, killed_at=Moment("", dice.randint(1, 250))))
    else:
        attempts.append(deployment.materialize(FIRST, LAST))
        attempts[-1].wait_until(lambda: attempts[-1].trail)
        time.sleep(dice.uniform(0, 1.5))
        attempts[-1].kill()
    return attempts[-1].wait() != 0


def assert_all_came_once(deployment: Deployment, attempts: Sequence[Command]) -> None:
    """The whole promise."""
    requests = lists(deployment.source.requests)
    assert len(requests) < PAGES + len(attempts), "\n".join(map(str, requests))
    with Database.open(deployment.database_url) as database:
        assert_whole(database, deployment.source)
    for attempt in attempts:
        assert not re.search("RESCHEDULED|UP_FOR_RETRY|Trying again", attempt.said), attempt.said
    assert [path for path in deployment.spool.rglob("*") if path.is_file()] == []
