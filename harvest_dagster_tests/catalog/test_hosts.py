"""Whose limits hold for which host, and what is said where they differ."""

from __future__ import annotations

from collections.abc import Callable

from harvest_dagster.catalog.hosts import limits_by_host
from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.catalog.schema import IngestConfig, RateLimit
from harvest_dagster.limits import Limit

Load = Callable[..., Catalog]


def source(label: str, url: str, limit: str = "calls: 1, period: 3") -> str:
    return f"label: {label}\nharvester: fake\nharvester_kwargs:\n  base_url: {url}\nrate_limit: {{{limit}}}\n"


def config(label: str, calls: int, **kwargs: object) -> IngestConfig:
    rate_limit = RateLimit(calls=calls, period=1)
    return IngestConfig(label=label, harvester="fake", harvester_kwargs=kwargs, rate_limit=rate_limit)


def test_configs_of_one_host_that_disagree_load_and_are_warned_of(load: Load) -> None:
    """Lesson 18: 43 base URLs were shared by two configs each, and nobody knew which limit counted."""
    catalog = load(
        source("slow", "https://Export.example.org/oai"),
        source("fast", "http://export.example.org:80/oai2", "calls: 5, period: 1"),
    )
    assert [each.label for each in catalog.configs] == ["fast", "slow"]
    assert catalog.problems == ()
    (warning,) = catalog.warnings
    assert (warning.file[-6:], warning.line, warning.key, warning.label) == (
        "b.yaml",
        5,
        "rate_limit",
        "fast",
    )
    assert "export.example.org" in warning.message
    assert "5 requests in 1 s (fast) and 1 request in 3 s (slow)" in warning.message
    assert "the strictest does. Give them one rate_limit" in warning.message


def test_nothing_is_said_where_configs_agree_or_ask_different_hosts(load: Load) -> None:
    """A warning on every start is one that nobody reads."""
    catalog = load(
        source("one", "https://one.example/oai"),
        source("two", "https://one.example/other"),
        source("three", "https://three.example/oai", "calls: 9, period: 1"),
    )
    assert catalog.warnings == ()


def test_a_host_out_of_the_environment_is_known_when_the_harvest_runs_and_not_before() -> None:
    """Loading reads no environment; a run that did not either would overlook the other config's limit."""
    configs = [
        config("one", 1, base_url="https://${HOST}/oai"),
        config("two", 2, base_url="https://a.example"),
    ]
    assert limits_by_host(configs) == {"a.example": {Limit(2, 1): ["two"]}}
    assert limits_by_host(configs, {}) == limits_by_host(configs)
    assert limits_by_host(configs, {"HOST": "a.example"}) == {
        "a.example": {Limit(1, 1): ["one"], Limit(2, 1): ["two"]}
    }


def test_a_secret_beside_the_host_does_not_hide_it() -> None:
    """Most keys stand in the path or the query, and two configs with a key each still share their host."""
    configs = [config("one", 1, base_url="https://${USER}:${KEY}@a.example/x?key=${KEY}")]
    assert limits_by_host(configs) == {"a.example": {Limit(1, 1): ["one"]}}


def test_every_address_counts_however_deep_and_what_is_none_is_passed_over() -> None:
    """Each harvester names its arguments as it likes, and a bad address is its own to refuse."""
    found = limits_by_host(
        [config("one", 1, lists=[{"of": "http://a.example"}], bad="http://[x", other="a b")]
    )
    assert list(found) == ["a.example"]
