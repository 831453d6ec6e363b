"""The example `examples/follow` runs as its README says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "examples" / "follow"


@pytest.mark.slow
def test_a_table_follows_a_source_through_changes_and_deletions(tmp_path: Path) -> None:
    """Users copy the example. If it loses a change or a deletion, their index does, too."""
    done = subprocess.run(
        [sys.executable, str(FOLDER / "run.py")], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    *days, end = done.stdout.splitlines()
    (_, first, first_deleted), (changes, second, second_deleted) = (
        tuple(map(int, re.findall(r"(\d+) (?:changes|documents|deleted)", day))) for day in days
    )
    assert first + first_deleted == 50
    assert second + second_deleted == 100
    assert changes >= 52  # 50 new ones, a changed one and a deleted one
    assert end == "The table is equal to the view."
