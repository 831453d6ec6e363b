"""The monitor of the run that this process executes. Only the command line sets one; see `pipeline.monitor`."""

from collections.abc import Generator
from contextlib import contextmanager

from harvest_dagster.pipeline.monitor import NO_MONITOR, Monitor

_monitors: list[Monitor] = []


def current_monitor() -> Monitor:
    """Return the monitor of this process; one that does nothing if there is none."""
    return _monitors[-1] if _monitors else NO_MONITOR


@contextmanager
def use_monitor(monitor: Monitor) -> Generator[None, None, None]:
    """Pass a monitor to the ops that this process executes meanwhile.

    Ops find it in this module, because a resource or a run config would differ from those of a run of the UI.
    """
    _monitors.append(monitor)
    try:
        yield
    finally:
        _monitors.remove(monitor)
