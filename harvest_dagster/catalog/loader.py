"""Load the catalog: all IngestConfigs in the entries of `HARVEST_SOURCES`, and the problems of those that fail.

An entry is a directory of YAML files, a single file, or a directory with the `defs.yaml` of Dagster components
(`source_files`). A config with a problem does not affect the others. Loading reads YAML files and the variable
`HARVEST_SOURCES`, and the variables in the templates of a `defs.yaml`. `yaml_documents` parses the YAML. `extending`
adds the keys of a bundled source. `schema` and `arguments` validate the keys of a document.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harvest_dagster.catalog.arguments import validate_arguments
from harvest_dagster.catalog.bundled import (
    BUNDLED_DIRECTORY,
    FACTS,
    BundledCatalog,
    switched_off,
)
from harvest_dagster.catalog.extending import EXTENDS, extend, label_of
from harvest_dagster.catalog.field_types import is_label
from harvest_dagster.catalog.hosts import conflicting_limits
from harvest_dagster.catalog.plaintext_secrets import find_plaintext_paths
from harvest_dagster.catalog.problems import KeyPath, Place, Problem, explain_errors, unknown_source
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.catalog.source_files import component_sources, is_component, source_files
from harvest_dagster.catalog.yaml_documents import YamlDocument, parse_documents
from harvest_dagster.errors import CatalogError, UnknownIngestConfig

SOURCES_VARIABLE = "HARVEST_SOURCES"
BUNDLED = "bundled"
PLAINTEXT = (
    "contains a secret in plain text; write ${NAME} instead, and set the variable NAME where runs start"
)


@dataclass(frozen=True)
class Catalog:
    """The configs that were loaded, and the problems of the others.

    Attributes:
        configs: the configs without a problem, ordered by label.
        problems: the problems, in the order of directories, files and lines.
        warnings: possible mistakes in configs that were loaded.
        places: by label, where each config is declared.
        of_components: the labels that are declared in the `defs.yaml` of a Dagster component.
        bundled: the labels of the bundled sources that no source of a user extends or replaces.
        searched: the entries of `HARVEST_SOURCES` that were read.
    """

    configs: tuple[IngestConfig, ...] = ()
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    places: Mapping[str, Place] = field(default_factory=dict)
    of_components: frozenset[str] = frozenset()
    bundled: frozenset[str] = frozenset()
    searched: tuple[str, ...] = ()

    def without_components(self) -> Catalog:
        """Return the catalog without the sources of Dagster components. Their assets belong to another project."""
        left_out = self.of_components
        return replace(
            self,
            configs=tuple(config for config in self.configs if config.label not in left_out),
            problems=tuple(problem for problem in self.problems if problem.label not in left_out),
            warnings=tuple(problem for problem in self.warnings if problem.label not in left_out),
        )

    @property
    def broken(self) -> dict[str, list[Problem]]:
        """The problems of the documents that did not load, by label. Documents without a valid label are left out."""
        loaded = {config.label for config in self.configs}
        found: dict[str, list[Problem]] = {}
        for problem in self.problems:
            if problem.label is not None and problem.label not in loaded and is_label(problem.label):
                found.setdefault(problem.label, []).append(problem)
        return found

    def get(self, label: str) -> IngestConfig:
        """Return the config with this label.

        Raises:
            UnknownIngestConfig: no config has this label. The message gives the problems of its YAML, its new
                label, how to enable a bundled source, or similar labels.
        """
        for config in self.configs:
            if config.label == label:
                return config
        if own := [str(problem) for problem in self.problems if problem.label == label]:
            message = f"the IngestConfig {label!r} did not load: {'; '.join(own)}. Correct its YAML."
            raise UnknownIngestConfig(message)
        if (now := self.find_renamed(label)) is not None:
            message = f"the source {label!r} is now called {now.label!r} (former_labels). Use its new label."
            raise UnknownIngestConfig(message)
        if label in BundledCatalog().labels:
            message = (
                f"the bundled source {label!r} is not enabled. Enable it: harvest add --bundled {label}."
            )
            raise UnknownIngestConfig(message)
        raise UnknownIngestConfig(
            unknown_source(label, (config.label for config in self.configs), self.searched)
        )

    def find_renamed(self, label: str) -> IngestConfig | None:
        """Return the config that had this label before it was renamed, or None."""
        return next((config for config in self.configs if label in config.former_labels), None)

    def raise_if_invalid(self) -> None:
        """Raise CatalogError if the catalog has any problem.

        Raises:
            CatalogError: the message has one line for each problem.
        """
        if self.problems:
            listed = "\n".join(f"  {problem}" for problem in self.problems)
            message = f"problems in the catalog ({len(self.problems)}):\n{listed}\nCorrect these files."
            raise CatalogError(message)


def load_catalog(
    sources: str | None = None,
    environ: Mapping[str, str] = os.environ,
    bundled: BundledCatalog = BundledCatalog(),  # noqa: B008 - it is frozen
) -> Catalog:
    """Return the configs of `sources`, with the problems of those that fail. This raises no exception.

    Args:
        sources: directories and files, separated by `os.pathsep`. `bundled` stands for the sources in this package.
            None means the value of `HARVEST_SOURCES`, or `bundled` if the variable is empty or not set.
        environ: the environment variables.
        bundled: the sources in this package.
    """
    loader = _Loader(environ, BundledCatalog(bundled.directory))
    entries = source_entries(sources, environ)
    for entry in entries:
        loader.load_entry(bundled.directory if entry == BUNDLED_DIRECTORY else entry)
    shown = tuple(BUNDLED if entry == BUNDLED_DIRECTORY else str(entry) for entry in entries)
    return replace(loader.catalog(), searched=shown)


def source_entries(sources: str | None = None, environ: Mapping[str, str] = os.environ) -> list[Path]:
    """Return the directories and files that `load_catalog` reads, in order."""
    listed = (environ.get(SOURCES_VARIABLE) if sources is None else sources) or BUNDLED
    parts = dict.fromkeys(part for part in listed.split(os.pathsep) if part)
    return [BUNDLED_DIRECTORY if part == BUNDLED else Path(part) for part in parts]


@dataclass(frozen=True)
class LoadedFiles:
    """A catalog with what its authors need to know about the files.

    Attributes:
        catalog: the configs, problems and warnings.
        documents: all documents that are valid YAML, also those that did not load.
        by_label: the document of each config that was loaded.
        empty: the files without any document.
    """

    catalog: Catalog
    documents: tuple[YamlDocument, ...]
    by_label: Mapping[str, YamlDocument]
    empty: tuple[Path, ...]


def load_files(files: Iterable[Path]) -> LoadedFiles:
    """Return the configs of these files, as `load_catalog` returns those of directories. This raises no exception."""
    loader = _Loader()
    for file in files:
        loader.load_file(file)
    return LoadedFiles(loader.catalog(), tuple(loader.all_documents), loader.documents, tuple(loader.empty))


def load_documents(documents: Iterable[YamlDocument]) -> Catalog:
    """Return the configs of documents that are already parsed, as `load_catalog` does. This raises no exception."""
    loader = _Loader()
    for document in documents:
        loader.load_document(document)
    return loader.catalog()


@dataclass
class _Loader:
    """The state of one call of `load_catalog` or `load_files`.

    Attributes:
        environ: the environment variables, for the templates of components.
        bundled: the sources in this package.
        bundled_files: those of its files that are to be loaded. They come last: other sources may replace theirs.
        bundled_labels: the labels of the bundled sources that were loaded.
        configs: the configs that were loaded.
        problems: the problems of all other documents and files.
        label_owners: by label, the place `file:line` of the first document with this label.
        documents: by label, the document of each config that was loaded.
        all_documents: all documents that are valid YAML.
        empty: the files without any document.
        of_components: the labels that components declare.
        loaded: the files of the entries so far. Two entries may have a file in common.
    """

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    bundled: BundledCatalog = field(default_factory=BundledCatalog)
    bundled_files: list[Path] = field(default_factory=list)
    bundled_labels: set[str] = field(default_factory=set)
    configs: list[IngestConfig] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    label_owners: dict[str, str] = field(default_factory=dict)
    documents: dict[str, YamlDocument] = field(default_factory=dict)
    all_documents: list[YamlDocument] = field(default_factory=list)
    empty: list[Path] = field(default_factory=list)
    of_components: set[str] = field(default_factory=set)
    loaded: set[Path] = field(default_factory=set)

    def catalog(self) -> Catalog:
        """Return what was loaded so far."""
        self._load_bundled()
        self._refuse_conflicting_former_labels()
        configs = tuple(sorted(self.configs, key=lambda config: config.label))
        places = {label: Place(one.file, one.line(())) for label, one in self.documents.items()}
        warnings = tuple(self.warnings(configs))
        return Catalog(
            configs,
            tuple(self.problems),
            warnings,
            places,
            of_components=frozenset(self.of_components),
            bundled=frozenset(self.bundled_labels & self.documents.keys()),
        )

    def load_entry(self, entry: Path) -> None:
        try:
            files = source_files(entry)
        except OSError as error:
            message = f"cannot be read as a directory ({error.strerror}); correct {SOURCES_VARIABLE}"
            self.problems.append(Problem(str(entry), 0, "", message))
            return
        directory = entry.resolve()
        for file in files:
            # To resolve each path takes as long as to validate its sources.
            resolved = (
                directory / file.name if file.parent == entry and not file.is_symlink() else file.resolve()
            )
            if resolved not in self.loaded:
                self.loaded.add(resolved)
                self.load_file(file)

    def load_file(self, file: Path) -> None:
        if self.bundled.contains(file):
            self.bundled_files.append(file)
            return
        for document in self._read(file):
            if is_component(document):
                self.load_component(document)
            else:
                self.load_document(document)

    def _load_bundled(self) -> None:
        """Load the bundled sources whose label no other source has or had."""
        former = {label for config in self.configs for label in config.former_labels}
        others = former | self.label_owners.keys()
        for file in self.bundled_files:
            for document in self._read(file):
                label = label_of(document.value)
                if label not in others:
                    self._load_own(switched_off(document))
                    self.bundled_labels |= {label} if label else set()

    def _read(self, file: Path) -> Iterator[YamlDocument]:
        """Yield the documents of a file, and report what is not valid YAML."""
        try:
            text = file.read_bytes().decode("utf-8-sig")
        except OSError as error:
            message = f"cannot be read ({error.strerror}); correct or remove the file"
            self.problems.append(Problem(str(file), 0, "", message))
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            message = f"is not UTF-8 (byte {error.start}); save the file as UTF-8"
            self.problems.append(Problem(str(file), line, "", message))
        else:
            documents = list(parse_documents(text, str(file)))
            if not documents:
                self.empty.append(file)
            for document in documents:
                if isinstance(document, Problem):
                    self.problems.append(document)
                else:
                    yield document

    def load_component(self, document: YamlDocument) -> None:
        self.problems += document.problems
        for source, problems in component_sources(document, self.environ):
            label = label_of(source.value)
            if problems:
                self._report(source, label, problems)
            else:
                self.load_document(source)
            if label is not None:
                self.of_components.add(label)

    def load_document(self, document: YamlDocument) -> None:
        """Load a source of a user."""
        extended = extend(document, self.bundled)
        if isinstance(extended, Problem):
            self.all_documents.append(document)
            claims = self._claim_label(document, label_of(document.value))
            self.problems += (
                replace(problem, label=extended.label) for problem in (*document.problems, extended)
            )
            self._report(replace(document, problems=()), extended.label, list(claims))
        else:
            self._load_own(extended)

    def _load_own(self, document: YamlDocument) -> None:
        """Load a document with all its keys."""
        self.all_documents.append(document)
        if not isinstance(document.value, dict):
            kind = "a list" if isinstance(document.value, list) else repr(document.value)
            message = (
                f"is {kind[:60]}; an IngestConfig is a mapping with at least the keys label and harvester"
            )
            self._report(document, None, [((), message)])
            return
        label = label_of(document.value)
        config, problems = _validate(document.value)
        problems += self._claim_label(document, label)
        self._report(document, label, problems)
        if config is not None and not problems and not document.problems:
            self.configs.append(config)
            self.documents[config.label] = document

    def warnings(self, configs: Iterable[IngestConfig]) -> Iterator[Problem]:
        for label, message in conflicting_limits(configs):
            document = self.documents[label]
            # The place in the user's file, also if the limit is that of a bundled source.
            yield Problem(document.file, document.line(("rate_limit",)), "rate_limit", message, label)
        for config in configs:
            document = self.documents[config.label]
            for path in find_plaintext_paths(config):
                yield document.problem(path, PLAINTEXT, config.label)

    def _refuse_conflicting_former_labels(self) -> None:
        """Drop each config with a former label that another document uses.

        Otherwise two sources would write into the data of one.
        """
        claims: dict[str, str] = {}
        for config in tuple(self.configs):
            document = self.documents[config.label]
            problems = list(self._former_label_problems(config, claims))
            if problems:
                self.configs.remove(config)
                del self.documents[config.label]
                self._report(document, config.label, problems)
            else:
                here = f"{document.file}:{document.line(('former_labels',))}"
                claims |= dict.fromkeys(config.former_labels, here)

    def _former_label_problems(
        self, config: IngestConfig, claims: Mapping[str, str]
    ) -> Iterator[tuple[KeyPath, str]]:
        for number, former in enumerate(config.former_labels):
            path = ("former_labels", number)
            if former == config.label:
                yield path, f"{former!r} is the label itself; remove it here"
            elif former in self.label_owners:
                owner = self.label_owners[former]
                yield (
                    path,
                    f"{former!r} is still the label of {owner}; remove that document, or remove it here",
                )
            elif former in claims:
                yield path, f"{former!r} is already a former label at {claims[former]}; remove one of the two"

    def _claim_label(self, document: YamlDocument, label: str | None) -> Iterator[tuple[KeyPath, str]]:
        """Yield a problem if an earlier document has the label.

        The first document keeps its label even if it has a problem. Otherwise, to correct it would replace the other
        config of that label.
        """
        if label is None:
            return
        own = document.value if document.own is None else document.own
        key = "label" if "label" in own else EXTENDS
        here = f"{document.file}:{document.line((key,))}"
        owner = self.label_owners.setdefault(label, here)
        if owner != here:
            remedy = "choose another" if key == "label" else "add the key label with another one"
            yield (key,), f"{label!r} is already the label of {owner}, which keeps it; {remedy}"

    def _report(self, document: YamlDocument, label: str | None, found: list[tuple[KeyPath, str]]) -> None:
        problems = [document.problem(path, text) for path, text in found]
        by_line = sorted((*document.problems, *problems), key=lambda problem: problem.line)
        self.problems.extend(replace(problem, label=label) for problem in by_line)


def _validate(value: dict[str, Any]) -> tuple[IngestConfig | None, list[tuple[KeyPath, str]]]:
    problems = list(validate_arguments(value))
    if FACTS in value:
        problems.append(((FACTS,), "is allowed only in the files of the package; remove it"))
        value = {name: member for name, member in value.items() if name != FACTS}
    try:
        return IngestConfig.model_validate(value), problems
    except ValidationError as error:
        return None, [*explain_errors(error.errors(), IngestConfig, value, show=True), *problems]
