"""Load the list into PostgreSQL with the fastest configuration of dlt: Arrow, insert-only merge, Parquet, ADBC.

`python dlt_fastest.py ARGUMENTS`, a JSON object with url, protocol (oai or json), from, until, database and folder. The
rows are in bench.records: identifier, datestamp, hash and datum, one for each content of an identifier.
"""

import json
import sys
from collections.abc import Iterator
from hashlib import sha256

import dlt
import orjson
import pyarrow as pa
from pages import json_pages, oai_pages

ARGUMENTS = json.loads(sys.argv[1])
LIST = (ARGUMENTS["url"], ARGUMENTS["from"], ARGUMENTS["until"])
# dlt falls back to CSV or INSERT if ADBC is missing. Then this candidate must fail.
import adbc_driver_postgresql.dbapi  # noqa: F401


def rows() -> Iterator[list[tuple[str, str, bytes]]]:
    """Yield identifier, datestamp and blob of the records of each page."""
    if ARGUMENTS["protocol"] == "oai":
        yield from oai_pages(*LIST)
    else:
        for body in json_pages(*LIST):
            records = orjson.loads(body)["records"]
            yield [(one["id"], one["updated"], orjson.dumps(one)) for one in records]


@dlt.resource(
    name="records",
    primary_key=["identifier", "hash"],
    write_disposition={"disposition": "merge", "strategy": "insert-only"},
)
def arrow() -> Iterator[pa.Table]:
    """Yield each page as a table."""
    for page in rows():
        identifiers, datestamps, blobs = zip(*page, strict=True)
        yield pa.table(
            {
                "identifier": pa.array(identifiers),
                "datestamp": pa.array(datestamps),
                "hash": pa.array([sha256(blob).hexdigest() for blob in blobs]),
                "datum": pa.array([blob.decode() for blob in blobs]),
            }
        )


pipeline = dlt.pipeline(
    "bench",
    pipelines_dir=ARGUMENTS["folder"],
    dataset_name="bench",
    destination=dlt.destinations.postgres(ARGUMENTS["database"]),
)
pipeline.run(arrow(), loader_file_format="parquet").raise_on_failed_jobs()
