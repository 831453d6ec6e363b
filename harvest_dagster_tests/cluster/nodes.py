"""The nodes of a cluster: a Celery worker each, with its own host name, process ids and DAGSTER_HOME."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import psutil
from celery import Celery

from harvest_dagster_tests.cluster.services import QUEUE
from harvest_dagster_tests.daemon import TIMEOUT, wait_until

UNSHARE = ("unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc")
# The folder of the node is mounted over the DAGSTER_HOME of the cluster: all machines have the same path, and each
# has other files there.
_ENTER = 'hostname "$1" && mount --bind "$2" "$DAGSTER_HOME" && shift 2 && exec "$@"'


@cache
def has_namespaces() -> bool:
    """Return whether this system permits namespaces of process ids, host names and mounts."""
    if shutil.which(UNSHARE[0]) is None:
        return False
    probe = [*UNSHARE, "sh", "-c", "hostname probe && mount -t tmpfs tmpfs /tmp"]
    return subprocess.run(probe, check=False, capture_output=True).returncode == 0


@cache
def clock_library() -> Path | None:
    """Return the library that gives a program another time; None if it is not installed."""
    return next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


@dataclass
class Node:
    """A machine with one worker that executes one op at a time.

    Attributes:
        name: its host name.
        folder: the folder for its DAGSTER_HOME and its output.
        environment: all environment variables of the worker.
        app: the Celery application, to control the worker.
    """

    name: str
    folder: Path
    environment: Mapping[str, str] = field(repr=False)
    app: Celery = field(repr=False)
    _process: psutil.Popen | None = field(default=None, repr=False)

    @property
    def worker(self) -> str:
        """The name of the worker."""
        return f"worker@{self.name}"

    @property
    def printed(self) -> str:
        """What the worker has printed."""
        return (self.folder / "worker.log").read_text(errors="replace")

    def start(self) -> None:
        """Start the worker. It is ready after `wait`."""
        home = self.folder / "home"
        home.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(self.environment["DAGSTER_HOME"]) / "dagster.yaml", home)
        enter = [*UNSHARE, "sh", "-c", _ENTER, "sh", self.name, str(home)] if has_namespaces() else []
        with (self.folder / "worker.log").open("ab") as output:
            self._process = psutil.Popen(
                [*enter, *self._command()],
                env=dict(self.environment),
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def _command(self) -> list[str]:
        celery = [sys.executable, "-m", "celery", "-A", "dagster_celery.app", "worker", "-n", self.worker]
        quick = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        # Dagster and the modules of the job are loaded once, and not again in each child process.
        modules = "harvest_dagster_tests.cluster.jobs,harvest_dagster_tests.cluster.user_module"
        return [*celery, "-c", "1", "-l", "INFO", *quick, "-I", modules]

    def wait(self) -> None:
        """Wait until the worker takes ops."""
        wait_until(self._answers)

    def _answers(self) -> bool:
        assert self.is_running, self.printed
        return bool(self.app.control.ping([self.worker], timeout=0.5))

    @property
    def is_running(self) -> bool:
        """Whether the worker was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def take_ops(self, take: bool) -> None:
        """Let the worker take further ops or not. An op that it works on goes on."""
        control = self.app.control
        change = control.add_consumer if take else control.cancel_consumer
        options = {"reply": True, "timeout": 30, "limit": 1}
        assert change(QUEUE, destination=[self.worker], **options), self.printed

    def freeze(self) -> None:
        """Suspend all processes of the node."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let all processes of the node continue."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill all processes of the node at once, as if it had lost its power."""
        if not self.is_running or self._process is None:
            return
        processes = [self._process, *self._process.children(recursive=True)]
        # The first process of a namespace takes all others with it.
        self._signal(signal.SIGKILL)
        psutil.wait_procs(processes, TIMEOUT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        for process in [*self._process.children(recursive=True), self._process]:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
