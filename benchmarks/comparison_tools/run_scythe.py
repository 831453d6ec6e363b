"""Harvest the simulator with oaipmh-scythe and print the identifiers: `python run_scythe.py URL`."""

import sys

from oaipmh_scythe import Scythe
from oaipmh_scythe.config import RetryConfig

with Scythe(
    sys.argv[1],
    retry_config=RetryConfig(max_retries=3, retry_status_codes=(500, 502, 503, 504), default_retry_after=1),
) as scythe:
    for record in scythe.list_records(metadata_prefix="oai_dc"):
        print(record.header.identifier, flush=True)
