"""An IngestConfig: its defaults and its limits. Dagster accepts every value that passes."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from harvest_dagster.catalog import field_types
from harvest_dagster.catalog.schema import IngestConfig, RateLimit, Timeout


def config(**changes: Any) -> IngestConfig:
    return IngestConfig.model_validate({"label": "source", "harvester": "oai", **changes})


def refused(**changes: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        config(**changes)
    return str(caught.value)


def test_label_and_harvester_are_enough() -> None:
    """The defaults are part of the contract. A source is one short file."""
    assert config().model_dump() == {
        "label": "source",
        "name": "source",
        "home_page": None,
        "description": "",
        "harvester": "oai",
        "harvester_kwargs": {},
        "keep_original": False,
        "transformer": None,
        "transformer_kwargs": {},
        "rate_limit": {"calls": 1, "period": 1.0},
        "earliest_date": date(2000, 1, 1),
        "disabled": False,
        "schedule": None,
        "hours": None,
        "lookback": "3d",
        "settle": "6h",
        "selective": True,
        "deletions": {"by": "protocol", "wait": "1d", "most": {"share": 0.05, "count": 100}},
        "reconcile": None,
        "max_window": "30d",
        "timeout": {"connect": "10s", "read": "1m", "response": None, "harvest": "3h"},
        "redirect_networks": (),
        "limits": {
            "received_bytes": "64MiB",
            "response_bytes": "256MiB",
            "file_bytes": "64GiB",
            "xml_nodes": 4_000_000,
            "xml_attributes": 512,
            "xml_page_attributes": 1_000_000,
            "json_values": 4_000_000,
            "token_length": 16_384,
            "cookies": 50,
            "cookie_bytes": "4KiB",
            "cookie_header_bytes": "7KiB",
            "log_line": 10_000,
        },
        "quarantine": {"records": 10, "share": 0.01},
        "auth": None,
        "contact": None,
        "failure_threshold": 5,
        "group": "harvest",
        "owners": (),
        "notify": (),
        "former_labels": (),
        "tags": {},
        "extends": None,
    }
    assert config().timeout == Timeout(
        connect=timedelta(seconds=10), read=timedelta(seconds=60), harvest=timedelta(hours=3)
    )
    assert config().rate_limit == RateLimit(calls=1, period=1)


def test_a_config_survives_a_round_trip_through_json() -> None:
    """A run on another machine reads from the database's JSON the config that the code location read from YAML."""
    original = config(
        name="A source",
        home_page="https://example.org",
        harvester_kwargs={"a": [1, {"b": "${KEY}"}]},
        transformer="oai_dc",
        rate_limit={"calls": 3, "period": 0.5},
        earliest_date="2005-09-16",
        schedule="0 3 * * *",
        max_window="12h",
        timeout={"read": "500ms", "response": "90s"},
        owners=["team:metadata", "someone@example.org"],
        tags={"country": "no"},
    )
    assert IngestConfig.model_validate(original.model_dump(mode="json")) == original


@pytest.mark.parametrize("missing", ["label", "harvester"])
def test_each_mandatory_key_is_required(missing: str) -> None:
    """A config without a label has no asset."""
    with pytest.raises(ValidationError, match=missing):
        IngestConfig.model_validate({key: "x" for key in ("label", "harvester") if key != missing})


@pytest.mark.parametrize(
    "label", ["", "1a", "_a", "A", "a-b", "a b", "ä", "a\n", "a.b", "x" * 201, 12, True, None]
)
def test_a_label_that_is_not_an_asset_key_is_refused(label: object) -> None:
    """A number that is silently converted to text would name an asset that nobody expects."""
    assert "label" in refused(label=label)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"name": 7},
        {"home_page": "example.org"},
        {"home_page": "javascript:alert(1)"},
        {"description": None},
        {"harvester": ""},
        {"harvester_kwargs": None},
        {"harvester_kwargs": []},
        {"transformer": ""},
        {"rate_limit": {"calls": 0}},
        {"rate_limit": {"calls": 1.5}},
        {"rate_limit": {"calls": True}},
        {"rate_limit": {"calls": "1"}},
        {"rate_limit": {"calls": 10**9}},
        {"rate_limit": {"period": 0}},
        {"rate_limit": {"period": -1}},
        {"rate_limit": {"period": float("inf")}},
        {"rate_limit": {"period": "3s"}},
        {"rate_limit": {"perod": 1}},
        {"rate_limit": None},
        {"disabled": "yes"},
        {"disabled": 1},
        {"failure_threshold": 0},
        {"failure_threshold": 1001},
        {"redirect_networks": "10.0.0.0/8"},
        {"redirect_networks": ["10.0.0.1/8"]},
        {"redirect_networks": ["intranet"]},
        {"max_window": "0d"},
        {"max_window": "999ms"},
        {"max_window": None},
        {"timeout": {"read": 0}},
        {"timeout": {"red": "1s"}},
        {"timeout": "1h"},
        {"schedule": "hourly"},
        {"owners": "team:a"},
        {"owners": ["metadata"]},
        {"tags": {"a": 1}},
        {"tags": ["a"]},
        {"settle": "-1d"},
        {"lookback": "a week"},
    ],
)
def test_invalid_values_are_refused(changes: dict[str, Any]) -> None:
    """In other harvesters, each of these loaded and then failed, or was ignored, during a harvest."""
    assert next(iter(changes)) in refused(**changes)


@pytest.mark.parametrize("written", ["2005-09-16", date(2005, 9, 16)])
def test_a_day_may_be_text_or_a_date_object(written: object) -> None:
    """A YAML 1.1 parser turns an unquoted day into a date object."""
    assert config(earliest_date=written).earliest_date == date(2005, 9, 16)


@pytest.mark.parametrize(
    "written",
    [
        "2005-9-16",
        "2005-02-30",
        "16.9.2005",
        "2005",
        2005,
        "20050916",
        "2005-09-16T00:00:00Z",
        "",
        None,
        True,
        "1969-12-31",
        "2200-01-01",
        "0001-01-01",
        "9999-12-31",
        datetime(2005, 9, 16, tzinfo=timezone.utc),
    ],
)
def test_other_dates_are_refused(written: object) -> None:
    """A day before 1970 or after 2199 overflows code that counts in epochs or adds a window."""
    assert "earliest_date" in refused(earliest_date=written)


def test_a_config_cannot_be_changed() -> None:
    """All ops of a run share it. A change in one op would change the config of the next."""
    with pytest.raises(ValidationError, match="frozen"):
        config().label = "other"
    with pytest.raises(ValidationError, match="frozen"):
        config().rate_limit.calls = 7


@given(owner=st.from_regex(field_types._OWNER, fullmatch=True))
def test_dagster_accepts_every_valid_owner(owner: str) -> None:
    """One owner that Dagster refuses would stop all sources: docs/failures.md#one-bad-source-stops-all."""
    dg.AssetSpec("a", owners=list(config(owners=[owner]).owners))


@given(
    key=st.from_regex(field_types._TAG_KEY, fullmatch=True),
    value=st.from_regex(field_types._TAG_VALUE, fullmatch=True),
)
def test_dagster_accepts_every_valid_tag(key: str, value: str) -> None:
    """One tag that Dagster refuses would stop all sources."""
    dg.AssetSpec("a", tags=dict(config(tags={key: value}).tags))


@pytest.mark.parametrize(
    "owner", ["bob", "team:", "team: ", "bob@", "bob@host", ".a@b.org", "a@b.org\n", "a b@c.org"]
)
def test_owners_that_dagster_refuses_are_refused(owner: str) -> None:
    """One config must fail here, because in Dagster all of them would."""
    assert "team:NAME or an e-mail address" in refused(owners=[owner])


@pytest.mark.parametrize(
    "key", ["", "a b", "ä", "x" * 64, "a/b/c", "a\n", "dagster/kind/x", ".dagster/a", "dagster/a"]
)
def test_tag_keys_that_dagster_refuses_or_reserves_are_refused(key: str) -> None:
    """A fourth tag `dagster/kind/…` stops the whole code location."""
    assert "63 letters" in refused(tags={key: "x"})


@pytest.mark.parametrize("value", ["a b", "ä", "x" * 64, "a\n", "a/b"])
def test_tag_values_that_dagster_refuses_are_refused(value: str) -> None:
    """One value that Dagster refuses would stop all sources."""
    assert "63 letters" in refused(tags={"x": value})


@pytest.mark.parametrize("day", [field_types._FIRST_DAY, field_types._LAST_DAY])
def test_dagster_accepts_the_first_and_the_last_day_as_start_of_partitions(day: date) -> None:
    """We choose the range of days; it must be within what Dagster can count."""
    earliest = config(earliest_date=day).earliest_date
    partitions = dg.DailyPartitionsDefinition(start_date=earliest.isoformat())
    after = datetime(day.year, day.month, day.day, tzinfo=timezone.utc) + timedelta(days=2)
    assert partitions.get_partition_keys(current_time=after)[0] == day.isoformat()
