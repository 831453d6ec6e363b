"""Harvest the simulator with Sickle and print the identifiers: `python run_sickle.py URL`."""

import sys

from sickle import Sickle

sickle = Sickle(
    sys.argv[1], max_retries=3, retry_status_codes=(500, 502, 503, 504), default_retry_after=1, timeout=30
)
for record in sickle.ListRecords(metadataPrefix="oai_dc", ignore_deleted=False):
    print(record.header.identifier, flush=True)
