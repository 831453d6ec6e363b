"""Bundled REST sources over recorded responses of their APIs: the paths of the list, and the mapping of a record.

DataONE and PLOS were recorded in the XML of Solr. The sources ask for its JSON, which has the same fields.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Any

import pytest
from lxml import etree

from harvest_dagster.catalog.loader import load_catalog
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.harvesters.rest.arguments import RestArguments
from harvest_dagster.harvesters.rest.parser import RestParser
from harvest_dagster.records import Record
from harvest_dagster.transformers.formats.mapping.transformer import MappingTransformer
from harvest_dagster.windows import Window, parse_instant
from harvest_dagster_tests.harvesters.rest.rest_sources import RestSource
from harvest_dagster_tests.harvesters.rest.test_recorded import Replayed
from harvest_dagster_tests.harvesters.sources import Answered
from harvest_dagster_tests.recorded import recordings, requires_recorded
from harvest_dagster_tests.transformers import accounting

pytestmark = requires_recorded


@cache
def source(label: str) -> IngestConfig:
    return load_catalog("bundled", {}).get(label)


def bodies(name: str) -> Iterator[bytes]:
    for recording in recordings("scrapi_oai_and_rest"):
        if recording.file.rpartition("_")[2].startswith(name) and recording.status == 200:
            yield recording.body


def usgs() -> Iterator[Any]:
    for body in bodies("usgs"):
        yield from json.loads(body)["records"]


def nsf() -> Iterator[Any]:
    for body in bodies("nsfawards"):
        yield from json.loads(body)["response"].get("award", [])


def solr(name: str) -> Iterator[Any]:
    for body in bodies(name):
        for document in etree.fromstring(body).iterfind(".//doc"):
            yield {one.get("name"): solr_value(one) for one in document}


def solr_value(element: etree._Element) -> Any:
    return [solr_value(one) for one in element] if element.tag == "arr" else element.text or ""


def requested(label: str, items: Iterator[Any]) -> Iterator[Any]:
    """Leave out the fields that the source does not ask for."""
    names = source(label).harvester_kwargs["params"]["fl"].split(",")
    for item in items:
        yield {name: value for name, value in item.items() if name in names}


SOURCES = {
    "usgs_publications": lambda: islice(usgs(), 0, None, 2),
    "nsf_awards": nsf,
    "plos": lambda: requested("plos", solr("plos")),
    "dataone": lambda: islice(requested("dataone", solr("dataone")), 0, None, 8),  # all of them take 4 s
}


@pytest.mark.parametrize("label", SOURCES)
def test_no_value_of_a_recorded_record_is_lost(label: str) -> None:
    """The counts show which fields a mapping fills: a path with a mistake fills none."""
    kwargs = source(label).transformer_kwargs
    transformer = MappingTransformer(MappingTransformer.Arguments.model_validate(kwargs))
    records = (
        Record(str(item["id"]), None, False, json.dumps(item, ensure_ascii=False, sort_keys=True))
        for item in SOURCES[label]()
    )
    account = accounting.account_for(transformer, records)
    accounting.check(f"mapping_{label}", account)
    assert account.failures == {}


@pytest.mark.parametrize(
    ("label", "name", "size", "has_total"),
    [("usgs_publications", "usgs", 15, True), ("nsf_awards", "nsfawards", 25, False)],
)
def test_each_record_of_a_recorded_list_arrives(label: str, name: str, size: int, has_total: bool) -> None:
    """No example in the documentation has these APIs, so nothing else tests the paths of their lists."""
    ever = Window(parse_instant("1900-01-01"), parse_instant("2100-01-01"))
    arguments = RestArguments.model_validate(source(label).harvester_kwargs)
    url = arguments.base_url
    page = next(RestSource(arguments, Replayed(Answered(next(bodies(name)), url))).pages(ever))
    records = [one for one in RestParser(arguments).records(page, ever) if isinstance(one, Record)]
    assert (page.count, len(records), page.total is not None) == (size, size, has_total)
    assert all(one.datestamp for one in records) == has_total
