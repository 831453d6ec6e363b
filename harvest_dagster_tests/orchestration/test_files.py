"""Files through the real asset: a dump is harvested, and days after the dump are not done."""

from __future__ import annotations

import gzip
import os
from datetime import datetime, timezone
from pathlib import Path

import pytest

from harvest_dagster.catalog.loader import load_catalog
from harvest_dagster.storage import tables
from harvest_dagster_tests.harvesters.files.sources import lines
from harvest_dagster_tests.orchestration.conftest import Deploy
from harvest_dagster_tests.orchestration.deployment import reason

ROOT = Path(__file__).parents[2]


def kwargs(path: Path) -> dict[str, object]:
    return {"path": str(path), "format": "jsonl", "identifier": "id", "datestamp": "date", "page_size": 10}


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    """A dump of 62 records of March, two for each day, of 3 March, 12:00."""
    path = tmp_path / "dump.jsonl.gz"
    path.write_bytes(gzip.compress(lines(62)))
    changed = datetime(2024, 3, 3, 12, tzinfo=timezone.utc).timestamp()
    os.utime(path, (changed, changed))
    return path


def test_a_dump_is_harvested_and_the_days_after_it_are_not_done(deploy: Deploy, dump: Path) -> None:
    """A dump of yesterday cannot have the records of today: such a day would be green with half of its records."""
    deployment = deploy("", harvester="files", harvester_kwargs=kwargs(dump), transformer=None)
    result = deployment.materialize("2024-03-01", "2024-03-02")
    assert result.success, reason(result)
    (log,) = deployment.rows(tables.harvest_log)
    assert (log.status, log.completeness, log.evidence, log.records) == ("SUCCEEDED", "complete", "total", 4)
    assert deployment.materialize("2024-03-03").success
    assert len(deployment.rows(tables.raw_datum)) == 6
    assert deployment.materialized() == {"2024-03-01", "2024-03-02"}


def test_a_truncated_dump_fails(on_sqlite: Deploy, dump: Path) -> None:
    """Its records would look like all records."""
    dump.write_bytes(dump.read_bytes()[:-20])
    deployment = on_sqlite("", harvester="files", harvester_kwargs=kwargs(dump), transformer=None)
    assert "dump.jsonl.gz is cut off" in reason(deployment.materialize("2024-03-01"))
    assert deployment.materialized() == set()


def test_the_examples_load() -> None:
    """People copy them."""
    catalog = load_catalog(str(ROOT / "examples" / "files"))
    assert (catalog.problems, catalog.warnings) == ((), ())
    assert {config.harvester for config in catalog.configs} == {"files"}
