"""Materialize the asset of the simulator with harvest_dagster, and print the identifiers of the stored records.

`python run_harvest_dagster.py URL`. It uses `dagster asset materialize`, as the README does, with a new SQLite
database. The rate limit is far above what the simulator serves, because the other tools have none.
"""

import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

OAI = {"metadata_prefix": "oai_dc"}
JSON = {
    "params": {"from": "{from}", "until": "{until}"},
    "granularity": "second",
    "records": "records",
    "identifier": "id",
    "datestamp": "updated",
    "deleted": {"path": "deleted"},
    "total": "total",
    "next": {"by": "cursor", "path": "next", "param": "cursor"},
}
url = sys.argv[1]
is_oai = url.endswith("/oai")
source = {
    "label": "simulator",
    "harvester": "oai" if is_oai else "rest",
    "harvester_kwargs": {"base_url": url, **(OAI if is_oai else JSON)},
    "rate_limit": {"calls": 1000, "period": 1},
    "earliest_date": "2024-03-01",
}
with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    (folder / "sources").mkdir()
    (folder / "sources" / "simulator.yaml").write_text(yaml.safe_dump(source), encoding="utf-8")
    command = (
        "-m dagster asset materialize -m harvest_dagster.definitions --select raw/simulator --partition-range"
    )
    done = subprocess.run(
        [sys.executable, *command.split(), "2024-03-01...2024-03-02"],
        env={**os.environ, "DAGSTER_HOME": name, "HARVEST_SOURCES": str(folder / "sources")},
        stdout=sys.stderr,
        check=False,
    )
    database = folder / "harvest.db"
    if database.exists():
        rows = sqlite3.connect(database).execute("SELECT DISTINCT identifier FROM source_unique_identifier")
        print("\n".join(identifier for (identifier,) in rows))
    sys.exit(done.returncode)
