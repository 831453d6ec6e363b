"""What is on record of a host's requests: its row, and its numbered departures.

Instants are seconds of the clock that the budget goes by. Here: rows, and how long they say to wait. Not here:
when that is asked (`budgets`), what a limit and a slowdown are (`limits`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any

from sqlalchemy import (
    Connection,
    Double,
    Row,
    bindparam,
    cast,
    delete,
    extract,
    func,
    insert,
    null,
    select,
    update,
)

from harvest_dagster.limits import Limit, Slowdown
from harvest_dagster.storage.statements import insert_or_ignore
from harvest_dagster.storage.tables import request_departure, request_host

# How much longer than its last departure counts a limit binds the others: its own sessions renew it by then.
RENEWED_BY = 30.0
# A source that tells another limit with each answer fills no row; the limits of those who ask come back.
MOST_LIMITS = 32
# Departures that no limit looks back to go by the chunk, two chunks of old ones for one of new ones.
CHUNK = 32

# The time is read when the row is locked, since waiting for the lock takes time, too: PostgreSQL flattens no
# subquery that locks. SQLite's own clock is the calendar's, and knows no less than a millisecond.
_NOW = {
    "postgresql": cast(extract("epoch", func.clock_timestamp()), Double).label("now"),
    "sqlite": null().label("now"),
}
_THIS_HOST = select(request_host).where(request_host.c.host == bindparam("key"))
_LOCKED = _THIS_HOST.with_for_update(key_share=True).subquery()
_FIND = {dialect: _THIS_HOST.add_columns(now) for dialect, now in _NOW.items()}
_LOCK = {dialect: select(_LOCKED, now) for dialect, now in _NOW.items()}
_SAVE = update(request_host).where(request_host.c.id == bindparam("of"))

_ITS_DEPARTURES = request_departure.c.host_id == bindparam("of")
_WITH_NUMBER = request_departure.c.number == bindparam("with_number")
_DEPARTURES = select(request_departure.c.number, request_departure.c.departed).where(
    _ITS_DEPARTURES, request_departure.c.number.in_(bindparam("numbers", expanding=True))
)
_DEPARTED = select(request_departure.c.departed).where(_ITS_DEPARTURES, _WITH_NUMBER)
_DEPART = insert(request_departure)
_DATE = update(request_departure).where(_ITS_DEPARTURES, _WITH_NUMBER).values(departed=bindparam("at"))
_MOVE = (
    update(request_departure)
    .where(_ITS_DEPARTURES)
    .values(departed=request_departure.c.departed - bindparam("seconds"))
)
_FORGET = delete(request_departure).where(_ITS_DEPARTURES, request_departure.c.number < bindparam("end"))


@dataclass(frozen=True)
class Host:
    """A host's row.

    Attributes:
        id: its primary key.
        newest: number of the last departure, 0 before the first.
        oldest: number of the first departure that is kept.
        touched: when the row was written.
        paused_until: nothing leaves before.
        slowdown: what refusals have made of it.
        limits: until when each of them holds.
    """

    id: int
    newest: int = 0
    oldest: int = 1
    touched: float = -inf
    paused_until: float = -inf
    slowdown: Slowdown = field(default_factory=Slowdown)
    limits: Mapping[Limit, float] = field(default_factory=dict)

    def lacks(self, limits: Iterable[Limit], now: float) -> bool:
        """Whether one of these would not bind the others for as long as a departure of now counts."""
        return any(self.limits.get(limit, -inf) < now + limit.spacing for limit in limits)

    def bound(self, limits: Iterable[Limit], now: float) -> Host:
        """Bound by these for as long as a departure of now counts, and somewhat longer."""
        return self.bound_until({limit: now + limit.spacing + RENEWED_BY for limit in limits}, now)

    def bound_until(self, limits: Mapping[Limit, float], now: float) -> Host:
        """Bound by these, too."""
        own = {limit: max(until, self.limits.get(limit, -inf)) for limit, until in limits.items()}
        others = [(until, limit) for limit, until in self.limits.items() if until > now and limit not in own]
        others.sort(key=lambda each: each[0], reverse=True)
        return replace(self, limits={**own, **{limit: until for until, limit in others[:MOST_LIMITS]}})

    def wait(self, now: float, departed: Mapping[int, float]) -> float:
        """Seconds until a request may leave.

        Args:
            now: the time.
            departed: see `departures`.
        """
        limits = [limit for limit, until in self.limits.items() if until > now]
        due = [departed.get(self.newest + 1 - limit.calls, -inf) + limit.spacing for limit in limits]
        even = departed.get(self.newest, -inf) + self.slowdown.at(now).interval(limits)
        return max(0.0, max(self.paused_until, even, *due) - now)


def find(connection: Connection, name: str) -> tuple[Host, float] | None:
    """A host's row, and the time by PostgreSQL's clock; None before its first request."""
    row = connection.execute(_FIND[connection.dialect.name], {"key": _key(name)}).first()
    return None if row is None else (_host(row), row.now)


def lock(connection: Connection, name: str) -> tuple[Host, float]:
    """The same, made where it is missing, and nobody else's until this transaction ends."""
    statement = _LOCK[connection.dialect.name]
    key = _key(name)
    row = connection.execute(statement, {"key": key}).first()
    if row is None:
        insert_or_ignore(connection, request_host, {"host": key, **_values(Host(0))})
        row = connection.execute(statement, {"key": key}).one()
    return _host(row), row.now


def save(connection: Connection, host: Host, now: float) -> None:
    """Write a row that is locked."""
    connection.execute(_SAVE, {"of": host.id, **_values(replace(host, touched=now))})


def departures(connection: Connection, host: Host) -> dict[int, float]:
    """When those requests left that a limit or the slowdown looks at, for the next one and the one after it."""
    looked_at = [host.newest + 1 - limit.calls for limit in host.limits]
    numbers = {host.newest, *looked_at, *(number + 1 for number in looked_at)}
    rows = connection.execute(_DEPARTURES, {"of": host.id, "numbers": sorted(numbers)})
    return {row.number: row.departed for row in rows}


def depart(connection: Connection, host: Host, now: float) -> Host:
    """A request leaves; now and then a few departures that nothing looks back to are deleted."""
    number = host.newest + 1
    connection.execute(_DEPART, {"host_id": host.id, "number": number, "departed": now})
    departed = replace(host, newest=number)
    return departed if number % CHUNK else _forget(connection, departed, now)


def date(connection: Connection, host: Host, number: int, now: float) -> None:
    """A request left later than was said."""
    connection.execute(_DATE, {"of": host.id, "with_number": number, "at": now})


def move(connection: Connection, host: Host, seconds: float) -> Host:
    """The clock was set back by so much: everything on record moves with it."""
    connection.execute(_MOVE, {"of": host.id, "seconds": seconds})
    return replace(
        host,
        touched=host.touched - seconds,
        paused_until=host.paused_until - seconds,
        slowdown=replace(host.slowdown, since=host.slowdown.since - seconds),
        limits={limit: until - seconds for limit, until in host.limits.items()},
    )


def _forget(connection: Connection, host: Host, now: float) -> Host:
    """Never many at once: a limit of a million calls that holds no more leaves as many departures behind."""
    end = host.oldest + 2 * CHUNK
    last = connection.scalar(_DEPARTED, {"of": host.id, "with_number": end - 1})
    reach = max(limit.calls for limit in host.limits)
    horizon = now - max(limit.spacing for limit in host.limits)
    if last is None or (last > horizon and end > host.newest - reach):
        return host
    connection.execute(_FORGET, {"of": host.id, "end": end})
    return replace(host, oldest=end)


def _key(name: str) -> str:
    """A name may come out of the environment (`${NAME}`), and nothing that does stands in the database."""
    return hashlib.sha256(name.encode()).hexdigest()


def _host(row: Row[Any]) -> Host:
    return Host(
        id=row.id,
        newest=row.newest,
        oldest=row.oldest,
        touched=row.touched,
        paused_until=row.paused_until,
        slowdown=Slowdown(row.slowdown, row.refused_at, row.good_answers),
        limits={Limit(calls, period): until for calls, period, until in row.limits},
    )


def _values(host: Host) -> dict[str, Any]:
    return {
        "newest": host.newest,
        "oldest": host.oldest,
        "touched": host.touched,
        "paused_until": host.paused_until,
        "slowdown": host.slowdown.factor,
        "refused_at": host.slowdown.since,
        "good_answers": host.slowdown.good,
        "limits": [[limit.calls, limit.period, until] for limit, until in host.limits.items()],
    }
