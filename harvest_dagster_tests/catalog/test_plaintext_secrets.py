"""Secrets that are written into the YAML as plain text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harvest_dagster.catalog.loader import load_catalog
from harvest_dagster.catalog.plaintext_secrets import (
    find_plaintext_credentials,
    find_plaintext_secrets,
    masked_definition,
)
from harvest_dagster.catalog.schema import IngestConfig

KINDS = "bearer, basic, api_key, oauth2_client_credentials"


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


@pytest.mark.parametrize(
    ("auth", "secrets"),
    [
        ({"kind": "bearer", "token": "abc"}, {"token": "abc"}),
        ({"kind": "basic", "username": "anna", "password": "pass"}, {"password": "pass"}),
        ({"kind": "basic", "username": "abcdef1"}, {"username": "abcdef1"}),
        ({"kind": "api_key", "name": "q", "value": "abcdef1", "in": "query"}, {"value": "abcdef1"}),
        (
            {
                "kind": "oauth2_client_credentials",
                "token_url": "https://login.example/token?key=abcdef1",
                "client_id": "client",
                "client_secret": "hidden-text",
            },
            {"client_secret": "hidden-text", "token_url": "abcdef1"},
        ),
        ({"kind": "bearer", "token": "${TOKEN}"}, {}),
        ({"kind": "basic", "username": "anna", "password": "${PASSWORD}"}, {}),
    ],
)
def test_credentials_in_plain_text_are_masked_and_reported(
    tmp_path: Path, auth: dict[str, str], secrets: dict[str, str]
) -> None:
    """The name of a key does not show that `value` is a secret, and a password may be shorter than other secrets."""
    document = {"label": "source", "harvester": "oai", "auth": auth}
    config = IngestConfig.model_validate(document)
    assert {path[-1]: secret for path, secret in find_plaintext_credentials(config)} == secrets
    masked = masked_definition(config)["auth"]
    assert masked.keys() >= auth.keys()
    for name, secret in secrets.items():
        assert secret not in masked[name]
    document["harvester_kwargs"] = {"base_url": "https://source.example/oai", "metadata_prefix": "oai_dc"}
    (tmp_path / "source.yaml").write_text(json.dumps(document))
    catalog = load_catalog(str(tmp_path))
    assert catalog.problems == ()
    assert sorted(warning.key for warning in catalog.warnings) == sorted(f"auth.{name}" for name in secrets)


@pytest.mark.parametrize(
    ("auth", "expected"),
    [
        ("hidden-text", ["auth: must be a mapping (key: value)"]),
        (
            {"kind": "berer", "token": "hidden-text"},
            [
                f"auth: needs the key kind with one of these values: {KINDS}; did you mean 'bearer'?",
            ],
        ),
        (
            {"kind": "bearer", "tokn": "hidden-text"},
            [
                "auth.token: is missing; required here: kind, token",
                "auth.tokn: is not a known key; allowed: kind, token; did you mean 'token'?",
            ],
        ),
        (
            {"kind": "api_key", "name": "key", "value": "hidden-text", "in": "hidden-text"},
            ["auth.in: must be 'header' or 'query'"],
        ),
        (
            {"kind": "bearer", "token": ["hidden-text"]},
            ["auth.token: must be text (put a number, true or false in quotes)"],
        ),
        (
            {"kind": "bearer", "token": "${hidden text}"},
            ["auth.token: contains a ${ without a variable name; write ${NAME}, or $${ for a literal ${"],
        ),
        (
            {
                "kind": "oauth2_client_credentials",
                "token_url": "hidden-text",
                "client_id": "client",
                "client_secret": "${SECRET}",
            },
            ["auth.token_url: must be an address that begins with http:// or https://"],
        ),
    ],
)
def test_a_problem_of_auth_says_what_is_allowed_and_shows_no_value(
    tmp_path: Path, auth: object, expected: list[str]
) -> None:
    """A message repeated the value, and a secret is often at the wrong key."""
    kwargs = {"base_url": "https://source.example/oai", "metadata_prefix": "oai_dc"}
    document = {"label": "source", "harvester": "oai", "harvester_kwargs": kwargs, "auth": auth}
    (tmp_path / "source.yaml").write_text(json.dumps(document))
    problems = load_catalog(str(tmp_path)).problems
    assert sorted(f"{problem.key}: {problem.message}" for problem in problems) == sorted(expected)
    assert "hidden-text" not in " ".join(map(str, problems))
