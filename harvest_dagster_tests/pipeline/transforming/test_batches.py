"""Large transforms use two processes: on both databases."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from harvest_dagster import plugins
from harvest_dagster.errors import DatabaseUnreachable, TransformError
from harvest_dagster.pipeline.context import RunOutcome
from harvest_dagster.pipeline.transform import TransformOutcome, transform
from harvest_dagster.pipeline.transforming import batches
from harvest_dagster.records import Record
from harvest_dagster.storage.tables import ingest_log, normalized_datum
from harvest_dagster.transformers.interface import Transformer
from harvest_dagster_tests.pipeline.test_transform import DAY, context
from harvest_dagster_tests.pipeline.world import WINDOW, World

NUMBER = 11


class ProcessTransformer(Transformer):
    """Writes into the document which process has made it. A datum can end its process once: while a file exists."""

    def transform(self, identifier: str, datum: str) -> Any:  # noqa: ARG002
        if datum.startswith("bad"):
            raise TransformError(f"{datum} has no title")
        if datum.startswith("die:") and Path(datum[4:]).exists():
            Path(datum[4:]).unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return SimpleNamespace(
            title=datum,
            provenance=SimpleNamespace(transformer=None),
            to_json=lambda: json.dumps({"datum": datum, "process": os.getpid()}),
        )


@pytest.fixture(autouse=True)
def small_batches(fake_harvester: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Register the transformer, and claim one datum at a time."""
    path = f"{__name__}:{ProcessTransformer.__name__}"
    plugins.register(plugins.TRANSFORMERS, "fake", path)
    monkeypatch.setattr("harvest_dagster.pipeline.transform.BATCH", 1)
    monkeypatch.setattr(batches.os, "cpu_count", lambda: 2)


def harvest(world: World, *contents: str) -> None:
    world.change(transformer="fake")
    world.source.items = [
        Record(f"x{number:02}", WINDOW.start, False, blob) for number, blob in enumerate(contents)
    ]
    world.run("run 1")


def processes(world: World) -> list[int]:
    return [document["process"] for (document,) in world.rows(normalized_datum, "document")]


def test_the_later_batches_are_transformed_in_another_process(world: World) -> None:
    """The results of two processes are put together in the order of the batches. None may be lost or mixed up."""
    contents = [f"bad {number}" if number % 4 == 0 else f"good {number}" for number in range(NUMBER)]
    harvest(world, *contents)
    found = transform(context(world))[DAY]
    assert (found.transformed, found.failed) == (8, 3)
    assert found.errors == tuple(f"x{number:02}: bad {number} has no title" for number in (0, 4, 8))
    assert [document["datum"] for (document,) in world.rows(normalized_datum, "document")] == [
        content for content in contents if content.startswith("good")
    ]
    assert [pid == os.getpid() for pid in processes(world)] == [True] * 2 + [False] * 6


def test_one_core_has_no_other_process(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes would only take turns there."""
    monkeypatch.setattr(batches.os, "cpu_count", lambda: 1)
    harvest(world, *map(str, range(NUMBER)))
    assert transform(context(world)) == {DAY: TransformOutcome(transformed=NUMBER)}
    assert set(processes(world)) == {os.getpid()}


def test_an_error_of_the_run_ends_the_other_process(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the database cannot be reached, an op waits and is retried. Each retry would leave a process behind."""
    harvest(world, *map(str, range(NUMBER)))
    children = set(psutil.Process().children())
    saved: list[set[psutil.Process]] = []

    def save(*_: object) -> None:
        saved.append(set(psutil.Process().children()) - children)
        if len(saved) == batches.ALONE + 2:
            raise DatabaseUnreachable("gone")

    monkeypatch.setattr("harvest_dagster.pipeline.transform._save", save)
    with pytest.raises(DatabaseUnreachable) as kept:  # with its traceback
        transform(context(world))
    assert saved[-1]
    assert set(psutil.Process().children()) <= children, kept


def test_the_next_run_transforms_what_a_killed_process_had(world: World, tmp_path: Path) -> None:
    """The batches that were under way would stay claimed forever (docs/failures.md#running-forever)."""
    mark = tmp_path / "mark"
    mark.touch()
    harvest(world, *(f"die:{mark}" if number == 6 else f"{number}" for number in range(NUMBER)))
    with pytest.raises(TransformError, match="has ended with the status -9"):
        transform(context(world, "dead"))
    statuses = [status for (status,) in world.rows(ingest_log, "status")]
    assert statuses == ["SUCCEEDED"] * 6 + ["STARTED"] * 2 + ["PENDING"] * (NUMBER - 8)
    world.outcomes["dead"] = RunOutcome("FAILED", "its process was killed")
    assert transform(context(world, "the next")) == {DAY: TransformOutcome(transformed=NUMBER - 6)}
    assert world.rows(ingest_log, "status") == [("SUCCEEDED",)] * NUMBER
