"""The rate limits of each host, and the warning if configs set different ones."""

from __future__ import annotations

from collections.abc import Callable

from harvest_dagster.catalog.hosts import limits_by_host
from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.catalog.schema import IngestConfig, RateLimit
from harvest_dagster.rate_limits import Limit

Load = Callable[..., Catalog]


def source(label: str, url: str, limit: str = "calls: 1, period: 3") -> str:
    return f"label: {label}\nharvester: fake\nharvester_kwargs:\n  base_url: {url}\nrate_limit: {{{limit}}}\n"


def config(label: str, calls: int, **kwargs: object) -> IngestConfig:
    rate_limit = RateLimit(calls=calls, period=1)
    return IngestConfig(label=label, harvester="fake", harvester_kwargs=kwargs, rate_limit=rate_limit)


def test_configs_of_one_host_with_different_limits_load_with_a_warning(load: Load) -> None:
    """43 base URLs had two configs each, and nobody knew which limit applied: docs/failures.md#budget-per-process."""
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
    assert "the strictest one decides. Give all of them the same rate_limit" in warning.message


def test_equal_limits_or_different_hosts_give_no_warning(load: Load) -> None:
    """Nobody reads a warning that appears at every start."""
    catalog = load(
        source("one", "https://one.example/oai"),
        source("two", "https://one.example/other"),
        source("three", "https://three.example/oai", "calls: 9, period: 1"),
    )
    assert catalog.warnings == ()


def test_a_host_from_the_environment_is_known_only_with_the_environment() -> None:
    """Loading reads no environment. A run must read it, or it would miss the limit of the other config."""
    configs = [
        config("one", 1, base_url="https://${HOST}/oai"),
        config("two", 2, base_url="https://a.example"),
    ]
    assert limits_by_host(configs) == {"a.example": {Limit(2, 1): ["two"]}}
    assert limits_by_host(configs, {}) == limits_by_host(configs)
    assert limits_by_host(configs, {"HOST": "a.example"}) == {
        "a.example": {Limit(1, 1): ["one"], Limit(2, 1): ["two"]}
    }


def test_a_secret_in_another_part_of_the_address_does_not_hide_the_host() -> None:
    """Most keys are in the path or the query. Two configs with different keys still share their host."""
    configs = [config("one", 1, base_url="https://${USER}:${KEY}@a.example/x?key=${KEY}")]
    assert limits_by_host(configs) == {"a.example": {Limit(1, 1): ["one"]}}


def test_addresses_are_found_at_any_depth_and_other_text_is_ignored() -> None:
    """The names of the arguments depend on the harvester, which also validates its addresses."""
    found = limits_by_host(
        [config("one", 1, lists=[{"of": "http://a.example"}], bad="http://[x", other="a b")]
    )
    assert list(found) == ["a.example"]
