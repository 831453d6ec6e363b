"""Show `follow.py` end to end, with a simulated repository on this machine: harvest, apply, compare; then again.

    python run.py

Between the two harvests, the repository gets new records, changes one and deletes one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path

import duckdb
from follow import follow

from harvest_dagster import data
from harvest_dagster.testing.simulator import Repository, Server

LABEL = "followed"
REPOSITORY = Repository(first_day=date(2024, 3, 1), days=2, records_per_day=50, deleted=0.1)
SOURCE = """
label: followed
harvester: oai
harvester_kwargs: {{base_url: "{url}", metadata_prefix: oai_dc}}
transformer: oai_dc
rate_limit: {{calls: 100, period: 1}}
earliest_date: 2024-03-01
"""


def main() -> None:
    """Harvest and follow two days. Exit with an error if the table differs from the view."""
    with tempfile.TemporaryDirectory() as name, Server(REPOSITORY) as server:
        folder = Path(name)
        (folder / "sources").mkdir()
        (folder / "sources" / "followed.yaml").write_text(SOURCE.format(url=server.url))
        os.environ["DAGSTER_HOME"] = name
        os.environ["HARVEST_SOURCES"] = str(folder / "sources")
        for variable in ("HARVEST_DATABASE_URL", "HARVEST_SPOOL"):
            os.environ.pop(variable, None)
        (folder / "dagster.yaml").touch()
        with duckdb.connect(str(folder / "documents.duckdb")) as index:
            harvest("2024-03-01")
            report(index, "the first day")
            live = [row.identifier for row in data.documents(LABEL) if not row.deleted]
            later = REPOSITORY.midnight + timedelta(days=1, hours=12)
            server.edits.change(live[0], "A new title", at=later)
            server.edits.delete(live[1], at=later)
            harvest("2024-03-02")
            report(index, "the second day")


def harvest(day: str) -> None:
    """Harvest and transform a day, as a schedule would."""
    command = [sys.executable, "-m", "dagster", "asset", "materialize", "-m", "harvest_dagster.definitions"]
    selected = ["--select", f"raw/{LABEL},transformed/{LABEL}", "--partition", day]
    done = subprocess.run([*command, *selected], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        sys.exit(done.stderr)


def report(index: duckdb.DuckDBPyConnection, moment: str) -> None:
    """Apply the changes, compare the table with the view, and print the result."""
    changes = follow(index, LABEL)
    ours = dict(index.execute("SELECT identifier, document.title FROM documents").fetchall())
    theirs = {row.identifier: row.document["title"] for row in data.documents(LABEL) if row.document}
    deleted = sum(row.deleted for row in data.documents(LABEL))
    print(
        f"After {moment}: {changes} changes applied, {len(ours)} documents in the table, {deleted} deleted."
    )
    if ours != theirs:
        sys.exit("The table differs from the view.")


if __name__ == "__main__":
    main()
    print("The table is equal to the view.")
