"""Measure the cost of a request in the shared request budget, and how much of the budget is used.

    python benchmarks/budget.py [URL …] [--requests 2000] [--seconds 20]

Without a URL, the databases are a SQLite file in a temporary folder and a new PostgreSQL server with default
durability. The benchmark measures reservations in one process, then in ten processes on ten hosts. Then ten
processes send requests to one host as fast as its limit allows, and the times of arrival at a local server are
evaluated.
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
from harvest_dagster.rate_limits import Limit
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.rate_limit.database_budget import DatabaseBudget
from harvest_dagster.testing.simulator import Repository, Server

PLENTY = Limit(1_000_000, 1.0)
TIGHT = Limit(40, 4.0)
PROCESSES = 10


def main() -> None:
    """Parse the arguments, measure, and print the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("urls", nargs="*", help="databases to use; by default a new one of each kind")
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
    """Return the seconds that each reservation took."""
    durations = []
    with Database.open(url) as database:
        budget = DatabaseBudget(database)
        budget.reserve(host, PLENTY)
        for _ in range(requests):
            start = time.perf_counter()
            budget.seconds_to_wait(host, PLENTY)
            budget.reserve(host, PLENTY)
            durations.append(time.perf_counter() - start)
    return durations


def harvest(url: str, source: str, seconds: float) -> None:
    """Send requests without a pause for some seconds."""
    end = time.monotonic() + seconds
    with Database.open(url) as database, HttpSession(TIGHT, budget=DatabaseBudget(database)) as session:
        while time.monotonic() < end:
            session.get(source)


def _reserve_at_once(pool: Pool, url: str, requests: int) -> list[float]:
    arguments = [(url, f"host{number}.example", requests // PROCESSES) for number in range(PROCESSES)]
    return [seconds for durations in pool.starmap(reserve, arguments, 1) for seconds in durations]


def _arrivals(pool: Pool, url: str, seconds: float) -> list[float]:
    with Server(Repository(days=1, records_per_day=1)) as server:
        pool.starmap(harvest, [(url, f"{server.url}?verb=Identify", seconds)] * PROCESSES, 1)
    return [request.monotonic for request in server.requests]


def _print_cost(name: str, durations: list[float]) -> None:
    percentiles = quantiles(durations, n=100)
    figures = f"median {median(durations) * 1e3:5.2f} ms, 95 % within {percentiles[94] * 1e3:6.2f} ms"
    print(f"{name} on separate hosts: {figures}", flush=True)


def _print_use(name: str, arrivals: list[float]) -> None:
    rounds = (len(arrivals) - 1) // TIGHT.calls
    used = rounds * TIGHT.period / (arrivals[rounds * TIGHT.calls] - arrivals[0])
    most = max(sum(0 <= other - start < TIGHT.period for other in arrivals) for start in arrivals)
    print(f"{name} on one host, {TIGHT}: {used:.1%} used, at most {most} in {TIGHT.period:g} s")


if __name__ == "__main__":
    main()
