"""The way to a source for one op: its harvester, over a session within the host's budget and the window's time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from harvest_dagster.harvesters.interface import Harvester
from harvest_dagster.http.budget import Limit
from harvest_dagster.http.session import HttpSession, Timeouts
from harvest_dagster.http.waiting import Watch
from harvest_dagster.pipeline.harvest import Harvest
from harvest_dagster.pipeline.lock import Grip
from harvest_dagster.storage import harvest_states


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


def open_source(harvest: Harvest, grip: Grip) -> Source:
    """Make the harvester and its session; nothing is asked yet.

    Raises:
        MissingSecret: the environment lacks a `${NAME}`.
        UnknownPlugin: the harvester cannot be loaded.
        BadInput: an argument is wrong once its `${NAME}` is filled in.
    """
    config = harvest.config
    watch = Watch(
        deadline=time.monotonic() + config.timeout.harvest.total_seconds(),
        check=grip.check,
        on_wait=lambda seconds, reason: (
            harvest.say(f"waiting {seconds:.0f} s: {reason}") if seconds >= 1 else None
        ),
    )
    session = HttpSession(
        Limit(config.rate_limit.calls, config.rate_limit.period),
        timeouts=Timeouts(config.timeout.connect.total_seconds(), config.timeout.read.total_seconds()),
        redact=harvest.redact,
        watch=watch,
    )
    return Source(harvest.harvester_class(harvest.harvester_arguments, session), session, watch.look)


def note_cost(source: Source, grip: Grip, log_id: int) -> None:
    """Add what this op has spent at the source to the window's log."""
    spent = source.session.statistics
    with grip.begin() as connection:
        harvest_states.spend(
            connection,
            log_id,
            requests=spent.requests,
            size=spent.bytes,
            seconds_waited=spent.seconds_waited,
        )
