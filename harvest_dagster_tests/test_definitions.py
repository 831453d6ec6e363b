"""The code location: Dagster's tools load it, and loading it needs no database and no network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "harvest_dagster"

# A program without sockets and databases.
BARE = """
import socket, sqlite3, sys
def refuse(*_, **__):
    raise AssertionError("the definitions opened a connection")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = sqlite3.connect = refuse
from harvest_dagster.definitions import defs
print(*sorted(key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A catalog of one good config and one bad one."""
    sources = tmp_path / "sources"
    sources.mkdir()
    (sources / "a.yaml").write_text(
        "label: demo\nharvester: oai\ntransformer: oai_dc\nharvester_kwargs: {base_url: 'http://127.0.0.1:1/oai'}\n"
        "---\nlabel: odd\nharvester: oia\n"
    )
    return tmp_path


def run(folder: Path, *command: str, cwd: Path | None = None, **environment: str) -> tuple[str, str]:
    """Run Python and return its standard output and standard error."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    # A measured process (COVERAGE=1) could not write its data without a database, and would complain.
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HARVEST_", "COVERAGE_"))}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=cwd or folder,
        env=kept
        | {
            "HARVEST_SOURCES": str(folder / "sources"),
            "HARVEST_DATABASE_URL": "postgresql://nowhere.invalid/harvest",
            "DAGSTER_HOME": str(home),
            # Dagster prints a long warning that `dg` supersedes its commands.
            "PYTHONWARNINGS": "default,ignore::FutureWarning",
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_importing_the_definitions_reads_only_yaml(folder: Path) -> None:
    """Dagster loads them a dozen times for a run, also on machines without access to the source or the database."""
    printed, errors = run(folder, "-c", BARE)
    assert printed.split() == ["raw/demo", "raw/odd", "transformed/demo"]
    assert {path.name for path in folder.iterdir()} == {"sources", "home"}
    (problem,) = errors.splitlines()
    assert problem.startswith(
        f"{folder / 'sources' / 'a.yaml'}:7: harvester: no harvester is registered as 'oia'"
    )


def test_dagsters_tools_load_the_definitions_without_our_warnings(folder: Path) -> None:
    """A warning that appears every time hides the important one."""
    printed, errors = run(folder, "-m", "dagster", "asset", "list", "-m", "harvest_dagster.definitions")
    assert printed.split() == ["raw/demo", "transformed/demo"]
    assert "Warning" not in errors


def test_a_checkout_without_installation_loads_through_workspace_yaml(folder: Path) -> None:
    """In a fresh clone, `dagster dev` finds the package and its plug-ins by the working directory."""
    checkout = folder / "checkout"
    shutil.copytree(PACKAGE, checkout / "harvest_dagster", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "workspace.yaml", checkout)
    # Other bundled sources show that the copy is loaded, not the installed package.
    bundled = checkout / "harvest_dagster" / "catalog" / "sources"
    shutil.rmtree(bundled)
    shutil.copytree(folder / "sources", bundled)
    command = ("-m", "dagster", "definitions", "validate", "-w", "workspace.yaml")
    printed, errors = run(folder, *command, cwd=checkout, HARVEST_SOURCES="bundled")
    assert "Validation successful for code location" in printed + errors
    assert f"{Path('harvest_dagster', 'catalog', 'sources', 'a.yaml')}:7: harvester" in printed + errors
    assert "Warning" not in errors
