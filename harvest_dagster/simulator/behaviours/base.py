"""What a behaviour is, and how it is registered: its name, its settings, what a harvester owes in its face."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any, ClassVar, get_type_hints

from harvest_dagster.simulator.conditions import When
from harvest_dagster.simulator.edits import Edits
from harvest_dagster.simulator.exchange import Request, Response

Answer = Callable[[Request], Response]
OAI, JSON = "oai", "json"
BOTH = (OAI, JSON)


class Fate(Enum):
    """What may become of a record that does not come as the repository has it; the value says it to people."""

    ASIDE = "set aside"
    EITHER = "stored as it came, or set aside"
    ABSENT = "none, since nothing comes under its identifier"


class Behaviour(ABC):
    """One thing that a server does to the requests that it is meant for.

    Attributes:
        when: which requests it is meant for.
        label: what the request log calls it: its name in the registry where it was made there, else its class.
    """

    when: When
    label: ClassVar[str]

    def __init_subclass__(cls) -> None:
        cls.label = cls.__name__

    @abstractmethod
    def apply(self, request: Request, answer: Answer) -> Response:
        """The answer to a request that it is meant for; `answer` gives the one it would have got.

        Where it does nothing after all, it returns that very answer: the log tells by this what has acted.
        """

    @property
    def fates(self) -> Mapping[str, Fate]:
        """What may become of the records that it spoils, by identifier; all others are owed as they are."""
        return {}

    def open(self, edits: Edits) -> None:  # noqa: B027 - most change no record
        """The server has started; `edits` are those of its repository."""

    def close(self) -> None:  # noqa: B027 - most have nothing that waits
        """The server is about to stop: let go of whatever waits."""


class Demand(Enum):
    """What a harvester owes where a source behaves like this; the value says it to people.

    Where only one place of a list is closed for ever, a harvester may come through by smaller windows: it need
    not fail.
    """

    COMPLETE = "gives all"
    SAFE = "fails or gives all"
    FAILS = "fails"
    OTHERS = "gives all others, or fails"
    HONEST = "does not claim to be complete, unless it is"


@dataclass(frozen=True)
class Parameter:
    """A setting of a behaviour.

    Attributes:
        name: as it is written in a scenario.
        kind: int, float, bool or str.
        default: what it is where nothing is said.
        meaning: for people.
        choices: what it may be; empty allows any value of its kind.
    """

    name: str
    kind: type
    default: Any
    meaning: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Named:
    """A behaviour of the registry: called with settings and a condition it makes a `Behaviour`.

    Attributes:
        name: unique, in lower case with hyphens.
        make: the class of the behaviour, a dataclass.
        about: what the server does, in a sentence.
        demand: what a harvester owes.
        proves: what that takes, for people.
        at: the condition under which this is asked of a harvester, in the form of `scenario`; empty is always.
        lessons: numbers of known failures of harvesters that this repeats.
        protocols: where it makes sense.
        preset: settings that belong to the name.
        defaults: settings that have another default under this name.
    """

    name: str
    make: type[Behaviour]
    about: str
    demand: Demand
    proves: str
    at: str = "list#2"
    lessons: tuple[int, ...] = ()
    protocols: tuple[str, ...] = BOTH
    preset: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, *, when: When | None = None, **settings: Any) -> Behaviour:
        """The behaviour with these settings.

        Raises:
            TypeError: a setting that it does not have, or that belongs to its name.
        """
        if unknown := settings.keys() - {parameter.name for parameter in self.parameters}:
            raise TypeError(f"{self.name} has no setting {', '.join(sorted(unknown))}")
        meant = {} if when is None else {"when": when}
        behaviour = self.make(**{**self.preset, **self.defaults, **settings, **meant})
        # Past the lock of frozen dataclasses: the name is no setting.
        object.__setattr__(behaviour, "label", self.name)
        return behaviour

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Its settings but for those of the preset, in their order."""
        kinds = get_type_hints(self.make)
        return tuple(
            Parameter(
                each.name, kinds[each.name], self.defaults.get(each.name, each.default), **each.metadata
            )
            for each in fields(self.make)  # type: ignore[arg-type]  # those of the registry are dataclasses
            if each.init and each.metadata and each.name not in self.preset
        )


def parameter(default: Any, meaning: str, choices: tuple[str, ...] = ()) -> Any:
    """A field of a behaviour that a scenario can set."""
    return field(default=default, metadata={"meaning": meaning, "choices": choices})
