"""Every datum that waits becomes a document, whatever becomes of the others: on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest

from harvest_dagster import plugins
from harvest_dagster.errors import TransformError
from harvest_dagster.pipeline import transform as transforming
from harvest_dagster.pipeline.harvest import Fate
from harvest_dagster.pipeline.transform import Outcome, Transformation, transform
from harvest_dagster.records import Record
from harvest_dagster.storage.engine import Database
from harvest_dagster.storage.tables import ingest_log, normalized_datum
from harvest_dagster.transformers.interface import Transformer
from harvest_dagster_tests.pipeline.world import WINDOW, World

DAY = date(2024, 4, 30)


class FakeTransformer(Transformer):
    """The datum is the title; some data are bad, and one is worse."""

    def transform(self, identifier: str, datum: str) -> Any:  # noqa: ARG002
        if datum.startswith("bad"):
            raise TransformError("it has no title. The source has to mend it.")
        if datum.startswith("bug"):
            raise ZeroDivisionError("nobody thought of that")
        if datum.startswith("kill"):
            raise KeyboardInterrupt
        return SimpleNamespace(as_dict=lambda: {"title": datum})


@pytest.fixture(autouse=True)
def fake_transformer(fake_harvester: None, monkeypatch: pytest.MonkeyPatch) -> None:
    place = "harvest_dagster_tests.pipeline.test_transform:FakeTransformer"
    monkeypatch.setitem(plugins._OURS[plugins.TRANSFORMERS], "fake", place)
    plugins.reload()


def transformation(world: World, run: str = "transform 1", *, superfluous: bool = False) -> Transformation:
    harvest = world.harvest(run)
    return Transformation(
        config=world.config,
        config_id=harvest.config_id,
        days=(DAY, DAY),
        superfluous=superfluous,
        database=world.database,
        runner=harvest.runner,
        environ={},
        clock=world.clock,
    )


def harvest(world: World, run: str, *contents: str, deleted: bool = False) -> None:
    world.change(transformer="fake")
    world.source.items = [
        Record(f"x{number}", WINDOW.start, deleted, blob) for number, blob in enumerate(contents)
    ]
    world.run(run, superfluous=True)


def outcome(world: World, run: str = "transform 1", **options: bool) -> Outcome:
    return sum(transform(transformation(world, run, **options)).values(), Outcome())


def documents(world: World) -> list[tuple[Any, ...]]:
    return world.rows(normalized_datum, "document", "deleted")


def statuses(world: World) -> list[str]:
    return [status for (status,) in world.rows(ingest_log, "status")]


@pytest.mark.parametrize("batch", [1, 2, 1000])
def test_everything_that_waits_is_transformed_in_batches(
    world: World, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that is not full is no end, and a second run finds nothing to do."""
    monkeypatch.setattr(transforming, "BATCH", batch)
    harvest(world, "run 1", "A", "B", "C")
    assert transform(transformation(world)) == {DAY: Outcome(transformed=3)}
    assert documents(world) == [({"title": title}, False) for title in "ABC"]
    assert transform(transformation(world, "transform 2")) == {}


def test_a_datum_that_cannot_be_transformed_fails_alone_with_its_error(world: World) -> None:
    """Lesson 10, of transformers; a plug-in's bug with one datum holds up no other."""
    harvest(world, "run 1", "A", "bad", "bug", "D")
    found = outcome(world)
    assert (found.transformed, found.failed) == (2, 2)
    assert found.errors == (
        "x1: it has no title. The source has to mend it.",
        "x2: ZeroDivisionError: nobody thought of that",
    )
    assert statuses(world) == ["SUCCEEDED", "FAILED", "FAILED", "SUCCEEDED"]
    assert len(documents(world)) == 2


def test_deleted_records_become_deletions(world: World) -> None:
    """Lesson 30 the other way: what the source deleted goes, and nothing else."""
    harvest(world, "run 1", "A", "B")
    outcome(world)
    harvest(world, "run 2", "A is deleted", deleted=True)
    assert outcome(world, "transform 2") == Outcome(deleted=1)
    assert documents(world) == [(None, True), ({"title": "B"}, False)]


def test_older_content_never_replaces_newer(world: World) -> None:
    """Lesson 3: a slow run, or a claim in the wrong order, would put the index back."""
    for number, content in enumerate("ABA"):
        harvest(world, f"run {number}", content)
    outcome(world)
    assert documents(world) == [({"title": "A"}, False)]
    harvest(world, "run 3", "B")
    assert outcome(world, "transform 2") == Outcome(transformed=1)
    assert documents(world) == [({"title": "B"}, False)]


def test_what_a_killed_run_had_claimed_is_transformed_by_the_next(world: World) -> None:
    """Lesson 13: left STARTED for ever. A living run's claim is left alone."""
    harvest(world, "run 1", "A", "kill")
    with pytest.raises(KeyboardInterrupt):
        transform(transformation(world, "dead"))
    assert statuses(world) == ["STARTED", "STARTED"]
    assert transform(transformation(world, "too early")) == {}
    world.fates["dead"] = Fate("FAILED", "it was killed")
    for _ in range(2):
        # The second time it finds what it had claimed itself: an op that is retried.
        with pytest.raises(KeyboardInterrupt):
            transform(transformation(world, "the next"))
    assert statuses(world) == ["STARTED", "STARTED"]


def test_dagster_is_asked_of_other_runs_within_no_transaction(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers when it can; meanwhile PostgreSQL would end the transaction, and SQLite keep all others waiting."""
    harvest(world, "run 1", "kill")
    with pytest.raises(KeyboardInterrupt):
        transform(transformation(world, "dead"))
    open_now: list[str] = []
    asked: list[tuple[str, list[str]]] = []

    def counted(name: str) -> Any:
        original = getattr(Database, name)

        @contextmanager
        def within(database: Database) -> Iterator[Any]:
            with original(database) as connection:
                open_now.append(name)
                yield connection
                open_now.remove(name)

        return within

    def fate(run_id: str) -> Fate | None:
        asked.append((run_id, list(open_now)))
        return None

    for name in ("read", "begin"):
        monkeypatch.setattr(Database, name, counted(name))
    monkeypatch.setattr(world, "runs", replace(world.runs, fate=fate))
    assert transform(transformation(world, "the next")) == {}
    assert asked == [("dead", [])]


def test_a_new_version_and_superfluous_do_it_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mended transformer reaches what was harvested long ago; so does whoever asks for it."""
    harvest(world, "run 1", "A", "bad")
    outcome(world)
    again = outcome(world, "transform 2", superfluous=True)
    assert (again.transformed, again.failed) == (1, 1)
    monkeypatch.setattr(FakeTransformer, "VERSION", 2)
    newer = outcome(world, "transform 3")
    assert (newer.transformed, newer.failed) == (1, 1)
    assert outcome(world, "transform 4") == Outcome()


def test_the_first_errors_are_shown_and_all_are_counted(world: World) -> None:
    """A million errors in one log line."""
    harvest(world, "run 1", *(f"bad {number}" for number in range(30)))
    found = outcome(world)
    assert (found.failed, len(found.errors)) == (30, 10)
