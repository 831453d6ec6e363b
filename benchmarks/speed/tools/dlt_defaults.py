"""Load the list into PostgreSQL with dlt in its default configuration, and merge by identifier.

`python dlt_defaults.py ARGUMENTS`, a JSON object with url, protocol (oai or json), from, until, database and folder.
OAI-PMH is read with Sickle, and the JSON list with the source rest_api of dlt. The rows are in bench.records.
"""

import json
import sys
from collections.abc import Iterator
from typing import Any

import dlt
from dlt.sources.rest_api import rest_api_source
from sickle import Sickle

ARGUMENTS = json.loads(sys.argv[1])
BETWEEN = {"from": ARGUMENTS["from"], "until": ARGUMENTS["until"]}


@dlt.resource(name="records", primary_key="identifier", write_disposition="merge")
def oai() -> Iterator[dict[str, Any]]:
    """Yield each record, with its XML as text."""
    sickle = Sickle(ARGUMENTS["url"], timeout=60)
    for record in sickle.ListRecords(metadataPrefix="oai_dc", ignore_deleted=False, **BETWEEN):
        header = record.header
        yield {
            "identifier": header.identifier,
            "datestamp": header.datestamp,
            "deleted": header.deleted,
            "datum": record.raw,
        }


def rest() -> Any:
    """Return the source of the JSON list."""
    base, _, path = ARGUMENTS["url"].rpartition("/")
    cursor = {"type": "cursor", "cursor_path": "next", "cursor_param": "cursor"}
    records = {
        "name": "records",
        "primary_key": "id",
        "write_disposition": "merge",
        "endpoint": {"path": path, "params": BETWEEN, "data_selector": "records"},
    }
    return rest_api_source({"client": {"base_url": base, "paginator": cursor}, "resources": [records]})


pipeline = dlt.pipeline(
    "bench",
    pipelines_dir=ARGUMENTS["folder"],
    dataset_name="bench",
    destination=dlt.destinations.postgres(ARGUMENTS["database"]),
)
pipeline.run(oai() if ARGUMENTS["protocol"] == "oai" else rest()).raise_on_failed_jobs()
