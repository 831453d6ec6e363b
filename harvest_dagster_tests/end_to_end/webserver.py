"""The webserver and daemon of a deployment, and the GraphQL requests of the UI."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import ProxyHandler, Request, build_opener

import psutil

from harvest_dagster_tests.daemon import TIMEOUT, dagster_dev, wait_until
from harvest_dagster_tests.end_to_end.deployment import Deployment

LOCATION = "harvest_dagster.definitions"
ROOT = Path(__file__).parents[2]
_REPOSITORY = {"repositoryLocationName": LOCATION, "repositoryName": "__repository__"}

_BACKFILL = """
mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }
"""
_LAUNCH = """
mutation($params: ExecutionParams!) { launchRun(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  ... on RunConfigValidationInvalid { errors { message } } } }
"""
_LAUNCH_MULTIPLE = """
mutation($params: [ExecutionParams!]!) { launchMultipleRuns(executionParamsList: $params) {
  __typename ... on LaunchMultipleRunsResult { launchMultipleRunsResult {
    __typename ... on LaunchRunSuccess { run { runId } } } } } }
"""
_REEXECUTE = """
mutation($params: ReexecutionParams!) { launchRunReexecution(reexecutionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }
"""
_TERMINATE = """
mutation($run: String!) { terminateRun(runId: $run) {
  __typename ... on TerminateRunFailure { message } } }
"""
_PARTITIONS = """
query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
  partitionStats { numMaterialized numFailed numMaterializing numPartitions }
  assetPartitionStatuses { ... on TimePartitionStatuses { ranges { status startKey endKey } } } } } }
"""
_RUNS = """
query($filter: RunsFilter!) { runsOrError(filter: $filter) { ... on Runs { results {
  runId status startTime endTime tags { key value } assetSelection { path } } } } }
"""
_STATUS = "query($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } } }"
_LOG = """
query($run: ID!, $after: String) { logsForRun(runId: $run, afterCursor: $after) { ... on EventConnection {
  cursor hasMore events { ... on MessageEvent { message } } } } }
"""


@dataclass(frozen=True)
class Ui:
    """A webserver that receives the same requests as from its pages."""

    port: int
    process: psutil.Process

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Send a query. Assert that the answer has no errors and return its data."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = Request(f"http://127.0.0.1:{self.port}/graphql", body, {"Content-Type": "application/json"})
        with build_opener(ProxyHandler({})).open(request, timeout=TIMEOUT) as response:
            answer = json.load(response)
        assert "errors" not in answer, answer["errors"]
        return dict(answer["data"])

    def backfill(self, labels: Sequence[str], days: Sequence[str]) -> str:
        """Start a backfill of sources with the same first partition, as the partition dialog does. Return its id."""
        return self._backfill(
            {"assetSelection": [key("raw", label) for label in labels], "partitionNames": list(days)}
        )

    def backfill_each(self, labels: Sequence[str], day: str) -> str:
        """Start a backfill of one day of sources with different first partitions. Return its id."""
        partitions = {"range": {"start": day, "end": day}}
        each = [{"assetKey": key("raw", label), "partitions": partitions} for label in labels]
        return self._backfill({"partitionsByAssets": each})

    def _backfill(self, params: Mapping[str, Any]) -> str:
        launched = self.ask(_BACKFILL, params=params)["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched
        return str(launched["backfillId"])

    def launch(
        self, keys: Sequence[dict[str, Any]], tags: Mapping[str, str], config: Mapping[str, Any] | None = None
    ) -> str:
        """Start one run, as the partition dialog does. Return its id."""
        launched = self.ask(_LAUNCH, params=_execution(keys, tags, config))["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return str(launched["run"]["runId"])

    def launch_multiple(self, keys: Sequence[dict[str, Any]], days: Sequence[str]) -> list[str]:
        """Start a run for each day. Return their ids."""
        params = [_execution(keys, {"dagster/partition": day}) for day in days]
        launched = self.ask(_LAUNCH_MULTIPLE, params=params)["launchMultipleRuns"]["launchMultipleRunsResult"]
        return [result["run"]["runId"] for result in launched]

    def reexecute(self, run_id: str, strategy: str) -> str:
        """Re-execute a run (FROM_FAILURE or ALL_STEPS), as the page of a run does. Return the id of the new run."""
        params = {"parentRunId": run_id, "strategy": strategy}
        launched = self.ask(_REEXECUTE, params=params)["launchRunReexecution"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return str(launched["run"]["runId"])

    def terminate(self, run_id: str) -> None:
        """Terminate a run, as the page of a run does."""
        assert self.ask(_TERMINATE, run=run_id)["terminateRun"]["__typename"] == "TerminateRunSuccess"

    def states(self, kind: str, label: str) -> dict[str, list[tuple[str, str]]]:
        """Return the ranges of an asset's partitions by state, which the UI shows as a coloured bar."""
        node = self.ask(_PARTITIONS, key=key(kind, label))["assetNodeOrError"]
        states: dict[str, list[tuple[str, str]]] = {}
        for part in node["assetPartitionStatuses"]["ranges"]:
            states.setdefault(part["status"], []).append((part["startKey"], part["endKey"]))
        return states

    def stats(self, kind: str, label: str) -> dict[str, int]:
        """Return the numbers of an asset's partitions by state."""
        return dict(self.ask(_PARTITIONS, key=key(kind, label))["assetNodeOrError"]["partitionStats"])

    def runs(self, **filter_by: Any) -> list[dict[str, Any]]:
        """Return runs, newest first."""
        return list(self.ask(_RUNS, filter=filter_by)["runsOrError"]["results"])

    def runs_of(self, backfill: str) -> list[dict[str, Any]]:
        """Return the runs of a backfill."""
        return self.runs(tags=[{"key": "dagster/backfill", "value": backfill}])

    def log(self, run_id: str) -> str:
        """Return the messages in the log of a run."""
        events, after = [], None
        while True:
            page = self.ask(_LOG, run=run_id, after=after)["logsForRun"]
            events += [event["message"] for event in page["events"] if event.get("message")]
            if not page["hasMore"]:
                return "\n".join(events)
            after = page["cursor"]

    def wait_for_backfill(self, backfill: str) -> str:
        """Wait for the end of a backfill and return its status. On a busy machine, fifty runs take long."""
        active = {"REQUESTED", "CANCELING", "FAILING"}

        def status() -> str:
            return str(self.ask(_STATUS, id=backfill)["partitionBackfillOrError"]["status"])

        wait_until(lambda: status() not in active, timeout=10 * TIMEOUT)
        return status()

    def wait_for_run(self, run_id: str, *statuses: str) -> str:
        """Wait until a run has one of these statuses, by default until it has ended. Return its status."""
        expected = set(statuses) or {"SUCCESS", "FAILURE", "CANCELED"}
        wait_until(lambda: self.status(run_id) in expected)
        return self.status(run_id)

    def status(self, run_id: str) -> str:
        (run,) = self.runs(runIds=[run_id])
        return str(run["status"])

    def workers(self) -> set[int]:
        """Return the ids of the run processes: child processes of the code server, without its resource tracker."""
        descendants = self.process.children(recursive=True)
        servers = {process.pid for process in descendants if "grpc" in _command(process)}
        return {
            process.pid
            for process in descendants
            if _parent(process) in servers and "resource_tracker" not in _command(process)
        }


def key(kind: str, label: str) -> dict[str, Any]:
    """Return the key of an asset for GraphQL."""
    return {"path": [kind, label]}


def shipped(file: str) -> str:
    """Return the text of a settings file of this project."""
    return (ROOT / file).read_text(encoding="utf-8")


def _execution(
    keys: Sequence[dict[str, Any]], tags: Mapping[str, str], config: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    return {
        "mode": "default",
        "executionMetadata": {"tags": [{"key": name, "value": value} for name, value in tags.items()]},
        "runConfigData": config or {},
        "selector": {**_REPOSITORY, "pipelineName": "__ASSET_JOB", "assetSelection": list(keys)},
    }


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _parent(process: psutil.Process) -> int:
    try:
        return process.ppid()
    except psutil.Error:
        return 0


@contextmanager
def serving(deployment: Deployment, **environment: str) -> Iterator[Ui]:
    """Start webserver and daemon with `dagster dev`. End them and their child processes afterwards."""
    port = free_port()
    with dagster_dev(deployment, port=port, **environment) as process:
        ui = Ui(port, process)
        wait_until(lambda: is_up(ui))
        yield ui


def is_up(ui: Ui) -> bool:
    try:
        return bool(ui.ask("{ version }"))
    except (URLError, OSError):
        return False


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
