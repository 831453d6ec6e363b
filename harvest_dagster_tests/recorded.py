"""The recorded responses of real services, in `shared/data` next to the repository.

They contain names of real people, so they are not part of the project. Tests that need them are skipped if they are
missing.
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
    """One response as the service sent it, with content-encoding removed.

    Attributes:
        file: `folder/name`, as in PROVENANCE.tsv.
        url: of the request; empty if it was not recorded.
        status: of HTTP; 200 if it was not recorded.
        headers: of the response, with names in lower case.
        records: number of records.
        deleted: number of deleted records among them.
        flags: the flags in PROVENANCE.tsv: `OAI-PMH`, the verb, `token`, `error:…`, …
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
    """Return the body of one response, or skip the test if it is missing."""
    path = DATA / folder / name
    if not path.is_file():
        pytest.skip(f"no recorded response {path}")
    return path.read_bytes()


@cache
def recordings(*folders: str) -> Sequence[Recording]:
    """Return the responses of some folders, in order; none if the data is missing."""
    if not DATA.is_dir():
        return ()
    index = {name: line for folder in folders for name, line in _index(folder).items()}
    with (DATA / "PROVENANCE.tsv").open(newline="", encoding="utf-8") as lines:
        rows = [row for row in csv.DictReader(lines, delimiter="\t") if row["file"] in index]
    return tuple(_recording(row, index[row["file"]]) for row in rows)


def _index(folder: str) -> dict[str, dict[str, Any]]:
    lines = (DATA / folder / "index.jsonl").read_text(encoding="utf-8").splitlines()
    return {f"{folder}/{line['file']}": line for line in map(json.loads, lines)}


def _recording(row: Mapping[str, str], request: Mapping[str, Any]) -> Recording:
    return Recording(
        file=row["file"],
        url=request["uri"] or "",
        status=int(row["http_status"] or 200),
        headers=request["headers"],
        records=int(row["records"]),
        deleted=int(row["deleted"]),
        flags=frozenset(filter(None, row["flags"].split(","))),
    )
