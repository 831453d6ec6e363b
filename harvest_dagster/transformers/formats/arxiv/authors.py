"""Read the authors of arXiv's formats: elements with the parts of a name, and texts with all authors.

The rules of such a text: https://info.arxiv.org/help/prep.html#author. Names are separated by a comma or by `and`.
Affiliations are in parentheses after a name, either as text or as numbers of a list at the end:
`Jane Doe (1), R. Roe (1 and 2) ((1) MIT, (2) CERN)`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harvest_dagster.transformers.document import Affiliation, Agent
from harvest_dagster.transformers.reading.xml_tree import local_name, take_text
from harvest_dagster.transformers.recognition.standard_forms import full_name

if TYPE_CHECKING:
    from lxml.etree import _Element

# A comma, a semicolon or `and` between two authors; a parenthesis, which may contain another one; other text.
_TOKEN = re.compile(
    r"(?P<separator>\s*[,;](?:\s*and\s)?\s*|\s+and\s+)|\s*\((?P<inside>(?:[^()]|\([^()]*\))*)\)|(?P<text>[^\s,;()]+|\s+)"
)
_NUMBERS = re.compile(r"[0-9]+(?:\s*(?:,|and|&|;)\s*[0-9]+)*")
_LISTED = re.compile(r"\(([0-9]+)\)\s*")
_SUFFIXES = frozenset({"jr", "sr", "ii", "iii", "iv"})
_CREATOR = ("aut", "author")


def read_author(element: _Element) -> Agent | None:
    """Take an author out of the tree: `keyname`, `forenames` and `suffix` (OAI-PMH), or `name` (Atom)."""
    texts: dict[str, str] = {}
    affiliations = []
    for part in element:
        name = local_name(part)
        if name == "affiliation":
            if text := take_text(part):
                affiliations.append(Affiliation(text))
        elif name in ("keyname", "forenames", "suffix", "name") and name not in texts:
            texts[name] = take_text(part) or ""
    family, given = texts.get("keyname") or None, texts.get("forenames") or None
    name = texts.get("name") or full_name(family, given)
    if not name:
        return None
    # A key name alone may be that of a collaboration.
    return Agent(
        name,
        given=given,
        family=family if given else None,
        suffix=texts.get("suffix") or None,
        role=_CREATOR[0],
        role_text=_CREATOR[1],
        affiliations=tuple(affiliations),
    )


def parse_authors(text: str) -> list[Agent]:
    """Return the authors that a text names; one agent with the whole text if it does not follow the rules.

    >>> [(one.name, one.affiliations[0].name) for one in parse_authors("J. Doe (1), A. Roe (MIT) ((1) X)")]
    [('J. Doe', 'X'), ('A. Roe', 'MIT')]
    """
    authors = _split(text)
    if authors is None:
        return [_agent(text, ())] if text else []
    listed = _listed_affiliations(authors)
    agents: list[Agent] = []
    for name, notes in authors:
        affiliations = _resolve(notes, listed)
        if affiliations is None:
            return [_agent(text, ())]
        if name.rstrip(".").lower() in _SUFFIXES and agents and not agents[-1].affiliations:
            agents[-1] = _agent(agents[-1].name, affiliations, suffix=name)
        else:
            agents.append(_agent(name, affiliations))
    return agents


def _agent(name: str, affiliations: tuple[Affiliation, ...], suffix: str | None = None) -> Agent:
    return Agent(name, suffix=suffix, role=_CREATOR[0], role_text=_CREATOR[1], affiliations=affiliations)


def _split(text: str) -> list[tuple[str, list[str]]] | None:
    """Return each name with the texts in the parentheses after it; None if the parentheses do not match."""
    authors: list[tuple[str, list[str]]] = []
    name, notes, end = "", list[str](), 0
    for match in _TOKEN.finditer(text):
        if match.start() != end:
            return None
        end = match.end()
        if match["inside"] is not None:
            notes.append(match["inside"].strip())
        elif match["separator"]:
            authors.append((name.strip(), notes))
            name, notes = "", []
        elif notes and match["text"].strip():
            return None  # text after a parenthesis belongs to no name
        else:
            name += match["text"]
    authors.append((name.strip(), notes))
    return None if end != len(text) or not all(name for name, _ in authors) else authors


def _listed_affiliations(authors: list[tuple[str, list[str]]]) -> dict[str, str]:
    """Take the list of affiliations out of the notes of the last author. Return each by its number."""
    notes = authors[-1][1]
    if not notes or not _LISTED.match(notes[-1]):
        return {}
    parts = _LISTED.split(notes.pop())[1:]
    return {number: text.strip(" ,;") for number, text in zip(parts[::2], parts[1::2], strict=True)}


def _resolve(notes: list[str], listed: dict[str, str]) -> tuple[Affiliation, ...] | None:
    """Return the affiliations that notes name; None if one is a number without an entry in the list."""
    names: list[str] = []
    for note in notes:
        if _NUMBERS.fullmatch(note):
            numbers = re.findall("[0-9]+", note)
            if any(number not in listed for number in numbers):
                return None
            names += [listed[number] for number in numbers]
        elif note:
            names.append(note)
    return tuple(map(Affiliation, names))
