"""`harvest doctor`: examine a source, and name the lines of its config to change."""

from __future__ import annotations

import os
from typing import Any

import click

from harvest_dagster.cli.connections import connected
from harvest_dagster.cli.options import json_option
from harvest_dagster.cli.output import print_json, print_message
from harvest_dagster.diagnosis.connection import is_url
from harvest_dagster.diagnosis.doctor import examine
from harvest_dagster.diagnosis.findings import Finding, SourceFile, find_source_file
from harvest_dagster.texts import one_line
from harvest_dagster.windows import utc_now


@click.command("doctor")
@click.argument("target", metavar="URL|LABEL")
@json_option
@click.pass_context
def command(context: click.Context, /, *, target: str, as_json: bool) -> None:
    r"""Examine a source with about fifteen requests, and name the lines of its config to change.

    The requests count in the rate limit of the source. For an OAI-PMH repository: granularity, earliest date, deletion
    policy, page size, totals, resumption tokens, selective harvesting, both ends of windows, prefixes and sets that do
    not exist, redirects, rate limits, bot protection and clock. For other protocols: what two pages show. The
    report also lists what could not be found out.

    A URL is the base URL of an OAI-PMH repository, which is compared with the defaults of a config. The exit status is
    1 if there is a problem.

    \b
    Examples:
      harvest doctor arxiv_cs
      harvest doctor https://oaipmh.arxiv.org/oai --json
    """
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
