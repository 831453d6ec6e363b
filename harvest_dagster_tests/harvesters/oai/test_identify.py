"""Identify, ListSets, ListMetadataFormats and GetRecord, and the arguments of a source."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from pydantic import ValidationError

from harvest_dagster.errors import ProtocolError
from harvest_dagster.harvesters.oai.arguments import OaiArguments
from harvest_dagster.harvesters.oai.harvester import OaiHarvester
from harvest_dagster.harvesters.oai.identify import MetadataFormat, Set
from harvest_dagster.harvesters.window_ends.requested_dates import Granularity
from harvest_dagster.plugins import HARVESTERS, load
from harvest_dagster_tests.harvesters.sources import (
    BASE_URL,
    DAY,
    error,
    found,
    harvest,
    listed,
    record,
    requests,
    scripted,
)


def test_identify_returns_the_properties_of_the_repository() -> None:
    identity = scripted().identify()
    assert (identity.repository_name, identity.base_url) == ("The model", BASE_URL)
    assert identity.protocol_version == "2.0"
    assert identity.earliest_datestamp == datetime(2001, 2, 3, tzinfo=timezone.utc)
    assert (identity.deleted_record, identity.granularity) == ("persistent", Granularity.SECOND)
    assert identity.admin_emails == ("admin@repository.test",)


def test_identify_is_requested_once_before_the_first_list() -> None:
    """Each request uses up a part of the host's budget."""
    source = scripted(listed(record("a")), error("noRecordsMatch"))
    assert source.session.asked == []
    assert found(source) == ["a"]
    assert found(source) == []
    assert [asked["verb"] for asked in source.session.asked] == ["Identify", "ListRecords", "ListRecords"]


def test_list_sets_returns_the_sets_of_all_pages() -> None:
    a, b = (f"<set><setSpec>{spec}</setSpec><setName>Set {spec}</setName></set>" for spec in ("a", "a:b"))
    source = scripted(listed(a, token="1", verb="ListSets"), listed(b, verb="ListSets"))
    assert list(source.list_sets()) == [Set("a", "Set a"), Set("a:b", "Set a:b")]
    assert requests(source) == [{"verb": "ListSets"}, {"verb": "ListSets", "resumptionToken": "1"}]


def test_list_metadata_formats_returns_the_formats() -> None:
    element = (
        "<metadataFormat><metadataPrefix>oai_dc</metadataPrefix><schema>http://s</schema>"
        "<metadataNamespace>http://n</metadataNamespace></metadataFormat>"
    )
    source = scripted(*[listed(element, verb="ListMetadataFormats")] * 2)
    expected = [MetadataFormat("oai_dc", "http://s", "http://n")]
    assert source.list_metadata_formats() == source.list_metadata_formats("x") == expected
    plain = {"verb": "ListMetadataFormats"}
    assert requests(source) == [plain, plain | {"identifier": "x"}]


def test_get_record_returns_the_same_record_as_a_list() -> None:
    """If a page does not parse, its records are requested one by one. Their hashes must not differ."""
    source = scripted(listed(record("a")), listed(record("a"), verb="GetRecord"))
    assert list(harvest(source, DAY)) == [source.get_record("a")]
    assert requests(source)[1] == {"verb": "GetRecord", "identifier": "a", "metadataPrefix": "oai_dc"}


def test_get_record_without_a_record_is_an_error() -> None:
    with pytest.raises(ProtocolError, match="0 records"):
        scripted(listed(verb="GetRecord")).get_record("a")


@pytest.mark.parametrize("query", ["", "?journal=x", "/oai.php?a=1&b="])
def test_a_base_url_may_have_a_query_string(query) -> None:
    assert OaiArguments(base_url=f"https://repository.test{query}")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({}, "base_url"),
        ({"base_url": "repository.test/oai"}, "http"),
        ({"base_url": "ftp://repository.test/oai"}, "http"),
        ({"base_url": "file:///etc/hostname"}, "http"),
        ({"base_url": "https:///oai"}, "http"),
        ({"base_url": f"{BASE_URL}#top"}, "fragment"),
        ({"base_url": f"{BASE_URL}?verb=ListRecords"}, "verb"),
        ({"base_url": f"{BASE_URL}?set="}, "set"),
        ({"base_url": BASE_URL, "metadata_prefix": "oai dc"}, "metadata_prefix"),
        ({"base_url": BASE_URL, "set": ""}, "set"),
        ({"base_url": BASE_URL, "set": []}, "set"),
        ({"base_url": BASE_URL, "granularity": "YYYY-MM-DD"}, "granularity"),
    ],
)
def test_invalid_arguments_are_refused(arguments, word) -> None:
    """The error appears when the catalog is loaded, and not in a harvest at night."""
    with pytest.raises(ValidationError, match=word):
        OaiArguments(**arguments)


def test_a_set_that_is_named_twice_is_requested_once() -> None:
    arguments = OaiArguments(base_url=BASE_URL, set=["a", "b", "a"])
    assert [asked["set"] for asked in arguments.lists] == ["a", "b"]


def test_the_harvester_is_registered_as_oai() -> None:
    assert load(HARVESTERS, "oai") is OaiHarvester
    assert OaiHarvester.Arguments is OaiArguments
