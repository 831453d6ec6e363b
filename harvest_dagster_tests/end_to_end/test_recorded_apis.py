"""The sources in `examples/rest` harvest the recorded records of their APIs through the real asset.

A server answers in the form of each API. Its records are those that were recorded, on their real days, and it returns
those of the days that a request names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from typing import Any

import pytest
from lxml import etree

from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster_tests.end_to_end.deployment import Deployment
from harvest_dagster_tests.pipeline.rest_apis import APIS, Api, Item, Listing, serving
from harvest_dagster_tests.pipeline.test_rest_examples import CATALOG, at
from harvest_dagster_tests.recorded import recorded, recordings, requires_recorded

DAYS = 30
PAGE = 20
ATOM = "{http://www.w3.org/2005/Atom}"


@dataclass(frozen=True)
class Found:
    """A recorded record: its identifier as it is stored, its day, and its content as text."""

    identifier: str
    day: date
    content: str


@dataclass(frozen=True)
class Recorded:
    """Where the records of an API are recorded.

    Attributes:
        folder: the folder of the recordings.
        name: the file, if only one contains lists of this API.
        datestamp: path of the date that the server compares, if the source does not name it.
        has_transformer: whether the recorded records have the format of the source's transformer.
    """

    folder: str
    name: str = ""
    datestamp: str = ""
    has_transformer: bool = True


RECORDED = {
    "crossref": Recorded("crossref_rcrossref"),
    "datacite": Recorded(
        "datacite_lupo_vcr", has_transformer=False
    ),  # repositories; no list of DOIs was recorded
    "europepmc": Recorded("europepmc_pyeuropepmc", "fixtures__fetch_10pages_cancer.json", "firstIndexDate"),
    "clinicaltrials": Recorded("ctgov_v2_nsclc", "data__ctg-studies.json"),
    "doaj": Recorded("doaj_jaod"),
    "zenodo_rest": Recorded("zenodo_rest_zenodomap"),
    "osf": Recorded("osf_osfr"),
    "openalex": Recorded("findpapers_2026_samples", "openalex__sample_response.json"),
    "biorxiv": Recorded("findpapers_2026_samples", "biorxiv__sample_response.json"),
    "arxiv_api": Recorded("arxiv_atom"),
}


def value_at(document: Any, path: str) -> Any:
    """Return the value at a dotted path; None if there is none."""
    for name in path.split("."):
        if not isinstance(document, dict) or name not in document:
            return None
        document = document[name]
    return document


def documents(source: Recorded) -> Iterator[Any]:
    """Yield the recorded JSON documents."""
    bodies = (
        [recorded(source.folder, source.name)]
        if source.name
        else [one.body for one in recordings(source.folder)]
    )
    for body in bodies:
        try:
            document = json.loads(body)
        except ValueError:
            continue
        yield from (
            document if isinstance(document, list) and source.folder.startswith("europe") else [document]
        )


def json_records(config: IngestConfig, source: Recorded) -> Iterator[Found]:
    """Yield the recorded records that have an identifier and a date, in order."""
    kwargs = config.harvester_kwargs
    names = kwargs["identifier"] if isinstance(kwargs["identifier"], list) else [kwargs["identifier"]]
    for document in documents(source):
        items = document if isinstance(document, list) else value_at(document, kwargs["records"])
        for item in items if isinstance(items, list) else ():
            parts = [value_at(item, name) for name in names]
            day = value_at(item, source.datestamp or kwargs["datestamp"])
            if all(parts) and day:
                texts = [f"#{part}" if isinstance(part, int) else str(part) for part in parts]
                yield Found(":".join(texts), date.fromisoformat(day[:10]), json.dumps(item))


def xml_records(source: Recorded) -> Iterator[Found]:
    """Yield the recorded entries of arXiv that have a date, in order."""
    for recording in recordings(source.folder):
        for entry in etree.fromstring(recording.body).iter(f"{ATOM}entry"):
            identifier, day = entry.findtext(f"{ATOM}id"), entry.findtext(f"{ATOM}published")
            if identifier and day:
                yield Found(
                    identifier, date.fromisoformat(day[:10]), etree.tostring(entry, encoding="unicode")
                )


def best_days(records: list[Found]) -> date:
    """Return the first day of the period in which most records are."""
    starts = {record.day for record in records}
    return max(sorted(starts), key=lambda start: sum(0 <= (one.day - start).days < DAYS for one in records))


def identifiers(records: list[Found], first: date, last: date) -> set[str]:
    return {record.identifier for record in records if first <= record.day <= last}


def answer(api: Api, config: IngestConfig, records: list[Found], listing: Listing) -> Any:
    """Return a page of the API, with the recorded records in place of its own."""
    content, page = api.answer(listing), [records[item.number].content for item in listing.page]
    if isinstance(content, str):
        return content[: content.find("<entry>")] + "".join(page) + "</feed>" if page else content
    *parents, last = config.harvester_kwargs["records"].split(".")
    value_at({"page": content}, ".".join(["page", *parents]))[last] = [json.loads(one) for one in page]
    return content


def with_small_pages(config: IngestConfig, api: Api) -> tuple[dict[str, Any], Api]:
    """Return the config as YAML would have it, and the API, with pages of a few records if the size is a parameter."""
    kwargs = dict(config.harvester_kwargs)
    if isinstance(api.size, int):
        return kwargs, replace(api, size=PAGE)
    return {**kwargs, "params": {**kwargs["params"], api.size: PAGE}}, api


@requires_recorded
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "label",
    [label if label == "crossref" else pytest.param(label, marks=pytest.mark.slow) for label in RECORDED],
)
def test_the_recorded_records_of_an_api_are_harvested_and_transformed_completely(
    deployment: Deployment, label: str
) -> None:
    """Real records have numbers, nulls, markup and dates that no invented record has."""
    config = next(config for config in CATALOG.configs if config.label == label)
    source = RECORDED[label]
    found = xml_records(source) if label == "arxiv_api" else json_records(config, source)
    records = list({record.identifier: record for record in found}.values())
    first = best_days(records)
    last = first + timedelta(days=DAYS - 1)
    kwargs, api = with_small_pages(config, APIS[label])
    transformer = config.transformer if source.has_transformer else None
    items = [Item(number, record.day) for number, record in enumerate(records)]
    api = replace(api, items=items, answer=partial(answer, api, config, records))
    with serving(api) as server:
        moved = at(config, server).harvester_kwargs["base_url"]
        deployment.source(
            label, arguments={**kwargs, "base_url": moved}, harvester="rest", transformer=transformer,
            transformer_kwargs=config.transformer_kwargs, earliest_date=str(first), max_window=f"{DAYS}d",
        )  # fmt: skip
        deployment.materialize(
            label, str(first), str(last), kinds=("raw", "transformed") if transformer else ("raw",)
        )
    expected = identifiers(records, first, last)
    # Too few records show how the source treats the ends of a window. Then those of the next days are stored, too.
    near = identifiers(records, first - timedelta(days=1), last + timedelta(days=1))
    (log,) = deployment.harvest_logs(label)
    assert (log.status, log.quarantined, log.completeness) == ("SUCCEEDED", 0, "complete")
    assert expected <= {one.identifier for one in deployment.data(label)} <= near
    assert len(expected) >= min(len(records), 2)
    if transformer:
        assert_transformed(deployment, label)


def assert_transformed(deployment: Deployment, label: str) -> None:
    """Assert that each live datum of the days has a document with the transformer's name."""
    logs = deployment.ingest_logs(label)
    assert {(log.status, log.error) for log in logs} == {("SUCCEEDED", None)}
    made = [document for document in deployment.documents(label).values() if document is not None]
    assert len(made) == len(logs)
    config = next(config for config in CATALOG.configs if config.label == label)
    assert {document["provenance"]["transformer"] for document in made} == {config.transformer}
    # Some works of Crossref have no title, but each has its DOI.
    assert all(document["title"] or document["identifiers"] for document in made)
