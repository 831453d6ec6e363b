"""`harvest replay`: transform stored data again, on both databases."""

from __future__ import annotations

from datetime import date, datetime, timezone

from sqlalchemy import select

from harvest_dagster.records import Record
from harvest_dagster.storage.raw_data import store
from harvest_dagster.storage.tables import ingest_log, normalized_datum
from harvest_dagster.storage.transform_queue import enqueue
from harvest_dagster.storage.transform_queue.enqueue import EnqueueOptions, QueueEntry
from harvest_dagster.storage.transform_queue.queue import TransformQueue
from harvest_dagster.transformers.formats.oai_dc.transformer import OaiDcTransformer
from harvest_dagster.windows import utc_now
from harvest_dagster_tests.cli.commands import run
from harvest_dagster_tests.cli.conftest import SourceLogs, Sources

VERSION = OaiDcTransformer.VERSION
DC = (
    '<record xmlns="http://www.openarchives.org/OAI/2.0/"><header><identifier>{0}</identifier></header><metadata>'
    '<dc xmlns="http://www.openarchives.org/OAI/2.0/oai_dc/">'
    '<title xmlns="http://purl.org/dc/elements/1.1/">{1}</title></dc></metadata></record>'
)


def add(
    logs: SourceLogs,
    identifier: str,
    title: str,
    *,
    day: int = 1,
    version: int = VERSION,
    status: str = "PENDING",
) -> None:
    """Store one record, and queue it for a transformer version."""
    stamp = datetime(2024, 1, day, tzinfo=timezone.utc)
    records = [Record(identifier, stamp, False, DC.format(identifier, title) if title else "<x/>")]
    options = EnqueueOptions(TransformQueue(logs.config_id, version), status, False, utc_now())
    with logs.database.begin() as connection:
        store.store_records(connection, logs.config_id, records, utc_now())
        (found,) = store.find_data(connection, logs.config_id, records)
        entry = QueueEntry(found.raw_id, found.revision, date(2024, 1, day), found.is_current)
        enqueue.enqueue_data(connection, options, [entry])


def statuses(sources: Sources) -> list[tuple[int, str]]:
    with sources.database().read() as connection:
        rows = connection.execute(
            select(ingest_log.c.transformer_version, ingest_log.c.status).order_by(ingest_log.c.id)
        )
        return [(row[0], row[1]) for row in rows]


def titles(sources: Sources) -> list[str]:
    with sources.database().read() as connection:
        documents = connection.scalars(
            select(normalized_datum.c.document).order_by(normalized_datum.c.suid_id)
        )
        return [str(document["title"]) for document in documents]


def test_data_are_transformed_again_at_once(sources: Sources) -> None:
    """A corrected transformer must not need another harvest of the source."""
    logs = sources.logs("a", transformer="oai_dc")
    add(logs, "x", "X")
    add(logs, "y", "Y", day=2)
    first = run("replay", "a", "--now", "--json")
    assert (first.status, first.json["transformed"], first.json["failed"]) == (0, 2, 0)
    again = run("replay", "a", "--now", "--json", "--from", "2024-01-02", "--until", "2024-01-03").json
    assert (again["pending"], again["transformed"]) == (1, 1)
    assert len(titles(sources)) == 2


def test_data_that_were_harvested_before_the_source_had_a_transformer_are_included(sources: Sources) -> None:
    """Their logs are CREATED under version 0, and nothing else would ever transform them."""
    logs = sources.logs("a", transformer="oai_dc")
    add(logs, "x", "X", version=0, status="CREATED")
    found = run("replay", "a", "--json").json
    assert (found["pending"], found["transformed"]) == (1, 0)
    assert statuses(sources) == [(0, "CREATED"), (VERSION, "PENDING")]
    assert run("status", "a", "--json").json["transforms"]["PENDING"] == 1


def test_only_the_current_content_of_an_identifier_is_transformed(sources: Sources) -> None:
    """Older content is history. To transform it would cost time and change nothing."""
    logs = sources.logs("a", transformer="oai_dc")
    add(logs, "x", "old")
    run("replay", "a", "--now")
    add(logs, "x", "new")
    run("replay", "a", "--now")
    assert run("replay", "a", "--json").json["pending"] == 1
    assert statuses(sources) == [(VERSION, "SUCCEEDED"), (VERSION, "PENDING")]


def test_a_datum_that_fails_gives_exit_status_1_and_can_be_repeated_alone(small_sources: Sources) -> None:
    """A person corrects the transformer for the few data that failed."""
    logs = small_sources.logs("a", transformer="oai_dc")
    add(logs, "x", "X")
    add(logs, "y", "")
    done = run("replay", "a", "--now", "--json")
    assert (done.status, done.json["transformed"], done.json["failed"]) == (1, 1, 1)
    assert done.json["errors"][0].startswith("y: ")
    assert run("replay", "a", "--failed", "--json").json["pending"] == 1


def test_a_source_without_a_transformer_is_refused(small_sources: Sources) -> None:
    """The command would succeed and do nothing."""
    small_sources.logs("a")
    done = run("replay", "a")
    assert (done.status, done.err.count("\n")) == (1, 1)
    assert "has no transformer" in done.err
    assert run("replay", "a", "--from", "2024-02-01", "--until", "2024-01-01").status == 2
    assert run("replay", "a", "--from", "yesterday").status == 2
