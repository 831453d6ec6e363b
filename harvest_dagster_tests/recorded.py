"""The recorded responses of real services: `data/` in the folder `shared` beside the repository.

They name real people, so they stay outside of the project. Tests that need them are skipped, with a reason,
where they are not.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

requires_recorded = pytest.mark.skipif(not DATA.is_dir(), reason=f"no recorded responses in {DATA}")


@dataclass(frozen=True)
class Recording:
    """One response as the service sent it, content-encoding undone.

    Attributes:
        file: `folder/name`, as in PROVENANCE.tsv.
        url: how it was asked; empty where that was not kept.
        status: of HTTP; 200 where it was not kept.
        headers: of the response, names in lower case.
        records: how many records it holds.
        deleted: how many of them are deletions.
        flags: what else PROVENANCE.tsv says of it: `OAI-PMH`, the verb, `token`, `error:…`, …
    """

    file: str
    url: str
    status: int
    headers: Mapping[str, str] = field(repr=False)
    records: int
    deleted: int
    flags: frozenset[str]

    @property
    def body(self) -> bytes:
        return (DATA / self.file).read_bytes()

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "")

    def __str__(self) -> str:
        return self.file


def recorded(folder: str, name: str) -> bytes:
    """The body of one response; the test is skipped where it is missing."""
    path = DATA / folder / name
    if not path.is_file():
        pytest.skip(f"no recorded response {path}")
    return path.read_bytes()


@cache
def recordings(*folders: str) -> Sequence[Recording]:
    """All responses of some folders, in order; none where the data is missing."""
    if not DATA.is_dir():
        return ()
    asked = {name: entry for folder in folders for name, entry in _index(folder).items()}
    with (DATA / "PROVENANCE.tsv").open(newline="", encoding="utf-8") as lines:
        rows = [row for row in csv.DictReader(lines, delimiter="\t") if row["file"] in asked]
    return tuple(_recording(row, asked[row["file"]]) for row in rows)


def _index(folder: str) -> dict[str, dict[str, Any]]:
    lines = (DATA / folder / "index.jsonl").read_text(encoding="utf-8").splitlines()
    return {f"{folder}/{entry['file']}": entry for entry in map(json.loads, lines)}


def _recording(row: Mapping[str, str], asked: Mapping[str, Any]) -> Recording:
    return Recording(
        file=row["file"],
        url=asked["uri"] or "",
        status=int(row["http_status"] or 200),
        headers=asked["headers"],
        records=int(row["records"]),
        deleted=int(row["deleted"]),
        flags=frozenset(filter(None, row["flags"].split(","))),
    )
