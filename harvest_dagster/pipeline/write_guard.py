"""The right of a run to write: the lease of a source (`lease_guard`), or a sweep (`reconciling.sweep_guard`).

`renewing` renews it from a thread while an op works. Every write uses `WriteGuard.begin`, which verifies the right in
the same transaction.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import Connection

from harvest_dagster.errors import LeaseLost
from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.lease import leases

_RENEWALS = 4  # in the time after which the right expires, so that three may fail


@dataclass(frozen=True)
class WriteGuard(ABC):
    """The right to write that this process has.

    Attributes:
        database: the harvest database.
    """

    database: Database
    _lost: threading.Event = field(default_factory=threading.Event, repr=False, init=False)

    @abstractmethod
    def verify(self, connection: Connection) -> None:
        """Verify the right, and keep it until this transaction ends.

        Raises:
            LeaseLost: this run no longer has the right.
        """

    @abstractmethod
    def extend(self, pause: timedelta) -> None:
        """Keep the right during a pause in which no op works.

        Raises:
            LeaseLost: this run no longer has the right.
        """

    def renew(self) -> None:
        """Renew the right. A thread calls this while an op works.

        Raises:
            LeaseLost: this run no longer has the right.
        """
        self.extend(timedelta())

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Yield the connection of a transaction. It commits only if this run still has the right to write.

        Raises:
            LeaseLost: this run no longer has the right; nothing was written.
        """
        with self.database.begin() as connection:
            self.verify(connection)
            yield connection

    def verify_token(self) -> None:
        """Raise LeaseLost if the database says that the right is lost.

        Raises:
            LeaseLost: this run no longer has the right.
        """
        with self.begin():
            pass

    def raise_if_lost(self) -> None:
        """Raise LeaseLost if the thread that renews the right has lost it.

        As long as the thread has not lost it, this sends no statement to the database.

        Raises:
            LeaseLost: this run no longer has the right.
        """
        if self._lost.is_set():
            self.verify_token()

    def mark_lost(self) -> None:
        """Record that the right is lost."""
        self._lost.set()


@contextmanager
def renewing(harvest: HarvestContext, guard: WriteGuard) -> Iterator[None]:
    """Renew a lease, or a sweep, from a thread as long as the block lasts."""
    stop = threading.Event()
    thread = threading.Thread(target=_renew, args=(harvest, guard, stop), name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _renew(harvest: HarvestContext, guard: WriteGuard, stop: threading.Event) -> None:
    interval = leases.TTL.total_seconds() / _RENEWALS
    while not stop.wait(interval):
        try:
            guard.renew()
        except LeaseLost:  # noqa: PERF203  # four times a minute
            guard.mark_lost()
            return
        except Exception as error:
            # Any other error is transient: the next renewal may succeed, and each write verifies the right.
            with suppress(Exception):
                harvest.logger.warning(f"the lease could not be renewed: {error}")
