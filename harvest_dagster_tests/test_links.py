"""References between the files of the repository: links, anchors, decisions, and documents that are not here."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SUFFIXES = {".cfg", ".json", ".mako", ".md", ".py", ".service", ".sh", ".toml", ".yaml", ".yml", ""}

LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
FENCE = re.compile(r"^(```|~~~).*?^\1`*\s*?$", re.MULTILINE | re.DOTALL)
INLINE_CODE = re.compile(r"`[^`\n]+`")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*\s*$", re.MULTILINE)
EXPLICIT_ANCHOR = re.compile(r"<a\s+(?:id|name)=\"([^\"]+)\"")

DOCUMENT = re.compile(r"(?<![\w./-])docs/[\w./-]*[\w-]\.(?:md|json|png|svg)(?:#[\w-]+)?")
DECISION = re.compile(r"\b(?:decisions?/|[Dd]ecisions? )(\d{4})\b")
MODULE = re.compile(r"`((?:harvest_dagster/|harvest_dagster_tests/)?(?:[a-z_0-9]+/)+[a-z_0-9]+\.py)`")
# Written so that this file does not contain them.
ABSENT = re.compile(
    r"(?i:\blessons?\b|lesson_)|\b(?:DESIGN|HOUSE|WORDS|STYLE|LESSONS|DAGSTER|REAL|SPEED)[.]md\b|\b[Pp]art [0-9]"
)


@cache
def tracked_files() -> tuple[Path, ...]:
    """Return the text files that git tracks, without this one."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("this is not a git checkout")
    paths = (ROOT / name for name in listed.stdout.split("\0") if name)
    return tuple(
        path
        for path in paths
        if path.suffix in SUFFIXES and path.is_file() and not path.is_symlink() and path != Path(__file__)
    )


def markdown_files() -> list[Path]:
    return [path for path in tracked_files() if path.suffix == ".md"]


@cache
def text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


@cache
def anchors(path: Path) -> frozenset[str]:
    """Return the anchors of a Markdown file: explicit ones, and one for each heading, as GitHub makes them."""
    prose = FENCE.sub("", text(path))
    found = set(EXPLICIT_ANCHOR.findall(prose))
    for heading in HEADING.findall(prose):
        slug = slug_of(heading)
        number = 0
        while (numbered := f"{slug}-{number}" if number else slug) in found:
            number += 1
        found.add(numbered)
    return frozenset(found)


def slug_of(heading: str) -> str:
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")


def problem_of(target: Path, anchor: str) -> str | None:
    """Return what is wrong with a reference to a file and, if it is not empty, to an anchor in it."""
    if not target.exists():
        return "no such file"
    if anchor and target.suffix == ".md" and anchor not in anchors(target):
        return "no such anchor"
    return None


def line_of(path: Path, position: int) -> str:
    return f"{path.relative_to(ROOT)}:{text(path).count(chr(10), 0, position) + 1}"


def broken_links(path: Path) -> Iterator[str]:
    """Yield the relative links of a Markdown file that lead nowhere; code is not searched."""
    blanked = FENCE.sub(lambda code: re.sub(r"[^\n]", " ", code[0]), text(path))
    blanked = INLINE_CODE.sub(lambda code: " " * len(code[0]), blanked)
    for link in LINK.finditer(blanked):
        if "://" in link[1] or link[1].startswith("mailto:"):
            continue
        name, _, anchor = link[1].partition("#")
        target = (path.parent / name).resolve() if name else path
        if problem := problem_of(target, anchor):
            yield f"{line_of(path, link.start())}: {link[1]}: {problem}"


def broken_references(path: Path) -> Iterator[str]:
    """Yield the references to files below docs/ and to decisions by their number that lead nowhere."""
    for reference in DOCUMENT.finditer(text(path)):
        name, _, anchor = reference[0].partition("#")
        if problem := problem_of(ROOT / name, anchor):
            yield f"{line_of(path, reference.start())}: {reference[0]}: {problem}"
    for reference in DECISION.finditer(text(path)):
        if not list((ROOT / "docs/decisions").glob(f"{reference[1]}-*.md")):
            yield f"{line_of(path, reference.start())}: {reference[0]}: no such decision"


def missing_modules(path: Path) -> Iterator[str]:
    """Yield the modules that a Markdown file names by a path and that do not exist."""
    for module in MODULE.finditer(text(path)):
        if not any((folder / module[1]).exists() for folder in (ROOT, ROOT / "harvest_dagster")):
            yield f"{line_of(path, module.start())}: {module[1]}: no such module"


def test_every_module_that_a_markdown_file_names_exists() -> None:
    """Pages and decisions name modules by their path. If a module moves, these paths become wrong."""
    missing = [problem for path in markdown_files() for problem in missing_modules(path)]
    assert not missing, "\n".join(["", *missing])


def test_every_link_of_every_markdown_file_leads_somewhere() -> None:
    """A reader who follows a dead link learns nothing, and nobody notices when a file is renamed."""
    broken = [problem for path in markdown_files() for problem in broken_links(path)]
    assert not broken, "\n".join(["", *broken])


def test_every_reference_to_the_documentation_leads_somewhere() -> None:
    """Comments and docstrings name pages and decisions by their path, which no tool follows."""
    broken = [problem for path in tracked_files() for problem in broken_references(path)]
    assert not broken, "\n".join(["", *broken])


def test_no_file_refers_to_a_document_that_is_not_in_the_repository() -> None:
    """334 references once led to a design document and a numbered list that no reader of the repository had."""
    found = [
        f"{line_of(path, match.start())}: {match[0]}"
        for path in tracked_files()
        for match in ABSENT.finditer(text(path))
    ]
    assert not found, "\n".join(["", *found])
