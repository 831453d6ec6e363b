"""Load the simulator's JSON list with the rest_api source of dlt, and print the identifiers of the loaded rows.

`python run_dlt.py URL`. A pipeline writes JSON Lines into a temporary folder. If it fails, it has loaded nothing.
"""

import gzip
import json
import sys
import tempfile
from pathlib import Path

import dlt
from dlt.sources.rest_api import rest_api_source

base, _, path = sys.argv[1].rpartition("/")
source = rest_api_source(
    {
        "client": {
            "base_url": base,
            "paginator": {"type": "cursor", "cursor_path": "next", "cursor_param": "cursor"},
        },
        "resources": [{"name": "records", "endpoint": {"path": path, "data_selector": "records"}}],
    }
)
with tempfile.TemporaryDirectory() as folder:
    pipeline = dlt.pipeline(
        "comparison",
        pipelines_dir=f"{folder}/pipelines",
        dataset_name="rows",
        destination=dlt.destinations.filesystem(bucket_url=Path(folder, "loaded").as_uri()),
    )
    pipeline.run(source, loader_file_format="jsonl")
    for file in Path(folder, "loaded", "rows", "records").rglob("*.jsonl*"):
        content = file.read_bytes()
        text = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
        for line in text.splitlines():
            print(json.loads(line)["id"])
