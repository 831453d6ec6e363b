"""All numbers that decide when a list counts as broken, how it is recovered, and when the recovery stops.

docs/decisions/0013 explains them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class RecoveryLimits:
    """Limits of the fetch of one window.

    Attributes:
        recoveries: recovery steps that one run may take in one window.
        failures_in_a_row: failures without a page in between. After more, the source is down, or every page is invalid.
        cut_share: a list that delivered less than this share of its total was cut off. One that delivered more lost
            records between its pages.
        round_length: a short list whose length is a multiple of this was cut off, too.
        moved_records: so few missing records do not show that a small list was cut off. One record that changes during
            the fetch moves the others, and one of them is then on no page.
        looks: lists of the same window that are requested because they repeat records.
        growth: the next sub-window doubles its length if the last one delivered this many times fewer records than
            the lists that broke.
        result_caps: lengths at which sources end a list although they have more
            (docs/failures.md#result-cap); 10,000 is Elasticsearch's.
        uncounted_caps: lengths at which sources end a list without a total although they have more. A list with a total
            may have this length by chance.
        pages: pages of one list. A window with a longer list is fetched in shorter sub-windows.
        page_sizes: lengths of full pages that are kept for each source.
        empty_pages: empty pages in a row. A source that filters after paging sends some
            (docs/failures.md#empty-page-with-token).
        stale_pages: pages in a row without a new identifier. One is possible where pages overlap.
        ordered_steps: different datestamps, each later than the one before, after which a list with a total is
            continued from its last datestamp. The total shows whether that lost records.
        harmless_pause: a list that was interrupted for longer is compared with the source before it is continued.
        permanent_statuses: HTTP statuses that no other request can avoid.
    """

    recoveries: int = 100
    failures_in_a_row: int = 4
    cut_share: float = 0.9
    round_length: int = 1_000
    moved_records: int = 1
    looks: int = 3
    growth: int = 4
    result_caps: frozenset[int] = frozenset({10_000, 50_000, 100_000})
    uncounted_caps: frozenset[int] = frozenset({1_000})
    pages: int = 10_000
    page_sizes: int = 20
    empty_pages: int = 1_000
    stale_pages: int = 3
    ordered_steps: int = 2
    harmless_pause: timedelta = timedelta(minutes=10)
    permanent_statuses: frozenset[int] = frozenset({401, 402, 403, 404, 405, 407, 410, 451})


LIMITS = RecoveryLimits()
