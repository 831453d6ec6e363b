"""deploy/systemd: systemd itself reads the units. `test_settings` compares them with the other files."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harvest_dagster_tests.deploy.files import DEPLOY

PROGRAM = shutil.which("systemd-analyze")


def verify(folder: Path, change: tuple[str, str] = ("", "")) -> str:
    """Return what `systemd-analyze verify` says about the units, with the programs of this environment."""
    for unit in (DEPLOY / "systemd").glob("*.service"):
        text = unit.read_text().replace("/srv/harvest_dagster/.venv/bin", str(Path(sys.executable).parent))
        (folder / unit.name).write_text(text.replace(*change))
    units = sorted(folder.glob("*.service"))
    assert len(units) == 3
    assert PROGRAM is not None
    done = subprocess.run(
        [PROGRAM, "verify", "--man=no", *units], capture_output=True, text=True, check=False
    )
    return done.stderr


@pytest.mark.skipif(PROGRAM is None, reason="systemd is not installed")
def test_systemd_has_no_complaint_about_the_units(tmp_path: Path) -> None:
    """systemd ignores a misspelt key, and the service runs without what it should set."""
    assert verify(tmp_path) == ""
    assert "Unknown key" in verify(tmp_path, ("Restart=", "Restrat="))
