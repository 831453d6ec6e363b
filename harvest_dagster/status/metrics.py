"""The state of all sources as metrics for Prometheus.

The values are those of `harvest status` and of the report, and cost the same: one statement for each table. The labels
are `source`, `host` and `status`, so a source adds about 25 time series. No text of a source or of an error is a label.

The names follow https://prometheus.io/docs/practices/naming/: base units, and `_total` only for counters.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from harvest_dagster.status.host_entries import HostEntry, host_entries
from harvest_dagster.status.source_json import opening_of
from harvest_dagster.status.source_state import SourceState

_TRANSFORM_STATUSES = ("PENDING", "STARTED", "FAILED")


@dataclass(frozen=True)
class _SourceGauge:
    """A number of each source.

    Attributes:
        name: of the metric, without `harvest_`.
        text: its description.
        value: returns the number; None for no sample.
    """

    name: str
    text: str
    value: Callable[[SourceState, datetime], float | None]


def _until(state: SourceState) -> datetime | None:
    return state.status.complete_until if state.status else None


def _seconds_since(instant: datetime | None, now: datetime) -> float | None:
    return None if instant is None else max(0.0, (now - instant).total_seconds())


def _timestamp(instant: datetime | None) -> float | None:
    return None if instant is None else instant.timestamp()


def _seconds_until_open(state: SourceState, now: datetime) -> float:
    """Return the seconds until the next request is allowed, by the budget of the host and the hours of the source."""
    opening = opening_of(state.config, now)
    closed = 0.0 if opening is None else (opening - now).total_seconds()
    return max(closed, state.budget.pause if state.budget else 0.0)


SOURCE_GAUGES = (
    _SourceGauge(
        "source_disabled", "1 if runs of the source are refused.", lambda one, _: one.config.disabled
    ),
    _SourceGauge(
        "complete_until_timestamp_seconds",
        "Instant up to which nothing is missing since the first harvest.",
        lambda one, _: _timestamp(_until(one)),
    ),
    _SourceGauge(
        "lag_seconds",
        "Seconds since the instant up to which nothing is missing.",
        lambda one, now: _seconds_since(_until(one), now),
    ),
    _SourceGauge(
        "last_list_timestamp_seconds",
        "Instant at which the newest list began that counts as harvested.",
        lambda one, _: _timestamp(one.status.last_began if one.status else None),
    ),
    _SourceGauge(
        "late",
        "1 if the schedule promised a day that is not harvested yet.",
        lambda one, _: one.status.is_late if one.status else None,
    ),
    _SourceGauge(
        "missing_days",
        "Days that were requested or scheduled and are not harvested.",
        lambda one, _: one.status.missing_days if one.status else None,
    ),
    _SourceGauge("gaps", "Intervals of missing time.", lambda one, _: len(one.gaps)),
    _SourceGauge(
        "failed_windows", "Windows that failed and are not harvested since.", lambda one, _: len(one.failed)
    ),
    _SourceGauge(
        "active_windows",
        "Windows on which a run works, or for which a run waits.",
        lambda one, _: len(one.active),
    ),
    _SourceGauge("interrupted_windows", "Windows whose run is dead.", lambda one, _: len(one.interrupted)),
    _SourceGauge(
        "lease_held",
        "1 if a run holds the lease of the source, and the lease has not expired.",
        lambda one, now: one.lease is not None and one.lease.expires > now,
    ),
    _SourceGauge("quarantined_records", "Invalid records in quarantine.", lambda one, _: one.quarantined),
    _SourceGauge(
        "held_deletions",
        "Deletions that wait for an approval.",
        lambda one, _: one.sweep.counts.held if one.sweep else None,
    ),
    _SourceGauge(
        "differs",
        "1 if deletions are held, or records are missing after the last sweep.",
        lambda one, _: one.sweep.differs if one.sweep else None,
    ),
    _SourceGauge(
        "wait_seconds",
        "Seconds until a request is allowed by the budget of the host and the hours of the source.",
        _seconds_until_open,
    ),
    _SourceGauge(
        "requests_last_day",
        "Requests of the windows that began in the last 24 hours.",
        lambda one, _: one.last_day.requests,
    ),
    _SourceGauge(
        "rate_limit_wait_seconds_last_day",
        "Seconds that requests of these windows waited for the rate limit.",
        lambda one, _: one.last_day.seconds_waited,
    ),
    _SourceGauge(
        "recoveries_last_day",
        "Recovery steps of these windows: a list failed and was continued in another way.",
        lambda one, _: one.last_day.recoveries,
    ),
)

HOST_GAUGES: Sequence[tuple[str, str, Callable[[HostEntry], float]]] = (
    ("host_pause_seconds", "Seconds for which no request to the host is allowed.", lambda one: one.pause),
    (
        "host_slowdown",
        "Factor by which requests are slowed down after refusals; 1 if they are not.",
        lambda one: one.slowdown,
    ),
    (
        "host_requests_last_day",
        "Requests of the windows of its sources that began in the last 24 hours.",
        lambda one: one.requests,
    ),
    (
        "host_requests_allowed_per_day",
        "Requests that the strictest rate_limit of its sources allows in 24 hours.",
        lambda one: one.allowed,
    ),
    ("host_budget_use_ratio", "Requests of the last 24 hours by the allowed ones.", lambda one: one.use),
)


def build_metrics(states: Sequence[SourceState], now: datetime, problems: int = 0) -> Iterator[Metric]:
    """Yield the metrics of all sources and their hosts. Disabled sources that never harvested anything are left out.

    Args:
        states: the sources.
        now: the time of the states.
        problems: the number of problems in the YAML files.
    """
    states = [state for state in states if not _is_unused(state)]
    yield up(is_up=True)
    yield _plain("sources", "Sources that are enabled, or have harvested something.", len(states))
    yield _plain("catalog_problems", "Problems in the YAML files of sources.", problems)
    for gauge in SOURCE_GAUGES:
        values = (((state.config.label,), gauge.value(state, now)) for state in states)
        yield _gauge(gauge.name, gauge.text, ("source",), values)
    yield _gauge(
        "transforms",
        "Data by the status of their transform, for the present version of the transformer.",
        ("source", "status"),
        (
            ((state.config.label, status), state.transforms.get(status, 0))
            for state in states
            if state.config.transformer is not None
            for status in _TRANSFORM_STATUSES
        ),
    )
    yield from _host_metrics(list(host_entries(states)))


def up(*, is_up: bool) -> Metric:
    """Return the metric that says whether the other metrics could be read."""
    return _plain("up", "1 if the catalog and the harvest database could be read.", is_up)


def _is_unused(state: SourceState) -> bool:
    """Return whether a source is only a line of the catalog, such as the bundled ones that nobody extends."""
    return state.config.disabled and _until(state) is None and not state.failed


def _host_metrics(hosts: Sequence[HostEntry]) -> Iterator[Metric]:
    for name, text, value in HOST_GAUGES:
        yield _gauge(name, text, ("host",), (((host.host,), value(host)) for host in hosts))
    total = CounterMetricFamily(
        "harvest_host_requests", "Requests to the host since the database exists.", labels=("host",)
    )
    for host in hosts:
        total.add_metric((host.host,), host.total)
    yield total


def _plain(name: str, text: str, value: float) -> Metric:
    return _gauge(name, text, (), [((), value)])


def _gauge(
    name: str, text: str, labels: Sequence[str], values: Iterable[tuple[Sequence[str], float | None]]
) -> Metric:
    family = GaugeMetricFamily(f"harvest_{name}", text, labels=labels)
    for label_values, value in values:
        if value is not None:
            family.add_metric(label_values, float(value))
    return family


class MetricsCollector(Collector):
    """Reads the metrics at each scrape. Scrapes at the same time wait for each other.

    Args:
        read: returns the metrics.
    """

    def __init__(self, read: Callable[[], Iterable[Metric]]) -> None:
        self._read = read
        self._lock = threading.Lock()

    def describe(self) -> Iterable[Metric]:
        """Return nothing: a registry would otherwise read all metrics once more when the collector is added."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Return the metrics of this instant."""
        with self._lock:
            return list(self._read())


def registry_of(read: Callable[[], Iterable[Metric]]) -> CollectorRegistry:
    """Return a registry with these metrics only, without those of the Python process."""
    registry = CollectorRegistry()
    registry.register(MetricsCollector(read))
    return registry


def metrics_as_json(metrics: Iterable[Metric]) -> list[dict[str, Any]]:
    """Return the metrics as values for JSON."""
    return [
        {
            "name": metric.name,
            "type": metric.type,
            "help": metric.documentation,
            "samples": [
                {"name": sample.name, "labels": sample.labels, "value": sample.value}
                for sample in metric.samples
            ],
        }
        for metric in metrics
    ]
