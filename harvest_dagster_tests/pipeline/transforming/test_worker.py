"""A process that transforms batches: real processes, real signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from pydantic import BaseModel

from harvest_dagster.errors import TransformError
from harvest_dagster.pipeline.transforming.worker import MOST_BATCHES, started_worker
from harvest_dagster.transformers.interface import Transformer

# Dagster may have changed what SIGTERM does in the process of the tests, and the parent inherits it.
_PARENT = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_DFL)
from harvest_dagster.pipeline.transforming.worker import started_worker
from harvest_dagster_tests.pipeline.transforming.test_worker import TalkingTransformer
with started_worker(TalkingTransformer(TalkingTransformer.Arguments())) as worker:
    print(worker.process.pid, flush=True)
    input()
"""


class TalkingTransformer(Transformer):
    """Says in the title which process has made the document. It prints, and some data end its process."""

    def transform(self, identifier: str, datum: str) -> Any:
        print("a plug-in prints")
        if datum == "bad":
            raise TransformError("it has no title")
        if datum == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        return SimpleNamespace(
            title=str(os.getpid()),
            provenance=SimpleNamespace(transformer=None),
            to_json=lambda: json.dumps({"id": identifier}),
        )


def make() -> TalkingTransformer:
    return TalkingTransformer(TalkingTransformer.Arguments())


def test_batches_are_answered_in_order_although_a_plug_in_prints() -> None:
    """What a plug-in prints would be read as an answer."""
    with started_worker(make()) as worker:
        assert worker is not None
        for name in "ab":
            worker.send([(name, "good"), (name, "bad")])
        answers = [worker.receive() for _ in "ab"]
        pid = str(worker.process.pid)
    assert [(good.text, good.title, bad.error) for good, bad in answers] == [
        (json.dumps({"id": name}), pid, "it has no title") for name in "ab"
    ]


def test_no_process_waits_for_the_other_with_large_batches() -> None:
    """Each would wait until the other reads: a pipe holds 64 kB."""
    with started_worker(make()) as worker:
        assert worker is not None
        for _ in range(MOST_BATCHES):
            worker.send([("x" * 1_000_000, "good") for _ in range(5)])
        found = [len(worker.receive()) for _ in range(MOST_BATCHES)]
    assert found == [5] * MOST_BATCHES


def test_the_end_of_the_worker_is_an_error_that_names_its_status() -> None:
    """A worker without memory is killed. The run would wait forever, or lose the batch."""
    with started_worker(make()) as worker:
        assert worker is not None
        worker.send([("x", "die")])
        with pytest.raises(TransformError, match=r"status -9.*Run again"):
            worker.receive()
        with pytest.raises(TransformError, match=r"status -9"):
            worker.send([("x" * 1_000_000, "good")])


@pytest.mark.parametrize("ends", [signal.SIGKILL, signal.SIGTERM])
def test_the_worker_ends_with_its_parent(ends: signal.Signals) -> None:
    """Each killed run would leave a process behind."""
    command = [sys.executable, "-c", _PARENT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        worker = psutil.Process(int(parent.stdout.readline()))
        parent.send_signal(ends)
        parent.wait(60)
    worker.wait(60)
    assert not worker.is_running()


class LocalArguments(BaseModel):
    """Arguments that cannot be sent to another process."""

    function: Any


def test_there_is_no_worker_for_a_transformer_that_another_process_cannot_make() -> None:
    """A plug-in may have arguments of any kind. It works as before, in one process."""
    with started_worker(TalkingTransformer(LocalArguments(function=lambda: None))) as worker:
        assert worker is None


class OnlyHere(TalkingTransformer):
    """Cannot be made in a worker."""

    def __init__(self, arguments: Any) -> None:
        if __name__ != "harvest_dagster_tests.pipeline.transforming.test_worker" or os.environ.get(
            "IN_WORKER"
        ):
            raise ValueError("not here")
        super().__init__(arguments)


def test_there_is_no_worker_if_its_transformer_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker would not answer, and the run would wait or fail."""
    transformer = OnlyHere(OnlyHere.Arguments())
    monkeypatch.setenv("IN_WORKER", "1")
    with started_worker(transformer) as worker:
        assert worker is None
