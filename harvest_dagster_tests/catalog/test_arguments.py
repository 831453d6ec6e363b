"""The arguments of plug-ins: checked without the environment, made with it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from harvest_dagster import plugins
from harvest_dagster.catalog.arguments import check_arguments, make_arguments
from harvest_dagster.catalog.problems import dotted
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.errors import CatalogError, MissingSecret, UnknownPlugin
from harvest_dagster_tests.catalog.fakes import FakeHarvester, FakeTransformer

URL = {"base_url": "https://example.org/oai"}


def problems(**document: Any) -> dict[str, str]:
    return {dotted(path): message for path, message in check_arguments({"harvester": "fake", **document})}


def made(
    kwargs: dict[str, Any], environ: dict[str, str], harvester: str = "fake"
) -> tuple[BaseModel, frozenset[str]]:
    config = IngestConfig(label="source", harvester=harvester, harvester_kwargs=kwargs)
    return make_arguments(config, plugins.HARVESTERS, environ)


def test_what_the_plug_in_takes_is_no_problem() -> None:
    """The model is the plug-in's own: `sets` may be text or a list here."""
    for sets in ("cs", [1, 2]):
        assert problems(harvester_kwargs={**URL, "pages": 3, "sets": sets, "part": {"size": 2}}) == {}


@pytest.mark.parametrize(
    ("kwargs", "key", "said"),
    [
        ({}, "base_url", "is missing; required here: base_url"),
        ({"base_url": 7}, "base_url", "URL"),
        ({"base_url": "example.org"}, "base_url", "must be a valid URL"),
        ({**URL, "prefix": 123}, "prefix", "must be text (a number, true or false in quotes)"),
        ({**URL, "prefix": "x" * 13}, "prefix", "at most 12 characters"),
        ({**URL, "pages": "many"}, "pages", "must be a valid integer"),
        (
            {**URL, "pags": 3},
            "pags",
            "allowed: base_url, prefix, pages, sets, part, key; did you mean 'pages'?",
        ),
        ({**URL, "part": {"sise": 3}}, "part.sise", "allowed: size; did you mean 'size'?"),
        ({**URL, "part": 3}, "part", "must be a mapping"),
        ({**URL, "sets": 3}, "sets", "must be text (a number, true or false in quotes); or must be a list"),
        ({**URL, "sets": [1, "x"]}, "sets[1]", "must be a valid integer"),
        ({**URL, "key": "a b"}, "key", "'a b' holds a blank"),
        ({**URL, "key": "${A-B}"}, "key", "${ that begins no name; write ${NAME}, or $${ for a literal ${"),
        ({**URL, "part": {"size": 1, "x": ["${"]}}, "part.x[0]", "begins no name"),
    ],
)
def test_what_it_refuses_is_reported_at_its_key(kwargs: dict[str, Any], key: str, said: str) -> None:
    """Found when the catalogue is loaded, not at three in the morning."""
    assert said in problems(harvester_kwargs=kwargs)[f"harvester_kwargs.{key}"]


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
def test_what_holds_a_secret_waits_for_the_run(kwargs: dict[str, Any]) -> None:
    """No secret is known at loading: what it will be is not for then to judge."""
    assert problems(harvester_kwargs=kwargs) == {}


def test_what_stands_beside_a_secret_is_judged() -> None:
    """One `${NAME}` must not switch the check of the others off."""
    kwargs = {"base_url": "${URL}", "pages": "many", "sets": ["${A}", "x"], "nope": "${B}"}
    assert set(problems(harvester_kwargs=kwargs)) == {
        "harvester_kwargs.pages",
        "harvester_kwargs.sets[1]",
        "harvester_kwargs.nope",
    }


def test_a_missing_key_is_missed_where_secrets_are() -> None:
    """Its error stands beside the placeholders, and has nothing to do with them."""
    assert set(problems(harvester_kwargs={"key": "${TOKEN}"})) == {"harvester_kwargs.base_url"}


@pytest.mark.parametrize(
    ("harvester", "said"),
    [
        ("nope", "no harvester is registered as 'nope'. Use one of: "),
        ("missing", "cannot be imported: No module named"),
        ("broken", "RuntimeError: the driver is too old"),
        ("modelless", "its Arguments is no pydantic model"),
    ],
)
def test_a_plug_in_that_cannot_be_used_is_the_problem_of_its_config(harvester: str, said: str) -> None:
    """Lesson 15: a missing driver stopped the scheduling of all sources."""
    assert said in problems(harvester=harvester)["harvester"]


def test_a_validator_that_fails_in_its_own_way_is_a_problem_too() -> None:
    """The code of others raises what it likes; the text of its error may hold a value, and is not shown."""
    assert problems(harvester="raising", harvester_kwargs={"key": "v"}) == {
        "harvester_kwargs": "the harvester 'raising' failed to check them: KeyError"
    }
    assert problems(harvester="raising", harvester_kwargs={"key": "${A}"}) == {}


def test_transformers_are_checked_like_harvesters() -> None:
    """Their misspelt arguments would fail every datum."""
    assert set(problems(harvester_kwargs=URL, transformer="fake", transformer_kwargs={"lang": "en"})) == {
        "transformer_kwargs.lang"
    }
    assert set(problems(harvester_kwargs=URL, transformer="nope")) == {"transformer"}
    assert (
        "has no use without a transformer"
        in (problems(harvester_kwargs=URL, transformer_kwargs={"language": "en"})["transformer_kwargs"])
    )


@pytest.mark.parametrize(
    "document",
    [{"harvester": 7}, {"harvester_kwargs": None}, {"harvester_kwargs": "x"}, {"transformer_kwargs": []}],
)
def test_wrong_types_are_left_to_the_schema(document: dict[str, Any]) -> None:
    """Else each is reported twice."""
    assert not problems(**{"harvester_kwargs": URL, **document})


def test_a_run_gets_its_arguments_and_its_secrets() -> None:
    """Everything that waited is checked now, and converted."""
    kwargs = {"base_url": "https://${HOST}/oai", "pages": "${PAGES}", "key": "${KEY}"}
    arguments, secrets = made(kwargs, {"HOST": "example.org", "PAGES": "3", "KEY": "s3cr3t"})
    assert isinstance(arguments, FakeHarvester.Arguments)
    assert (str(arguments.base_url), arguments.pages, arguments.key) == (
        "https://example.org/oai",
        3,
        "s3cr3t",
    )
    assert secrets == {"example.org", "3", "s3cr3t"}


def test_a_transformer_gets_its_own() -> None:
    """One function serves both groups."""
    config = IngestConfig(
        label="source", harvester="fake", transformer="fake", transformer_kwargs={"language": "${LANG_CODE}"}
    )
    arguments, _ = make_arguments(config, plugins.TRANSFORMERS, {"LANG_CODE": "fr"})
    assert arguments == FakeTransformer.Arguments(language="fr")


def test_a_secret_that_the_plug_in_refuses_is_not_shown() -> None:
    """Lesson 32: an error text reaches the event log and the database."""
    with pytest.raises(CatalogError) as caught:
        made({**URL, "key": "${KEY}", "pages": "${KEY}", "sets": ["${KEY}"]}, {"KEY": "s3 cr3t"})
    error: BaseException | None = caught.value
    assert "source: harvester_kwargs.pages" in str(error)
    assert "harvester_kwargs.key '***' holds a blank" in str(error)
    assert error is not None
    assert error.__cause__ is error.__context__ is None
    with pytest.raises(CatalogError, match="KeyError") as caught:
        made({"key": "${KEY}"}, {"KEY": "s3cr3t"}, harvester="raising")
    assert "s3cr3t" not in str(caught.value)


def test_a_run_without_its_secret_or_its_plug_in_ends_at_once() -> None:
    """Before the source is asked anything."""
    with pytest.raises(MissingSecret, match="source needs KEY"):
        made({**URL, "key": "${KEY}"}, {})
    with pytest.raises(UnknownPlugin, match="nope"):
        made({}, {}, harvester="nope")
