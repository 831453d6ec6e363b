"""The peak memory of a harvest with few and with many records: it must depend on the page alone."""

from __future__ import annotations

import argparse

from common.measuring import ProcessFailed

from speed.candidates import ours
from speed.checks import CheckFailed
from speed.places import Bench
from speed.report import reason, table_row


def measure_memory(bench: Bench, options: argparse.Namespace) -> tuple[str, list[str]]:
    """Return the table of the peaks, and the failures."""
    few, many = sorted(options.memory_records)
    head = (
        "database",
        "records on a page",
        f"peak MB, {few:,} records",
        f"peak MB, {many:,} records",
        "ratio",
    )
    lines, failures = [table_row(*head), table_row(*["---"] * len(head))], []
    for database in options.databases:
        for page_size in options.memory_pages:
            try:
                peaks = [_peak(bench, database, records, page_size) for records in (few, many)]
            except (ProcessFailed, CheckFailed) as error:
                failures.append(f"memory, {database}, pages of {page_size}: {error}")
                lines.append(table_row(database, f"{page_size:,}", "FAILED", reason(str(error)), ""))
                continue
            cells = [f"{peak / 2**20:,.0f}" for peak in peaks]
            lines.append(table_row(database, f"{page_size:,}", *cells, f"{peaks[1] / peaks[0]:.2f}"))
            print(lines[-1], flush=True)
    return "\n".join(lines), failures


def _peak(bench: Bench, database: str, records: int, page_size: int) -> int:
    # The pages are not kept: a million records are 2 GB, and the rate does not count here.
    source = bench.source(records, page_size, keeps_pages=False)
    with bench.place(database, source) as place:
        return ours("oai")(bench, place).cost.peak
