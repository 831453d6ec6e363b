"""The code location. Importing it reads the catalogue's YAML and does nothing else."""

import logging

from harvest_dagster.catalog.loader import load_catalog
from harvest_dagster.orchestration.build import build_defs

_log = logging.getLogger("harvest_dagster")

catalog = load_catalog()
for problem in catalog.problems:
    _log.error("%s", problem)
for warning in catalog.warnings:
    _log.warning("%s", warning)
defs = build_defs(catalog)
