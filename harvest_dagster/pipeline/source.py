"""The way to a source for one op: its harvester, over a session within the host's budget and the window's time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from harvest_dagster.catalog.hosts import limit_of, limits_by_host
from harvest_dagster.catalog.schema import Timeout
from harvest_dagster.errors import HarvestError
from harvest_dagster.harvesters.interface import Harvester
from harvest_dagster.http.session import HttpSession, Timeouts
from harvest_dagster.http.waiting import Watch
from harvest_dagster.pipeline.harvest import Harvest
from harvest_dagster.pipeline.lock import Grip
from harvest_dagster.pipeline.pauses import longest_turn
from harvest_dagster.storage import harvest_progress
from harvest_dagster.storage.budgets import DatabaseBudget
from harvest_dagster.storage.harvest_logs import HarvestLog

_WORTH_TELLING = 1.0  # seconds


@dataclass(frozen=True)
class Source:
    """A source that this op may ask.

    Attributes:
        harvester: gives pages and records.
        session: what the harvester asks through.
        check: raises what ends the harvest: a lost lease, or `timeout.harvest`, counted from `open_source`.
    """

    harvester: Harvester
    session: HttpSession
    check: Callable[[], None]


@contextmanager
def open_source(harvest: Harvest, grip: Grip, log: HarvestLog) -> Iterator[Source]:
    """A harvester and its session for a window; what was spent at the source is added to the window's log.

    `timeout.harvest` is the time that an op may work at the window: pauses that it is put off for do not count,
    and each try has all of it.

    Raises:
        MissingSecret: the environment lacks a `${NAME}`.
        UnknownPlugin: the harvester cannot be loaded.
        CatalogError: an argument is wrong once its `${NAME}` is filled in.
    """
    watch = _watch(harvest, grip)
    with _session(harvest, watch, longest_turn(harvest, log)) as session:
        harvester = harvest.harvester_class(harvest.harvester_arguments, session)
        try:
            yield Source(harvester, session, watch.look)
        except Exception:
            with suppress(HarvestError):  # the reason at hand matters more
                _note_cost(session, grip, log)
            raise
        _note_cost(session, grip, log)


def _session(harvest: Harvest, watch: Watch, longest_turn: float) -> HttpSession:
    config = harvest.config
    return HttpSession(
        limit_of(config),
        timeouts=_timeouts(config.timeout),
        budget=DatabaseBudget(harvest.database, limits_by_host(harvest.catalogue, harvest.environ)),
        redact=harvest.redact,
        secrets=harvest.secrets,
        contact=harvest.contact,
        watch=watch,
        now=harvest.clock,
        longest_wait=harvest.patience.longest_wait,
        longest_turn=longest_turn,
    )


def _timeouts(timeout: Timeout) -> Timeouts:
    response = timeout.response.total_seconds() if timeout.response else 0.0
    return Timeouts(timeout.connect.total_seconds(), timeout.read.total_seconds(), response)


def _watch(harvest: Harvest, grip: Grip) -> Watch:
    return Watch(
        deadline=time.monotonic() + harvest.config.timeout.harvest.total_seconds(),
        check=grip.check,
        on_wait=lambda seconds, reason: _tell_wait(harvest, seconds, reason),
    )


def _tell_wait(harvest: Harvest, seconds: float, reason: str) -> None:
    if seconds >= _WORTH_TELLING:
        harvest.say(f"waiting {seconds:.0f} s: {reason}")


def _note_cost(session: HttpSession, grip: Grip, log: HarvestLog) -> None:
    spent = session.statistics
    if spent.requests == 0:
        return
    with grip.begin() as connection:
        harvest_progress.spend(
            connection,
            log.id,
            requests=spent.requests,
            size=spent.bytes,
            seconds_waited=spent.seconds_waited,
        )
