"""`harvest check`: validate the YAML files of sources."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from harvest_dagster.catalog.loader import source_entries
from harvest_dagster.catalog.problems import Problem
from harvest_dagster.catalog.review import review_files
from harvest_dagster.cli.options import json_option
from harvest_dagster.cli.output import print_json, print_message
from harvest_dagster.windows import utc_now


@click.command("check")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]...")
@click.option("--strict", is_flag=True, help="Count warnings as problems.")
@json_option
@click.pass_context
def command(context: click.Context, files: Sequence[Path], strict: bool, as_json: bool) -> None:
    r"""Validate the YAML files of sources. The command needs no network and no database.

    Without FILE, it validates the entries of HARVEST_SOURCES, or the sources of this package. A FILE may be a
    directory, or the defs.yaml of a Dagster component. Run it in the CI of a repository of sources.

    A problem is one line on standard output: file, line, key, and what is allowed. The exit status is 1 if there is
    any. These are problems: YAML that is not valid, a key or value that is not allowed, a plug-in that is not
    installed, a label that occurs twice, a schedule that never occurs, an earliest_date in the future, an empty or
    missing file, and $KEY without braces.

    A warning is one line on standard error. It may be intended, so it does not change the exit status: a secret in
    plain text, different rate limits for one host, two sources that ask for the same, a file that is not read, ${KEY}
    where it is not replaced.

    With --json, standard output is the list of problems: {file, line, key, message}. The line is 0 if a problem
    concerns the whole file. With --strict, the list includes the warnings.

    \b
    Examples:
      harvest check
      harvest check sources/arxiv.yaml sources/zenodo.yaml
      HARVEST_SOURCES=sources harvest check --strict --json
    """
    review = review_files(files or source_entries(), utc_now())
    problems = [*review.problems, *(review.warnings if strict else ())]
    if as_json:
        print_json([_fields(problem) for problem in problems])
    else:
        for problem in problems:
            click.echo(str(problem))
    for warning in () if strict else review.warnings:
        print_message(f"warning: {warning}")
    print_message(_summary(len(review.configs), problems))
    context.exit(1 if problems else 0)


def _fields(problem: Problem) -> dict[str, object]:
    return {"file": problem.file, "line": problem.line, "key": problem.key, "message": problem.message}


def _summary(configs: int, problems: Sequence[Problem]) -> str:
    found = (
        "no problem" if not problems else "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    )
    return f"{found} in the files; {configs} source{'s load' if configs != 1 else ' loads'}"
