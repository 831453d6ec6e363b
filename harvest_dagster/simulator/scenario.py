"""Scenarios: behaviours and their conditions as text, for the command line and for files.

    cut:length=1000@ListRecords#3

`GRAMMAR` tells the form. What is wrong is told all at once, with its place and what is allowed there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from harvest_dagster.simulator import conditions
from harvest_dagster.simulator.behaviours.base import Behaviour, Named, Parameter
from harvest_dagster.simulator.conditions import Condition
from harvest_dagster.simulator.errors import ScenarioError
from harvest_dagster.simulator.exchange import JSON_LIST
from harvest_dagster.simulator.oai import VERBS
from harvest_dagster.simulator.registry import REGISTRY

GRAMMAR = """\
  NAME[:KEY=VALUE,...][@CONDITION,...]

  cut:length=1000@ListRecords#3            the third ListRecords is cut
  busy-date:status=429,seconds=2@list#2-4  three requests for pages are refused
  html-login@page=2,chance=0.5/7           the second page, every other time
  error@!token                             whatever comes without a token

  All conditions of a behaviour must hold; none: it always acts. They are

    VERB, VERB#COUNT    requests with this verb of OAI-PMH, or of them the n-th;
                        `records` is the list of the JSON API, `list` either's
    #COUNT              the n-th request of all
    page=COUNT          the n-th page of a list, however often it is asked for
    token[=PATTERN]     those with a token, or with one like this
    path=PATTERN        those of a path, with * and ? as in file names
    chance=SHARE[/SEED] a share of them, 0 to 1, always the same
    !CONDITION          the others

  COUNT is 3, 3-5, 3- (from the third on) or *3 (every third). Values and
  patterns with a comma or an @ stand in double quotes. A file for --scenario:

    behaviours:
      - cut:length=1000@ListRecords#3
      - busy-date: {status: 429, seconds: 2}
        when: list#2-4
"""
_OUTSIDE_QUOTES = r'(?=(?:[^"]*"[^"]*")*[^"]*$)'
_COUNT = r"(?:(?P<first>[1-9]\d*)(?P<open>-(?P<last>[1-9]\d*)?)?|\*(?P<step>[1-9]\d*))"
_BY_NUMBER = re.compile(rf"(?P<verb>\w*)#{_COUNT}")
_BY_PLACE = re.compile(rf"page={_COUNT}")
_BY_CHANCE = re.compile(r"chance=(?P<share>[01]|0?\.\d+)(?:/(?P<seed>\d+))?")
_VERBS = (*VERBS, JSON_LIST, "list")
_FORMS = f"{', '.join(_VERBS)}; VERB#3, #3, #3-5, #3-, #*3; page=3; token, token=PATTERN; path=PATTERN; chance=0.1/7"
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def behaviour(text: str) -> Behaviour:
    """The behaviour that a text describes.

    Raises:
        ScenarioError: with all that is wrong with it, and what is allowed.
    """
    head, *rest = re.split("@" + _OUTSIDE_QUOTES, text, maxsplit=1)
    name, _, given = head.partition(":")
    pairs = [part.partition("=") for part in _parts(given)]
    settings = {key.strip(): _unquoted(value) for key, _, value in pairs}
    return _made(name.strip(), settings, rest[0] if rest else "")


def condition(text: str) -> Condition:
    """The condition that a text describes; empty text is every request.

    Raises:
        ScenarioError: it describes none.
    """
    met = conditions.every
    for part in _parts(text):
        met = met & (~_single(part[1:]) if part.startswith("!") else _single(part))
    return met


def load(file: Path) -> tuple[Behaviour, ...]:
    """The behaviours of a YAML or JSON file, in their order.

    Raises:
        ScenarioError: naming file and place of everything that is wrong.
        OSError: the file cannot be read.
    """
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ScenarioError([f"{file}: {error}"]) from None
    listed = content.get("behaviours") if isinstance(content, dict) else None
    if not isinstance(listed, list) or len(content) > 1:
        raise ScenarioError([f"{file}: allowed is one key, `behaviours`, with a list"])
    return _collected(listed, _entry, lambda at: f"{file}, behaviours[{at}]")


def behaviours(texts: Sequence[str]) -> tuple[Behaviour, ...]:
    """The behaviours of several texts; see `behaviour`."""
    return _collected(texts, behaviour, lambda at: f"--behaviour {texts[at]}")


def asked(named: Named, **settings: Any) -> Behaviour:
    """A behaviour of the registry where the conformance suite asks it of a harvester."""
    return named(when=condition(named.at), **settings)


def _collected(
    given: Sequence[Any], read: Callable[[Any], Behaviour], place: Callable[[int], str]
) -> tuple[Behaviour, ...]:
    """All of them, or one error with the problems of all."""
    made: list[Behaviour] = []
    problems: list[str] = []

    def collect(at: int, each: Any) -> None:
        try:
            made.append(read(each))
        except ScenarioError as error:
            problems.extend(f"{place(at)}: {problem}" for problem in error.problems)

    for at, each in enumerate(given):
        collect(at, each)
    if problems:
        raise ScenarioError(problems)
    return tuple(made)


def _entry(given: object) -> Behaviour:
    if isinstance(given, str):
        return behaviour(given)
    if not isinstance(given, dict):
        raise ScenarioError(
            ["allowed is a text, or a mapping of a name to its settings with `when` beside it"]
        )
    names = [name for name in given if name != "when"]
    if len(names) != 1 or not isinstance(given[names[0]] or {}, dict):
        raise ScenarioError(["allowed is one name with a mapping of settings, and `when` beside it"])
    if "when" in given and not isinstance(given["when"], str):
        raise ScenarioError(["`when` is a text; one that begins with # or ! stands in quotes"])
    settings = {key: _text(value) for key, value in (given[names[0]] or {}).items()}
    return _made(names[0], settings, given.get("when", ""))


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _made(name: str, settings: Mapping[str, str], when: str) -> Behaviour:
    problems: list[str] = []
    named = REGISTRY.get(name)
    if named is None:
        close = get_close_matches(name, REGISTRY, n=3)
        meant = f"did you mean {' or '.join(close)}?" if close else "--help lists all of them"
        problems.append(f"there is no behaviour {name!r}; {meant}")
    values = {} if named is None else _values(named, settings, problems)
    try:
        met = condition(when)
    except ScenarioError as error:
        problems += error.problems
    if named is None or problems:
        raise ScenarioError(problems)
    return named(when=met, **values)


def _values(named: Named, settings: Mapping[str, str], problems: list[str]) -> dict[str, Any]:
    known = {each.name: each for each in named.parameters}
    values: dict[str, Any] = {}
    for key, text in settings.items():
        if key not in known:
            problems.append(f"{named.name} has no setting {key!r}; allowed: {', '.join(known) or 'none'}")
            continue
        try:
            values[key] = _value(known[key], text)
        except (KeyError, ValueError):
            wanted = " or ".join(map(repr, known[key].choices)) or known[key].kind.__name__
            problems.append(f"{key} of {named.name} cannot be {text!r}; allowed: {wanted}")
    return values


def _value(wanted: Parameter, text: str) -> Any:
    if wanted.choices and text not in wanted.choices:
        raise ValueError(text)
    return _TRUTH[text.lower()] if wanted.kind is bool else wanted.kind(text)


def _single(text: str) -> Condition:
    """One condition without its `!`."""
    if text in _VERBS:
        return conditions.verb(text)
    if text == "token":
        return conditions.with_token
    kind, _, pattern = text.partition("=")
    if kind in {"token", "path"} and pattern:
        return {"token": conditions.token, "path": conditions.path}[kind](_unquoted(pattern))
    if (found := _BY_NUMBER.fullmatch(text)) and found["verb"] in ("", *_VERBS):
        return _by_number(found)
    if found := _BY_PLACE.fullmatch(text):
        return _by_place(found)
    if found := _BY_CHANCE.fullmatch(text):
        return conditions.chance(float(found["share"]), int(found["seed"] or 0))
    raise ScenarioError([f"{text!r} is no condition; allowed: {_FORMS}, each with ! before it for not"])


def _by_number(found: re.Match[str]) -> Condition:
    verb = found["verb"] or None
    if found["step"]:
        return conditions.every_nth(int(found["step"]), verb)
    return conditions.between(*_range(found), verb)


def _by_place(found: re.Match[str]) -> Condition:
    if found["step"]:
        step = int(found["step"])
        return Condition(
            lambda request: bool(conditions.place(request)) and not conditions.place(request) % step
        )
    return conditions.page(*_range(found))


def _range(found: re.Match[str]) -> tuple[int, int | None]:
    first = int(found["first"])
    if found["last"]:
        return first, int(found["last"])
    return first, None if found["open"] else first


def _parts(text: str) -> list[str]:
    return [part.strip() for part in re.split("," + _OUTSIDE_QUOTES, text) if part.strip()]


def _unquoted(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
