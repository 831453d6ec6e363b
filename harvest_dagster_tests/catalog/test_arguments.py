"""The arguments of plug-ins: validated without the environment, resolved with it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from harvest_dagster import plugins
from harvest_dagster.catalog.arguments import (
    deciding_arguments,
    deciding_values,
    describe_changes,
    digest_of,
    resolve_arguments,
    validate_arguments,
)
from harvest_dagster.catalog.problems import dotted
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.errors import CatalogError, MissingSecret, UnknownPlugin
from harvest_dagster_tests.catalog.fakes import FakeHarvester, FakeTransformer

URL = {"base_url": "https://example.org/oai"}


def problems(**document: Any) -> dict[str, str]:
    return {dotted(path): message for path, message in validate_arguments({"harvester": "fake", **document})}


def resolved(kwargs: dict[str, Any], environ: dict[str, str], harvester: str = "fake") -> BaseModel:
    config = IngestConfig(label="source", harvester=harvester, harvester_kwargs=kwargs)
    return resolve_arguments(config, plugins.HARVESTERS, environ)


def test_arguments_that_the_model_of_the_plug_in_accepts_give_no_problem() -> None:
    """The model of the plug-in decides: here, `sets` may be text or a list."""
    for sets in ("cs", [1, 2]):
        assert problems(harvester_kwargs={**URL, "pages": 3, "sets": sets, "part": {"size": 2}}) == {}


@pytest.mark.parametrize(
    ("kwargs", "key", "message"),
    [
        ({}, "base_url", "is missing; required here: base_url"),
        ({"base_url": 7}, "base_url", "URL"),
        ({"base_url": "example.org"}, "base_url", "must be a valid URL"),
        ({**URL, "prefix": 123}, "prefix", "must be text (put a number, true or false in quotes)"),
        ({**URL, "prefix": "x" * 13}, "prefix", "at most 12 characters"),
        ({**URL, "pages": "many"}, "pages", "must be a valid integer"),
        (
            {**URL, "pags": 3},
            "pags",
            "allowed: base_url, prefix, pages, sets, part, key; did you mean 'pages'?",
        ),
        ({**URL, "part": {"sise": 3}}, "part.sise", "allowed: size; did you mean 'size'?"),
        ({**URL, "part": 3}, "part", "must be a mapping"),
        (
            {**URL, "sets": 3},
            "sets",
            "must be text (put a number, true or false in quotes); or must be a list",
        ),
        ({**URL, "sets": [1, "x"]}, "sets[1]", "must be a valid integer"),
        ({**URL, "key": "a b"}, "key", "'a b' contains a space"),
        (
            {**URL, "key": "${A-B}"},
            "key",
            "${ without a variable name; write ${NAME}, or $${ for a literal ${",
        ),
        ({**URL, "part": {"size": 1, "x": ["${"]}}, "part.x[0]", "without a variable name"),
    ],
)
def test_each_refused_argument_is_reported_at_its_key(kwargs: dict[str, Any], key: str, message: str) -> None:
    """Without this, a wrong argument fails only when the scheduled harvest runs at night."""
    assert message in problems(harvester_kwargs=kwargs)[f"harvester_kwargs.{key}"]


@pytest.mark.parametrize(
    "kwargs",
    [
        {"base_url": "${URL}"},
        {"base_url": "https://${HOST}:${PORT}/oai"},
        {**URL, "pages": "${PAGES}"},
        {**URL, "prefix": "${A_PREFIX_OF_A_LONG_NAME}"},
        {**URL, "key": "Bearer ${TOKEN}"},
        {**URL, "sets": ["${A}", 2]},
        {**URL, "part": {"size": "${SIZE}"}},
        {**URL, "part": "${PART}"},
    ],
)
def test_a_value_with_a_placeholder_is_not_validated_at_loading(kwargs: dict[str, Any]) -> None:
    """Loading does not know the secret, so it cannot validate the value."""
    assert problems(harvester_kwargs=kwargs) == {}


def test_other_arguments_are_validated_beside_a_placeholder() -> None:
    """One `${NAME}` must not stop the validation of the other arguments."""
    kwargs = {"base_url": "${URL}", "pages": "many", "sets": ["${A}", "x"], "nope": "${B}"}
    assert set(problems(harvester_kwargs=kwargs)) == {
        "harvester_kwargs.pages",
        "harvester_kwargs.sets[1]",
        "harvester_kwargs.nope",
    }


def test_a_missing_key_is_reported_beside_a_placeholder() -> None:
    """The error about a missing key does not depend on any value."""
    assert set(problems(harvester_kwargs={"key": "${TOKEN}"})) == {"harvester_kwargs.base_url"}


@pytest.mark.parametrize(
    ("harvester", "message"),
    [
        ("nope", "no harvester is registered as 'nope'. Use one of: "),
        ("missing", "cannot be imported: ModuleNotFoundError: No module named"),
        ("broken", "RuntimeError: the driver is too old"),
        ("modelless", "its attribute Arguments is not a pydantic model"),
    ],
)
def test_a_plug_in_that_cannot_be_used_is_a_problem_of_its_config(harvester: str, message: str) -> None:
    """One missing driver stopped the schedules of all sources: docs/failures.md#one-bad-source-stops-all."""
    assert message in problems(harvester=harvester)["harvester"]


def test_a_validator_that_raises_an_unexpected_error_is_a_problem() -> None:
    """The validator of a third party may raise anything. Its text may contain a value, so it is not shown."""
    assert problems(harvester="raising", harvester_kwargs={"key": "v"}) == {
        "harvester_kwargs": "the harvester 'raising' could not validate its arguments: KeyError"
    }
    assert problems(harvester="raising", harvester_kwargs={"key": "${A}"}) == {}


def test_transformers_are_validated_like_harvesters() -> None:
    """A misspelt argument would make every datum fail."""
    assert set(problems(harvester_kwargs=URL, transformer="fake", transformer_kwargs={"lang": "en"})) == {
        "transformer_kwargs.lang"
    }
    assert set(problems(harvester_kwargs=URL, transformer="nope")) == {"transformer"}
    assert (
        "has no effect without a transformer"
        in (problems(harvester_kwargs=URL, transformer_kwargs={"language": "en"})["transformer_kwargs"])
    )


@pytest.mark.parametrize(
    "document",
    [{"harvester": 7}, {"harvester_kwargs": None}, {"harvester_kwargs": "x"}, {"transformer_kwargs": []}],
)
def test_arguments_of_a_wrong_type_are_reported_only_by_the_schema(document: dict[str, Any]) -> None:
    """Otherwise each of them is reported twice."""
    assert not problems(**{"harvester_kwargs": URL, **document})


def test_a_run_gets_its_arguments_with_their_secrets() -> None:
    """Resolved values are validated and converted."""
    kwargs = {"base_url": "https://${HOST}/oai", "pages": "${PAGES}", "key": "${KEY}"}
    arguments = resolved(kwargs, {"HOST": "example.org", "PAGES": "3", "KEY": "s3cr3t"})
    assert isinstance(arguments, FakeHarvester.Arguments)
    assert (str(arguments.base_url), arguments.pages, arguments.key) == (
        "https://example.org/oai",
        3,
        "s3cr3t",
    )


def test_a_transformer_gets_its_own_arguments() -> None:
    """One function resolves the arguments of both kinds."""
    config = IngestConfig(
        label="source", harvester="fake", transformer="fake", transformer_kwargs={"language": "${LANG_CODE}"}
    )
    arguments = resolve_arguments(config, plugins.TRANSFORMERS, {"LANG_CODE": "fr"})
    assert arguments == FakeTransformer.Arguments(language="fr")


def test_a_secret_that_the_plug_in_refuses_is_not_shown() -> None:
    """The text of an error reaches the event log and the database: docs/failures.md#secret-in-log."""
    with pytest.raises(CatalogError) as caught:
        resolved({**URL, "key": "${KEY}", "pages": "${KEY}", "sets": ["${KEY}"]}, {"KEY": "s3 cr3t"})
    error: BaseException | None = caught.value
    assert "source: harvester_kwargs.pages" in str(error)
    assert "harvester_kwargs.key '***' contains a space" in str(error)
    assert error is not None
    assert error.__cause__ is error.__context__ is None
    with pytest.raises(CatalogError, match="KeyError") as caught:
        resolved({"key": "${KEY}"}, {"KEY": "s3cr3t"}, harvester="raising")
    assert "s3cr3t" not in str(caught.value)


def test_a_missing_secret_or_plug_in_raises() -> None:
    """The run must end before it sends a request to the source."""
    with pytest.raises(MissingSecret, match=r"source needs .*: KEY"):
        resolved({**URL, "key": "${KEY}"}, {})
    with pytest.raises(UnknownPlugin, match="nope"):
        resolved({}, {}, harvester="nope")


def deciding(**kwargs: Any) -> dict[str, Any]:
    return deciding_arguments(
        IngestConfig(label="source", harvester="oai", harvester_kwargs={**OAI, **kwargs})
    )


OAI = {"base_url": "https://example.org/oai"}


@pytest.mark.parametrize(
    "kwargs",
    [
        {"trust_total": False},
        {"single_use_tokens": True},
        {"several_names": True},
        {"metadata_prefix": "oai_dc"},  # the default
    ],
)
def test_arguments_that_are_not_asked_do_not_decide(kwargs: dict[str, Any]) -> None:
    """The error of a window tells people to set these. That must not invalidate the coverage of ten years."""
    assert deciding(**kwargs) == deciding()


@pytest.mark.parametrize(
    "kwargs", [{"set": "a"}, {"metadata_prefix": "marc"}, {"base_url": "https://two.test"}]
)
def test_arguments_that_are_asked_decide(kwargs: dict[str, Any]) -> None:
    """Coverage of another set says nothing about this one (docs/failures.md#coverage-too-early)."""
    assert digest_of(deciding(**kwargs)) != digest_of(deciding())


@pytest.mark.parametrize(
    ("kwargs", "names"),
    [
        ({"params": {"type": "${TYPE}"}}, ["TYPE"]),
        ({"params": {"q": "${A} AND ${B}"}}, ["A", "B"]),
        ({"base_url": "https://${HOST}/api"}, ["HOST"]),
        ({"base_url": "https://${USER}:${WORD}@example.org/${PART}?key=${K}&set=${SET}"}, ["PART", "SET"]),
        ({"params": {"api_key": "${MINE}", "x": "${API_KEY}"}}, []),
        ({"headers": {"X-Set": "${SET}"}}, []),
    ],
)
def test_only_a_value_that_selects_records_decides(kwargs: dict[str, Any], names: list[str]) -> None:
    """A new key must not end the coverage of ten years, and a digest of a password must not be stored."""
    dates = {"from": "{from}", "until": "{until}"}
    rest: dict[str, Any] = {
        "base_url": "https://example.org/api",
        "records": "items",
        "identifier": "id",
        "next": {"by": "cursor", "path": "next", "param": "cursor"},
        **kwargs,
        "params": {**dates, **kwargs.get("params", {})},
    }
    config = IngestConfig(label="api", harvester="json", harvester_kwargs=rest)
    environ = dict.fromkeys(
        ["TYPE", "A", "B", "HOST", "USER", "WORD", "PART", "K", "SET", "MINE", "API_KEY"], "v"
    )
    assert list(deciding_values(config, environ)) == names


def test_headers_and_nested_marks_of_a_rest_api_do_not_decide() -> None:
    """A new key, or `single_use`, does not change what the API is asked for. A parameter does."""
    kwargs: dict[str, Any] = {
        "base_url": "https://example.org/api",
        "params": {"from": "{from}", "until": "{until}"},
        "records": "items",
        "identifier": "id",
        "next": {"by": "cursor", "path": "next", "param": "cursor"},
    }

    def found(**changes: Any) -> dict[str, Any]:
        config = IngestConfig(label="api", harvester="json", harvester_kwargs={**kwargs, **changes})
        return deciding_arguments(config)

    assert found(headers={"X-Key": "${KEY}"}) == found()
    assert found(next={**kwargs["next"], "single_use": True}) == found()
    assert found(params={**kwargs["params"], "type": "preprint"}) != found()


def test_no_secret_is_kept_with_the_arguments() -> None:
    """They are stored with each log. A new value of a secret does not change what is asked."""
    found = deciding(base_url="https://example.org/oai?api_key=opensesame&key=${KEY}")
    assert "opensesame" not in str(found)
    assert "${KEY}" in str(found)
    other = deciding(base_url="https://example.org/oai?api_key=other-secret&key=${KEY}")
    assert digest_of(other) == digest_of(found)


def test_a_placeholder_that_the_model_rejects_does_not_hide_the_arguments() -> None:
    """`${URL}` is no address. The arguments are then compared as they are written."""
    assert deciding(base_url="${URL}", set="a") == {"base_url": "${URL}", "set": "a"}


def test_changes_are_described_by_their_path() -> None:
    """The line in the log must name what invalidated the coverage."""
    before, now = {"params": {"type": "a", "rows": 5}, "x": 1}, {"params": {"type": "b", "rows": 5}}
    assert (
        describe_changes(before, now)
        == 'params.type changed from "a" to "b", x changed from 1 to its default'
    )
