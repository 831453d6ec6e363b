"""The benchmark of speed works: each of its candidates runs, and none is reported that has not stored all records."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS = ROOT / "benchmarks"


@pytest.mark.slow
def test_the_benchmark_runs_on_both_databases(tmp_path: Path) -> None:
    """A change of the tables, of an option or of an asset would otherwise break `make bench` without notice.

    The sizes are small, and no rate is compared.
    """
    sizes = {"--records": 3000, "--runs": 1, "--stored": 6000, "--memory-pages": 500}
    options = [str(word) for option in sizes.items() for word in option]
    sections = ["--sections", "rates", "stored", "memory", "--memory-records", "1000", "2000"]
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "bench.py", "--ours-only", "--output", tmp_path, *options, *sections],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    assert {one["database"] for one in results} == {"sqlite", "postgresql"}
    assert all(len(one["runs"]) == 1 and not one["failures"] for one in results)
    text = (tmp_path / "results.md").read_text()
    assert "FAILED" not in text
    assert "0 rows written" in text  # the second harvest, on PostgreSQL
    assert all(f"### {title}" in text for title in ("Environment", "Rates", "Ratios", "Stages", "Memory"))


def test_a_missing_record_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A candidate that loses a record would otherwise be faster than the others."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from common.source import repository
    from speed import checks

    names = [repository(3, 1).identifier(number) for number in range(3)]
    url = f"sqlite:///{tmp_path / 'stored.db'}"
    with sqlite3.connect(tmp_path / "stored.db") as connection:
        connection.execute("CREATE TABLE stored (identifier, datum)")
        connection.executemany("INSERT INTO stored VALUES (?, ?)", [(name, f"<{name}>") for name in names])
    query = "SELECT identifier, {position} > 0 FROM stored"
    assert checks.verify(url, query, 3) == checks.expected(3)[:12]
    with sqlite3.connect(tmp_path / "stored.db") as connection:
        connection.execute("UPDATE stored SET identifier = ? WHERE identifier = ?", (names[0], names[1]))
    with pytest.raises(checks.CheckFailed, match="stored 3 of 3 records, 1 without a datum"):
        checks.verify(url, query, 3)
    connection.close()


def test_a_failed_process_is_reported_with_its_last_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A candidate that ends early would otherwise count as a fast one."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from common import measuring

    command = [sys.executable, "-c", "print('the reason'); raise SystemExit(3)"]
    with pytest.raises(measuring.ProcessFailed, match=r"(?s)exit status 3.*the reason"):
        measuring.run(command, environment={}, folder=tmp_path, log=tmp_path / "log")


def test_the_processor_time_of_children_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The work of a process that a candidate starts would otherwise not be measured."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from common import measuring

    work = "import time; [None for _ in iter(lambda: time.process_time() < 0.3, False)]"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {work!r}], check=True)"
    cost = measuring.run([sys.executable, "-c", code], environment={}, folder=tmp_path, log=tmp_path / "log")
    assert cost.client >= 0.3
