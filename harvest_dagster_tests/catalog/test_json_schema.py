"""The JSON Schema that ships: it is up to date and agrees with the loader."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from harvest_dagster.catalog import json_schema
from harvest_dagster.catalog.bundled import BUNDLED_DIRECTORY
from harvest_dagster.catalog.schema import IngestConfig, RateLimit, Timeout
from harvest_dagster.catalog.yaml_documents import YamlDocument, parse_documents

SHIPPED = json.loads(json_schema.FILE.read_text(encoding="utf-8"))
MINIMAL = {"label": "a", "harvester": "oai", "harvester_kwargs": {"base_url": "https://example.org"}}


def is_valid(**changes: Any) -> bool:
    return Draft202012Validator(SHIPPED).is_valid({**MINIMAL, **changes})


def test_the_shipped_file_is_up_to_date() -> None:
    """Otherwise editors refuse a new key. Run `make schema` if this fails."""
    assert json_schema.FILE.read_text(encoding="utf-8") == json_schema.render()
    assert json_schema.BUNDLED_FILE.read_text(encoding="utf-8") == json_schema.render_bundled()


def test_a_separate_process_generates_the_same_text() -> None:
    """`make schema` runs in its own process, without the plug-ins of the tests."""
    program = "from harvest_dagster.catalog import json_schema; print(json_schema.render(), end='')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == json_schema.FILE.read_text(encoding="utf-8")


def test_the_schema_is_valid_for_its_draft() -> None:
    """An editor silently ignores an invalid schema."""
    Draft202012Validator.check_schema(SHIPPED)
    assert SHIPPED["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("model", [IngestConfig, RateLimit, Timeout])
def test_every_key_is_described(model: Any) -> None:
    """The editor shows the description under the cursor."""
    assert [name for name, field in model.model_fields.items() if not field.description] == []


def test_defaults_are_written_as_in_the_yaml() -> None:
    """The default of pydantic, PT10S, would not load."""
    assert SHIPPED["properties"]["max_window"]["default"] == "30d"
    assert SHIPPED["$defs"]["Timeout"]["properties"]["read"]["default"] == "1m"


def test_the_bundled_sources_are_valid() -> None:
    """People copy them. Only they may have the key `facts`, and they must have it."""
    schema = json.loads(json_schema.BUNDLED_FILE.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    validator, user = Draft202012Validator(schema), Draft202012Validator(SHIPPED)
    for file in sorted(BUNDLED_DIRECTORY.glob("*.yaml")):
        for document in parse_documents(file.read_text(), str(file)):
            assert isinstance(document, YamlDocument)
            validator.validate(document.value)
            assert not user.is_valid(document.value)
            copied = {name: value for name, value in document.value.items() if name != "facts"}
            user.validate(copied)
            assert not validator.is_valid(copied)


def test_a_source_that_extends_another_one_needs_no_other_key() -> None:
    """The mandatory keys, and those of its harvester, come from the bundled source."""
    validator = Draft202012Validator(SHIPPED)
    validator.validate({"extends": "zenodo"})
    validator.validate({"extends": "zenodo", "harvester": "oai", "harvester_kwargs": {"set": "x"}})
    assert not validator.is_valid({"extends": "zenodo", "rate_limt": {}})
    assert not validator.is_valid({"label": "x"})
    assert not validator.is_valid({"harvester": "fake"})


@pytest.mark.parametrize(
    "changes",
    [
        {"max_window": "2w", "timeout": {"read": 3, "connect": "500ms"}},
        {"owners": ["team:a", "a@b.org"], "tags": {"x/y": "z"}},
        {"schedule": "0 3 * * *", "earliest_date": "2005-09-16", "home_page": None},
        {"lookback": "3d", "settle": 0},
        {"harvester_kwargs": {"base_url": "${URL}", "trust_total": "${TRUST}"}},
        {"harvester": "of_another_package", "harvester_kwargs": {"anything": 1}},
    ],
)
def test_a_config_that_loads_is_valid(changes: dict[str, Any]) -> None:
    """A false alarm teaches people to ignore the editor."""
    assert is_valid(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"label": "A"},
        {"rate_limt": {}},
        {"rate_limit": {"calls": 0}},
        {"max_window": "30 days"},
        {"timeout": {"read": 0}},
        {"schedule": "daily"},
        {"earliest_date": "16.9.2005"},
        {"owners": ["bob"]},
        {"tags": {"a b": "c"}},
        {"tags": {"dagster/kind/a": ""}},
        {"tags": {"a": "b c"}},
        {"harvester_kwargs": {}},
        {"harvester_kwargs": {"base_url": "https://example.org", "prefix": "oai_dc"}},
        {"harvester_kwargs": {"base_url": "https://example.org", "trust_total": "maybe"}},
        {"transformer": "oai_dc", "transformer_kwargs": {"lang": "en"}},
    ],
)
def test_a_config_that_does_not_load_is_not_valid(changes: dict[str, Any]) -> None:
    """The author must see the mistake in the editor, before anything is deployed."""
    assert not is_valid(**changes)
