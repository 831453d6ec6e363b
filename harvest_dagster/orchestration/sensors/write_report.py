"""The sensor `write_report`: keep the HTML page about all sources up to date."""

import os
from pathlib import Path

import dagster as dg

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.orchestration.resources import Stores
from harvest_dagster.status.report import VARIABLE, build_report, render, write_report
from harvest_dagster.windows import utc_now


@dg.sensor(
    name="write_report",
    description=f"Writes the HTML page about all sources to the path in the variable {VARIABLE}, every five minutes. "
    "Does nothing if the variable is not set.",
    minimum_interval_seconds=300,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def write_report_regularly(
    harvest_stores: Stores, harvest_catalog: dg.ResourceParam[Catalog]
) -> dg.SkipReason:
    """Write the page. The sensor launches nothing."""
    path = os.environ.get(VARIABLE)
    if not path:
        return dg.SkipReason(f"the variable {VARIABLE} is not set")
    catalog = harvest_catalog
    report = build_report(catalog.configs, harvest_stores.database(), utc_now(), catalog.problems)
    size = write_report(Path(path), render(report))
    return dg.SkipReason(f"wrote {path}: {len(report.sources)} sources, {size:,} bytes")
