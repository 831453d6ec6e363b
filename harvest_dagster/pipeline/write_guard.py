"""The right of a run to write: the lease of a source, or a sweep that the run owns."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import Connection


class WriteGuard(Protocol):
    """What a fetch needs of the lease of a source (`lease_guard`) or of a sweep (`reconciling.sweep_guard`)."""

    def begin(self) -> AbstractContextManager[Connection]:
        """Return the connection of a transaction. It commits only if this run still has the right to write.

        Raises:
            LeaseLost: another run has it; nothing was written.
        """

    def verify_token(self) -> None:
        """Raise LeaseLost if the database says that another run has the right.

        Raises:
            LeaseLost: another run has it.
        """

    def raise_if_lost(self) -> None:
        """Raise LeaseLost if this process knows already that another run has the right.

        Raises:
            LeaseLost: another run has it.
        """

    def extend(self, pause: timedelta, now: datetime) -> None:
        """Keep the right during a pause in which no op works.

        Raises:
            LeaseLost: another run has it.
        """

    def renew(self, now: datetime) -> None:
        """Renew the right. A thread calls this while an op works.

        Raises:
            LeaseLost: another run has it.
        """

    def mark_lost(self) -> None:
        """Record that another run has the right."""
