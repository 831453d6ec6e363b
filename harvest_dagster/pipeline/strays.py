"""Records that lie outside of the window they came for, or have no datestamp: stored, counted and told (Lesson 10)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from harvest_dagster.records import Record
from harvest_dagster.storage.harvest_logs import Strays
from harvest_dagster.windows import Window, format_instant


@dataclass
class StrayCounter:
    """Counts the strays of a window's pages, and keeps one of each kind as an example.

    Attributes:
        window: what the records came for.
        counted: of all pages so far.
        outside: the identifier and datestamp of the first that lies outside.
        undated: the identifier of the first without a datestamp.
    """

    window: Window
    counted: Strays = field(default_factory=Strays)
    outside: str = ""
    undated: str = ""

    def count(self, records: Sequence[Record]) -> Strays:
        """The strays of a page; they count as soon as they are added."""
        start, end = self.window.start, self.window.end
        outside = [one for one in records if one.datestamp is not None and not start <= one.datestamp < end]
        undated = [one for one in records if one.datestamp is None]
        if outside and not self.outside and outside[0].datestamp is not None:
            self.outside = f"{outside[0].identifier} of {format_instant(outside[0].datestamp)}"
        if undated and not self.undated:
            self.undated = undated[0].identifier
        return Strays(len(outside), len(undated))

    def add(self, strays: Strays) -> None:
        """A page's strays are stored."""
        self.counted += strays

    def __str__(self) -> str:
        """A sentence for people; empty where there are none."""
        kinds = []
        if self.counted.outside_window:
            kinds.append(f"{self.counted.outside_window} lie outside of it, such as {self.outside}")
        if self.counted.undated:
            kinds.append(f"{self.counted.undated} have no datestamp, such as {self.undated}")
        return f"of the records of {self.window} {', and '.join(kinds)}; they are stored" if kinds else ""
