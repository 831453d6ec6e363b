"""What a request costs in the budget that all processes share, and how much of the budget is used.

    python benchmarks/budget.py [URL …] [--requests 2000] [--seconds 20]

Without a URL: a SQLite file in a temporary folder, and a PostgreSQL server of our own with its default
durability. First reservations in one process, then in ten at once on ten hosts; then ten processes that harvest
one host as fast as its limit lets them, by the times of arrival at a server on loopback.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from contextlib import ExitStack
from multiprocessing.pool import Pool
from statistics import median, quantiles

from store import new_databases

from harvest_dagster.http.session import HttpSession
from harvest_dagster.limits import Limit
from harvest_dagster.simulator import Repository, Server
from harvest_dagster.storage.budgets import DatabaseBudget
from harvest_dagster.storage.engine import Database

PLENTY = Limit(1_000_000, 1.0)
TIGHT = Limit(40, 4.0)
PROCESSES = 10


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("urls", nargs="*", help="databases to use; none: a new one of each kind")
    parser.add_argument("--requests", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=20.0)
    arguments = parser.parse_args()
    with ExitStack() as stack:
        pool = stack.enter_context(multiprocessing.get_context("spawn").Pool(PROCESSES))
        for url in arguments.urls or new_databases(stack):
            with Database.open(url) as database:
                name = database.dialect
            _print_cost(f"{name:10}  1 process ", reserve(url, "one.example", arguments.requests))
            _print_cost(f"{name:10} 10 processes", _reserve_at_once(pool, url, arguments.requests))
            _print_use(f"{name:10} 10 processes", _arrivals(pool, url, arguments.seconds))


def reserve(url: str, host: str, requests: int) -> list[float]:
    """How many seconds each of so many reservations took."""
    taken = []
    with Database.open(url) as database:
        budget = DatabaseBudget(database)
        budget.reserve(host, PLENTY)
        for _ in range(requests):
            began = time.perf_counter()
            budget.wait(host, PLENTY)
            budget.reserve(host, PLENTY)
            taken.append(time.perf_counter() - began)
    return taken


def harvest(url: str, source: str, seconds: float) -> None:
    """Requests without a pause, for so long."""
    end = time.monotonic() + seconds
    with Database.open(url) as database, HttpSession(TIGHT, budget=DatabaseBudget(database)) as session:
        while time.monotonic() < end:
            session.get(source)


def _reserve_at_once(pool: Pool, url: str, requests: int) -> list[float]:
    orders = [(url, f"host{number}.example", requests // PROCESSES) for number in range(PROCESSES)]
    return [seconds for taken in pool.starmap(reserve, orders, 1) for seconds in taken]


def _arrivals(pool: Pool, url: str, seconds: float) -> list[float]:
    with Server(Repository(days=1, records_per_day=1)) as server:
        pool.starmap(harvest, [(url, f"{server.url}?verb=Identify", seconds)] * PROCESSES, 1)
    return [request.monotonic for request in server.requests]


def _print_cost(name: str, taken: list[float]) -> None:
    steps = quantiles(taken, n=100)
    figures = f"median {median(taken) * 1e3:5.2f} ms, 95 % within {steps[94] * 1e3:6.2f} ms"
    print(f"{name} on hosts of their own: {figures}", flush=True)


def _print_use(name: str, arrivals: list[float]) -> None:
    rounds = (len(arrivals) - 1) // TIGHT.calls
    used = rounds * TIGHT.period / (arrivals[rounds * TIGHT.calls] - arrivals[0])
    most = max(sum(0 <= other - start < TIGHT.period for other in arrivals) for start in arrivals)
    print(f"{name} on one host, {TIGHT}: {used:.1%} used, never more than {most} in {TIGHT.period:g} s")


if __name__ == "__main__":
    main()
