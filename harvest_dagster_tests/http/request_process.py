"""Requests of one session in a process of its own, as a run makes them."""

from __future__ import annotations

from harvest_dagster.http.session import HttpSession
from harvest_dagster.rate_limits import Limit
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.rate_limit.database_budget import DatabaseBudget


def send_requests(url: str, database_url: str, limit: Limit, times: int) -> None:
    """Send this number of requests, each as soon as the budget in the database allows it."""
    with (
        Database.open(database_url) as database,
        HttpSession(limit, budget=DatabaseBudget(database)) as session,
    ):
        for _ in range(times):
            session.get(url)
