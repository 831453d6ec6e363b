"""What `harvest doctor` finds: each finding has its evidence, and says what to change and where."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from harvest_dagster.catalog.loader import load_files, source_entries
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.catalog.source_files import source_files
from harvest_dagster.catalog.yaml_documents import YamlDocument

Status = Literal["ok", "problem", "advice", "unknown"]
KeyPath = tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """One thing that was examined.

    Attributes:
        topic: what was examined, in a few words.
        status: `ok`; `problem`: something is wrong and costs records, requests or time; `advice`: nothing is wrong, but
            a person should know it; `unknown`: it could not be found out.
        text: what was found, in one sentence.
        evidence: what the source sent.
        change: what to change; empty if nothing needs to be changed.
        key: the key of the config to change, as a path.
    """

    topic: str
    status: Status
    text: str
    evidence: str = ""
    change: str = ""
    key: KeyPath = ()


def ignored_dates(config: IngestConfig, text: str, evidence: str, more: str = "") -> Finding:
    """Return the finding that a source ignores dates, with the line that makes each harvest a snapshot.

    Args:
        config: the config of the source.
        text: what was found.
        evidence: what the source sent.
        more: what else to change.
    """
    topic = "selective harvesting"
    if not config.selective:
        return Finding(topic, "ok", f"{text}, as `selective: false` says", evidence)
    return Finding(topic, "problem", text, evidence, f"selective: false{more}", ("selective",))


@dataclass(frozen=True)
class Place:
    """The line of a key in the file of a source."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class SourceFile:
    """The YAML document of a source.

    Attributes:
        document: the document.
    """

    document: YamlDocument

    def place(self, key: KeyPath) -> Place:
        """Return the line of a key; if the config lacks it, the line of its nearest parent."""
        return Place(self.document.file, self.document.line(key))


def find_source_file(label: str, environ: Mapping[str, str]) -> SourceFile | None:
    """Return the YAML document of a source that was loaded; None if there is none."""
    files = [
        path for entry in source_entries(None, environ) if entry.exists() for path in source_files(entry)
    ]
    document = load_files(files).by_label.get(label)
    return None if document is None else SourceFile(document)


def in_order(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield the problems first, then the advice, then what is not known, then what is in order."""
    order = ("problem", "advice", "unknown", "ok")
    yield from sorted(findings, key=lambda finding: order.index(finding.status))
