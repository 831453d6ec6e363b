"""What runs in a process of its own: a session of one harvest, as a run would have it."""

from __future__ import annotations

from harvest_dagster.http.session import HttpSession
from harvest_dagster.limits import Limit
from harvest_dagster.storage.budgets import DatabaseBudget
from harvest_dagster.storage.engine import Database


def ask(url: str, database_url: str, limit: Limit, times: int) -> None:
    """So many requests, as soon as the database's budget lets them leave."""
    with (
        Database.open(database_url) as database,
        HttpSession(limit, budget=DatabaseBudget(database)) as session,
    ):
        for _ in range(times):
            session.get(url)
