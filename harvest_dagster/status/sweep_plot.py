"""A small plot of what the last sweeps of a source found: a column for each sweep, as SVG paths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harvest_dagster.storage.sweeps import Sweep

MOST_SWEEPS = 26  # half a year, if they run every week
WIDTH = 10  # units of the drawing for each sweep
HEIGHT = 40
# In the order in which they are drawn, the first one at the bottom. The names are also classes of the style sheet.
DIFFERENCES = ("missing", "changed", "gone")


def draw_sweeps(recent: Sequence[Sweep]) -> Mapping[str, str]:
    """Return the path of each difference: a column for each sweep that succeeded, the oldest first.

    The highest column has the whole height. A difference that is not 0 is at least one unit high, so that it is seen
    beside a large one.
    """
    columns = [[getattr(one.findings, name) for name in DIFFERENCES] for one in _succeeded(recent)]
    highest = max((sum(column) for column in columns), default=0)
    paths: dict[str, list[str]] = {}
    for number, column in enumerate(columns):
        bottom = HEIGHT
        for name, count in zip(DIFFERENCES, column, strict=True):
            if count:
                height = max(1, round(count / highest * (HEIGHT - len(DIFFERENCES))))
                bottom -= height
                paths.setdefault(name, []).append(
                    f"M{number * WIDTH} {bottom}h{WIDTH - 1}v{height}h-{WIDTH - 1}z"
                )
    return {name: "".join(parts) for name, parts in paths.items()}


def describe_sweeps(recent: Sequence[Sweep]) -> str:
    """Return the plot in words, for readers who do not see it: the differences of each sweep, the newest first."""
    return "; ".join(
        f"{one.date_started.date()}: "
        + ", ".join(f"{getattr(one.findings, name):,} {name}" for name in DIFFERENCES)
        for one in reversed(_succeeded(recent))
    )


def _succeeded(recent: Sequence[Sweep]) -> list[Sweep]:
    return [one for one in recent if one.status == "SUCCEEDED"]
