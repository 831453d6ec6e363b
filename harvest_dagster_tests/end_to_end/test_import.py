"""Importing the code location, which Dagster does a dozen times for a run, reads YAML and does nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import harvest_dagster

# An audit hook sees what no patch does: sockets, SQLite and files opened from C, too.
PROBE = """
import json, os, sys

refused, asked = [], set()
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

import dagster  # its own import is its own business

look_up = type(os.environ).__getitem__

def spying(environ, name):
    asking = sys._getframe(1)
    while asking.f_globals.get("__name__") in {"os", "_collections_abc", "collections.abc"}:
        asking = asking.f_back
    asked.add((asking.f_globals.get("__name__", ""), name))
    return look_up(environ, name)

type(os.environ).__getitem__ = spying
sys.addaudithook(watch)
from harvest_dagster.definitions import defs
labels = sorted("/".join(key.path) for key in defs.resolve_all_asset_keys())
print(json.dumps({"refused": refused, "asked": sorted(asked), "modules": sorted(sys.modules), "assets": labels}))
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
    """What an import did, in a bare process in a folder of its own."""
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
    return {**json.loads(done.stdout), "left": sorted(path.name for path in folder.iterdir())}


def test_importing_the_definitions_reads_yaml_and_does_nothing_else(imported) -> None:
    """A database or a network that is down must not take the code location with it.

    urllib3 tries while it is imported whether a socket binds to ::1, to know whether there is IPv6, and takes
    a refusal for a no; that leaves the machine nowhere.
    """
    assert [found for found in imported["refused"] if found[0] != "socket.bind"] == []
    assert imported["assets"] == ["raw/somewhere", "transformed/somewhere"]
    assert imported["left"] == ["sources"]


def test_importing_the_definitions_reads_one_variable(imported) -> None:
    """Secrets and the database's URL are read when a run needs them, where it runs.

    fsspec goes through the whole environment for names of its own, so that who asks counts.
    """
    ours = {name for module, name in imported["asked"] if module.startswith("harvest_dagster")}
    assert ours == {"HARVEST_SOURCES"}


def test_importing_the_definitions_loads_no_driver_and_no_migration(imported) -> None:
    """The module is imported a dozen times for a run (DAGSTER.md): what only a run needs waits for the run."""
    modules = set(imported["modules"])
    assert modules & {"alembic", "psycopg", "psycopg2", "s3fs", "boto3", "numpy", "pandas"} == set()
    assert not any(name.startswith("harvest_dagster.simulator") for name in modules)
