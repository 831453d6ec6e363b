"""Which rows PostgreSQL reads for the statements about absent records and deletions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import Connection, select, text

from harvest_dagster.storage.database import Database
from harvest_dagster.storage.deletions import absences, decisions
from harvest_dagster.storage.deletions.decisions import NewDeletion
from harvest_dagster.storage.raw_data.known_records import stream_known_records
from harvest_dagster.storage.tables import source_unique_identifier
from harvest_dagster_tests.storage.configs import NOW
from harvest_dagster_tests.storage.stored_source import Source, record

_TABLES = ("source_unique_identifier", "raw_datum", "deletion")
_SCANS = f"SELECT relname, seq_tup_read FROM pg_stat_xact_user_tables WHERE relname IN {_TABLES}"
COUNT, PAGE = 3000, 1000


@pytest.fixture
def source(database: Database) -> Source:
    """Return a source with many records. A third of them is absent, and as many were deleted before."""
    source = Source(database)
    for start in range(0, COUNT, PAGE):
        source.store(*(record(f"{number:05}", f"{number}") for number in range(start, start + PAGE)))
    with database.begin() as connection:
        known = list(stream_known_records(connection, source.config_id))
        suid_ids = [one.suid_id for one in known[::3]]
        absences.add_absences(connection, source.config_id, suid_ids, NOW, "run")
        absences.set_evidence(connection, source.config_id, "absent_once", NOW, keep_not_found=False)
        decision = decisions.create_decision(connection, source.config_id, "run", approved=True, now=NOW)
        keys = select(source_unique_identifier.c.id, source_unique_identifier.c.raw_id)
        raw_ids = dict(connection.execute(keys).tuples().all())
        deleted = [
            NewDeletion(one.suid_id, "absent_once", raw_ids[one.suid_id], raw_ids[one.suid_id], NOW)
            for one in known[1::3]
        ]
        decisions.add_deletions(connection, decision, deleted, "run", NOW)
    return source


def _find_proven(connection: Connection, config_id: int) -> None:
    assert len(absences.find_proven(connection, config_id, 0, 100)) == 100


def _find_deletions(connection: Connection, config_id: int) -> None:
    decision = decisions.find_decision(connection, config_id)
    assert decision is not None
    assert len(decisions.find_deletions(connection, decision.id, 0, 100)) == 100


def _remove_arrived(connection: Connection, config_id: int) -> None:
    absences.remove_arrived(connection, config_id, [f"{number:05}" for number in range(30)])
    assert absences.count_absences(connection, config_id).absent == COUNT // 3 - 10


def _add_protocol_deletions(connection: Connection, config_id: int) -> None:
    later = NOW + timedelta(days=1)
    names = [f"{number:05}" for number in range(100)]
    decisions.add_protocol_deletions(connection, config_id, names, "run", later)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    "statement", [_find_proven, _find_deletions, _remove_arrived, _add_protocol_deletions]
)
def test_no_statement_reads_all_records(source: Source, statement: Callable[[Connection, int], None]) -> None:
    """Each batch and each page has such statements. Right after a large harvest, there are no statistics."""
    with source.database.begin() as connection:
        before = dict(connection.execute(text(_SCANS)).tuples().all())
        statement(connection, source.config_id)
        after = dict(connection.execute(text(_SCANS)).tuples().all())
    assert {table: after[table] - before[table] for table in after if after[table] != before[table]} == {}
