"""A process that transforms batches while its parent claims and stores others.

The two exchange pickled values over pipes. The parent sends the search path of modules, then the class of the
transformer and its arguments, then batches. The worker answers each batch in order. It ends when its standard input
ends, which also happens if the parent is killed. It imports neither Dagster nor the database, so it starts in a
fraction of a second.

It is not a child of `multiprocessing`, because those are not allowed in the processes of some executors.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any

from harvest_dagster.errors import TransformError
from harvest_dagster.pipeline.transforming.results import Datum, Transformed, transform_data
from harvest_dagster.transformers.interface import Transformer

_READY = "ready"
# The parent never has more batches under way. So the worker always reads, and no process waits for the other for ever.
MOST_BATCHES = 2


@dataclass(frozen=True)
class Worker:
    """The parent's end of a worker."""

    process: subprocess.Popen[bytes]
    requests: IO[bytes]
    answers: IO[bytes]

    def send(self, data: Iterable[Datum]) -> None:
        """Send a batch. At most `MOST_BATCHES` may be without an answer.

        Raises:
            TransformError: the worker has ended.
        """
        try:
            _write(self.requests, list(data))
        except BrokenPipeError as error:
            raise self._ended() from error

    def receive(self) -> list[Transformed]:
        """Wait for the answer to the oldest batch without one.

        Raises:
            TransformError: the worker has ended.
        """
        try:
            answer: list[Transformed] = pickle.load(self.answers)  # noqa: S301 - from our own process
        except EOFError as error:
            raise self._ended() from error
        return answer

    def _ended(self) -> TransformError:
        status = self.process.wait()
        message = (
            f"the process that transforms records has ended with the status {status}. If it was killed, memory may "
            "have run out. Run again: the records are transformed again."
        )
        return TransformError(message)


@contextmanager
def started_worker(transformer: Transformer) -> Iterator[Worker | None]:
    """Start a worker, and end it with the block. Yield None if the transformer cannot work in another process."""
    try:
        made_of = pickle.dumps((type(transformer), transformer.arguments))
    except Exception:
        yield None
        return
    command = [sys.executable, "-m", __name__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603 - our own
        assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - PIPE
        worker = Worker(process, process.stdin, process.stdout)
        try:
            yield worker if _is_ready(worker, made_of) else None
        finally:
            process.kill()
            with suppress(BrokenPipeError):
                process.stdin.close()


def _is_ready(worker: Worker, made_of: bytes) -> bool:
    try:
        _write(worker.requests, sys.path)
        _write(worker.requests, made_of)
        return bool(pickle.load(worker.answers) == _READY)  # noqa: S301 - from our own process
    except (BrokenPipeError, EOFError):
        return False


def _write(file: IO[bytes], value: object) -> None:
    pickle.dump(value, file, protocol=pickle.HIGHEST_PROTOCOL)
    file.flush()


def main() -> None:
    """Answer batches until the standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both processes, and the parent decides
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a plug-in prints is not an answer
    sys.path[:] = pickle.load(requests)  # noqa: S301 - from our own process
    try:
        kind, arguments = pickle.loads(pickle.load(requests))  # noqa: S301 - from our own process
        transformer: Transformer = kind(arguments)
    except Exception:
        return
    batches: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_read_batches, args=(requests, batches), daemon=True).start()
    with suppress(BrokenPipeError):
        _write(answers, _READY)
        while (data := batches.get()) is not None:
            _write(answers, transform_data(transformer, data))


def _read_batches(requests: IO[bytes], batches: queue.SimpleQueue[Any]) -> None:
    """Read batches as they come, so that the parent need not wait while an answer is written."""
    with suppress(EOFError):
        while True:
            batches.put(pickle.load(requests))  # noqa: S301 - from our own process
    batches.put(None)


if __name__ == "__main__":
    main()
