"""Scenarios: behaviours and their conditions as text, for the command line and for files.

    cut:length=1000@ListRecords#3

`GRAMMAR` describes the notation. Parsing reports all problems at once, each with its place and the allowed values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from harvest_dagster.testing.simulator.behaviours import conditions
from harvest_dagster.testing.simulator.behaviours.base import Behaviour, NamedBehaviour, Parameter
from harvest_dagster.testing.simulator.behaviours.conditions import Condition
from harvest_dagster.testing.simulator.behaviours.registry import REGISTRY
from harvest_dagster.testing.simulator.errors import ScenarioError
from harvest_dagster.testing.simulator.protocols.oai import VERBS
from harvest_dagster.testing.simulator.serving.messages import JSON_LIST

GRAMMAR = """\
  NAME[:KEY=VALUE,...][@CONDITION,...]

  cut:length=1000@ListRecords#3            truncate the third ListRecords
  busy-date:status=429,seconds=2@list#2-4  refuse three requests for list pages
  html-login@page=2,chance=0.5/7           half of the requests for second pages
  error@!token                             every request without a token

  A behaviour applies if all its conditions hold; without a condition it
  always applies. The conditions are

    VERB, VERB#COUNT    requests with this OAI-PMH verb, or the n-th of them;
                        `records` is the list of the JSON API, `list` is any
                        list of either protocol
    #COUNT              the n-th request of all
    page=COUNT          every request for the n-th page of a list
    token[=PATTERN]     requests with a token, or with a token of this form
    path=PATTERN        requests for a path, with * and ? as in file names
    chance=SHARE[/SEED] a reproducible share of the requests, 0 to 1
    !CONDITION          requests for which the condition does not hold

  COUNT is 3, 3-5, 3- (from the third on) or *3 (every third). Use double
  quotes for values and patterns with a comma or an @. A file for --scenario:

    behaviours:
      - cut:length=1000@ListRecords#3
      - busy-date: {status: 429, seconds: 2}
        when: list#2-4
"""
_OUTSIDE_QUOTES = r'(?=(?:[^"]*"[^"]*")*[^"]*$)'
_COUNT = r"(?:(?P<first>[1-9]\d*)(?P<open>-(?P<last>[1-9]\d*)?)?|\*(?P<step>[1-9]\d*))"
_BY_NUMBER = re.compile(rf"(?P<verb>\w*)#{_COUNT}")
_BY_PAGE = re.compile(rf"page={_COUNT}")
_BY_CHANCE = re.compile(r"chance=(?P<share>[01]|0?\.\d+)(?:/(?P<seed>\d+))?")
_VERBS = (*VERBS, JSON_LIST, "list")
_FORMS = f"{', '.join(_VERBS)}; VERB#3, #3, #3-5, #3-, #*3; page=3; token, token=PATTERN; path=PATTERN; chance=0.1/7"
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def parse_behaviour(text: str) -> Behaviour:
    """Return the behaviour that a text describes.

    Raises:
        ScenarioError: with all problems and the allowed values.
    """
    head, *rest = re.split("@" + _OUTSIDE_QUOTES, text, maxsplit=1)
    name, _, given = head.partition(":")
    pairs = [part.partition("=") for part in _split(given)]
    settings = {key.strip(): _unquote(value) for key, _, value in pairs}
    return _create(name.strip(), settings, rest[0] if rest else "")


def parse_condition(text: str) -> Condition:
    """Return the condition that a text describes; an empty text selects every request.

    Raises:
        ScenarioError: if the text is not a condition.
    """
    condition = conditions.every_request
    for part in _split(text):
        condition &= ~_parse_term(part[1:]) if part.startswith("!") else _parse_term(part)
    return condition


def load(file: Path) -> tuple[Behaviour, ...]:
    """Return the behaviours of a YAML or JSON file, in order.

    Raises:
        ScenarioError: with the file and the place of every problem.
        OSError: if the file cannot be read.
    """
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ScenarioError([f"{file}: {error}"]) from None
    items = content.get("behaviours") if isinstance(content, dict) else None
    if not isinstance(items, list) or len(content) > 1:
        raise ScenarioError([f"{file}: the only allowed key is `behaviours`, with a list"])
    return _parse_all(items, _parse_item, lambda at: f"{file}, behaviours[{at}]")


def parse_behaviours(texts: Sequence[str]) -> tuple[Behaviour, ...]:
    """Return the behaviours of several texts, see `parse_behaviour`. Errors name the option `--behaviour`."""
    return _parse_all(texts, parse_behaviour, lambda at: f"--behaviour {texts[at]}")


def for_conformance(entry: NamedBehaviour, **settings: Any) -> Behaviour:
    """Return a registered behaviour with the condition under which the conformance suite applies it."""
    return entry(when=parse_condition(entry.condition), **settings)


def _parse_all(
    items: Sequence[Any], parse: Callable[[Any], Behaviour], place: Callable[[int], str]
) -> tuple[Behaviour, ...]:
    """Parse all items. Raise one ScenarioError with the problems of all."""
    behaviours: list[Behaviour] = []
    problems: list[str] = []

    def parse_item(at: int, item: Any) -> None:
        try:
            behaviours.append(parse(item))
        except ScenarioError as error:
            problems.extend(f"{place(at)}: {problem}" for problem in error.problems)

    for at, item in enumerate(items):
        parse_item(at, item)
    if problems:
        raise ScenarioError(problems)
    return tuple(behaviours)


def _parse_item(item: object) -> Behaviour:
    """Parse one item of the list in a scenario file: a text, or a mapping of a name to its settings."""
    if isinstance(item, str):
        return parse_behaviour(item)
    if not isinstance(item, dict):
        raise ScenarioError(
            ["use a text, or a mapping of a name to its settings with an optional key `when`"]
        )
    names = [name for name in item if name != "when"]
    if len(names) != 1 or not isinstance(item[names[0]] or {}, dict):
        raise ScenarioError(["use one name with a mapping of settings, and an optional key `when`"])
    if "when" in item and not isinstance(item["when"], str):
        raise ScenarioError(["`when` must be a text; put it in quotes if it begins with # or !"])
    settings = {
        key: str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in (item[names[0]] or {}).items()
    }
    return _create(names[0], settings, item.get("when", ""))


def _create(name: str, settings: Mapping[str, str], when: str) -> Behaviour:
    """Create a behaviour by its name. Raise ScenarioError with all problems of the name, settings and condition."""
    problems: list[str] = []
    entry = REGISTRY.get(name)
    if entry is None:
        matches = get_close_matches(name, REGISTRY, n=3)
        hint = f"did you mean {' or '.join(matches)}?" if matches else "--help lists all behaviours"
        problems.append(f"there is no behaviour {name!r}; {hint}")
    values = {} if entry is None else _parse_settings(entry, settings, problems)
    try:
        condition = parse_condition(when)
    except ScenarioError as error:
        problems += error.problems
    if entry is None or problems:
        raise ScenarioError(problems)
    return entry(when=condition, **values)


def _parse_settings(
    entry: NamedBehaviour, settings: Mapping[str, str], problems: list[str]
) -> dict[str, Any]:
    """Return the values of the settings, and append what is wrong with them to `problems`."""
    parameters = {each.name: each for each in entry.parameters}
    values: dict[str, Any] = {}
    for key, text in settings.items():
        if key not in parameters:
            allowed = ", ".join(parameters) or "none"
            problems.append(f"{entry.name} has no setting {key!r}; allowed: {allowed}")
            continue
        try:
            values[key] = _parse_value(parameters[key], text)
        except (KeyError, ValueError):
            allowed = " or ".join(map(repr, parameters[key].choices)) or parameters[key].kind.__name__
            problems.append(f"{key} of {entry.name} cannot be {text!r}; allowed: {allowed}")
    return values


def _parse_value(parameter: Parameter, text: str) -> Any:
    if parameter.choices and text not in parameter.choices:
        raise ValueError(text)
    return _BOOLEANS[text.lower()] if parameter.kind is bool else parameter.kind(text)


def _parse_term(text: str) -> Condition:
    """Return a single condition; the text has no comma and no leading `!`."""
    if text in _VERBS:
        return conditions.has_verb(text)
    if text == "token":
        return conditions.has_token
    kind, _, pattern = text.partition("=")
    if kind in {"token", "path"} and pattern:
        matches = {"token": conditions.token_matches, "path": conditions.path_matches}[kind]
        return matches(_unquote(pattern))
    if (found := _BY_NUMBER.fullmatch(text)) and found["verb"] in ("", *_VERBS):
        verb = found["verb"] or None
        step = found["step"]
        return conditions.every_nth(int(step), verb) if step else conditions.between(*_range(found), verb)
    if found := _BY_PAGE.fullmatch(text):
        step = found["step"]
        return conditions.on_every_nth_page(int(step)) if step else conditions.on_page(*_range(found))
    if found := _BY_CHANCE.fullmatch(text):
        return conditions.chance(float(found["share"]), int(found["seed"] or 0))
    raise ScenarioError([f"{text!r} is not a condition; allowed: {_FORMS}; a leading ! negates each of them"])


def _range(found: re.Match[str]) -> tuple[int, int | None]:
    """Return the first and the last number of a COUNT; None means no upper bound."""
    first = int(found["first"])
    if found["last"]:
        return first, int(found["last"])
    return first, None if found["open"] else first


def _split(text: str) -> list[str]:
    """Split a text at the commas that are outside quotes."""
    return [part.strip() for part in re.split("," + _OUTSIDE_QUOTES, text) if part.strip()]


def _unquote(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
