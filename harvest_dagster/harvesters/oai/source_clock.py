"""The clock of a repository, and answers that are older than it: a cache between us and the source repeats them."""

from __future__ import annotations

from datetime import datetime, timedelta

# The servers behind one name may have clocks that differ by this much. Caches keep answers for longer.
_TOLERANCE = timedelta(minutes=5)


class SourceClock:
    """Compares each responseDate (section 3.2) with our clock. A cached answer can only be too old, never too new."""

    def __init__(self) -> None:
        self._ahead: timedelta | None = (
            None  # how far the clock of the source is ahead of ours; negative: behind
        )

    def is_old(self, source_time: datetime | None, received: datetime) -> bool:
        """Return whether an answer is older than the clock of the source explains, as far as it is known by now."""
        if source_time is None:
            return False
        ahead = source_time - received
        self._ahead = ahead if self._ahead is None else max(ahead, self._ahead)
        return ahead < self._ahead - _TOLERANCE
