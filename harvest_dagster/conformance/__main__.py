"""`python -m harvest_dagster.conformance`: a harvester against every behaviour of the simulator, with a report."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from harvest_dagster import plugins
from harvest_dagster.conformance import report
from harvest_dagster.conformance.subject import ARGUMENTS, Subject
from harvest_dagster.conformance.suite import concerned, examine
from harvest_dagster.simulator.registry import REGISTRY

_COMMAND = "python -m harvest_dagster.conformance"
_EPILOG = f"""\
In the arguments {{oai_url}} and {{json_url}} stand for the simulator's OAI-PMH repository and JSON list; the one that
is used says which protocol is spoken. `python -m harvest_dagster.simulator --help` describes both, and every behaviour.

The exit status is 1 where a harvest ended as a success with records lost, altered, doubled or foreign, hung, crashed,
failed without saying what to do, gave up where all could be had, asked too often, or went round the session; 2 where
the command is wrong.

examples:
  {_COMMAND} --harvester oai
  {_COMMAND} --harvester json --only cut --only token-circle
  {_COMMAND} --harvester museum:Museum --argument base_url={{json_url}}
  {_COMMAND} --harvester museum --arguments museum.yaml --json
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Examine, print, and say by the exit status whether all is well."""
    options = _parser().parse_args(arguments)
    try:
        subject = _subject(options)
    except (ValueError, OSError, yaml.YAMLError) as error:
        print(error, file=sys.stderr)
        return 2
    if options.list:
        for entry in concerned(subject, options.only):
            print(f"{entry.name:<26} {entry.about}; a harvester {entry.demand.value}")
        return 0
    return _examine(subject, options)


def _examine(subject: Subject, options: argparse.Namespace) -> int:
    verdicts = []
    if not options.json:
        print(report.head())
    for verdict in examine(subject, options.only, deadline=options.deadline, jobs=options.jobs):
        verdicts.append(verdict)
        if not options.json:
            print(report.line(verdict), flush=True)
    write = report.as_json if options.json else report.summary
    print(write(subject.harvester, verdicts), flush=True)
    return int(any(verdict.faults for verdict in verdicts))


def _subject(options: argparse.Namespace) -> Subject:
    if unknown := sorted(set(options.only) - REGISTRY.keys()):
        raise ValueError(f"no behaviour is called {', '.join(unknown)}; --list tells all")
    given: dict[str, Any] = {}
    if options.arguments is not None:
        given = yaml.safe_load(options.arguments.read_text(encoding="utf-8"))
        if not isinstance(given, dict):
            raise ValueError(f"{options.arguments} must be a mapping: the harvester_kwargs of a source")
    for pair in options.argument:
        name, equals, value = pair.partition("=")
        if not equals:
            raise ValueError(f"--argument takes NAME=VALUE, not {pair!r}")
        given[name] = value if value.startswith("{") else yaml.safe_load(value)
    known = {*plugins.registered(plugins.HARVESTERS)}
    if ":" not in options.harvester and options.harvester not in known:
        raise ValueError(
            f"no harvester is registered as {options.harvester!r}; there are {', '.join(sorted(known))}"
        )
    if not given and options.harvester not in ARGUMENTS:
        raise ValueError(
            "--arguments or --argument must tell where the simulator is: {oai_url} or {json_url}"
        )
    return Subject(options.harvester, given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_COMMAND,
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--harvester", default="oai", help="the key of a registered one, or module:Class (default: oai)")
    add("--arguments", type=Path, metavar="FILE", help="a YAML mapping: the harvester_kwargs")
    add("--argument", action="append", default=[], metavar="NAME=VALUE", help="one of them; may be repeated")
    add("--only", action="append", default=[], metavar="NAME", help="this behaviour; may be repeated")
    add("--list", action="store_true", help="tell the behaviours, and run none")
    add("--json", action="store_true", help="the report as JSON")
    add("--deadline", type=float, default=30.0, help="seconds for each harvest (default: 30)")
    add("--jobs", type=int, default=4, help="harvests at once (default: 4)")
    return parser


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    # A harvest that hangs is a thread that would keep the process.
    os._exit(status)
