"""Open the client of a source for a command, within the request budget of its host."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from harvest_dagster.catalog.loader import load_catalog
from harvest_dagster.cli.database import database_url
from harvest_dagster.cli.output import print_message
from harvest_dagster.diagnosis.connection import Connection, connect, find_source, open_budget

_SHORTEST_REPORTED = 5.0  # seconds


@contextmanager
def connected(target: str) -> Iterator[Connection]:
    """Open the client of the source with a label, or of the OAI-PMH repository at a URL.

    Raises:
        HarvestError: see `diagnosis.connection`.
    """
    catalog = load_catalog()
    source = find_source(target, catalog, os.environ)
    with open_budget(database_url(), catalog, os.environ) as (budget, note):
        if note:
            print_message(f"warning: {note}")
        with connect(source, budget, _report_wait) as connection:
            yield connection


def _report_wait(seconds: float, reason: str) -> None:
    if seconds >= _SHORTEST_REPORTED:
        print_message(f"waiting {seconds:.0f} s: {reason}")
