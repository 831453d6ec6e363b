"""The catalogue: every IngestConfig of the directories that `HARVEST_SOURCES` names, and every problem.

One bad config harms no other. Reads YAML and `HARVEST_SOURCES`, nothing else. Not here: what a document may
say (`schema`, `arguments`) and how YAML is read (`documents`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harvest_dagster.catalog.arguments import check_arguments
from harvest_dagster.catalog.documents import Document, read_documents
from harvest_dagster.catalog.hosts import disagreements
from harvest_dagster.catalog.problems import KeyPath, Problem, did_you_mean, dotted, explain
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.catalog.written import ARGUMENTS, plain_secrets
from harvest_dagster.errors import CatalogError, UnknownIngestConfig

SOURCES_VARIABLE = "HARVEST_SOURCES"
BUNDLED = "bundled"
BUNDLED_DIRECTORY = Path(__file__).with_name("sources")


@dataclass(frozen=True)
class Catalog:
    """What could be loaded and what could not.

    Attributes:
        configs: by label.
        problems: in the order of directories, files and lines.
        warnings: of what loaded, and may not be what was meant.
    """

    configs: tuple[IngestConfig, ...] = ()
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()

    def get(self, label: str) -> IngestConfig:
        """The config of this label.

        Raises:
            UnknownIngestConfig: there is none; the message says why its YAML did not load, or a close one.
        """
        for config in self.configs:
            if config.label == label:
                return config
        if own := [str(problem) for problem in self.problems if problem.label == label]:
            message = f"the IngestConfig {label!r} did not load: {'; '.join(own)}. Mend its YAML."
            raise UnknownIngestConfig(message)
        close = did_you_mean(label, (config.label for config in self.configs))
        message = (
            f"no IngestConfig {label!r} among the {len(self.configs)} that loaded{close or '.'} "
            f"{SOURCES_VARIABLE} says where they are looked for."
        )
        raise UnknownIngestConfig(message)

    def check(self) -> None:
        """For those who want all or nothing.

        Raises:
            CatalogError: there are problems; the message has a line for each.
        """
        if self.problems:
            listed = "\n".join(f"  {problem}" for problem in self.problems)
            message = f"{len(self.problems)} problems in the catalogue:\n{listed}\nMend these files."
            raise CatalogError(message)


def load_catalog(sources: str | None = None, environ: Mapping[str, str] = os.environ) -> Catalog:
    """Every config of `sources`, and every problem of every file; raises nothing.

    Args:
        sources: directories separated by `os.pathsep`, `bundled` for those that ship with the package; None
            takes `HARVEST_SOURCES`, and where that is not set or empty, `bundled`.
        environ: where `HARVEST_SOURCES` is looked up.
    """
    listed = (environ.get(SOURCES_VARIABLE) if sources is None else sources) or BUNDLED
    loading = _Loading()
    for directory in dict.fromkeys(entry for entry in listed.split(os.pathsep) if entry):
        loading.directory(BUNDLED_DIRECTORY if directory == BUNDLED else Path(directory))
    configs = tuple(sorted(loading.configs, key=lambda config: config.label))
    return Catalog(configs, tuple(loading.problems), tuple(loading.warnings(configs)))


@dataclass
class _Loading:
    """One load under way: what was found so far, which document claimed which label, and which one loaded."""

    configs: list[IngestConfig] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    claims: dict[str, str] = field(default_factory=dict)
    loaded: dict[str, Document] = field(default_factory=dict)

    def directory(self, directory: Path) -> None:
        try:
            files = sorted(path for path in directory.iterdir() if _is_source(path))
        except OSError as error:
            message = f"no directory that can be read ({error.strerror}); correct {SOURCES_VARIABLE}"
            self.problems.append(Problem(str(directory), 0, "", message))
            return
        for file in files:
            self.file(file)

    def file(self, file: Path) -> None:
        try:
            text = file.read_bytes().decode("utf-8-sig")
        except OSError as error:
            self.problems.append(Problem(str(file), 0, "", f"cannot be read: {error.strerror}"))
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            message = f"is not UTF-8 (byte {error.start}); save it as UTF-8"
            self.problems.append(Problem(str(file), line, "", message))
        else:
            self.documents(read_documents(text, str(file)))

    def documents(self, found: Iterable[Document | Problem]) -> None:
        for each in found:
            if isinstance(each, Problem):
                self.problems.append(each)
            else:
                self.document(each)

    def document(self, document: Document) -> None:
        if not isinstance(document.value, dict):
            kind = "a list" if isinstance(document.value, list) else repr(document.value)
            message = f"is {kind[:60]}; an IngestConfig is a mapping, with label and harvester at the least"
            self._report(document, None, [((), message)])
            return
        label = document.value.get("label")
        label = label if isinstance(label, str) else None
        config, found = _validate(document.value)
        found += self._claim(document, label)
        self._report(document, label, found)
        if config is not None and not found and not document.problems:
            self.configs.append(config)
            self.loaded[config.label] = document

    def warnings(self, configs: Iterable[IngestConfig]) -> Iterator[Problem]:
        for label, message in disagreements(configs):
            document = self.loaded[label]
            yield Problem(document.file, document.line(("rate_limit",)), "rate_limit", message, label)
        for config in configs:
            yield from self._plain_secrets(config)

    def _plain_secrets(self, config: IngestConfig) -> Iterator[Problem]:
        document = self.loaded[config.label]
        for name in ARGUMENTS:
            places = dict.fromkeys(path for path, _ in plain_secrets(getattr(config, name), (name,)))
            for path in places:
                message = (
                    "holds a secret in plain text; write it as ${NAME}, and set NAME where the runs start"
                )
                yield Problem(document.file, document.line(path), dotted(path), message, config.label)

    def _claim(self, document: Document, label: str | None) -> Iterator[tuple[KeyPath, str]]:
        """The first document keeps the label, wrong or not: mending it must not change which one loads."""
        if label is None:
            return
        here = f"{document.file}:{document.line(('label',))}"
        owner = self.claims.setdefault(label, here)
        if owner != here:
            yield ("label",), f"{label!r} is taken by {owner}, which keeps it; choose another"

    def _report(self, document: Document, label: str | None, found: list[tuple[KeyPath, str]]) -> None:
        placed = [Problem(document.file, document.line(path), dotted(path), text) for path, text in found]
        everything = sorted((*document.problems, *placed), key=lambda problem: problem.line)
        self.problems.extend(replace(problem, label=label) for problem in everything)


def _validate(value: dict[str, Any]) -> tuple[IngestConfig | None, list[tuple[KeyPath, str]]]:
    found = list(check_arguments(value))
    try:
        return IngestConfig.model_validate(value), found
    except ValidationError as error:
        return None, [*explain(error.errors(), IngestConfig, value, show=True), *found]


def _is_source(path: Path) -> bool:
    return path.suffix in {".yaml", ".yml"} and not path.name.startswith(".")
