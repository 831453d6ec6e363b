"""A deployment for each test, on SQLite and PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from harvest_dagster_tests.end_to_end.deployment import Deployment


@pytest.fixture
def deployment(tmp_path: Path, database_url: str) -> Deployment:
    return Deployment(tmp_path, database_url)
