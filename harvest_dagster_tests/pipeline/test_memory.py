"""Memory is a matter of one page, never of how many there are (Lesson 27)."""

from __future__ import annotations

import gc
import re
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from harvest_dagster.pipeline import fetch, finish, launch, lock, split, store
from harvest_dagster.pipeline.source import open_source
from harvest_dagster.windows import Window, whole_day
from harvest_dagster_tests.pipeline.world import World

ROOT = Path(__file__).resolve().parents[2]
FIRST_DAY = date(2024, 3, 1)
PAGES_A_DAY, RECORDS_A_PAGE = 10, 25


@pytest.fixture(scope="module")
def source_url() -> Iterator[str]:
    """A repository of ten days, in a process of its own, whose memory is not measured."""
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
    """Away with garbage."""
    gc.collect()


def traced(step: Callable[[Callable[[], None]], object]) -> int:
    """The most that Python holds at once while the step is at work, in bytes.

    Garbage is collected after each page, and only that of the step is looked at: what merely waits for the
    collector grows with its mood.
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
    """Harvest so many days as one window; the peak of each step."""
    window = Window(whole_day(FIRST_DAY).start, whole_day(FIRST_DAY + timedelta(days=days - 1)).end)
    harvest = world.harvest(f"run of {days}")
    with lock.holding(harvest) as grip:
        log = fetch.begin(harvest, window, grip, parent_id=None, limit=None)
        with open_source(harvest, grip, log) as source:
            steps: dict[str, Callable[[Callable[[], None]], object]] = {
                "fetch": lambda check: fetch.fetch(harvest, source.harvester, log, grip, check),
                "split": lambda check: split.split(harvest, source.harvester, log, check),
                "store": lambda check: store.store(harvest, log, grip, check),
                "launch": lambda check: launch.launch(harvest, log, grip, check),
            }
            reached = {name: traced(step) for name, step in steps.items()}
        finish.finish_window(harvest, world.log(log.id), grip)
        lock.release(harvest, grip)
    counts = world.log(log.id).counts
    assert (counts.pages, counts.records) == (
        days * PAGES_A_DAY,
        days * PAGES_A_DAY * RECORDS_A_PAGE,
    )
    return reached


def test_ten_times_the_pages_take_the_same_memory_in_every_step(small_world: World, source_url: str) -> None:
    """Lesson 27: 200 MB of source became 6 GB elsewhere. Here a list of pages, records or keys would show."""
    small_world.change(
        harvester="oai",
        harvester_kwargs={"base_url": source_url},
        rate_limit={"calls": 100_000, "period": 1},
    )
    few, many = peaks(small_world, 1), peaks(small_world, 10)
    # The 90 pages more are 4.5 MB of records; what a step needs once, and the caches of libraries, are far below.
    assert {step: many[step] - few[step] for step in few if many[step] > few[step] + 600_000} == {}


@pytest.mark.slow
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_partition_of_200_000_records_peaks_within_1_3_times_one_of_20_000(database: str) -> None:
    """The figure that is promised: whole processes of Dagster, measured by the operating system."""
    benchmark = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "harvest.py", "--databases", database],
        check=True,
        capture_output=True,
        text=True,
    )
    ratio = re.search(r"the peak of 200,000 records is ([0-9.]+) times that of 20,000", benchmark.stdout)
    assert ratio is not None, benchmark.stdout
    assert float(ratio[1]) <= 1.3, benchmark.stdout
