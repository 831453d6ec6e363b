"""`harvest doctor`: examine a source, and name the lines of its config to change."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from harvest_dagster.catalog.bundled import BundledCatalog
from harvest_dagster.catalog.loader import load_catalog
from harvest_dagster.cli.connections import connected
from harvest_dagster.cli.database import database_url
from harvest_dagster.cli.options import json_option
from harvest_dagster.cli.output import json_text, print_json, print_message, print_table
from harvest_dagster.diagnosis.bundled_doctor import BundledDiagnosis, examine_bundled
from harvest_dagster.diagnosis.bundled_report import as_json as as_json_report
from harvest_dagster.diagnosis.bundled_report import as_markdown, summary
from harvest_dagster.diagnosis.connection import is_url, open_budgets
from harvest_dagster.diagnosis.doctor import examine
from harvest_dagster.diagnosis.findings import Finding, SourceFile, find_source_file
from harvest_dagster.errors import BadInput
from harvest_dagster.texts import one_line
from harvest_dagster.windows import utc_now

BUNDLED = BundledCatalog()
_COLUMNS = ("label", "host", "result", "what was found")


@click.command("doctor")
@click.argument("target", metavar="URL|LABEL", required=False)
@click.option(
    "--bundled", "is_bundled", is_flag=True, help="Compare the facts of the bundled sources with the sources."
)
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With --bundled: write the report to this file, as JSON if its name ends with .json, otherwise as Markdown.",
)
@json_option
@click.pass_context
def command(
    context: click.Context, /, *, target: str | None, is_bundled: bool, report: Path | None, as_json: bool
) -> None:
    r"""Examine a source with about fifteen requests, and name the lines of its config to change.

    The requests count in the rate limit of the source. For an OAI-PMH repository: granularity, earliest date, deletion
    policy, page size, totals, resumption tokens, selective harvesting, both ends of windows, prefixes and sets that do
    not exist, redirects, rate limits, bot protection and clock. For other protocols: what two pages show. The
    report also lists what could not be found out.

    A URL is the base URL of an OAI-PMH repository, which is compared with the defaults of a config. The exit status is
    1 if there is a problem.

    With --bundled, the command compares the facts of the bundled sources with what the sources say: redirects, base
    URL, earliest date, metadata prefix and rate limit. It sends two or three requests to each source, to several hosts
    at the same time, and names the line of the file to change. A text in place of LABEL selects the sources that have
    it in their label or host. The exit status is 1 unless all facts agree.

    \b
    Examples:
      harvest doctor arxiv_cs
      harvest doctor https://oaipmh.arxiv.org/oai --json
      harvest doctor --bundled --report report.md
      harvest doctor --bundled arxiv.org
    """
    if is_bundled:
        context.exit(_examine_bundled(target or "", report, as_json=as_json))
    if target is None:
        raise click.UsageError("Missing argument 'URL|LABEL', or --bundled.")
    if report is not None:
        raise click.UsageError("--report needs --bundled.")
    with connected(target) as connection:
        findings = examine(connection, utc_now())
        statistics = connection.session.statistics
    file = None if is_url(target) else find_source_file(target, os.environ)
    if as_json:
        print_json(
            {
                "target": connection.source.config.label if file else target,
                "requests": statistics.requests,
                "findings": [_as_json(finding, file) for finding in findings],
            }
        )
    else:
        for finding in findings:
            click.echo(_text(finding, file))
        print_message(f"{statistics.requests} requests were sent")
    context.exit(1 if any(finding.status == "problem" for finding in findings) else 0)


def _examine_bundled(text: str, report: Path | None, *, as_json: bool) -> int:
    """Examine the bundled sources, print the result, and return the exit status."""
    now = utc_now()
    catalog = load_catalog("bundled", os.environ, BUNDLED)
    with open_budgets(database_url(), catalog, os.environ) as (budget, note):
        if note:
            print_message(f"warning: {note}")
        diagnoses = examine_bundled(BUNDLED, os.environ, budget, now, text=text, on_result=_report_progress)
    value = as_json_report(diagnoses, now)
    if as_json:
        print_json(value)
    else:
        print_table(_COLUMNS, [(one.label, one.host, one.result, summary(one)) for one in diagnoses])
    print_message(", ".join(f"{number} {result}" for result, number in value["counts"].items()))
    if report is not None:
        is_json = report.suffix == ".json"
        _write(report, json_text(value) if is_json else as_markdown(diagnoses, now))
        print_message(f"wrote {report}")
    return 0 if all(one.result == "agrees" for one in diagnoses) else 1


def _report_progress(diagnosis: BundledDiagnosis, number: int, count: int) -> None:
    print_message(f"{number} of {count}: {diagnosis.label}: {diagnosis.result}")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        message = f"{path} cannot be written ({error.strerror}). Choose another path: --report."
        raise BadInput(message) from error


def _text(finding: Finding, file: SourceFile | None) -> str:
    lines = [f"{finding.status + ':':<9}{finding.topic}: {one_line(finding.text)}"]
    if finding.evidence:
        lines.append(f"         evidence: {one_line(finding.evidence)}")
    if finding.change:
        place = f" ({file.place(finding.key)})" if file and finding.key else ""
        lines.append(f"         change: {one_line(finding.change)}{place}")
    return "\n".join(lines)


def _as_json(finding: Finding, file: SourceFile | None) -> dict[str, Any]:
    place = file.place(finding.key) if file and finding.key and finding.change else None
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
