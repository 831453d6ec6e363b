"""The report of `harvest doctor --bundled`, as JSON and as Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from harvest_dagster.diagnosis.bundled_doctor import BundledDiagnosis
from harvest_dagster.diagnosis.findings import Finding
from harvest_dagster.texts import one_line
from harvest_dagster.windows import format_instant

_ORDER = ("differs", "unreachable", "unknown", "agrees")


def as_json(diagnoses: Sequence[BundledDiagnosis], now: datetime) -> dict[str, Any]:
    """Return the report as a value of JSON."""
    return {
        "examined": format_instant(now.replace(microsecond=0)),
        "counts": _counts(diagnoses),
        "sources": [
            {
                "label": one.label,
                "host": one.host,
                "result": one.result,
                "requests": one.requests,
                "findings": [_finding(one, finding) for finding in one.findings],
            }
            for one in diagnoses
        ],
    }


def as_markdown(diagnoses: Sequence[BundledDiagnosis], now: datetime) -> str:
    """Return the report in Markdown: a table of all sources, and the lines to change of those that differ."""
    counts = ", ".join(f"{number} {result}" for result, number in _counts(diagnoses).items())
    lines = [
        "# Facts of the bundled sources",
        "",
        f"Examined at {format_instant(now.replace(microsecond=0))}: {counts}.",
    ]
    lines += ["", "| source | host | result | what was found |", "| --- | --- | --- | --- |"]
    for one in sorted(diagnoses, key=lambda one: (_ORDER.index(one.result), one.label)):
        lines.append(f"| {one.label} | {one.host or ''} | {one.result} | {_cell(summary(one))} |")
    for one in diagnoses:
        if one.result == "differs":
            lines += ["", f"## {one.label}", ""]
            for finding in one.differences:
                lines.append(
                    f"- {one_line(finding.topic)}: {_escaped(finding.text)}{_proposal(one, finding)}"
                )
    return "\n".join(lines) + "\n"


def summary(diagnosis: BundledDiagnosis) -> str:
    """Return the most important finding in one line."""
    found = list(diagnosis.differences) or [
        one for one in diagnosis.findings if one.status == "unknown" and one.topic == "facts"
    ]
    if not found:
        return "nothing differs"
    others = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    evidence = f": {one_line(found[0].evidence)}" if found[0].evidence else ""
    return f"{found[0].topic}: {one_line(found[0].text)}{evidence}{others}"


def _counts(diagnoses: Sequence[BundledDiagnosis]) -> dict[str, int]:
    found = Counter(str(one.result) for one in diagnoses)
    return {result: found[result] for result in _ORDER}


def _proposal(diagnosis: BundledDiagnosis, finding: Finding) -> str:
    evidence = f" ({_escaped(finding.evidence)})" if finding.evidence else ""
    if not finding.change:
        return evidence
    place = f", {diagnosis.place(finding)}" if finding.key else ""
    return f"{evidence}. Proposed change{place}: `{one_line(finding.change)}`"


def _finding(diagnosis: BundledDiagnosis, finding: Finding) -> dict[str, Any]:
    place = diagnosis.place(finding) if finding.key and finding.change else None
    return {
        "topic": finding.topic,
        "status": finding.status,
        "text": finding.text,
        "evidence": finding.evidence or None,
        "change": finding.change or None,
        "key": ".".join(finding.key) or None,
        "file": place.file if place else None,
        "line": place.line if place else None,
    }


def _escaped(text: str) -> str:
    """Return a text of a source without line breaks and without HTML."""
    return one_line(text).replace("<", "&lt;")


def _cell(text: str) -> str:
    return _escaped(text).replace("|", "\\|")
