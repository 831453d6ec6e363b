"""The sources that ship with the package: find one by its label, and read where its facts come from.

A source of a user takes one over with the key `extends` (`extending`). Until then it is off: the entry `bundled` of
`HARVEST_SOURCES` loads it with `disabled: true` and without a schedule. See docs/decisions/0063.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from harvest_dagster.catalog.field_types import Day
from harvest_dagster.catalog.problems import Problem
from harvest_dagster.catalog.yaml_documents import YamlDocument, parse_documents, split_documents

BUNDLED_DIRECTORY = Path(__file__).with_name("sources")
FACTS = "facts"
"""The key of a bundled source that says where its facts come from. No other file may have it."""

_LEFT_OUT_IF_OFF = frozenset({FACTS, "schedule"})
# A test compares the labels that this finds with those of the parsed documents.
_LABEL = re.compile(r"^label:[ \t]*([a-z][a-z0-9_]*)", re.MULTILINE)


class Facts(BaseModel):
    """Where the facts of a bundled source come from, and what its operator asks of harvesters."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)

    origins: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(strict=False)] = Field(
        alias="from",
        min_length=1,
        description="where the facts come from: addresses of pages, or words",
        examples=[["https://info.arxiv.org/help/oa/index.html"]],
    )
    unverified_since: Day = Field(
        description="the day since which nobody has compared the facts with the source: the day of the last "
        "comparison, or the day on which the file was written without one",
        examples=["2026-12-01"],
    )
    terms: str = Field(
        min_length=1,
        description="what the operator asks of harvesters; `none known` if no rule is known",
        examples=["one request in three seconds"],
    )
    http_only: str | None = Field(
        default=None,
        min_length=1,
        description="why the source is asked over http and not over https",
        examples=["the server does not answer on port 443"],
    )


@dataclass(frozen=True)
class BundledSource:
    """A bundled source as its file describes it. Its keys are not validated.

    Attributes:
        document: the document of the file, with the schedule that it proposes, and without the key `facts`.
        facts: the value of the key `facts`.
    """

    document: YamlDocument
    facts: dict[str, Any]

    @property
    def label(self) -> str:
        """The label."""
        return str(self.document.value["label"])


@dataclass(frozen=True)
class _Text:
    """The text of one document in a bundled file."""

    file: Path
    first_line: int
    text: str


@dataclass(frozen=True)
class BundledCatalog:
    """The bundled sources. Each object reads the files once, when they are needed first.

    Attributes:
        directory: has the files. A file may have several documents.
    """

    directory: Path = BUNDLED_DIRECTORY

    def files(self) -> list[Path]:
        """Return the files, in order."""
        return sorted(self.directory.glob("*.yaml"))

    def contains(self, file: Path) -> bool:
        """Return whether a file is one of the bundled files."""
        directory = file.parent
        if directory not in self._known:
            self._known[directory] = directory.resolve() == self.directory.resolve()
        return self._known[directory]

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in order. The documents are not parsed."""
        return tuple(sorted(self._texts))

    def find(self, label: str) -> YamlDocument | Problem | None:
        """Return the document with a label. Only this document is parsed.

        Returns:
            The document without the key `facts`; a problem if it is not valid YAML; None if no document has the label.
        """
        found = self._texts.get(label)
        if found is None:
            return None
        for one in parse_documents(found.text, str(found.file), found.first_line):
            return one if isinstance(one, Problem) else without_keys(one, {FACTS})
        return None

    def sources(self) -> Iterator[BundledSource]:
        """Yield the bundled sources, ordered by label. Documents that are not valid are left out."""
        for label in self.labels:
            text = self._texts[label]
            for one in parse_documents(text.text, str(text.file), text.first_line):
                if isinstance(one, YamlDocument) and isinstance(one.value, dict):
                    facts = one.value.get(FACTS)
                    yield BundledSource(without_keys(one, {FACTS}), facts if isinstance(facts, dict) else {})

    @cached_property
    def _known(self) -> dict[Path, bool]:
        """Whether a directory is that of the bundled files. To resolve a path costs some system calls."""
        return {self.directory: True}

    @cached_property
    def _texts(self) -> dict[str, _Text]:
        found: dict[str, _Text] = {}
        for file in self.files():
            for first_line, text in split_documents(file.read_text(encoding="utf-8")):
                if label := _LABEL.search(text):
                    found.setdefault(label[1], _Text(file, first_line, text))
        return found


def switched_off(document: YamlDocument) -> YamlDocument:
    """Return a bundled source that no source of a user extends: disabled, and without a schedule."""
    if not isinstance(document.value, dict):
        return document
    document = without_keys(document, _LEFT_OUT_IF_OFF)
    return replace(document, value={**document.value, "disabled": True})


def without_keys(document: YamlDocument, names: Iterable[str]) -> YamlDocument:
    """Return a document whose value lacks some keys."""
    if not isinstance(document.value, dict):
        return document
    left_out = frozenset(names)
    value = {name: member for name, member in document.value.items() if name not in left_out}
    return replace(document, value=value)
