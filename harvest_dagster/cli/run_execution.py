"""Execute runs of Dagster in this process, for `harvest run` and `harvest reconcile`: progress, messages, Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import click
import dagster as dg

from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.cli.progress import ProgressView, private_terminal
from harvest_dagster.errors import BadInput, ConfigDisabled
from harvest_dagster.orchestration.runs.code_location import PACKAGE_MODULE, CodeLocation
from harvest_dagster.orchestration.runs.local_runs import RunningRun, RunRequest

_POLL = 0.2  # seconds

force_option = click.option(
    "--force", is_flag=True, help="Run even if the source is disabled, or refused after repeated failures."
)
ignore_disabled_option = click.option(
    "--ignore-disabled", is_flag=True, help="Run even if the source is disabled."
)
definitions_option = click.option(
    "--definitions",
    "module",
    metavar="MODULE",
    default=PACKAGE_MODULE,
    show_default=True,
    help="The Python module of the code location that has the source, as for `dagster dev -m`.",
)


@dataclass(frozen=True)
class Outcome:
    """The outcome of the runs of one command: their ids, the status of the last one, and the errors of their steps."""

    run_ids: tuple[str, ...]
    status: str
    errors: tuple[str, ...]


def raise_if_of_component(location: CodeLocation, label: str) -> None:
    """Raise BadInput if the assets of a source belong to a Dagster project, and not to the package.

    The run would materialize raw/LABEL, whatever key the project gives to the asset.
    """
    if location.module == PACKAGE_MODULE and label in location.catalog.of_components:
        place = location.catalog.places[label]
        message = (
            f"{label} is a source of the Dagster component {place.file}:{place.line}, so its assets belong to that "
            "project. Name the module of its definitions: --definitions my_project.definitions."
        )
        raise BadInput(message)


def raise_if_disabled(config: IngestConfig, flags: Mapping[str, bool]) -> None:
    """Raise ConfigDisabled as preflight does, before there is a run."""
    if config.disabled and not (flags["force"] or flags["ignore_disabled"]):
        message = (
            f"{config.label} is disabled. Run with --ignore-disabled, or remove `disabled` from its YAML."
        )
        raise ConfigDisabled(message)


def execute(requests: Sequence[RunRequest], instance: dg.DagsterInstance, unit: str = "records") -> Outcome:
    """Execute the runs one after the other, up to the first that does not succeed, and show their progress.

    Args:
        requests: the runs.
        instance: the instance that records them.
        unit: what their pages have.
    """
    run_ids: list[str] = []
    status, errors = "SUCCESS", []
    with private_terminal() as stream:
        for request in requests:
            running = RunningRun(request, instance)
            with ProgressView(stream, request.label, unit) as view:
                _follow(running, view)
            run_ids += [running.monitor.run_id] if running.monitor.run_id else []
            errors += running.failures()
            status = running.run.status.value if running.run else "FAILURE"
            if status != "SUCCESS":
                break
    return Outcome(tuple(run_ids), status, tuple(errors))


def _follow(running: RunningRun, view: ProgressView) -> None:
    """Show a run until it ends. A signal stops it after a page; a second one stops it at once."""
    monitor, is_announced = running.monitor, False
    with _signals() as received:
        running.start()
        while not running.wait(_POLL):
            _print_messages(running, view)
            view.show(monitor.progress)
            if received:
                running.stop()
                if not is_announced:
                    view.print("stopping after this page; press Ctrl-C again to stop at once")
                is_announced = True
            if len(received) > 1 or (received and monitor.is_deferred):
                running.abandon()
                break
    _print_messages(running, view)


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Yield a list that gets each SIGINT and SIGTERM, which do nothing else meanwhile."""
    received: list[int] = []
    former = {
        number: signal.signal(number, lambda number, _: received.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield received
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _print_messages(running: RunningRun, view: ProgressView) -> None:
    for is_warning, text in running.new_messages():
        view.print(f"warning: {text}" if is_warning else text)
