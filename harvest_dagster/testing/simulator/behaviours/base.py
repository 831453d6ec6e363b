"""The base class of behaviours, and the form in which behaviours are registered under a name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any, ClassVar, get_type_hints

from harvest_dagster.testing.simulator.behaviours.conditions import RequestPredicate
from harvest_dagster.testing.simulator.repository.edits import Edits
from harvest_dagster.testing.simulator.serving.messages import Request, Response

Handler = Callable[[Request], Response]
OAI, JSON, ANY_OTHER = "oai", "json", "any other"
BOTH = (OAI, JSON)
ALL = (*BOTH, ANY_OTHER)


class AllowedResult(Enum):
    """What a harvester may do with a record that a behaviour corrupts."""

    QUARANTINED = "quarantined"
    STORED_OR_QUARANTINED = "stored as received, or quarantined"
    ABSENT = "absent, because no record arrives under its identifier"


class Behaviour(ABC):
    """One fault that the server applies to some requests.

    Attributes:
        when: selects the requests to which the behaviour applies.
        label: the name in the request log: the name in the registry, or the class name.
    """

    when: RequestPredicate
    label: ClassVar[str]

    def __init_subclass__(cls) -> None:
        cls.label = cls.__name__

    @abstractmethod
    def apply(self, request: Request, handler: Handler) -> Response:
        """Return the response to a request that `when` selects.

        To leave the response unchanged, return the object that `handler` returned: the server compares identities to
        decide whether the request log names the behaviour.

        Args:
            request: the request.
            handler: returns the response that the server would send without this behaviour.
        """

    @property
    def allowed_results(self) -> Mapping[str, AllowedResult]:
        """What a harvester may do with each corrupted record, by identifier. All other records must be stored."""
        return {}

    def open(self, edits: Edits) -> None:  # noqa: B027 - most behaviours change no record
        """Prepare for a server that has just started; `edits` are the edits of its repository."""

    def close(self) -> None:  # noqa: B027 - most behaviours block no request
        """Release blocked requests, because the server is about to stop."""


class Contract(Enum):
    """What a harvester must do if a source shows a behaviour; the value is the text for people.

    No behaviour that affects a single place of a list requires a failure: a harvester may still get every record
    through smaller windows. `CONVERGES` concerns several harvests. The conformance suite harvests once, and
    cannot test it.
    """

    COMPLETE = "all records"
    COMPLETE_OR_FAIL = "all records, or failure"
    FAIL = "failure"
    OTHERS_OR_FAIL = "all other records, or failure"
    NO_FALSE_CLAIM = "no false claim of completeness"
    CONVERGES = "the true records in the end"


@dataclass(frozen=True)
class Parameter:
    """A setting of a behaviour.

    Attributes:
        name: the key in a scenario.
        kind: int, float, bool or str.
        default: the value if the scenario sets none.
        meaning: the explanation for people.
        choices: the allowed values; empty allows every value of this kind.
    """

    name: str
    kind: type
    default: Any
    meaning: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class NamedBehaviour:
    """A registered behaviour. Call it with settings and a condition to create a `Behaviour`.

    Attributes:
        name: unique, in lower case with hyphens.
        behaviour_class: the class to create, a dataclass.
        description: one sentence: what the server does.
        contract: what a harvester must achieve.
        requirement: one sentence: how a harvester achieves it.
        condition: the requests to which the conformance suite applies the behaviour, in the notation of `scenario`;
            empty selects every request.
        failures: anchors in docs/failures.md of the failures that this behaviour provokes.
        protocols: the protocols for which the behaviour exists. `any other` stands for those of plug-ins.
        needs: the features without which the protocol of a plug-in cannot show the behaviour: see
            `protocols.renderer`.
        never_answers: True if the source does not answer a request, or not in a reasonable time. The conformance suite
            then uses short timeouts, which a busy machine may exceed as well, so the contract must allow a failure.
        preset: settings that are fixed under this name.
        defaults: settings that have another default under this name.
    """

    name: str
    behaviour_class: type[Behaviour]
    description: str
    contract: Contract
    requirement: str
    condition: str = "list#2"
    failures: tuple[str, ...] = ()
    protocols: tuple[str, ...] = ALL
    needs: tuple[str, ...] = ()
    never_answers: bool = False
    preset: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, *, when: RequestPredicate | None = None, **settings: Any) -> Behaviour:
        """Create the behaviour with these settings.

        Args:
            when: selects the requests; the default is every request.
            settings: values of `parameters`.

        Raises:
            TypeError: if a setting does not exist, or is fixed under this name.
        """
        if unknown := settings.keys() - {parameter.name for parameter in self.parameters}:
            raise TypeError(f"{self.name} has no setting {', '.join(sorted(unknown))}")
        condition = {} if when is None else {"when": when}
        behaviour = self.behaviour_class(**{**self.preset, **self.defaults, **settings, **condition})
        # The dataclasses are frozen, and the label is not a setting.
        object.__setattr__(behaviour, "label", self.name)
        return behaviour

    def applies_to(self, protocol: str, features: Collection[str] = ()) -> bool:
        """Return whether a protocol can show the behaviour.

        Args:
            protocol: `oai`, `json`, or another one, which is that of a plug-in.
            features: what the protocol of a plug-in has: see `protocols.renderer`.
        """
        if protocol in BOTH:
            return protocol in self.protocols
        return ANY_OTHER in self.protocols and set(self.needs) <= set(features)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The settings of the class, in order, without those that are fixed under this name."""
        kinds = get_type_hints(self.behaviour_class)
        return tuple(
            Parameter(
                each.name, kinds[each.name], self.defaults.get(each.name, each.default), **each.metadata
            )
            for each in fields(self.behaviour_class)  # type: ignore[arg-type]  # registered classes are dataclasses
            if each.init and each.metadata and each.name not in self.preset
        )


def parameter(default: Any, meaning: str, choices: tuple[str, ...] = ()) -> Any:
    """Return a dataclass field that a scenario can set."""
    return field(default=default, metadata={"meaning": meaning, "choices": choices})
