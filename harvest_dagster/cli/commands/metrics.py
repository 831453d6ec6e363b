"""`harvest metrics`: the state of all sources for Prometheus."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from wsgiref.simple_server import WSGIServer

import click
from prometheus_client import CollectorRegistry, Metric, generate_latest, start_http_server, write_to_textfile

from harvest_dagster.catalog.loader import load_catalog
from harvest_dagster.cli.database import existing_database, report_if_missing
from harvest_dagster.cli.options import json_option
from harvest_dagster.cli.output import print_json, print_message
from harvest_dagster.errors import BadInput, HarvestError
from harvest_dagster.status.metrics import build_metrics, metrics_as_json, registry_of, up
from harvest_dagster.status.source_state import read_states
from harvest_dagster.windows import utc_now

_HIGHEST_PORT = 65_535


def _address(_context: click.Context, _option: click.Parameter, value: str | None) -> tuple[str, int] | None:
    """Return the host and the port of HOST:PORT. Only a PORT means the loopback interface."""
    if value is None:
        return None
    host, _, port = value.rpartition(":")
    if not port.isdecimal() or int(port) > _HIGHEST_PORT:
        message = f"{value!r} is not HOST:PORT, such as 127.0.0.1:9464"
        raise click.BadParameter(message)
    return host.strip("[]") or "127.0.0.1", int(port)


@click.command("metrics")
@click.option(
    "--serve",
    metavar="[HOST:]PORT",
    callback=_address,
    help="Serve the metrics over HTTP until SIGTERM or Ctrl-C, such as 127.0.0.1:9464.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write them to a file, for the textfile collector of node exporter.",
)
@json_option
def command(serve: tuple[str, int] | None, output: Path | None, as_json: bool) -> None:
    r"""Print the state of all sources as metrics for Prometheus.

    The metrics are: up to when each source is complete, its lag, missing days, failed windows, active runs and leases,
    quarantined records, data that wait for a transform, waits, and the use of the request budget of each host. Each
    scrape reads the database, as `harvest status` does. docs/monitoring.md lists the metrics.

    The HTTP server has no login. It listens on 127.0.0.1 unless you name another address. If the database cannot be
    read, it serves `harvest_up 0` alone.

    With --json, standard output is a list of {name, type, help, samples: [{name, labels, value}]}, or with --output
    {path, bytes}.

    \b
    Examples:
      harvest metrics
      harvest metrics --serve 127.0.0.1:9464
      harvest metrics --output /var/lib/prometheus/node-exporter/harvest.prom
    """
    if serve is not None and (output is not None or as_json):
        message = "--serve cannot be combined with --output or --json"
        raise click.UsageError(message)
    if serve is not None:
        _serve(*serve)
    elif output is not None:
        _write(output, as_json=as_json)
    elif as_json:
        print_json(metrics_as_json(_read()))
    else:
        click.echo(generate_latest(registry_of(_read)), nl=False)


def _read() -> Iterable[Metric]:
    catalog, now = load_catalog(), utc_now()
    with existing_database() as database:
        report_if_missing(database)
        states = read_states(catalog.configs, database, now)
    return build_metrics(states, now, len(catalog.problems))


def _read_or_report() -> Iterable[Metric]:
    """Return the metrics. If they cannot be read, print why, and return only that."""
    try:
        return list(_read())
    except HarvestError as error:
        print_message(f"error: {' '.join(str(error).split())}")
        return [up(is_up=False)]


def _write(path: Path, *, as_json: bool) -> None:
    """Write the metrics to a file. A reader sees the former file or the new one, never a part."""
    try:
        write_to_textfile(str(path), registry_of(_read))
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror}. Create its directory, or name another path."
        raise BadInput(message) from error
    size = path.stat().st_size
    if as_json:
        print_json({"path": str(path), "bytes": size})
    else:
        click.echo(f"{path}: {size:,} bytes")


def _serve(host: str, port: int) -> None:
    """Serve the metrics until a signal.

    Raises:
        BadInput: the address cannot be used.
    """
    stopped = threading.Event()
    former = {
        number: signal.signal(number, lambda *_: stopped.set()) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        with _server(host, port, registry_of(_read_or_report)) as server:
            shown = f"[{host}]" if ":" in host else host
            print_message(f"serving metrics at http://{shown}:{server.server_port}/metrics")
            stopped.wait()
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@contextmanager
def _server(host: str, port: int, registry: CollectorRegistry) -> Iterator[WSGIServer]:
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        message = f"cannot listen on {host} port {port}: {error.strerror}. Name another address."
        raise BadInput(message) from error
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
