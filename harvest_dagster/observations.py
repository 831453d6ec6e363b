"""What harvests observed about a source: facts under a name, which later harvests of the same source use.

The pipeline reads the observations before it fetches a window, gives them to the client, and writes the new ones
afterwards (`pipeline.fetching.source_observations`). An observation is never needed: without it, a harvest only asks
more of the source.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

_REFRESHED_AFTER = timedelta(days=1)


@dataclass(frozen=True)
class Observation:
    """One fact about a source.

    Attributes:
        name: names of this package have no dot. A plug-in begins its names with its own key and a dot.
        value: any JSON value. It is small, because it is read for each window, and contains no secret.
        observed_at: when a harvest observed it last.
    """

    name: str
    value: Any
    observed_at: datetime


class Observations:
    """The observations about one source, as far as they belong to the present arguments of its harvester.

    Args:
        known: what earlier harvests observed.
        now: the time of new observations.
    """

    def __init__(self, known: Iterable[Observation] = (), now: datetime | None = None) -> None:
        self._known = {observation.name: observation for observation in known}
        self._changed: dict[str, Observation] = {}
        self._notes: list[str] = []
        self._now = now

    def find(self, name: str, max_age: timedelta | None = None) -> Any:
        """Return the value of an observation. Return None if there is none, or if it is older than `max_age`."""
        observation = self._known.get(name)
        if observation is None or (max_age is not None and self._is_older(observation, max_age)):
            return None
        return observation.value

    def record(self, name: str, value: Any) -> None:
        """Record an observation of now.

        The same value is written at most once a day, so that a harvest that observes nothing new writes nothing.
        """
        known = self._known.get(name)
        if self._now is None or (
            known is not None and known.value == value and not self._is_older(known, _REFRESHED_AFTER)
        ):
            return
        self._known[name] = self._changed[name] = Observation(name, value, self._now)

    def take_changed(self) -> list[Observation]:
        """Return the observations that were recorded since the last call."""
        changed, self._changed = list(self._changed.values()), {}
        return changed

    def note(self, sentence: str) -> None:
        """Add a sentence for the log of the run: what was not asked, or is treated in an unusual way."""
        if sentence not in self._notes:
            self._notes.append(sentence)

    @property
    def notes(self) -> tuple[str, ...]:
        """The sentences for the log, each once."""
        return tuple(self._notes)

    def _is_older(self, observation: Observation, age: timedelta) -> bool:
        return self._now is not None and self._now - observation.observed_at > age
