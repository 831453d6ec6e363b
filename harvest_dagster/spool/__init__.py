"""The spool keeps fetched pages between ops: in a directory, or in a bucket through fsspec.

Each fetch attempt of a window has a directory. `pages/` has the pages as they were received, compressed, each with its
manifest in the same file. `end.json` is written when the fetch step has ended. `records/` has the records that split
parsed from them, and `records/index.json` when all pages are parsed. `queued.zst` is what the step store leaves for
the step launch.
The manifest is the checkpoint: a file is written as a whole, and its page then counts as fetched.

The directory `_runs` has the outputs that ops pass to each other (`step_outputs`).

Everything in the spool may be deleted while no run is active. It is then fetched again.
"""

from harvest_dagster.spool.attempt_spool import AttemptSpool
from harvest_dagster.spool.manifest import (
    FetchSummary,
    PageManifest,
    ParsedIndex,
    ParsedPage,
    SubWindow,
    fingerprints,
)
from harvest_dagster.spool.parsed_pages import ParsedPageWriter
from harvest_dagster.spool.spool import Spool, default_url
from harvest_dagster.spool.step_outputs import StepOutputs

__all__ = [
    "AttemptSpool",
    "FetchSummary",
    "PageManifest",
    "ParsedIndex",
    "ParsedPage",
    "ParsedPageWriter",
    "Spool",
    "StepOutputs",
    "SubWindow",
    "default_url",
    "fingerprints",
]
