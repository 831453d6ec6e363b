"""Review the files of sources before they are deployed: everything that can be known without a network.

The loader refuses what cannot be harvested. The review also reports what loads and is almost certainly a mistake. A
problem has to be corrected: with it, the source is missing, is never harvested, or sends something else than its author
meant. A warning may be intended. Not here: what only the source knows, such as whether a set exists.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from harvest_dagster.catalog.arguments import KINDS, deciding_arguments, digest_of
from harvest_dagster.catalog.cron import scheduled_times
from harvest_dagster.catalog.extending import label_of
from harvest_dagster.catalog.loader import LoadedFiles, load_files
from harvest_dagster.catalog.problems import KeyPath, Problem
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.catalog.secrets import placeholder_names
from harvest_dagster.catalog.source_files import is_of_components, is_source_file, source_files
from harvest_dagster.masking import is_secret_name

_YEAR = timedelta(days=366)
_ARGUMENTS = (*(kind.kwargs_name for kind in KINDS), "auth")
_RESOLVED = (*_ARGUMENTS, "notify")  # the keys in which a run replaces ${NAME}
# The names of environment variables are in capitals. Query options such as $top and $where are not.
_VARIABLE = re.compile(r"(?<![$\\])\$([A-Z][A-Z0-9_]{2,})\b(?!\})")
_WHOLE_VARIABLE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")


@dataclass(frozen=True)
class Review:
    """The result of a review.

    Attributes:
        configs: the configs that load.
        problems: what must be corrected, ordered by file and line.
        warnings: what may be a mistake, in the same order.
    """

    configs: tuple[IngestConfig, ...]
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def review_files(paths: Iterable[Path], now: datetime) -> Review:
    """Review these files. Of a directory, review the files that the catalog reads."""
    files: list[Path] = []
    problems: list[Problem] = []
    warnings: list[Problem] = []
    for path in dict.fromkeys(paths):
        if not path.is_dir():
            files.append(path)
            continue
        try:
            found = source_files(path)
        except OSError as error:
            problems.append(
                Problem(str(path), 0, "", f"cannot be read ({error.strerror}); correct its permissions")
            )
            continue
        if not found:
            problems.append(Problem(str(path), 0, "", "has no YAML file; add a source, or correct the path"))
        files += found
        if not is_of_components(path):  # otherwise Dagster reads the other files
            warnings += _unread_files(path)
    loaded = load_files(dict.fromkeys(files))
    problems += [*loaded.catalog.problems, *_problems(loaded, now)]
    warnings += [*loaded.catalog.warnings, *_warnings(loaded, now)]
    return Review(
        loaded.catalog.configs, tuple(sorted(problems, key=_place)), tuple(sorted(warnings, key=_place))
    )


def _place(problem: Problem) -> tuple[str, int]:
    return problem.file, problem.line


def _unread_files(directory: Path) -> Iterator[Problem]:
    """Yield a warning for each YAML file below a directory that the catalog does not read."""
    for path in sorted(directory.rglob("*")):
        if path.suffix.lower() not in {".yaml", ".yml"} or path.name.startswith(".") or not path.is_file():
            continue
        if path.parent != directory:
            message = "is not read, because it is in a subdirectory; add its directory to HARVEST_SOURCES"
            yield Problem(str(path), 0, "", message)
        elif not is_source_file(path):
            yield Problem(str(path), 0, "", "is not read; write its suffix in lower-case letters")


def _problems(loaded: LoadedFiles, now: datetime) -> Iterator[Problem]:
    for file in loaded.empty:
        yield Problem(str(file), 0, "", "is empty; write an IngestConfig, or remove the file")
    for document in loaded.documents:
        for path, message in _variables_without_braces(document.value):
            yield document.problem(path, message, label_of(document.value))
        if (earliest := _earliest_date(document.value)) is not None and earliest > now.date():
            message = f"{earliest} is in the future, so no day can be harvested; correct the date"
            yield document.problem(("earliest_date",), message, label_of(document.value))


def _earliest_date(value: Any) -> date | None:
    """Return the earliest_date of a document, whether the document loads or not; None if it has no valid one."""
    try:
        return date.fromisoformat(str(value["earliest_date"]))
    except (KeyError, TypeError, ValueError):
        return None


def _variables_without_braces(value: Any) -> Iterator[tuple[KeyPath, str]]:
    if not isinstance(value, dict):
        return
    for name in _ARGUMENTS:
        for path, text in _strings(value.get(name), (name,)):
            found = _VARIABLE.search(text)
            if found is None and is_secret_name(str(path[-1])):
                found = _WHOLE_VARIABLE.fullmatch(text.strip())
            if found is not None:
                message = (
                    f"contains {found[0]}, which is sent as it is written; write ${{{found[1]}}} to read the "
                )
                yield path, f"{message}environment variable {found[1]}"


def _strings(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, member in value.items():
            yield from _strings(member, (*path, key))
    elif isinstance(value, list):
        for number, member in enumerate(value):
            yield from _strings(member, (*path, number))


def _warnings(loaded: LoadedFiles, now: datetime) -> Iterator[Problem]:
    yield from _schedules_outside_hours(loaded, now)
    yield from _placeholders_without_effect(loaded)
    yield from _equal_sources(loaded)


def _schedules_outside_hours(loaded: LoadedFiles, now: datetime) -> Iterator[Problem]:
    """Yield a warning for each config whose schedule has no time within its hours during the next year."""
    for config in loaded.catalog.configs:
        if config.hours is None or config.schedule is None:
            continue
        if not any(map(config.hours.is_open, scheduled_times(config.schedule, now, now + _YEAR))):
            message = (
                f"never falls into the hours ({config.hours}); the schedule is in UTC. Each scheduled time waits until "
                "the hours begin; move the schedule into the hours"
            )
            document = loaded.by_label[config.label]
            yield Problem(document.file, document.line(("schedule",)), "schedule", message, config.label)


def _placeholders_without_effect(loaded: LoadedFiles) -> Iterator[Problem]:
    for config in loaded.catalog.configs:
        document = loaded.by_label[config.label]
        for key, value in document.value.items():
            if key not in _RESOLVED and (names := placeholder_names(value)):
                name = min(names)
                places = " and ".join((", ".join(_RESOLVED[:-1]), _RESOLVED[-1]))
                message = f"contains ${{{name}}}, which is not replaced here; it is read only in {places}"
                yield document.problem((key,), message, config.label)


def _equal_sources(loaded: LoadedFiles) -> Iterator[Problem]:
    """Yield a warning for each config that asks a source for the same records as an earlier one."""
    first: dict[tuple[str, str], str] = {}
    for config in loaded.catalog.configs:
        if config.label in loaded.catalog.bundled:
            continue  # it is off
        asked = config.harvester, digest_of(deciding_arguments(config))
        owner = first.setdefault(asked, config.label)
        if owner != config.label:
            document = loaded.by_label[config.label]
            message = f"asks for the same records as {owner}; remove one of them, or change the arguments"
            place = document.line(("harvester_kwargs",))
            yield Problem(document.file, place, "harvester_kwargs", message, config.label)
