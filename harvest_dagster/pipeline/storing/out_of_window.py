"""Count the records whose datestamp is missing or outside the window.

They are stored like all others, and reported. To drop them would lose data without notice. To fail the window would
lose all its other records (docs/failures.md#one-invalid-record).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harvest_dagster.records import Record
from harvest_dagster.storage.counts import Counts
from harvest_dagster.windows import Window, format_instant


@dataclass
class OutOfWindowCounter:
    """Counts a window's out-of-window records, and keeps one example of each kind.

    Attributes:
        window: the window.
        outside_example: identifier and datestamp of the first record outside the window; empty if there is none.
        undated_example: identifier of the first record without a datestamp; empty if there is none.
    """

    window: Window
    outside_example: str = ""
    undated_example: str = ""

    def count(self, records: Sequence[Record]) -> Counts:
        """Return the counts of one page. Keep the first record of each kind as an example."""
        start, end = self.window.start, self.window.end
        outside = undated = 0
        for record in records:
            if record.datestamp is None:
                undated += 1
                self.undated_example = self.undated_example or record.identifier
            elif not start <= record.datestamp < end:
                outside += 1
                example = f"{record.identifier} of {format_instant(record.datestamp)}"
                self.outside_example = self.outside_example or example
        return Counts(outside_window=outside, undated=undated)

    def report(self, counts: Counts) -> str:
        """Return a sentence for the log about these counts; empty if there are no such records."""
        kinds = []
        if counts.outside_window:
            kinds.append(
                f"{counts.outside_window} records are outside the window, such as {self.outside_example}"
            )
        if counts.undated:
            kinds.append(f"{counts.undated} records have no datestamp, such as {self.undated_example}")
        return f"{self.window}: {'; '.join(kinds)}. They are stored." if kinds else ""
