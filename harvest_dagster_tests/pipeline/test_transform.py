"""Each pending datum becomes a document, even if others fail: on both databases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from harvest_dagster import plugins
from harvest_dagster.errors import TransformError
from harvest_dagster.pipeline.context import RunOutcome
from harvest_dagster.pipeline.transform import TransformContext, TransformOutcome, transform
from harvest_dagster.records import Record
from harvest_dagster.storage import day_versions
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.tables import ingest_log, normalized_datum
from harvest_dagster.transformers.interface import Transformer
from harvest_dagster_tests.pipeline.world import WINDOW, World

DAY = date(2024, 4, 30)


class FakeTransformer(Transformer):
    """Uses the datum as the title. Some data raise errors, and one interrupts the process."""

    def transform(self, identifier: str, datum: str) -> Any:  # noqa: ARG002
        if datum.startswith("bad"):
            raise TransformError("it has no title. The source has to correct it.")
        if datum.startswith("bug"):
            raise ZeroDivisionError("nobody thought of that")
        if datum.startswith("kill"):
            raise KeyboardInterrupt
        made_by = datum[5:] if datum.startswith("auto") else None
        return SimpleNamespace(
            title=datum,
            provenance=SimpleNamespace(transformer=made_by),
            to_json=lambda: json.dumps({"title": datum}),
        )


@pytest.fixture(autouse=True)
def fake_transformer(fake_harvester: None) -> None:
    path = "harvest_dagster_tests.pipeline.test_transform:FakeTransformer"
    plugins.register(plugins.TRANSFORMERS, "fake", path)


def context(world: World, run: str = "transform 1", *, superfluous: bool = False) -> TransformContext:
    harvest = world.harvest(run)
    return TransformContext(
        config=world.config,
        config_id=harvest.config_id,
        days=(DAY, DAY),
        superfluous=superfluous,
        run=harvest.run,
        environ={},
    )


def harvest(world: World, run: str, *contents: str, deleted: bool = False) -> None:
    world.change(transformer="fake")
    world.source.items = [
        Record(f"x{number}", WINDOW.start, deleted, blob) for number, blob in enumerate(contents)
    ]
    world.run(run, superfluous=True)


def outcome(world: World, run: str = "transform 1", **options: bool) -> TransformOutcome:
    return sum(transform(context(world, run, **options)).values(), TransformOutcome())


def documents(world: World) -> list[tuple[Any, ...]]:
    return world.rows(normalized_datum, "document", "deleted")


def statuses(world: World) -> list[str]:
    return [status for (status,) in world.rows(ingest_log, "status")]


@pytest.mark.parametrize("batch", [1, 2, 1000])
def test_all_pending_data_is_transformed_in_batches(
    world: World, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that is not full is not the end, and a second run finds nothing to do."""
    monkeypatch.setattr("harvest_dagster.pipeline.transform.BATCH", batch)
    harvest(world, "run 1", "A", "B", "C")
    assert transform(context(world)) == {DAY: TransformOutcome(transformed=3)}
    assert documents(world) == [({"title": title}, False) for title in "ABC"]
    assert transform(context(world, "transform 2")) == {}


def test_a_datum_that_cannot_be_transformed_fails_alone_with_its_error(world: World) -> None:
    """A bug of a plug-in with one datum must not stop the others (docs/failures.md#one-invalid-record)."""
    harvest(world, "run 1", "A", "bad", "bug", "D")
    found = outcome(world)
    assert (found.transformed, found.failed) == (2, 2)
    assert found.errors == (
        "x1: it has no title. The source has to correct it.",
        "x2: ZeroDivisionError: nobody thought of that",
    )
    assert statuses(world) == ["SUCCEEDED", "FAILED", "FAILED", "SUCCEEDED"]
    assert len(documents(world)) == 2


def test_the_outcome_says_which_transformers_were_chosen(world: World) -> None:
    """`transformer: auto` chooses for each record. An operator sees a format that nobody expected."""
    harvest(world, "run 1", "auto datacite", "auto oai_dc", "auto datacite", "A")
    found = outcome(world)
    assert found.chosen == {"datacite": 2, "oai_dc": 1}
    assert found.choice == "datacite 2, oai_dc 1"


def test_deleted_records_become_deletions(world: World) -> None:
    """A record that the source deleted is deleted, and no other one."""
    harvest(world, "run 1", "A", "B")
    outcome(world)
    harvest(world, "run 2", "A is deleted", deleted=True)
    assert outcome(world, "transform 2") == TransformOutcome(deleted=1)
    assert documents(world) == [(None, True), ({"title": "B"}, False)]


def test_older_content_never_replaces_newer(world: World) -> None:
    """A slow run, or a claim in the wrong order, would restore old content (docs/failures.md#content-returns)."""
    for number, content in enumerate("ABA"):
        harvest(world, f"run {number}", content)
    outcome(world)
    assert documents(world) == [({"title": "A"}, False)]
    harvest(world, "run 3", "B")
    assert outcome(world, "transform 2") == TransformOutcome(transformed=1)
    assert documents(world) == [({"title": "B"}, False)]


def test_an_old_version_that_arrives_late_changes_no_document(world: World) -> None:
    """An old tombstone deleted the document of a live record (docs/failures.md#old-version-arrives-late)."""
    world.change(transformer="fake")
    live = Record("x", WINDOW.start + timedelta(hours=18), False, "A")
    world.source.items = [live, replace(live, datestamp=WINDOW.start, deleted=True, blob="A is deleted")]
    world.run("run 1")
    assert outcome(world) == TransformOutcome(transformed=1)
    world.source.items = [replace(live, datestamp=WINDOW.start, blob="old")]
    world.run("run 2", superfluous=True)
    assert outcome(world, "transform 2", superfluous=True) == TransformOutcome(transformed=1)
    assert documents(world) == [({"title": "A"}, False)]


def errors(world: World) -> list[str | None]:
    return [error for (error,) in world.rows(normalized_datum, "error")]


def test_a_document_is_marked_if_newer_content_cannot_be_transformed(world: World) -> None:
    """It would pose as the document of the current content. The mark goes once the content can be transformed."""
    harvest(world, "run 1", "A", "B")
    outcome(world)
    harvest(world, "run 2", "bad")
    assert outcome(world, "transform 2").failed == 1
    assert documents(world) == [({"title": "A"}, False), ({"title": "B"}, False)]
    assert errors(world) == ["it has no title. The source has to correct it.", None]
    harvest(world, "run 3", "C")
    outcome(world, "transform 3")
    assert (documents(world)[0], errors(world)) == (({"title": "C"}, False), [None, None])


def test_a_document_is_marked_if_a_newer_transformer_rejects_its_content(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older version gave an empty document. It would stay, although the new version says what is wrong."""
    harvest(world, "run 1", "A")
    outcome(world)
    monkeypatch.setattr(FakeTransformer, "VERSION", 2)
    monkeypatch.setattr(FakeTransformer, "transform", lambda *_: 1 / 0)
    outcome(world, "transform 2")
    assert errors(world) == ["ZeroDivisionError: division by zero"]


def test_a_failure_of_old_content_does_not_mark_the_current_document(world: World) -> None:
    """The document would look outdated although it is not."""
    for number, content in enumerate(["bad", "B"]):
        harvest(world, f"run {number}", content)
    outcome(world)
    assert (documents(world), errors(world)) == ([({"title": "B"}, False)], [None])


@pytest.mark.parametrize("batch", [1, 1000])
def test_old_content_gives_no_document_if_the_current_content_cannot_be_transformed(
    world: World, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both wait for the transform. The document of the old content would pose as the current one."""
    monkeypatch.setattr("harvest_dagster.pipeline.transform.BATCH", batch)
    for number, content in enumerate(["A", "bad"]):
        harvest(world, f"run {number}", content)
    assert outcome(world).failed == 1
    assert documents(world) == []


def test_the_next_run_transforms_what_a_killed_run_had_claimed(world: World) -> None:
    """Otherwise it would be STARTED forever (docs/failures.md#running-forever). The claim of a live run stays."""
    harvest(world, "run 1", "A", "kill")
    with pytest.raises(KeyboardInterrupt):
        transform(context(world, "dead"))
    assert statuses(world) == ["STARTED", "STARTED"]
    assert transform(context(world, "too early")) == {}
    world.outcomes["dead"] = RunOutcome("FAILED", "it was killed")
    for _ in range(2):
        # The second time, the run finds what it had claimed itself: that is an op that is retried.
        with pytest.raises(KeyboardInterrupt):
            transform(context(world, "the next"))
    assert statuses(world) == ["STARTED", "STARTED"]


def test_dagster_is_asked_about_other_runs_outside_of_any_transaction(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answer takes time. Meanwhile PostgreSQL would end the transaction, and SQLite would block all others."""
    harvest(world, "run 1", "kill")
    with pytest.raises(KeyboardInterrupt):
        transform(context(world, "dead"))
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

    def outcome(run_id: str) -> RunOutcome | None:
        asked.append((run_id, list(open_now)))
        return None

    for name in ("read", "begin"):
        monkeypatch.setattr(Database, name, counted(name))
    monkeypatch.setattr(world, "runs", replace(world.runs, outcome=outcome))
    assert transform(context(world, "the next")) == {}
    assert asked == [("dead", [])]


def test_a_new_transformer_version_and_superfluous_transform_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repaired transformer must also apply to data that was harvested long ago."""
    harvest(world, "run 1", "A", "bad")
    outcome(world)
    again = outcome(world, "transform 2", superfluous=True)
    assert (again.transformed, again.failed) == (1, 1)
    monkeypatch.setattr(FakeTransformer, "VERSION", 2)
    newer = outcome(world, "transform 3")
    assert (newer.transformed, newer.failed) == (1, 1)
    assert outcome(world, "transform 4") == TransformOutcome()


def test_only_the_first_errors_are_shown_and_all_are_counted(world: World) -> None:
    """Otherwise a log line could contain a million errors."""
    harvest(world, "run 1", *(f"bad {number}" for number in range(30)))
    found = outcome(world)
    assert (found.failed, len(found.errors)) == (30, 10)


def test_a_transform_that_changes_no_document_keeps_the_data_version(world: World) -> None:
    """Otherwise `superfluous` wakes everything downstream although no document has changed."""

    def version() -> str:
        with world.database.read() as connection:
            return day_versions.find_versions(connection, 1, "transformed", DAY, DAY)[DAY]

    harvest(world, "run 1", "one", "two")
    transform(context(world))
    first = version()
    assert transform(context(world, superfluous=True)) == {DAY: TransformOutcome(transformed=2)}
    assert version() == first
    harvest(world, "run 2", "one", "changed")
    transform(context(world))
    second = version()
    harvest(world, "run 3", "", "", deleted=True)
    transform(context(world))
    assert len({first, second, version()}) == 3


def test_data_from_before_the_first_partition_are_transformed_with_it(world: World) -> None:
    """After `earliest_date` was raised, no partition contained these data, so they stayed PENDING forever."""
    harvest(world, "run 1", "A", "B")
    world.change(earliest_date=DAY + timedelta(days=2))
    first = DAY + timedelta(days=2)
    later = replace(context(world), days=(first + timedelta(days=1), first + timedelta(days=3)))
    assert transform(later) == {}
    assert transform(replace(context(world), days=(first, first))) == {first: TransformOutcome(transformed=2)}
