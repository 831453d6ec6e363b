"""`python -m harvest_dagster.conformance`: test a harvester against every behaviour of the simulator and report."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import yaml

from harvest_dagster import plugins
from harvest_dagster.testing.conformance import report
from harvest_dagster.testing.conformance.harvester_under_test import DEFAULT_ARGUMENTS, HarvesterUnderTest
from harvest_dagster.testing.conformance.suite import applicable_behaviours, run_suite
from harvest_dagster.testing.simulator.behaviours.registry import REGISTRY

_COMMAND = "python -m harvest_dagster.conformance"
_DESCRIPTION = "Test a harvester against every behaviour of the fault-injection simulator."
_EPILOG = f"""\
In the arguments, {{oai_url}} and {{json_url}} stand for the simulator's OAI-PMH repository and JSON list, and
{{list_url}} for its list in the protocol of --renderer. The URL that is used determines the protocol.
`python -m harvest_dagster.simulator --help` describes the first two, and every behaviour.

The exit status is 1 if a harvest
  - reports success although records are lost, altered, duplicated or unknown;
  - hangs or crashes, or fails with an error message that does not say what to do;
  - fails although every record was available;
  - sends too many requests, sends them too fast or too early, or bypasses the HTTP session;
or if its list of identifiers names other identifiers or datestamps than its records.
The exit status is 2 if the command is wrong.

examples:
  {_COMMAND} --harvester oai
  {_COMMAND} --harvester rest --only cut --only token-circle
  {_COMMAND} --harvester museum:Museum --argument base_url={{json_url}}
  {_COMMAND} --harvester museum --arguments museum.yaml --json
  {_COMMAND} --harvester feed:Feed --renderer feed_renderer:FeedRenderer --argument url={{list_url}}
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the suite, print the report and return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        harvester = _harvester(options)
    except (ValueError, OSError, yaml.YAMLError) as error:
        print(error, file=sys.stderr)
        return 2
    if options.list:
        for entry in applicable_behaviours(harvester, options.only):
            print(f"{entry.name:<26} {entry.description} Contract: {entry.contract.value}.")
        return 0
    return _run(harvester, options)


def _run(harvester: HarvesterUnderTest, options: argparse.Namespace) -> int:
    results = []
    if not options.json:
        print(report.heading())
    for result in run_suite(harvester, options.only, deadline=options.deadline, jobs=options.jobs):
        results.append(result)
        if not options.json:
            print(report.line(result), flush=True)
    render = report.as_json if options.json else report.summary
    print(render(harvester.harvester, results), flush=True)
    return int(any(result.faults for result in results))


def _harvester(options: argparse.Namespace) -> HarvesterUnderTest:
    """Return the harvester of the options. Raise ValueError if a name is unknown or the URL is missing."""
    if unknown := sorted(set(options.only) - REGISTRY.keys()):
        raise ValueError(f"there is no behaviour {', '.join(unknown)}; --list shows all behaviours")
    options.harvester = plugins.present_key(plugins.HARVESTERS, options.harvester)
    known = {*plugins.plugin_paths(plugins.HARVESTERS)}
    if ":" not in options.harvester and options.harvester not in known:
        raise ValueError(
            f"no harvester is registered as {options.harvester!r}; registered are {', '.join(sorted(known))}"
        )
    arguments = _arguments(options)
    if not arguments and options.harvester not in DEFAULT_ARGUMENTS:
        raise ValueError(
            "--arguments or --argument must contain the URL of the simulator: {oai_url} or {json_url}, or {list_url} "
            "with --renderer"
        )
    harvester = HarvesterUnderTest(options.harvester, arguments, options.renderer)
    harvester.create_renderer()
    return harvester


def _arguments(options: argparse.Namespace) -> dict[str, Any]:
    """Return the harvester_kwargs from the file and from the command line, which overrides the file."""
    arguments: dict[str, Any] = {}
    if options.arguments is not None:
        arguments = yaml.safe_load(options.arguments.read_text(encoding="utf-8"))
        if not isinstance(arguments, dict):
            raise ValueError(f"{options.arguments} must be a mapping: the harvester_kwargs of a source")
    for pair in options.argument:
        name, equals, value = pair.partition("=")
        if not equals:
            raise ValueError(f"--argument takes NAME=VALUE, not {pair!r}")
        arguments[name] = value if value.startswith("{") else yaml.safe_load(value)
    return arguments


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_COMMAND,
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--harvester", default="oai", help="the key of a registered harvester, or module:Class (default: oai)"
    )
    add("--arguments", type=Path, metavar="FILE", help="a YAML file with the harvester_kwargs")
    add(
        "--argument",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="one of them; can be given several times",
    )
    add(
        "--renderer",
        default="",
        metavar="MODULE:CLASS",
        help="the class that shows the simulator's records in the protocol of the harvester, at {list_url}",
    )
    add(
        "--only",
        action="append",
        default=[],
        metavar="NAME",
        help="test this behaviour; can be given several times",
    )
    add("--list", action="store_true", help="list the behaviours and run no trial")
    add("--json", action="store_true", help="print the report as JSON")
    add(
        "--deadline",
        type=float,
        default=30.0,
        help="seconds for each harvest; on a busy machine they last longer (default: 30)",
    )
    add("--jobs", type=int, default=4, help="number of harvests at the same time (default: 4)")
    return parser


def run() -> NoReturn:
    """Run the suite and end the process, even if the thread of a hanging harvest is still alive."""
    status = main()
    sys.stdout.flush()
    os._exit(status)


if __name__ == "__main__":
    run()
