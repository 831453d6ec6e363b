"""`kill -9` at any moment, and then the same command again."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Sequence

import pytest

from harvest_dagster.storage.database import Database
from harvest_dagster_tests.conftest import DIALECTS
from harvest_dagster_tests.crash.child import Moment
from harvest_dagster_tests.crash.commands import Command, Deployment
from harvest_dagster_tests.crash.conftest import FIRST, LAST, PAGES_OF_BOTH_WINDOWS, Deploy
from harvest_dagster_tests.crash.contents import assert_complete, kept_files, lists

PAGES = PAGES_OF_BOTH_WINDOWS

# Two windows of six pages: all phases of the first window, then the second window.
PHASES = {
    "preflight, before the first write": Moment("INSERT INTO ingest_config"),
    "lock, the lease acquired and not committed": Moment("INSERT INTO lease_grant"),
    "fetch, a page written under its temporary name": Moment(r"os.rename .*/pages/000002\.zst\.part"),
    "fetch, a page written without its records": Moment(r"os.rename .*/records/000003\.zst\.part"),
    "fetch, the last page written without the summary": Moment(r"open .*/end\.json\.part"),
    "split, between two pages": Moment(r"os.rename .*/records/000003\.zst\.part"),
    "split, all pages parsed without the index": Moment(r"os.rename .*/records/index\.json\.part"),
    "store, in the middle of a bulk write": Moment("UPDATE harvest_log SET .*pages_stored", 3),
    "between store and launch": Moment(r"open .*/queued\.zst\.part"),
    # The next store queues only the pages that the killed one has not committed.
    "launch, a page of the killed store": Moment(r"INSERT INTO ingest_log \(.*\) SELECT"),
    "launch, the window finished and not committed": Moment("UPDATE harvest_log_run SET", 2),
    "finish of the window, its spool partly removed": Moment("os.remove", 5),
    "fetch of the second window": Moment(r"os.rename .*--20240305.*/pages/000001\.zst\.part"),
    "store of the second window": Moment("UPDATE harvest_log SET .*pages_stored", 5),
    "finish, before the lease is released": Moment("UPDATE lease SET owner"),
}


@pytest.mark.parametrize(
    ("phases", "database_url"),
    [
        # By default, each phase runs on one of the two databases, with the slow tests on the other one, too.
        (tuple(PHASES)[::2], "sqlite"),
        (tuple(PHASES)[1::2], "postgresql"),
        pytest.param(tuple(PHASES)[1::2], "sqlite", marks=pytest.mark.slow),
        pytest.param(tuple(PHASES)[::2], "postgresql", marks=pytest.mark.slow),
    ],
    indirect=["database_url"],
    ids=["half on sqlite", "half on postgresql", "other half on sqlite", "other half on postgresql"],
)
def test_runs_killed_in_every_phase_lose_nothing(deploy: Deploy, phases: Sequence[str]) -> None:
    """A deployment that the kernel kills for memory would lose records or store them twice."""
    deployment = deploy()
    attempts = []
    for phase in phases:
        attempt = deployment.materialize(FIRST, LAST, killed_at=PHASES[phase])
        assert attempt.wait() == -9, f"{phase}: {attempt.printed}"
        attempts.append(attempt)
    attempts.append(deployment.materialize(FIRST, LAST).succeed())
    assert_harvested_once(deployment, attempts)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "database_url"),
    [(seed, DIALECTS[seed % len(DIALECTS)]) for seed in range(10)],
    indirect=["database_url"],
)
def test_runs_killed_at_random_moments_lose_nothing(deploy: Deploy, seed: int) -> None:
    """Twenty random moments for each seed, half of them operations and half of them times."""
    dice = random.Random(seed)  # noqa: S311
    deployment = deploy()
    attempts: list[Command] = []
    for _ in range(20):
        while not kill(deployment, dice, attempts):
            # The command ended before it was killed: everything is harvested, and the next commands have nothing to do.
            assert_harvested_once(deployment, attempts)
    attempts.append(deployment.materialize(FIRST, LAST).succeed())
    assert_harvested_once(deployment, attempts)


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_snapshot_that_is_killed_in_its_phases_is_continued(deploy: Deploy) -> None:
    """The list of the whole source is the longest one, so it must not begin again after a kill."""
    deployment = deploy()
    source = deployment.folder / "sources" / "source.yaml"
    source.write_text(f"{source.read_text().rstrip()}\nselective: false\n")
    attempts = []
    for phase in (name for name in PHASES if "second window" not in name):
        attempt = deployment.materialize(FIRST, LAST, killed_at=PHASES[phase])
        assert attempt.wait() == -9, f"{phase}: {attempt.printed}"
        attempts.append(attempt)
    attempts.append(deployment.materialize(FIRST, LAST).succeed())
    assert_harvested_once(deployment, attempts)
    requests = deployment.source.requests
    assert not any({"from", "until"} & set(request.parameters) for request in requests)


def kill(deployment: Deployment, dice: random.Random, attempts: list[Command]) -> bool:
    """Start a command and kill it. Return False if it ended before."""
    if dice.random() < 0.5:
        attempts.append(deployment.materialize(FIRST, LAST, killed_at=Moment("", dice.randint(1, 250))))
    else:
        attempts.append(deployment.materialize(FIRST, LAST))
        attempts[-1].wait_until(lambda: attempts[-1].operations)
        time.sleep(dice.uniform(0, 1.5))
        attempts[-1].kill()
    return attempts[-1].wait() != 0


def assert_harvested_once(deployment: Deployment, attempts: Sequence[Command]) -> None:
    """Assert that each record is stored once, a kill costs at most one page, and no run waits or retries."""
    requests = lists(deployment.source.requests)
    assert len(requests) < PAGES + len(attempts), "\n".join(map(str, requests))
    with Database.open(deployment.database_url) as database:
        assert_complete(database, deployment.source)
    for attempt in attempts:
        assert not re.search("RESCHEDULED|UP_FOR_RETRY|Trying again", attempt.printed), attempt.printed
    assert kept_files(deployment, attempts[:-1]) == []
