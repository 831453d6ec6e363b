"""Secrets that are written into the YAML as plain text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harvest_dagster.catalog.loader import load_catalog
from harvest_dagster.catalog.plaintext_secrets import find_plaintext_secrets, masked_definition
from harvest_dagster.catalog.schema import IngestConfig


@pytest.mark.parametrize(
    ("kwargs", "secrets"),
    [
        ({"params": {"api_key": "abcdef1"}}, ["abcdef1"]),
        ({"params": {"token": 1234567}}, ["1234567"]),
        ({"headers": {"X-Api-Key": "abcdef1", "Accept": "application/json"}}, ["abcdef1"]),
        ({"headers": {"Authorization": "Bearer abcdef1"}}, ["Bearer abcdef1", "abcdef1"]),
        ({"headers": {"Cookie": "sid=abcdef1"}}, ["sid=abcdef1"]),
        ({"base_url": "https://anna:pass%2Bword@source.example/"}, ["pass%2Bword", "pass+word"]),
        ({"base_url": "https://source.example/?set=books&apikey=abcdef1"}, ["abcdef1"]),
        ({"params": {"api_key": "${KEY}"}, "headers": {"Authorization": "Bearer ${KEY}"}}, []),
        ({"base_url": "https://anna:${PASSWORD}@source.example/?key=${KEY}"}, []),
        ({"params": {"q": "abcdef1", "auth": "on", "pageToken": "abcdef1"}, "single_use_tokens": True}, []),
    ],
)
def test_a_secret_is_recognized_by_its_name_or_its_place(kwargs: dict[str, Any], secrets: list[str]) -> None:
    """A secret that is not recognized reaches the database, and an error text when a source repeats it."""
    assert [secret for _, secret in find_plaintext_secrets(kwargs)] == secrets


def test_the_key_of_a_dataset_is_no_secret() -> None:
    """`harvest check` warned about each source of GBIF, and the key of its dataset was masked in each message."""
    key = "50c9509d-22c7-4a22-a47d-8c48425ef4a7"
    arguments = {
        "params": {"datasetKey": key},
        "base_url": f"https://api.gbif.org/v1/?publishingOrgKey={key}",
    }
    assert list(find_plaintext_secrets(arguments)) == []


def test_the_masked_definition_contains_no_secret() -> None:
    """The table ingest_config stores the whole definition. The same config must always give the same definition."""
    config = IngestConfig.model_validate(
        {
            "label": "source",
            "harvester": "oai",
            "harvester_kwargs": {
                "base_url": "https://anna:pass-word@source.example/?key=abcdef1",
                "several": [{"token": 1234567}, "${NAME}"],
            },
        }
    )
    written = masked_definition(config)
    assert written["harvester_kwargs"] == {
        "base_url": "https://anna:***@source.example/?key=***",
        "several": [{"token": "***"}, "${NAME}"],
    }
    assert masked_definition(config) == written
    assert {**written, "harvester_kwargs": 0} == {**config.model_dump(mode="json"), "harvester_kwargs": 0}


def test_loading_warns_about_each_secret_with_its_line_and_without_its_value(tmp_path: Path) -> None:
    """The file may be in a repository that many people can read."""
    (tmp_path / "source.yaml").write_text(
        "label: source\nharvester: oai\nharvester_kwargs:\n"
        "  metadata_prefix: oai_dc\n  base_url: https://source.example/oai?api_key=abcdef1\n"
    )
    catalog = load_catalog(str(tmp_path))
    (warning,) = catalog.warnings
    assert catalog.problems == ()
    assert (warning.line, warning.key) == (5, "harvester_kwargs.base_url")
    assert "${NAME}" in warning.message
    assert "abcdef1" not in str(warning)
