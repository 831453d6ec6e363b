"""Memory depends on the size of one page, not on the number of pages (docs/failures.md#memory-grows)."""

from __future__ import annotations

import gc
import re
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from harvest_dagster.pipeline import lease_guard
from harvest_dagster.pipeline.run_window import WindowRun
from harvest_dagster.windows import Window, whole_day
from harvest_dagster_tests.pipeline.world import World

ROOT = Path(__file__).resolve().parents[2]
FIRST_DAY = date(2024, 3, 1)
PAGES_A_DAY, RECORDS_A_PAGE = 10, 25


@pytest.fixture(scope="module")
def source_url() -> Iterator[str]:
    """A repository of ten days in its own process, whose memory is not measured."""
    options = {
        "--first-day": FIRST_DAY,
        "--days": 10,
        "--records-per-day": PAGES_A_DAY * RECORDS_A_PAGE,
        "--page-size": RECORDS_A_PAGE,
        "--record-bytes": 2000,
    }
    words = [str(word) for option in options.items() for word in option]
    command = [sys.executable, "-m", "harvest_dagster.simulator", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def collect() -> None:
    """Collect garbage after a page."""
    gc.collect()


def traced(step: Callable[[Callable[[], None]], object]) -> int:
    """Return the peak of Python's memory during the step, in bytes.

    Garbage is collected after each page, and only objects of the step count. Otherwise the peak would include garbage
    that the collector has not reached yet.
    """
    gc.collect()
    gc.freeze()
    tracemalloc.start()
    try:
        step(collect)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        gc.unfreeze()


def peaks(world: World, days: int) -> dict[str, int]:
    """Harvest so many days as one window. Return the peak of each step."""
    window = Window(whole_day(FIRST_DAY).start, whole_day(FIRST_DAY + timedelta(days=days - 1)).end)
    harvest = world.harvest(f"run of {days}")
    with lease_guard.hold_lease(harvest) as lease:
        run = WindowRun(harvest, lease)
        log = run.begin(window)
        assert log is not None
        peak_of = {
            "fetch": traced(lambda keep_going: replace(run, keep_going=keep_going).fetch(log)),
            "split": traced(lambda keep_going: replace(run, keep_going=keep_going).split(log)),
            "store": traced(lambda keep_going: replace(run, keep_going=keep_going).store(log)),
            "launch": traced(lambda keep_going: replace(run, keep_going=keep_going).launch(log)),
        }
        run.finish(world.log(log.id))
        lease_guard.release(harvest, lease)
    counts = world.log(log.id).counts
    assert counts.records == days * PAGES_A_DAY * RECORDS_A_PAGE
    # A record of the midnight at the end of the window comes with its list, on a page of its own.
    assert counts.pages - days * PAGES_A_DAY in (0, 1)
    return peak_of


@pytest.mark.slow
def test_ten_times_as_many_pages_need_the_same_memory_in_each_step(
    small_world: World, source_url: str
) -> None:
    """Elsewhere, 200 MB of records needed 6 GB. A list of all pages, records or keys would show here."""
    small_world.change(
        harvester="oai",
        harvester_kwargs={"base_url": source_url},
        rate_limit={"calls": 100_000, "period": 1},
    )
    few, many = peaks(small_world, 1), peaks(small_world, 10)
    # The other 90 pages contain 4.5 MB of records. What a step needs once, and the caches of libraries, is far less.
    assert {step: many[step] - few[step] for step in few if many[step] > few[step] + 600_000} == {}


@pytest.mark.slow
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_partition_of_200_000_records_peaks_within_1_3_times_one_of_20_000(database: str) -> None:
    """The number that the README promises, for whole processes of Dagster, measured by the operating system."""
    benchmark = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "harvest.py", "--databases", database],
        check=True,
        capture_output=True,
        text=True,
    )
    ratio = re.search(r"the peak of 200,000 records is ([0-9.]+) times that of 20,000", benchmark.stdout)
    assert ratio is not None, benchmark.stdout
    assert float(ratio[1]) <= 1.3, benchmark.stdout
