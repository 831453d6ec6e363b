"""The import of the code location reads YAML and does nothing else. Dagster imports it a dozen times for a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import harvest_dagster

# An audit hook also sees sockets, SQLite and files that C code opens. A patch would not.
PROBE = """
import json, os, sys

refused, looked_up = [], set()
sys.dont_write_bytecode = True
ACTS = ("socket.", "sqlite3.", "subprocess.", "os.system", "os.fork", "os.posix_spawn", "http.", "urllib.")
CHANGES = {"os.mkdir", "os.remove", "os.rename", "os.rmdir", "shutil.rmtree"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT

def watch(event, arguments):
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING
    acts = event.startswith(ACTS) and event not in {"socket.__new__", "socket.gethostname"}
    if acts or event in CHANGES or writes and arguments[0] != os.devnull:
        refused.append([event, repr(arguments)])
        raise OSError(f"refused: {event} {arguments!r}")

import dagster  # imported before the checks: what its import does is not tested

look_up = type(os.environ).__getitem__

def spying(environ, name):
    caller = sys._getframe(1)
    while caller.f_globals.get("__name__") in {"os", "_collections_abc", "collections.abc"}:
        caller = caller.f_back
    looked_up.add((caller.f_globals.get("__name__", ""), name))
    return look_up(environ, name)

type(os.environ).__getitem__ = spying
sys.addaudithook(watch)
from harvest_dagster.definitions import defs
labels = sorted("/".join(key.path) for key in defs.resolve_all_asset_keys())
found = {"refused": refused, "looked_up": sorted(looked_up), "modules": sorted(sys.modules), "assets": labels}
print(json.dumps(found))
"""

SOURCE = """\
label: somewhere
harvester: oai
harvester_kwargs: {base_url: "http://127.0.0.1:9/oai?key=${NOT_SET}"}
transformer: oai_dc
earliest_date: 2024-01-01
"""


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Import the definitions in another process with a minimal environment. Return what the import did."""
    folder = tmp_path_factory.mktemp("bare")
    sources = folder / "sources"
    sources.mkdir()
    sources.joinpath("somewhere.yaml").write_text(SOURCE)
    bare = {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": str(Path(harvest_dagster.__file__).parents[1]),
        "HOME": str(folder),
        "HARVEST_SOURCES": str(sources),
        "HARVEST_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/nowhere",
        "HARVEST_SPOOL": str(folder / "no" / "spool"),
        "DAGSTER_HOME": str(folder / "no" / "home"),
    }
    command = [sys.executable, "-W", "ignore", "-c", PROBE]
    done = subprocess.run(
        command, env=bare, cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return {**json.loads(done.stdout), "files": sorted(path.name for path in folder.iterdir())}


def test_importing_the_definitions_only_reads_yaml(imported) -> None:
    """The code location must load although the database or the network is down.

    During its import, urllib3 binds a socket to ::1 to find out whether IPv6 is available. This sends nothing over the
    network, so the test allows it.
    """
    assert [event for event in imported["refused"] if event[0] != "socket.bind"] == []
    assert imported["assets"] == ["raw/somewhere", "transformed/somewhere"]
    assert imported["files"] == ["sources"]


def test_importing_the_definitions_reads_two_variables(imported) -> None:
    """A run reads secrets and the URL of the database when it needs them, in its own environment.

    Which sources there are, and whether a problem in one of them is an error, concerns the import itself.

    fsspec reads all variables to find its own, so the test counts only what modules of this package read.
    """
    ours = {name for module, name in imported["looked_up"] if module.startswith("harvest_dagster")}
    assert ours == {"HARVEST_SOURCES", "HARVEST_STRICT"}


def test_importing_the_definitions_loads_no_driver_and_no_migration(imported) -> None:
    """Dagster imports the module a dozen times for a run, so the import must not load what only a run needs."""
    modules = set(imported["modules"])
    assert modules & {"alembic", "psycopg", "psycopg2", "s3fs", "boto3", "numpy", "pandas"} == set()
    assert not any(name.startswith("harvest_dagster.testing.simulator") for name in modules)
