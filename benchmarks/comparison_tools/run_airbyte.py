"""Read the simulator's JSON list with a declarative (low-code) source of Airbyte: `python run_airbyte.py URL`.

It prints the identifiers of the records that the source emits.
"""

import contextlib
import io
import json
import sys
import tempfile
from pathlib import Path

import yaml
from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.sources.declarative.yaml_declarative_source import YamlDeclarativeSource

base, _, path = sys.argv[1].rpartition("/")
SCHEMA = {"type": "object", "additionalProperties": True, "properties": {"id": {"type": "string"}}}
STREAM = {
    "type": "DeclarativeStream",
    "name": "records",
    "primary_key": ["id"],
    "schema_loader": {"type": "InlineSchemaLoader", "schema": SCHEMA},
    "retriever": {
        "type": "SimpleRetriever",
        "record_selector": {
            "type": "RecordSelector",
            "extractor": {"type": "DpathExtractor", "field_path": ["records"]},
        },
        "requester": {"type": "HttpRequester", "url_base": base, "path": f"/{path}", "http_method": "GET"},
        "paginator": {
            "type": "DefaultPaginator",
            "page_token_option": {
                "type": "RequestOption",
                "inject_into": "request_parameter",
                "field_name": "cursor",
            },
            "pagination_strategy": {
                "type": "CursorPagination",
                "cursor_value": "{{ response.get('next') }}",
                "stop_condition": "{{ not response.get('next') }}",
            },
        },
    },
}
MANIFEST = {
    "version": "6.0.0",
    "type": "DeclarativeSource",
    "check": {"type": "CheckStream", "stream_names": ["records"]},
    "streams": [STREAM],
    "spec": {"type": "Spec", "connection_specification": {"type": "object", "properties": {}}},
}
CATALOG = {
    "streams": [
        {
            "stream": {"name": "records", "json_schema": SCHEMA, "supported_sync_modes": ["full_refresh"]},
            "sync_mode": "full_refresh",
            "destination_sync_mode": "overwrite",
        }
    ]
}


def main() -> None:
    """Read the stream and print the identifier of each record."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "manifest.yaml").write_text(yaml.safe_dump(MANIFEST), encoding="utf-8")
        (folder / "config.json").write_text("{}", encoding="utf-8")
        (folder / "catalog.json").write_text(json.dumps(CATALOG), encoding="utf-8")
        options = ["--config", str(folder / "config.json"), "--catalog", str(folder / "catalog.json")]
        arguments = AirbyteEntrypoint.parse_args(["read", *options])
        with contextlib.redirect_stdout(io.StringIO()):  # the log of the constructor
            catalog = YamlDeclarativeSource.read_catalog(str(folder / "catalog.json"))
            source = YamlDeclarativeSource(
                str(folder / "manifest.yaml"), catalog=catalog, config={}, state=[]
            )
        for line in AirbyteEntrypoint(source).run(arguments):
            message = json.loads(line)
            if message["type"] == "RECORD":
                print(message["record"]["data"]["id"], flush=True)


main()
