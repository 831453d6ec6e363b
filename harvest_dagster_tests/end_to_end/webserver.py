"""The real webserver and daemon over a deployment, and what the UI asks of them: the same GraphQL."""

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

from harvest_dagster_tests.daemon import PATIENCE, dagster_dev, wait_until
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
_SAID = """
query($run: ID!, $after: String) { logsForRun(runId: $run, afterCursor: $after) { ... on EventConnection {
  cursor hasMore events { ... on MessageEvent { message } } } } }
"""


@dataclass(frozen=True)
class Ui:
    """A webserver, asked as its own pages ask it."""

    port: int
    process: psutil.Process

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """The data of an answer that has no errors."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = Request(f"http://127.0.0.1:{self.port}/graphql", body, {"Content-Type": "application/json"})
        with build_opener(ProxyHandler({})).open(request, timeout=PATIENCE) as response:
            answer = json.load(response)
        assert "errors" not in answer, answer["errors"]
        return dict(answer["data"])

    def backfill(self, labels: Sequence[str], days: Sequence[str]) -> str:
        """The button of the partition dialog: some days of sources that begin on the same one; the backfill's id."""
        return self._backfill(
            {"assetSelection": [key("raw", label) for label in labels], "partitionNames": list(days)}
        )

    def backfill_each(self, labels: Sequence[str], day: str) -> str:
        """One day of sources whatever their first is; the backfill's id."""
        chosen = {"range": {"start": day, "end": day}}
        each = [{"assetKey": key("raw", label), "partitions": chosen} for label in labels]
        return self._backfill({"partitionsByAssets": each})

    def _backfill(self, params: Mapping[str, Any]) -> str:
        launched = self.ask(_BACKFILL, params=params)["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched
        return str(launched["backfillId"])

    def launch(
        self, keys: Sequence[dict[str, Any]], tags: Mapping[str, str], config: Mapping[str, Any] | None = None
    ) -> str:
        """The dialog's button where it makes one run; the run's id."""
        launched = self.ask(_LAUNCH, params=_execution(keys, tags, config))["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return str(launched["run"]["runId"])

    def launch_multiple(self, keys: Sequence[dict[str, Any]], days: Sequence[str]) -> list[str]:
        """A run for each day; their ids."""
        params = [_execution(keys, {"dagster/partition": day}) for day in days]
        launched = self.ask(_LAUNCH_MULTIPLE, params=params)["launchMultipleRuns"]["launchMultipleRunsResult"]
        return [one["run"]["runId"] for one in launched]

    def reexecute(self, run_id: str, strategy: str) -> str:
        """The buttons of a run's page: FROM_FAILURE or ALL_STEPS; the new run's id."""
        params = {"parentRunId": run_id, "strategy": strategy}
        launched = self.ask(_REEXECUTE, params=params)["launchRunReexecution"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return str(launched["run"]["runId"])

    def terminate(self, run_id: str) -> None:
        """The same page's."""
        assert self.ask(_TERMINATE, run=run_id)["terminateRun"]["__typename"] == "TerminateRunSuccess"

    def states(self, kind: str, label: str) -> dict[str, list[tuple[str, str]]]:
        """The coloured bar of an asset: ranges of its partitions by their state."""
        node = self.ask(_PARTITIONS, key=key(kind, label))["assetNodeOrError"]
        found: dict[str, list[tuple[str, str]]] = {}
        for one in node["assetPartitionStatuses"]["ranges"]:
            found.setdefault(one["status"], []).append((one["startKey"], one["endKey"]))
        return found

    def stats(self, kind: str, label: str) -> dict[str, int]:
        """The numbers beside it."""
        return dict(self.ask(_PARTITIONS, key=key(kind, label))["assetNodeOrError"]["partitionStats"])

    def runs(self, **filter_by: Any) -> list[dict[str, Any]]:
        """The list of runs, newest first."""
        return list(self.ask(_RUNS, filter=filter_by)["runsOrError"]["results"])

    def runs_of(self, backfill: str) -> list[dict[str, Any]]:
        """Those of a backfill."""
        return self.runs(tags=[{"key": "dagster/backfill", "value": backfill}])

    def said(self, run_id: str) -> str:
        """The log of a run."""
        events, after = [], None
        while True:
            page = self.ask(_SAID, run=run_id, after=after)["logsForRun"]
            events += [event["message"] for event in page["events"] if event.get("message")]
            if not page["hasMore"]:
                return "\n".join(events)
            after = page["cursor"]

    def wait_for_backfill(self, backfill: str) -> str:
        """How it ended; a backfill of fifty runs on a busy machine takes its time."""
        going_on = {"REQUESTED", "CANCELING", "FAILING"}

        def status() -> str:
            return str(self.ask(_STATUS, id=backfill)["partitionBackfillOrError"]["status"])

        wait_until(lambda: status() not in going_on, patience=10 * PATIENCE)
        return status()

    def wait_for_run(self, run_id: str, *statuses: str) -> str:
        """The status of a run, once it is over, or one of these."""
        wanted = set(statuses) or {"SUCCESS", "FAILURE", "CANCELED"}
        wait_until(lambda: self.status(run_id) in wanted)
        return self.status(run_id)

    def status(self, run_id: str) -> str:
        (run,) = self.runs(runIds=[run_id])
        return str(run["status"])

    def workers(self) -> set[int]:
        """The ids of the processes of runs: what the code server starts, but for its helper."""
        below = self.process.children(recursive=True)
        servers = {one.pid for one in below if "grpc" in _command(one)}
        return {
            one.pid for one in below if _parent(one) in servers and "resource_tracker" not in _command(one)
        }


def key(kind: str, label: str) -> dict[str, Any]:
    """An asset, to GraphQL."""
    return {"path": [kind, label]}


def shipped(file: str) -> str:
    """The text of one of our files of settings."""
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
    """Webserver and daemon, as `dagster dev` starts them, ended with all that they started."""
    port = _free_port()
    with dagster_dev(deployment, port=port, **environment) as process:
        ui = Ui(port, process)
        wait_until(lambda: _is_up(ui))
        yield ui


def _is_up(ui: Ui) -> bool:
    try:
        return bool(ui.ask("{ version }"))
    except (URLError, OSError):
        return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
